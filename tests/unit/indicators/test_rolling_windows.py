"""Sums, spreads and medians of the last bars, against exact arithmetic."""

from fractions import Fraction
from statistics import mean, median

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.rolling import rolling_all, rolling_mean, rolling_median, rolling_squares, unchanged


def exact(values, window, statistic):
    """The statistic of every full window in exact arithmetic, NaN before."""
    rows = [Fraction(float(value)) for value in values]
    full = [float(statistic(rows[end - window : end])) for end in range(window, len(rows) + 1)]
    return np.array([np.nan] * (len(rows) - len(full)) + full)


def sum_of_squares(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values)


def quiet_market():
    return 60_000 + np.random.default_rng(4).normal(0.0, 0.0001, 400).cumsum()


def crash():
    return np.where(np.arange(400) < 200, 80.0, 1e-5) * np.exp(np.random.default_rng(1).normal(0, 0.01, 400).cumsum())


@pytest.mark.parametrize("market", [quiet_market, crash])
@pytest.mark.parametrize("window", [1, 2, 7, 20, 64, 200])
def test_means_keep_all_digits(market, window):
    np.testing.assert_allclose(rolling_mean(market()[np.newaxis], window)[0], exact(market(), window, mean), rtol=1e-15)


@pytest.mark.parametrize("market", [quiet_market, crash])
@pytest.mark.parametrize("window", [1, 2, 7, 20, 64])
def test_squared_deviations_keep_all_but_the_last_digits(market, window):
    ours = rolling_squares(market()[np.newaxis], window)[0]
    np.testing.assert_allclose(ours, exact(market(), window, sum_of_squares), rtol=1e-13, atol=0)


def test_a_deviation_that_is_updated_from_bar_to_bar_loses_digits_in_a_quiet_market():
    """Why there is `rolling_squares`; pandas, and with it `ta`, computes it that way."""
    theirs = pd.Series(quiet_market()).rolling(20).var(ddof=0).to_numpy() * 20

    assert np.nanmax(np.abs(theirs / exact(quiet_market(), 20, sum_of_squares) - 1)) > 1e-9


@pytest.mark.parametrize("window", [1, 2, 5, 20])
def test_medians_are_those_of_the_window(window):
    values = np.random.default_rng(2).integers(0, 9, 60).astype(float)  # with many ties
    np.testing.assert_array_equal(rolling_median(values[np.newaxis], window)[0], exact(values, window, median))


@pytest.mark.parametrize("function", [rolling_mean, rolling_squares, rolling_median])
def test_a_window_with_an_unknown_value_is_unknown(function):
    values = np.arange(1.0, 41.0)[np.newaxis]
    values[0, :5] = np.nan
    values[0, 30:] = np.nan

    assert np.flatnonzero(~np.isnan(function(values, 7)[0])).tolist() == list(range(11, 30))


@pytest.mark.parametrize("function", [rolling_mean, rolling_squares, rolling_median])
def test_a_window_longer_than_the_history_is_unknown(function):
    assert np.isnan(function(np.ones((2, 6)), 7)).all()


@pytest.mark.parametrize("function", [rolling_mean, rolling_squares, rolling_median])
def test_a_value_depends_on_its_window_alone(function):
    values = np.exp(np.random.default_rng(3).normal(0, 0.01, (40, 300)).cumsum(axis=1))

    np.testing.assert_array_equal(function(values[33:34, 123:], 20)[0, 19:], function(values, 20)[33, 142:])


def test_equal_values_deviate_by_nothing():
    values = np.full((1, 100), 100.1)
    values[0, :40] = np.linspace(90, 110, 40)

    squares = rolling_squares(values, 20)[0]
    assert (squares[59:] == 0).all()
    assert (squares[19:59] > 0).all()


def test_all_flags_of_a_window_must_be_set():
    flags = np.array([[True, True, False, True, True, True, True]])

    assert rolling_all(flags, 3)[0].tolist() == [False, False, False, False, False, True, True]


def test_a_window_is_unchanged_when_its_values_equal_one_another():
    values = np.array([[np.nan, np.nan, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, np.nan, np.nan]])

    assert np.flatnonzero(unchanged(values, 3)[0]).tolist() == [4, 7]
