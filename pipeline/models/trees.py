"""Ensembles of decision trees as plain arrays: taken from a fitted scikit-learn model, stored, and scored by numpy.

Add here what all ensembles have in common. What their sums mean is said by the models made of them, `price_range` and
`anomaly`. A pickled estimator would be shorter, but it runs code when it is read, breaks with the next version of
scikit-learn, and makes every tick import it.

The nodes of all trees of an ensemble stand in one array, a tree breadth first, so that the two children of a node are
neighbours and one number names both. A leaf is its own left child and sends everything there, therefore a step taken
on a leaf changes nothing and all rows can go down all trees together, as many steps as the deepest tree needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import DataContractError
from pipeline.models.panel import Features, Flags, Numbers, Panel

Arrays = dict[str, npt.NDArray[Any]]
Indexes = npt.NDArray[np.int32]

ROWS_PER_BATCH = 512  # few enough that a batch on its way down stays in the processor's cache


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """The sum of many trees' values, as scikit-learn computes it, to the bit."""

    start: Numbers  # (1,), what the sum begins with
    roots: Indexes  # (n_trees,), nodes
    depth: Indexes  # (1,), splits on the longest way down
    feature: Indexes  # (n_nodes,), columns of the panel's features; so are those below
    threshold: Numbers  # up to and including it, a row goes left
    left: Indexes  # node; the right child is the next one
    is_missing_left: Flags  # where a row goes whose feature is NaN
    value: Numbers  # of a leaf

    def sums(self, features: Features) -> Numbers:
        """What the trees add up to for each row.

        A row's sum does not depend on the rows beside it: trees are added one after the other, in the order in which
        they were grown. numpy's own sum changes its order with the shape of what it is given.

        Parameters
        ----------
        features : shape (n_rows, n_features)
            Rows of a panel, all of its features. NaN goes where training sent it.

        Returns
        -------
        Numbers of shape (n_rows,)
        """
        total = np.empty(len(features))
        for first in range(0, len(features), ROWS_PER_BATCH):
            batch = slice(first, first + ROWS_PER_BATCH)
            total[batch] = self._batch_sums(np.ascontiguousarray(features[batch].T, dtype=np.float64))
        return total

    def _batch_sums(self, by_feature: Numbers) -> Numbers:
        n_rows = by_feature.shape[1]
        cells, row = by_feature.ravel(), np.arange(n_rows, dtype=np.int32)
        has_missing = bool(np.isnan(by_feature).any())
        node = np.repeat(self.roots[:, np.newaxis], n_rows, axis=1)
        for _ in range(int(self.depth[0])):
            seen = cells.take(self.feature.take(node) * n_rows + row)
            goes_right = ~(seen <= self.threshold.take(node))
            if has_missing:
                goes_right &= ~(np.isnan(seen) & self.is_missing_left.take(node))
            node = self.left.take(node) + goes_right
        total = np.repeat(self.start, n_rows)
        for values in self.value.take(node):
            total += values
        return total

    def to_arrays(self) -> Arrays:
        """Every array by its name, for `from_arrays`."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `to_arrays` gave."""
        return cls(**{field.name: arrays[field.name] for field in fields(cls)})


def columns_of(panel: Panel, names: Sequence[str]) -> list[int]:
    """Where features stand in a panel.

    Raises
    ------
    DataContractError
        If the panel lacks one.
    """
    missing = [name for name in names if name not in panel.names]
    if missing:
        raise DataContractError(f"a panel's features must have {', '.join(missing)}, was {', '.join(panel.names)}")
    return [panel.names.index(name) for name in names]


def has_features(features: Features, columns: Sequence[int] | Indexes) -> Flags:
    """Whether a row's ``columns`` are all known and finite. Shape (n_rows,).

    Trees would answer for the others too, but where they send a value that training never missed is chance.
    """
    known: Flags = np.logical_and.reduce(np.isfinite(features[:, columns]), axis=1)
    return known


def check_width(features: Features, n_features: int) -> None:
    """Refuse rows with more or fewer features than the panel that a model was trained on.

    Raises
    ------
    DataContractError
        If there are.
    """
    if features.ndim != 2 or features.shape[1] != n_features:
        raise DataContractError(f"features must be of shape (n_rows, {n_features}), was {features.shape}")


