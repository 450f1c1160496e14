"""A score is unusual against the same hour of the days before, and a flood against their number of texts."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.sentiment.baseline import DAYS, LEAST_DAYS, floods, with_days_before, z_scores
from tests.support.texts import HOUR, NOON

DAY = timedelta(days=1)


def test_each_close_is_compared_with_its_own_hour_of_thirty_days():
    closes = pd.DatetimeIndex([NOON - HOUR, NOON])

    index, places = with_days_before(closes)

    assert places.shape == (DAYS + 1, 2)
    for ago in range(DAYS + 1):
        assert list(index[places[ago]]) == [close - ago * DAY for close in closes]
    assert index.is_monotonic_increasing
    assert index.is_unique


def days(values, today):
    """One asset's scores, oldest first, then today's."""
    closes = pd.DatetimeIndex([NOON])
    index, places = with_days_before(closes)
    scores = np.full((len(index), 1), np.nan)
    scores[-1] = today
    scores[-1 - len(values) : -1, 0] = values
    return z_scores(scores, places)


def test_the_z_score_is_the_distance_from_their_mean_in_standard_deviations():
    values = np.linspace(-0.3, 0.5, DAYS)

    z, n_days = days(values, 0.6)

    assert n_days[0, 0] == DAYS
    assert z[0, 0] == pytest.approx((0.6 - values.mean()) / values.std())


@pytest.mark.parametrize(("n", "is_known"), [(LEAST_DAYS, True), (LEAST_DAYS - 1, False)])
def test_there_is_no_baseline_before_ten_days(n, is_known):
    z, n_days = days(np.linspace(0, 1, n), 0.5)

    assert n_days[0, 0] == n
    assert np.isfinite(z[0, 0]) == is_known


def test_a_score_that_always_was_the_same_has_a_spread_all_the_same():
    z, _ = days(np.full(DAYS, 0.2), 0.21)

    assert z[0, 0] == pytest.approx(0.2)


def counted(before, today):
    closes = pd.DatetimeIndex([NOON])
    index, places = with_days_before(closes)
    counts = np.zeros((len(index), 1, 1), dtype=np.int64)
    counts[:-1, 0, 0] = before
    counts[-1, 0, 0] = today
    return floods(counts, places)[0, 0, 0]


@pytest.mark.parametrize(
    ("usual", "today", "is_flood"), [(10, 50, True), (10, 49, False), (3, 19, False), (3, 20, True), (0, 500, False)]
)
def test_f23_five_times_as_many_texts_as_usual_are_a_flood(usual, today, is_flood):
    assert counted(usual, today) == is_flood
