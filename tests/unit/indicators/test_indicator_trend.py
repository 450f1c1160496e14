"""Averages, MACD, ADX and the state of the trend, where no other library is the measure."""

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.trend import adx, ema, macd, sma, trend_state
from tests.support.market import random_walk, with_delisting, with_listing


def test_an_average_of_closes_that_are_equal_is_that_close_to_the_last_bit():
    close = pd.Series(np.r_[np.linspace(90.0, 110.0, 300), np.full(300, 100.1)])

    for window in (20, 50, 200):
        assert (sma(close, window).iloc[300 + window - 1 :] == 100.1).all()


def test_an_exponential_average_starts_at_the_first_close():
    close = pd.Series([10.0, 16.0, 16.0, 16.0])

    assert ema(close, 3).tolist()[2:] == [14.5, 15.25]  # half of the way each time
    assert ema(close, 3).isna().tolist() == [True, True, False, False]


def test_the_macd_line_is_known_with_its_averages_and_the_signal_eight_bars_later():
    close = random_walk(seed=3, n_candles=60)["close"]
    line, signal, histogram = macd(ema(close, 12), ema(close, 26), 9)

    assert [frame["BTC/USDT"].first_valid_index() for frame in (line, signal, histogram)] == [
        close.index[25],
        close.index[33],
        close.index[33],
    ]
    assert histogram.equals(line - signal)


def test_a_steady_rise_has_the_strongest_trend():
    steps = pd.Series(np.arange(60.0))

    assert adx(101 + steps, 99 + steps, 14).iloc[-1] == pytest.approx(100.0)
    assert adx(101 - steps, 99 - steps, 14).iloc[-1] == pytest.approx(100.0)


def test_a_trend_fades_once_nothing_moves():
    steps = np.r_[np.arange(60.0), np.full(200, 60.0)]
    strength = adx(pd.Series(101 + steps), pd.Series(99 + steps), 14)

    assert strength.iloc[72] == pytest.approx(100.0)  # moves of the last 14 bars still count
    assert strength.iloc[-1] < 1e-3


def test_the_state_of_the_trend_is_the_side_that_the_fast_average_is_on():
    fast = pd.Series([np.nan, 3.0, 2.0, 1.0, 1.0])
    slow = pd.Series([1.0, 2.0, 2.0, 2.0, np.nan])

    np.testing.assert_array_equal(trend_state(fast, slow), [np.nan, 1.0, 0.0, -1.0, np.nan])


@pytest.mark.parametrize("function", [lambda close: sma(close, 20), lambda close: ema(close, 12)])
def test_a_series_begins_with_its_listing_and_ends_with_its_delisting(function):
    block = random_walk(seed=4, n_candles=120)
    late = with_delisting(with_listing(block, "ETH/USDT", at=30), "ETH/USDT", at=100)["close"]

    known = function(late)["ETH/USDT"].dropna()
    alone = function(late["ETH/USDT"].iloc[30:100]).dropna()
    pd.testing.assert_series_equal(known, alone, check_names=False, check_exact=True)


def test_a_series_gives_what_its_column_in_a_frame_gives():
    close = random_walk(seed=4)["close"]

    pd.testing.assert_series_equal(
        sma(close["ETH/USDT"], 20), sma(close, 20)["ETH/USDT"], check_names=False, check_exact=True
    )
