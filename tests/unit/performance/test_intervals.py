"""Intervals of rates, against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.performance.intervals import wilson


@given(st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(trials):
    wins, n = trials
    expected = binomtest(wins, n).proportion_ci(confidence_level=0.95, method="wilson")

    low, high = wilson(np.array([float(wins)]), np.array([float(n)]))

    assert (low[0], high[0]) == (pytest.approx(expected.low, abs=1e-12), pytest.approx(expected.high, abs=1e-12))
    assert 0.0 <= low[0] <= wins / n + 1e-15
    assert wins / n - 1e-15 <= high[0] <= 1.0


@pytest.mark.parametrize(("wins", "low", "high"), [(0, 0.0, 0.7935), (1, 0.2065, 1.0)])
def test_one_trial_leaves_almost_everything_open(wins, low, high):
    found = wilson(np.array([float(wins)]), np.array([1.0]))
    assert [float(end[0]) for end in found] == pytest.approx([low, high], abs=1e-4)


def test_without_a_trial_there_is_no_interval():
    assert np.isnan(wilson(np.zeros(1), np.zeros(1))).all()


def test_groups_do_not_disturb_each_other():
    low, high = wilson(np.array([0.0, 3.0, 7.0]), np.array([0.0, 4.0, 7.0]))
    assert [low[1], high[1]] == pytest.approx(binomtest(3, 4).proportion_ci(method="wilson"))
    assert [low[2], high[2]] == pytest.approx(binomtest(7, 7).proportion_ci(method="wilson"))
