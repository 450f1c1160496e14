"""Intervals from blocks of time: equal to the measures, wide enough, paired, repeatable."""

from datetime import timedelta

import numpy as np
import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.models import metrics
from pipeline.models.bootstrap import interval, quotient, reliability, resample
from tests.support.model_panels import some_predictions

HOURS = np.datetime64("2024-01-01T01:00", "us") + np.arange(24 * 40) * np.timedelta64(timedelta(hours=1))


def some_resamples(n_rows=960, seed=1, n_resamples=40):
    return resample(Timeframe.H1, np.resize(HOURS, n_rows), seed=seed, n_resamples=n_resamples)


def test_blocks_of_hours_are_utc_days_with_midnights_close_in_the_day_before():
    resamples = resample(Timeframe.H1, HOURS, seed=1, n_resamples=1)
    np.testing.assert_array_equal(resamples.of_row, np.repeat(np.arange(40), 24))


def test_a_row_is_in_the_same_block_wherever_the_rows_begin():
    later = resample(Timeframe.H1, HOURS[100:], seed=1, n_resamples=1).of_row
    np.testing.assert_array_equal(later, np.repeat(np.arange(40), 24)[100:] - 4)


def test_every_resample_takes_as_many_blocks_as_there_are_and_the_first_is_the_sample():
    draws = some_resamples().draws
    assert (draws[0] == 1.0).all()
    assert (draws.sum(axis=1) == 40.0).all()
    assert len(np.unique(draws, axis=0)) == len(draws)


def test_the_same_seed_draws_the_same_blocks_and_another_seed_others():
    np.testing.assert_array_equal(some_resamples().draws, some_resamples().draws)
    assert (some_resamples().draws != some_resamples(seed=2).draws).any()


@pytest.mark.parametrize("decimals", [None, 1])
def test_every_statistic_equals_its_measure_on_the_rows_that_were_drawn(decimals):
    y, p = some_predictions(n_rows=960, decimals=decimals)
    resamples = some_resamples()
    of_sample = {
        "auc": (resamples.auc(y, p), metrics.auc),
        "brier": (resamples.mean(metrics.squared_errors(y, p)), metrics.brier),
        "log_loss": (resamples.mean(metrics.log_losses(y, p)), metrics.log_loss),
        "hits": (resamples.ratio((p > 0.6) * y, p > 0.6), lambda y, p: metrics.hit_rate_above(y, p, 0.6).share),
    }
    for statistic, measure in of_sample.values():
        for drawn, counts in zip(statistic, resamples.draws, strict=True):
            times = counts[resamples.of_row].astype(int)
            assert drawn == pytest.approx(measure(np.repeat(y, times), np.repeat(p, times)), abs=1e-12)


def test_the_calibration_error_of_a_resample_keeps_the_bins_of_the_sample():
    y, p = some_predictions(n_rows=960)
    resamples, bins = some_resamples(), metrics.equal_count_bins(p)
    statistic = resamples.ece(y, p)
    assert statistic[0] == pytest.approx(metrics.ece(y, p), abs=1e-12)
    slow = []
    for draw in resamples.draws[1:]:
        weights = draw[resamples.of_row]
        slow.append(sum(abs(((p - y) * weights)[bins == b].sum()) for b in np.unique(bins)) / weights.sum())
    added = np.mean(slow) - statistic[0]  # by the noise of drawing
    assert added > 0.0
    assert statistic[1:] == pytest.approx(np.maximum(np.array(slow) - added, 0.0), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_a_calibration_error_lies_within_its_interval(seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.4, 0.6, 960)
    y = (rng.random(960) < p).astype(float)
    found = interval(some_resamples().ece(y, p))
    assert found.lower <= found.value <= found.upper


def test_rows_of_one_hour_that_move_together_are_no_extra_evidence():
    rng = np.random.default_rng(5)
    hourly = rng.random(960) < 0.5
    alone = interval(some_resamples(n_resamples=300).mean(hourly))
    closes, together = np.repeat(HOURS, 20), np.repeat(hourly, 20)
    many = interval(resample(Timeframe.H1, closes, seed=1, n_resamples=300).mean(together))
    assert many == alone


def test_a_95_percent_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(6)
    held = 0
    for seed in range(200):
        daily = np.repeat(rng.standard_normal(40), 24)  # the hours of a day are one fact
        found = interval(resample(Timeframe.H1, HOURS, seed=seed, n_resamples=200).mean(daily))
        held += found.lower <= 0.0 <= found.upper
    assert 0.88 <= held / 200 <= 0.99


def test_a_difference_is_paired():
    y, p = some_predictions(n_rows=960)
    resamples = some_resamples(n_resamples=300)
    better, worse = resamples.mean(metrics.squared_errors(y, p)), resamples.mean(metrics.squared_errors(y, p * 0.98))
    one, other, difference = interval(better), interval(worse), interval(better - worse)
    assert one.upper > other.lower  # each alone says nothing
    assert difference.upper - difference.lower < 0.2 * (one.upper - one.lower)


def test_resamples_in_which_a_statistic_is_unknown_are_left_out():
    found = interval(np.array([0.5, np.nan, 0.4, 0.6]))
    assert 0.4 <= found.lower <= found.value <= found.upper <= 0.6


def test_what_is_unknown_has_no_interval():
    for statistic in ([np.nan, 0.1, 0.2], [0.5, np.nan, np.nan]):
        found = interval(np.array(statistic))
        assert np.isnan([found.lower, found.upper]).all()


def test_a_quotient_by_nothing_is_unknown():
    np.testing.assert_array_equal(quotient(np.array([1.0, 1.0]), np.array([0.0, 2.0])), [np.nan, 0.5])


def test_a_reliability_curve_tells_of_every_row_in_rising_bins():
    y, p = some_predictions(n_rows=960)
    curve = reliability(y, p, some_resamples(), n_bins=8)
    assert curve["n_rows"].sum() == 960
    assert curve["mean_predicted"].is_monotonic_increasing
    assert ((curve["lower"] <= curve["observed"]) & (curve["observed"] <= curve["upper"])).all()
    assert (curve["observed"] * curve["n_rows"]).sum() == pytest.approx(y.sum())
