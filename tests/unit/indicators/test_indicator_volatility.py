"""Bands, true range and realised volatility, where no other library is the measure."""

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.volatility import atr, bollinger, realised_volatility
from tests.support.market import random_walk, scaled, with_delisting


def test_percent_b_is_0_on_the_lower_band_and_1_on_the_upper():
    close = random_walk(seed=2)["close"]
    middle, upper, lower, _, percent = bollinger(close, 20, 2.0)

    assert ((percent > 1) == (close > upper)).all(axis=None)
    assert ((percent < 0) == (close < lower)).all(axis=None)
    assert ((percent > 0.5) == (close > middle)).where(percent.notna(), True).all(axis=None)


def test_the_width_is_the_distance_of_the_bands_in_per_cent_of_the_middle():
    close = pd.Series([100.0, 104.0])
    _, upper, lower, width, _ = bollinger(close, 2, 2.0)

    assert (upper.iloc[1], lower.iloc[1]) == (106.0, 98.0)
    assert width.iloc[1] == pytest.approx(100 * 8 / 102)


def test_bands_of_a_flat_window_meet_and_percent_b_is_unknown():
    close = pd.Series(np.r_[np.linspace(90.0, 110.0, 30), np.full(30, 100.1)])
    middle, upper, lower, width, percent = bollinger(close, 20, 2.0)

    flat = slice(49, None)
    assert (middle[flat] == 100.1).all()
    assert (upper[flat] == 100.1).all()
    assert (lower[flat] == 100.1).all()
    assert (width[flat] == 0).all()
    assert percent[flat].isna().all()
    assert percent[19:49].notna().all()


def test_the_true_range_counts_the_gap_since_the_last_close():
    high, low, close = pd.Series([11.0, 21.0]), pd.Series([9.0, 20.0]), pd.Series([10.0, 20.5])

    assert atr(high, low, close, 2).iloc[1] == ((11 - 9) + (21 - 10)) / 2


def test_the_true_range_is_unknown_before_the_fourteenth_candle_and_after_a_delisting():
    block = with_delisting(random_walk(seed=2, n_candles=60), "ETH/USDT", at=40)
    known = atr(block["high"], block["low"], block["close"], 14)["ETH/USDT"].dropna()

    assert (known.index == block["close"].index[13:40]).all()


def test_realised_volatility_is_the_sample_deviation_of_log_returns_of_one_bar():
    close = random_walk(seed=6)["close"]
    expected = np.log(close).diff().rolling(20).std(ddof=1)

    pd.testing.assert_frame_equal(realised_volatility(close, 20), expected, rtol=1e-10)


def test_realised_volatility_does_not_depend_on_the_price():
    block = random_walk(seed=6)

    assert realised_volatility(block["close"], 20).equals(realised_volatility(scaled(block, 2.0**-40)["close"], 20))
