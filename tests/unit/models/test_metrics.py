"""Measures against scikit-learn's and slow loops."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from pipeline.models.metrics import (
    auc,
    brier,
    brier_skill,
    coverage,
    ece,
    equal_count_bins,
    extreme_moves,
    flagged_share,
    hit_rate_above,
    hit_rate_below,
    lift,
    log_loss,
    pinball,
)
from tests.support.model_panels import some_predictions

NOTHING = np.empty(0)


@pytest.mark.parametrize("decimals", [None, 2, 1])
@pytest.mark.parametrize("seed", range(3))
def test_auc_equals_the_share_of_pairs_in_the_right_order(seed, decimals):
    y, p = some_predictions(seed, 120, decimals)
    pairs = [(a > b) + 0.5 * (a == b) for a in p[y == 1.0] for b in p[y == 0.0]]
    assert auc(y, p) == pytest.approx(np.mean(pairs), abs=1e-12)
    assert auc(y, p) == pytest.approx(theirs.roc_auc_score(y, p), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
def test_a_weighted_auc_is_that_of_rows_repeated(decimals):
    y, p = some_predictions(decimals=decimals)
    weights = np.random.default_rng(2).integers(0, 4, len(y)).astype(float)
    times = weights.astype(int)
    assert auc(y, p, weights) == pytest.approx(auc(np.repeat(y, times), np.repeat(p, times)), abs=1e-12)
    assert auc(y, p, weights) == pytest.approx(theirs.roc_auc_score(y, p, sample_weight=weights), abs=1e-12)


def test_auc_of_one_outcome_or_of_nothing_is_unknown():
    _, p = some_predictions()
    assert np.isnan(auc(np.ones(len(p)), p))
    assert np.isnan(auc(np.zeros(len(p)), p))
    assert np.isnan(auc(NOTHING, NOTHING))


def test_auc_of_a_constant_is_one_half():
    y, _ = some_predictions()
    assert auc(y, np.full(len(y), 0.3)) == 0.5


def test_brier_and_log_loss_equal_scikit_learns():
    y, p = some_predictions()
    assert brier(y, p) == pytest.approx(theirs.brier_score_loss(y, p), abs=1e-15)
    assert log_loss(y, p) == pytest.approx(theirs.log_loss(y, p), abs=1e-15)


def test_a_sure_and_wrong_probability_costs_much_but_not_infinity():
    assert log_loss(np.array([1.0]), np.array([0.0])) == pytest.approx(15 * np.log(10))


def test_skill_is_one_of_the_truth_zero_of_the_base_and_negative_below_it():
    y, p = some_predictions()
    base = np.full(len(y), 0.45)
    assert brier_skill(y, y, base) == 1.0
    assert brier_skill(y, base, base) == 0.0
    assert brier_skill(y, 1.0 - p, base) < 0.0 < brier_skill(y, p, base)
    assert brier_skill(y, p, base) == pytest.approx(1 - brier(y, p) / brier(y, base))


@pytest.mark.parametrize("decimals", [None, 2])
def test_bins_are_in_order_hold_equal_counts_and_part_no_equals(decimals):
    _, p = some_predictions(n_rows=2_000, decimals=decimals)
    bins = equal_count_bins(p, 20)
    assert (np.diff(bins[np.argsort(p, kind="stable")]) >= 0).all()
    assert all(len(np.unique(bins[p == value])) == 1 for value in np.unique(p))
    counts = np.bincount(bins)
    assert counts.min() > 0
    if decimals is None:
        np.testing.assert_array_equal(counts, 100)


def test_a_constant_has_one_bin():
    assert set(equal_count_bins(np.full(50, 0.5), 20)) == {0}


def test_ece_equals_a_loop_over_bins():
    y, p = some_predictions()
    bins = equal_count_bins(p, 20)
    slow = sum(abs(p[bins == b].mean() - y[bins == b].mean()) * (bins == b).mean() for b in range(bins.max() + 1))
    assert ece(y, p) == pytest.approx(slow, abs=1e-12)


def test_ece_sees_a_shift_of_narrow_probabilities_and_a_tail_that_equal_widths_would_hide():
    rng = np.random.default_rng(3)
    truth = np.clip(0.5 + 0.02 * rng.standard_normal(100_000), 0, 1)
    y = (rng.random(len(truth)) < truth).astype(float)
    assert ece(y, truth) < 0.01
    assert ece(y, truth + 0.03) == pytest.approx(0.03, abs=0.004)
    steep = 0.5 + 3.0 * (truth - 0.5)  # too sure on both sides of the middle; the mean is right
    assert ece(y, steep) > 0.02


def test_hit_rates_count_the_calls_beyond_the_threshold_as_the_strategy_does():
    y, p = np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0]), np.array([0.61, 0.7, 0.6, 0.39, 0.1, 0.4])
    assert hit_rate_above(y, p, 0.6) == (0.5, 2)
    assert hit_rate_below(y, p, 0.4) == (1.0, 2)


def test_a_hit_rate_without_calls_is_unknown_of_none():
    share, n_calls = hit_rate_above(np.array([1.0]), np.array([0.5]), 0.6)
    assert np.isnan(share)
    assert n_calls == 0


@pytest.mark.parametrize("level", [0.1, 0.5, 0.9])
def test_pinball_equals_scikit_learns_and_is_least_at_the_quantile(level):
    y = np.random.default_rng(1).standard_normal(2_000)
    best = np.quantile(y, level)
    losses = {shift: pinball(y, np.full(len(y), best + shift), level) for shift in (-0.2, 0.0, 0.2)}
    assert min(losses, key=losses.get) == 0.0
    expected = theirs.mean_pinball_loss(y, np.full(len(y), best), alpha=level)
    assert losses[0.0] == pytest.approx(expected, abs=1e-15)


def test_coverage_counts_both_ends_as_inside():
    y = np.array([0.0, 1.0, 2.0, 3.0])
    assert coverage(y, np.full(4, 1.0), np.full(4, 2.0)) == 0.5


def test_moves_are_extreme_among_those_of_their_own_symbol():
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1], 1_000)
    returns = rng.standard_normal(2_000) * np.where(groups == 0, 0.001, 0.1)
    is_extreme = extreme_moves(returns, groups)
    assert [is_extreme[groups == g].mean() for g in (0, 1)] == [0.05, 0.05]
    least = min(abs(returns[(groups == 0) & is_extreme]))
    assert least > max(abs(returns[(groups == 0) & ~is_extreme]))


def test_lift_is_one_of_chance_and_unknown_without_flags():
    is_extreme = np.tile([True, False, False, False], 100)
    assert lift(np.ones(400, dtype=bool), is_extreme) == 1.0
    assert lift(is_extreme, is_extreme) == 4.0
    assert flagged_share(is_extreme) == 0.25
    assert np.isnan(lift(np.zeros(400, dtype=bool), is_extreme))
    assert np.isnan(lift(is_extreme, np.zeros(400, dtype=bool)))


@pytest.mark.parametrize("measure", [brier, log_loss, ece])
def test_a_measure_of_nothing_is_unknown(measure):
    assert np.isnan(measure(NOTHING, NOTHING))
