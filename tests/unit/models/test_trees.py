"""Trees as arrays say what scikit-learn says, bit for bit, whatever they are asked beside it."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import DataContractError
from pipeline.models.trees import Trees, average_path, check_width, from_boosting, from_isolation

COLUMNS = [4, 0, 2]  # of six features, in another order than the panel's
SEEDS = st.integers(0, 2**32 - 1)


def material(seed: int, n_rows: int = 400) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    """Features with coarse and fine steps, a constant and unknown values, and a target that follows them."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_rows, 6)).astype(np.float32)
    features[:, 2] = np.round(features[:, 2])
    features[:, 5] = 1.0
    target = np.abs(features[:, 4]) + features[:, 0] * features[:, 2] + rng.exponential(size=n_rows)
    features[rng.random(features.shape) < rng.choice([0.0, 0.1])] = np.nan
    return features, target, rng


def boosted(seed: int):
    """A regressor, the features that it was fitted on, and what remains of the randomness."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    features, target, rng = material(seed)
    model = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=float(rng.choice([0.1, 0.5, 0.9])),
        max_iter=int(rng.integers(1, 12)),
        max_leaf_nodes=int(rng.integers(2, 20)),
        min_samples_leaf=5,
        early_stopping=False,
        random_state=0,
    )
    return model.fit(features[:, COLUMNS], target), features, rng


def isolated(seed: int):
    """A forest, the features that it was fitted on, and what remains of the randomness."""
    from sklearn.ensemble import IsolationForest

    features, _, rng = material(seed)
    model = IsolationForest(
        n_estimators=int(rng.integers(1, 12)), max_samples=int(rng.integers(2, 300)), random_state=0
    )
    return model.fit(features[:, COLUMNS]), features, rng


def asked(rng: np.random.Generator, seen: np.ndarray) -> np.ndarray:
    """Rows that training saw, so that thresholds are hit exactly, and rows that it did not; some with unknowns."""
    rows = np.concatenate([seen, rng.normal(scale=3.0, size=(300, 6)).astype(np.float32)])
    rows[rng.random(rows.shape) < 0.05] = np.nan
    return rows


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_boosted_trees_sum_to_the_same_bits_as_scikit_learn(seed):
    model, seen, rng = boosted(seed)
    rows = asked(rng, seen)

    assert np.array_equal(from_boosting(model, COLUMNS).sums(rows), model.predict(rows[:, COLUMNS]))


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS)
def test_isolation_trees_give_the_same_score_as_scikit_learn_to_the_bit(seed):
    model, seen, rng = isolated(seed)
    rows = asked(rng, seen)

    whole = len(model.estimators_) * average_path(np.array([model.max_samples_]))
    scores = 2.0 ** -(from_isolation(model, COLUMNS).sums(rows) / whole)

    assert np.array_equal(scores, -model.score_samples(rows[:, COLUMNS]))


@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_a_row_gets_the_same_bits_alone_in_a_crowd_and_in_another_order(seed):
    model, seen, rng = boosted(seed)
    trees, rows = from_boosting(model, COLUMNS), asked(rng, seen)
    together, order = trees.sums(rows), rng.permutation(len(rows))

    assert np.array_equal(np.concatenate([trees.sums(rows[i : i + 1]) for i in range(60)]), together[:60])
    assert np.array_equal(trees.sums(rows[order]), together[order])


def test_a_split_that_parts_the_unknown_from_the_known_sends_each_its_way():
    from sklearn.ensemble import HistGradientBoostingRegressor

    features = np.zeros((200, 1), dtype=np.float32)
    features[::2] = np.nan
    target = np.where(np.isnan(features[:, 0]), 5.0, 1.0)
    model = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5, early_stopping=False).fit(features, target)
    rows = np.array([[np.nan], [0.0], [1e30], [-1e30], [np.inf]], dtype=np.float32)

    found = from_boosting(model, [0]).sums(rows)

    assert np.array_equal(found, model.predict(rows))
    assert found[0] > 3.0 > found[1]


def test_trees_without_a_split_give_every_row_the_same():
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(n_estimators=3, random_state=0).fit(np.ones((300, 2), dtype=np.float32))

    trees = from_isolation(model, [0, 1])

    assert np.ptp(trees.sums(np.array([[1.0, 1.0], [np.nan, 9.0]], dtype=np.float32))) == 0.0


def test_trees_survive_their_way_through_arrays_of_plain_numbers():
    model, seen, _ = boosted(seed=3)
    trees = from_boosting(model, COLUMNS)
    arrays = trees.to_arrays()

    assert all(array.dtype.kind in "bif" for array in arrays.values())
    assert np.array_equal(Trees.from_arrays(arrays).sums(seen), trees.sums(seen))


def test_no_rows_have_no_sums():
    model, _, _ = boosted(seed=3)

    assert from_boosting(model, COLUMNS).sums(np.empty((0, 6), dtype=np.float32)).shape == (0,)


def test_rows_of_another_width_are_refused():
    with pytest.raises(DataContractError, match=r"features must be of shape \(n_rows, 6\), was \(3, 5\)"):
        check_width(np.zeros((3, 5), dtype=np.float32), 6)


def test_scoring_never_imports_scikit_learn():
    code = "import sys, pipeline.models.trees; sys.exit('sklearn' in sys.modules)"
    path = os.pathsep.join(entry for entry in sys.path if entry)

    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}).returncode == 0
