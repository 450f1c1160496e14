"""On-balance volume and the median of volumes."""

import numpy as np
import pandas as pd

from pipeline.indicators.volume import obv, volume_median
from tests.support.market import random_walk, with_delisting, with_listing


def test_a_falling_close_takes_its_volume_away_and_an_unchanged_one_adds_it():
    close = pd.Series([10.0, 11.0, 11.0, 9.0])
    volume = pd.Series([1.0, 2.0, 4.0, 8.0])

    assert obv(close, volume).tolist() == [1.0, 3.0, 7.0, -1.0]


def test_a_series_that_is_continued_by_its_carry_has_the_same_bits():
    block = random_walk(seed=8, n_candles=300)
    close, volume = block["close"], block["volume"] * 1.1
    whole = obv(close, volume)
    carry = {symbol: (whole[symbol].iloc[199], close[symbol].iloc[199]) for symbol in close}

    assert obv(close.iloc[200:], volume.iloc[200:], carry).equals(whole.iloc[200:])


def test_a_symbol_without_a_carry_starts_with_its_first_volume():
    block = with_delisting(with_listing(random_walk(seed=8, n_candles=50), "ETH/USDT", at=20), "ETH/USDT", at=40)
    levels = obv(block["close"], block["volume"], {"BTC/USDT": (7.0, 1e9)})

    assert levels["BTC/USDT"].iloc[0] == 7.0 - block["volume"]["BTC/USDT"].iloc[0]
    assert levels["ETH/USDT"].iloc[20] == block["volume"]["ETH/USDT"].iloc[20]
    assert levels["ETH/USDT"].notna().tolist() == [20 <= row < 40 for row in range(50)]


def test_one_panic_does_not_lift_the_median_volume():
    volume = pd.Series(np.r_[np.full(30, 5.0), 1e9, np.full(5, 5.0)])

    assert (volume_median(volume, 20).iloc[19:] == 5).all()


def test_the_median_counts_the_current_bar():
    assert volume_median(pd.Series([1.0, 2.0, 4.0, 8.0]), 2).tolist()[1:] == [1.5, 3.0, 6.0]
