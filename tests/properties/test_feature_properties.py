"""Features never see the future, and what a bar's are does not depend on how much was loaded."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import HIGHER_TIMEFRAMES, Timeframe
from pipeline.models import features
from pipeline.models.features import FEATURE_BARS, own_features, with_reference
from tests.support.lookahead import first_rewrite
from tests.support.market import SYMBOLS, random_walk, with_delisting, with_filled, with_listing
from tests.support.model_features import columns_of, own_of, padded
from tests.support.real_market import real_block

Function = Callable[[Block, Timeframe], Block]

SEEDS = st.integers(0, 2**32 - 1)
BTC, ETH = SYMBOLS
N_BARS = 40  # that are added one by one
TIMEFRAMES = st.sampled_from([Timeframe.M1, Timeframe.H1, Timeframe.H12, Timeframe.W1])


def features_of(block: Block, timeframe: Timeframe) -> Block:
    """All features of every bar, with the first symbol as the reference."""
    own = own_of(block, timeframe)
    return with_reference(own, own, block["close"].columns[0])


def first_rewrite_after(
    history: int, block: Block, timeframe: Timeframe, function: Function = features_of
) -> int | None:
    """As `first_rewrite`, of the bars that follow ``history`` bars, which are always there."""

    def of_later_bars(bars: Block) -> Block:
        whole = {name: pd.concat([frame.iloc[:history], bars[name]]) for name, frame in block.items()}
        return {name: frame.iloc[history:] for name, frame in function(whole, timeframe).items()}

    return first_rewrite(of_later_bars, {name: frame.iloc[history:] for name, frame in block.items()})


def a_market(seed: int, n_candles: int, timeframe: Timeframe = Timeframe.H1) -> Block:
    """A series with a filled gap near its end, beside one that is not as old."""
    block = random_walk(seed, n_candles, timeframe=timeframe, volatility=0.02)
    return with_listing(with_filled(block, BTC, at=n_candles - 20, n_candles=3), ETH, at=n_candles // 3)


@given(seed=SEEDS, timeframe=TIMEFRAMES)
@settings(max_examples=3)
def test_later_candles_never_change_earlier_features(seed, timeframe):
    assert first_rewrite_after(460, a_market(seed, 460 + N_BARS, timeframe), timeframe) is None


@given(seed=SEEDS)
@settings(max_examples=1)
def test_the_first_bars_of_a_series_do_not_know_what_follows_either(seed):
    assert first_rewrite_after(1, a_market(seed, 1 + N_BARS), Timeframe.H1) is None


def _next_close(block: Block, timeframe: Timeframe) -> Block:
    candles = padded(block, timeframe)
    candles["close"] = candles["close"].shift(-1).fillna(candles["close"])
    return own_features(candles, columns_of(block, timeframe), timeframe)


def _higher_bar_by_its_open(block: Block, timeframe: Timeframe) -> Block:
    trend = features_of(block, timeframe)["higher_trend"]
    n_ahead = HIGHER_TIMEFRAMES[timeframe].seconds // timeframe.seconds - 1
    return {"higher_trend": trend.shift(-n_ahead).fillna(trend)}


def _next_bar_of_the_reference(block: Block, timeframe: Timeframe) -> Block:
    own = features_of(block, timeframe)
    return with_reference(own, {name: frame.shift(-1).fillna(frame) for name, frame in own.items()}, BTC)


def _centred_window(block: Block, timeframe: Timeframe) -> Block:
    return {"place_24": features_of(block, timeframe)["place_24"].rolling(5, center=True, min_periods=1).mean()}


def _whole_sample_mean(block: Block, timeframe: Timeframe) -> Block:
    share = features_of(block, timeframe)["volume_share"]
    return {"volume_share": share - share.mean()}


PEEKERS: dict[str, Function] = {
    "centred_window": _centred_window,
    "higher_bar_by_its_open": _higher_bar_by_its_open,
    "next_bar_of_the_reference": _next_bar_of_the_reference,
    "next_close": _next_close,
    "whole_sample_mean": _whole_sample_mean,
}


@pytest.mark.parametrize("name", sorted(PEEKERS))
def test_f35_the_detector_catches_a_feature_that_peeks(name):
    assert first_rewrite_after(460, a_market(3, 460 + N_BARS), Timeframe.H1, PEEKERS[name]) is not None


def assert_same(part: Block, whole: Block) -> None:
    for name, frame in part.items():
        pd.testing.assert_frame_equal(frame, whole[name].loc[frame.index], rtol=0, atol=0, check_freq=False, obj=name)


def part_of(candles: Block, columns: Block, timeframe: Timeframe, first: int, last: int, n_before: int) -> Block:
    """The features of the bars ``first`` to ``last`` (of ``columns``), with so many candles before them."""
    index = columns["rsi_14"].index
    until = candles["close"].index.get_loc(index[last])
    since = until - (last - first) - n_before
    loaded = {name: frame.iloc[since : until + 1] for name, frame in candles.items()}
    return own_features(loaded, {name: frame.iloc[first : last + 1] for name, frame in columns.items()}, timeframe)


@given(seed=SEEDS, timeframe=TIMEFRAMES, data=st.data())
@settings(max_examples=12)
def test_a_bar_needs_the_declared_history_and_no_more(seed, timeframe, data):
    market = with_delisting(a_market(seed, 640, timeframe), ETH, at=630)
    candles, columns = padded(market, timeframe), columns_of(market, timeframe)
    whole = own_features(candles, columns, timeframe)
    for _ in range(5):
        first = data.draw(st.integers(0, 639))
        last = min(639, first + data.draw(st.sampled_from([0, 0, 1, 30, 300])))
        more = data.draw(st.sampled_from([0, 0, 1, 17]))
        assert_same(part_of(candles, columns, timeframe, first, last, FEATURE_BARS + more), whole)


def test_the_declared_history_is_not_far_too_long(monkeypatch):
    market = random_walk(seed=8, n_candles=640, timeframe=Timeframe.M1)
    candles, columns = padded(market, Timeframe.M1), columns_of(market, Timeframe.M1)
    whole = own_features(candles, columns, Timeframe.M1)
    monkeypatch.setattr(features, "FEATURE_BARS", FEATURE_BARS - 40)

    differs = set()
    for bar in range(600, 640):
        part = part_of(candles, columns, Timeframe.M1, bar, bar, FEATURE_BARS - 40)
        differs |= {name for name, frame in part.items() if not frame.equals(whole[name].loc[frame.index])}
    assert differs == {"higher_trend"}


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.H4])
def test_real_bars_need_the_declared_history_and_no_more(timeframe):
    market = real_block("genetrader_binance_2024", timeframe, n_candles=1_000)
    market["is_filled"] = market["close"] * 0.0
    candles, columns = padded(market, timeframe), columns_of(market, timeframe)
    whole = own_features(candles, columns, timeframe)

    assert not any(np.isinf(frame.to_numpy()).any() for frame in whole.values())
    for bar in range(5, 1_000, 83):
        assert_same(part_of(candles, columns, timeframe, bar, bar, FEATURE_BARS), whole)