def from_boosting(model: Any, columns: Sequence[int]) -> Trees:
    """The trees of a fitted HistGradientBoostingRegressor whose link is the identity.

    scikit-learn offers no public way to its nodes; those of ``_predictors`` have been the same since version 0.24. An
    artefact names the version that it was made with, and the tests compare every value.

    Parameters
    ----------
    model
        Fitted on ``columns`` of a panel's features; without categories.
    """
    grown = [predictor.nodes for (predictor,) in model._predictors]
    return _joined(
        [
            _Tree(
                is_leaf=nodes["is_leaf"].astype(np.bool_),
                feature=np.asarray(columns)[nodes["feature_idx"]],
                threshold=nodes["num_threshold"],
                left=nodes["left"],
                right=nodes["right"],
                is_missing_left=nodes["missing_go_to_left"].astype(np.bool_),
                value=nodes["value"],
            )
            for nodes in grown
        ],
        start=float(model._baseline_prediction.item()),
    )


def from_isolation(model: Any, columns: Sequence[int]) -> Trees:
    """The trees of a fitted IsolationForest: their sum is how many splits isolate a row, over all trees.

    A leaf that still holds n rows counts as deep as an average tree of n rows would go on (`average_path`).

    Parameters
    ----------
    model
        Fitted on ``columns`` of a panel's features, each tree on all of them.
    """
    grown = [estimator.tree_ for estimator in model.estimators_]
    return _joined(
        [
            _Tree(
                is_leaf=tree.children_left < 0,
                feature=np.asarray(columns)[np.maximum(tree.feature, 0)],
                threshold=tree.threshold,
                left=tree.children_left,
                right=tree.children_right,
                is_missing_left=np.asarray(tree.missing_go_to_left, dtype=np.bool_),
                value=tree.compute_node_depths() + average_path(tree.n_node_samples) - 1.0,
            )
            for tree in grown
        ],
        start=0.0,
    )


def average_path(n_rows: npt.NDArray[np.int64]) -> Numbers:
    """Splits that an isolation tree needs on average to tell one of ``n_rows`` from the others; equation 1 there.

    Liu, Ting, Zhou, "Isolation Forest" (2008).
    """
    counts = np.asarray(n_rows, dtype=np.float64)
    many = np.maximum(counts, 3.0)
    harmonic = 2.0 * (np.log(many - 1.0) + np.euler_gamma) - 2.0 * (many - 1.0) / many
    return np.where(counts <= 1.0, 0.0, np.where(counts == 2.0, 1.0, harmonic))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """One tree as scikit-learn numbers it; each array has one entry per node, the root is node 0."""

    is_leaf: Flags
    feature: npt.NDArray[Any]
    threshold: npt.NDArray[Any]
    left: npt.NDArray[Any]
    right: npt.NDArray[Any]
    is_missing_left: Flags
    value: npt.NDArray[Any]

    def breadth_first(self) -> tuple[npt.NDArray[np.intp], Indexes, int]:
        """The nodes in their new order, the new number of each one's left child, and the depth."""
        level, depth = [0], -1
        order: list[int] = []
        lefts: list[int] = []
        while level:
            first_child = len(order) + len(level)
            below: list[int] = []
            for place, node in enumerate(level):
                if self.is_leaf[node]:
                    lefts.append(len(order) + place)
                else:
                    lefts.append(first_child + len(below))
                    below += [int(self.left[node]), int(self.right[node])]
            order += level
            level, depth = below, depth + 1
        return np.array(order, dtype=np.intp), np.array(lefts, dtype=np.int32), depth


def _joined(trees: Sequence[_Tree], *, start: float) -> Trees:
    ordered = [tree.breadth_first() for tree in trees]
    sizes = [len(order) for order, _, _ in ordered]
    roots = np.cumsum([0, *sizes[:-1]]).astype(np.int32)

    def nodes(name: str) -> npt.NDArray[Any]:
        pairs = zip(trees, ordered, strict=True)
        return np.concatenate([getattr(tree, name)[order] for tree, (order, _, _) in pairs])

    is_leaf = nodes("is_leaf")
    return Trees(
        start=np.array([start]),
        roots=roots,
        depth=np.array([max(depth for _, _, depth in ordered)], dtype=np.int32),
        feature=np.where(is_leaf, 0, nodes("feature")).astype(np.int32),
        threshold=np.where(is_leaf, np.inf, nodes("threshold").astype(np.float64)),
        left=np.concatenate([root + lefts for root, (_, lefts, _) in zip(roots, ordered, strict=True)]),
        is_missing_left=is_leaf | nodes("is_missing_left"),
        value=nodes("value").astype(np.float64),
    )
