"""Anomaly: how unlike other bars a bar is in its move, its range, its volume and its volatility, and what makes it so.

An isolation forest (Liu, Ting, Zhou 2008): random splits single out an unusual bar after few of them. It needs no
labels, no assumption about distributions, and no scaling, since a split depends on the order of values alone. A limit
per feature would be simpler, and would miss the bar that is a little unusual in everything.

Add here what makes a score and a flag. That a flagged bar counts as highly volatile is said by `risk`, that it becomes
an alert by `strategies`, and how many flags are too many by those who set the limit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import DataContractError
from pipeline.models.panel import Features, Flags, Numbers, Panel, Rows
from pipeline.models.trees import (
    Arrays,
    Trees,
    average_path,
    check_width,
    columns_of,
    from_isolation,
    has_features,
)

# All are measured in what is usual for the series, so that a wild coin or year is not an anomaly as such.
ANOMALY_FEATURES = ("return_1", "body", "upper_wick", "lower_wick", "range", "volume_share", "volatility_12")
SIGNLESS = ("return_1", "body")  # a fall is as unusual as a rise of its size

CONTAMINATION = 0.01  # share of bars that are to be flagged
# Calm markets make unusual bars more unusual: with a threshold of two years, 1.8 % of the bars of a calm quarter were
# flagged, with one of the newest 13 weeks at most 1.4 %. What is rare is what is rare lately.
THRESHOLD_WEEKS = 13
LEAST_ROWS = 500
N_TREES = 100
ROWS_PER_TREE = 256  # as in the paper; 1,024 or twice as many trees flagged no better


class Driver(NamedTuple):
    """A feature's part in an anomaly: how much lower the score would be, were the feature at its usual value."""

    name: str
    contribution: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnomalyModel:
    """Scores and flags of bars. All that it knows is in arrays of numbers."""

    trees: Trees  # on the features as `_seen` gives them
    whole: float  # what the trees add up to for an average row: trees x average path
    threshold: float  # a score above it is flagged
    usual: Numbers  # (n,), the training rows' median of each of ANOMALY_FEATURES
    columns: npt.NDArray[np.int32]  # (n,), of a panel's features
    n_features: int  # of a panel, all of them
    n_fit_rows: int

    def score(self, features: Features) -> Numbers:
        """How anomalous rows are: 2 ** -(splits that isolate a row / splits on average), as in the paper.

        Parameters
        ----------
        features : shape (n_rows, n_features)
            Rows of a panel, all of its features, not scaled.

        Returns
        -------
        Numbers of shape (n_rows,)
            In (0, 1]: about 0.5 for a usual bar, higher for a more anomalous one. NaN where a feature that the model
            looks at is unknown or infinite; so it has no flag.

        Raises
        ------
        DataContractError
            If the features are not as many as the model was trained on.
        """
        check_width(features, self.n_features)
        is_known = has_features(features, self.columns)
        scores = np.full(len(features), np.nan)
        scores[is_known] = self._score(_seen(features[is_known], self.columns))
        return scores

    def flags(self, scores: Numbers) -> Flags:
        """Which of these scores are above the threshold; an unknown one is not."""
        flags: Flags = scores > self.threshold
        return flags

    def flagged(self, scores: Numbers) -> Numbers:
        """`flags` as 1.0 and 0.0, NaN where the score is unknown."""
        return np.where(np.isnan(scores), np.nan, self.flags(scores).astype(np.float64))

    def drivers(self, features: Features) -> list[list[Driver]]:
        """For each row, what made it unusual, the largest part first; features without such a part are left out.

        Each feature in turn is given the training rows' median, the others are left as they are. Meant for flagged
        rows, since it takes one more score per feature. A row with an unknown feature has no drivers.

        Parameters
        ----------
        features : shape (n_rows, n_features)
            As in `score`.
        """
        check_width(features, self.n_features)
        seen, is_known = _seen(features, self.columns), has_features(features, self.columns)
        score = self._score(seen)
        parts = np.empty_like(seen, dtype=np.float64)
        for place, usual in enumerate(self.usual):
            calmer = seen.copy()
            calmer[:, place] = usual
            parts[:, place] = score - self._score(calmer)
        parts[~is_known] = 0.0
        order = np.argsort(-parts, axis=1, kind="stable")
        return [
            [Driver(ANOMALY_FEATURES[place], float(row[place])) for place in places if row[place] > 0.0]
            for row, places in zip(parts, order, strict=True)
        ]

    def _score(self, seen: Features) -> Numbers:
        scores: Numbers = 2.0 ** -(self.trees.sums(seen) / self.whole)
        return scores

    def to_arrays(self) -> Arrays:
        """Everything by name, for `from_arrays`."""
        arrays: Arrays = {
            "whole": np.array([self.whole]),
            "threshold": np.array([self.threshold]),
            "usual": self.usual,
            "columns": self.columns,
            "n_features": np.array([self.n_features]),
            "n_fit_rows": np.array([self.n_fit_rows]),
        }
        return arrays | {f"trees.{name}": array for name, array in self.trees.to_arrays().items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `to_arrays` gave."""
        trees = {name.removeprefix("trees."): array for name, array in arrays.items() if name.startswith("trees.")}
        return cls(
            trees=Trees.from_arrays(trees),
            whole=float(arrays["whole"][0]),
            threshold=float(arrays["threshold"][0]),
            usual=arrays["usual"],
            columns=arrays["columns"],
            n_features=int(arrays["n_features"][0]),
            n_fit_rows=int(arrays["n_fit_rows"][0]),
        )


def fit_anomaly(panel: Panel, rows: Rows, *, seed: int, contamination: float = CONTAMINATION) -> AnomalyModel:
    """Learn what usual bars look like, and above which score a bar is flagged.

    Parameters
    ----------
    panel : Panel
        With `ANOMALY_FEATURES` among its features.
    rows
        What is learned from, by bar. Those with an unknown feature are left out; the model counts what remained.
    seed : int
        Of the forest.
    contamination : float
        The share of the newest `THRESHOLD_WEEKS` of the rows that lies above the threshold.

    Raises
    ------
    DataContractError
        If there are fewer than `LEAST_ROWS` usable rows, or the panel lacks a feature.
    """
    from sklearn.ensemble import IsolationForest

    columns = np.array(columns_of(panel, ANOMALY_FEATURES), dtype=np.int32)
    rows = rows[has_features(panel.features[tuple(rows.T)], columns)]
    if len(rows) < LEAST_ROWS:
        raise DataContractError(f"rows with all features must be {LEAST_ROWS} or more, was {len(rows)}")
    seen = _seen(panel.features[tuple(rows.T)], columns)
    forest = IsolationForest(n_estimators=N_TREES, max_samples=min(ROWS_PER_TREE, len(rows)), random_state=seed)
    forest.fit(seen)
    closes = panel.close_at[rows[:, 1]]
    is_new = closes > closes.max() - np.timedelta64(THRESHOLD_WEEKS, "W")
    model = AnomalyModel(
        trees=from_isolation(forest, range(len(columns))),
        whole=float(N_TREES * average_path(np.array([forest.max_samples_]))[0]),
        threshold=np.nan,
        usual=np.median(seen, axis=0).astype(np.float64),
        columns=columns,
        n_features=len(panel.names),
        n_fit_rows=len(rows),
    )
    threshold = np.quantile(model.score(panel.features[tuple(rows[is_new].T)]), 1.0 - contamination)
    return replace(model, threshold=float(threshold))


def is_sound(scores: Numbers) -> Flags:
    """Which scores can be stored: known, and in [0, 1]. Shape (n_rows,)."""
    sound: Flags = (scores >= 0.0) & (scores <= 1.0)
    return sound


def _seen(features: Features, columns: npt.NDArray[np.int32]) -> Features:
    """The chosen features, sizes where the sign says nothing. Shape (n_rows, n)."""
    seen: Features = features[:, columns]
    places = [ANOMALY_FEATURES.index(name) for name in SIGNLESS]
    seen[:, places] = np.abs(seen[:, places])
    return seen
