"""What holds for every indicator on any market: no look-ahead, and the same bits however it is run."""

from functools import lru_cache

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.catalogue import COLUMNS, INDICATORS
from pipeline.indicators.compute import compute, evaluate
from pipeline.indicators.windows import history_start
from tests.support.lookahead import first_rewrite
from tests.support.market import START, random_walk, with_delisting, with_filled, with_listing

N_CANDLES = 700
SYMBOLS = ("BTC/USDT", "NEW/USDT", "OLD/USDT")
SEEDS = st.integers(0, 2**32 - 1)


def a_market(seed: int, n_candles: int, timeframe: Timeframe = Timeframe.H1):
    """A series from end to end with a filled gap, one that is listed and one that is delisted on the way."""
    block = random_walk(seed, n_candles, SYMBOLS, timeframe)
    block = with_filled(block, "BTC/USDT", at=n_candles // 2, n_candles=2)
    block = with_listing(block, "NEW/USDT", at=n_candles // 10)
    return with_delisting(block, "OLD/USDT", at=n_candles - n_candles // 10)


@pytest.mark.parametrize("name", sorted(INDICATORS))
@settings(max_examples=3)
@given(seed=SEEDS)
def test_future_candles_never_change_past_indicators(name, seed):
    assert first_rewrite(lambda bars: evaluate(bars, [name]), a_market(seed, n_candles=240)) is None


@lru_cache(maxsize=16)
def stored(seed: int, timeframe: Timeframe):
    """A whole history, with the rows before it that its first bar needs, and what is stored for it."""
    block = a_market(seed, N_CANDLES, timeframe)
    index = block["close"].index
    begin = timeframe.open_of(history_start(timeframe.position(index[0].to_pydatetime())))
    grid = pd.date_range(begin, index[-1], freq=timeframe.duration, unit="us")
    candles = {field: frame.reindex(grid) for field, frame in block.items()}
    return candles, compute(candles, timeframe, index[0], index[-1])


@settings(max_examples=40)
@given(
    seed=st.integers(0, 3),
    timeframe=st.sampled_from([Timeframe.M1, Timeframe.H1, Timeframe.W1]),
    first=st.integers(0, N_CANDLES - 1),
    length=st.sampled_from([1, 1, 2, 24, 130, 500]),
    more_history=st.integers(0, 200),
    more_future=st.integers(0, 50),
)
def test_any_part_of_a_range_has_the_bits_of_the_whole(seed, timeframe, first, length, more_history, more_future):
    candles, whole = stored(seed, timeframe)
    last = min(first + length, N_CANDLES) - 1
    keep_from, keep_to = (START + number * timeframe.duration for number in (first, last))
    begin = timeframe.open_of(history_start(timeframe.position(keep_from)) - more_history)
    loaded = {field: frame.loc[begin : keep_to + more_future * timeframe.duration] for field, frame in candles.items()}
    before = keep_from - timeframe.duration
    carry = {
        symbol: (whole["obv"].loc[before, symbol], close)
        for symbol, close in (candles["close"].loc[before].dropna().items() if first else ())
    }

    part = compute(loaded, timeframe, keep_from, keep_to, carry)

    for column in COLUMNS:
        assert part[column].equals(whole[column].loc[keep_from:keep_to]), column
