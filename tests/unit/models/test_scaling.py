"""The scaler: mean and spread of the rows that it was given, and nothing unknown or unbounded behind it."""

import numpy as np
import pytest

from pipeline.models.scaling import LIMIT, Scaler

NAN = np.nan


def some_rows(n_rows=400, seed=1) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n_rows, 3)) * [1.0, 20.0, 0.01] + [0.0, 300.0, -5.0]
    return rows.astype(np.float32)


def test_scaled_training_rows_have_mean_0_and_spread_1():
    rows = some_rows()
    scaler = Scaler.fit(rows)
    scaled = scaler(rows).astype(np.float64)

    np.testing.assert_allclose(scaler.mean, rows.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(scaler.spread, rows.std(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(scaled.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0), 1.0, atol=1e-4)


def test_values_are_moved_and_divided():
    scaler = Scaler(np.float32([10.0, -1.0]), np.float32([2.0, 0.5]))

    assert scaler(np.float32([[12.0, -1.0], [9.0, 0.25]])).tolist() == [[1.0, 0.0], [-0.5, 2.5]]


@pytest.mark.parametrize("value", [0.0, 7.0, 0.1, -1e6])
def test_f32_a_feature_that_did_not_vary_says_nothing_and_is_not_divided_by_zero(value):
    rows = np.full((50, 1), value, dtype=np.float32)
    scaler = Scaler.fit(rows)

    assert scaler.spread.tolist() == [1.0]
    assert (scaler(rows) == 0.0).all()


def test_f32_a_feature_that_varies_by_its_rounding_alone_counts_as_constant():
    rows = np.full((50, 1), 1000.0, dtype=np.float32)
    rows[::2] = np.nextafter(np.float32(1000.0), np.float32(2000.0))

    assert np.abs(Scaler.fit(rows)(rows)).max() < 1e-3


def test_a_small_but_real_variation_is_no_constant():
    rows = np.float32([[0.001], [0.002], [0.003]])

    assert Scaler.fit(rows)(rows).ravel() == pytest.approx([-1.2247, 0.0, 1.2247], abs=1e-3)


def test_f32_unknown_values_become_the_mean_and_do_not_count_in_it():
    rows = np.float32([[1.0], [NAN], [3.0], [NAN]])
    scaler = Scaler.fit(rows)

    assert scaler.mean.tolist() == [2.0]
    assert scaler.spread.tolist() == [1.0]
    assert scaler(rows).tolist() == [[-1.0], [0.0], [1.0], [0.0]]


def test_f32_a_feature_that_was_never_known_is_0_for_ever():
    scaler = Scaler.fit(np.full((10, 1), NAN, dtype=np.float32))

    assert scaler(np.float32([[NAN]])).tolist() == [[0.0]]
    assert np.isfinite([scaler.mean, scaler.spread]).all()


def test_what_is_far_is_no_further_than_the_limit():
    scaler = Scaler.fit(some_rows())
    far = scaler(np.float32([[1e9, -1e9, np.inf], [-np.inf, 300.0, -1e30]]))

    assert far[0].tolist() == [LIMIT, -LIMIT, LIMIT]
    assert far[1, [0, 2]].tolist() == [-LIMIT, -LIMIT]
    assert abs(far[1, 1]) < 0.2


def test_a_row_is_scaled_the_same_alone_among_others_and_in_a_sequence():
    rows = some_rows()
    scaler = Scaler.fit(rows)
    whole = scaler(rows)

    assert np.array_equal(np.concatenate([scaler(row[np.newaxis]) for row in rows]), whole)
    assert np.array_equal(scaler(rows.reshape(20, 20, 3)), whole.reshape(20, 20, 3))
    assert whole.dtype == np.float32


def test_scaling_leaves_the_given_rows_as_they_are():
    rows = some_rows()
    rows[3, 1] = NAN
    before = rows.copy()
    Scaler.fit(rows)(rows)

    assert np.array_equal(rows, before, equal_nan=True)


def test_rows_that_were_not_given_have_no_say():
    rows = some_rows()
    later = rows[200:] + 1_000.0

    assert Scaler.fit(rows[:200]).mean.tolist() != Scaler.fit(np.concatenate([rows[:200], later])).mean.tolist()
    assert Scaler.fit(rows[:200]).mean.tolist() == Scaler.fit(rows[:200].copy()).mean.tolist()


def test_a_scaler_survives_its_way_through_arrays():
    scaler = Scaler.fit(some_rows())
    arrays = scaler.to_arrays()
    again = Scaler.from_arrays(arrays)

    assert sorted(arrays) == ["mean", "spread"]
    assert np.array_equal(again(some_rows(seed=2)), scaler(some_rows(seed=2)))
    assert {again.mean.dtype, again.spread.dtype} == {np.dtype(np.float32)}
