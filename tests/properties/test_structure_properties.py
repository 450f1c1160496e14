"""Levels and patterns never see the future, and what a bar's are does not depend on how much was loaded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.blocks import Block
from pipeline.indicators import pivots
from pipeline.indicators.structure import STRUCTURE_BARS, Structure, structure
from pipeline.indicators.volatility import atr
from tests.support.lookahead import first_rewrite
from tests.support.market import random_walk
from tests.support.pattern_geometry import breaches
from tests.support.real_market import real_block

SEEDS = st.integers(0, 2**32 - 1)


def of_whole(candles: Block) -> Structure:
    """Levels and patterns of every bar of a history."""
    ranges = atr(candles["high"], candles["low"], candles["close"], 14)
    return structure(candles, ranges, candles["close"].index[0].to_pydatetime())


def columns_of(candles: Block) -> Block:
    return of_whole(candles).columns


def rows_of(candles: Block) -> pd.DataFrame:
    """Per bar and symbol a text of all rows that became known at its close."""
    found = of_whole(candles)
    close = candles["close"]
    step = pd.Timedelta(hours=1)
    told = pd.DataFrame("", index=close.index, columns=close.columns)
    for rows, known_at in ((found.levels, "known_at"), (found.patterns, "completed_at")):
        for row in rows.itertuples():
            told.iloc[close.index.get_loc(getattr(row, known_at) - step), row.place] += repr(tuple(row)[1:])
    return told


@given(seed=SEEDS)
@settings(max_examples=3, deadline=None)
def test_later_candles_never_change_earlier_levels_and_patterns(seed):
    market = random_walk(seed, n_candles=160, volatility=0.02)
    assert first_rewrite(columns_of, market) is None
    assert first_rewrite(rows_of, market) is None


def test_the_detector_catches_a_pivot_that_is_known_on_its_own_bar(monkeypatch):
    monkeypatch.setattr(pivots.Pivots, "known", property(lambda found: found.bar))
    assert first_rewrite(columns_of, random_walk(seed=3, n_candles=160, volatility=0.02)) is not None


def assert_same(part: Structure, whole: Structure, since: pd.Timestamp) -> None:
    for name, frame in part.columns.items():
        pd.testing.assert_frame_equal(frame, whole.columns[name].loc[since:], rtol=0, atol=0, check_freq=False)
    for rows, known_at in (("levels", "known_at"), ("patterns", "completed_at")):
        expected = getattr(whole, rows)
        expected = expected[expected[known_at] > since].reset_index(drop=True)
        got = getattr(part, rows)
        order = [name for name in got.columns if name not in ("anchors", "boundaries")]
        pd.testing.assert_frame_equal(
            got.sort_values(order).reset_index(drop=True), expected.sort_values(order).reset_index(drop=True)
        )


def from_bar(market: Block, ranges: pd.DataFrame, start: int, history: int = STRUCTURE_BARS) -> Structure:
    """Levels and patterns from a bar on, when so many bars are loaded before it."""
    loaded = slice(start - history, None)
    opened = market["close"].index[start].to_pydatetime()
    return structure({name: frame.iloc[loaded] for name, frame in market.items()}, ranges.iloc[loaded], opened)


@given(seed=SEEDS, start=st.integers(STRUCTURE_BARS, 999))
@settings(max_examples=20, deadline=None)
def test_a_bar_needs_the_declared_history_and_no_more(seed, start):
    market = random_walk(seed, n_candles=1_000, volatility=0.02)
    ranges = atr(market["high"], market["low"], market["close"], 14)
    index = market["close"].index

    assert_same(from_bar(market, ranges, start), structure(market, ranges, index[0].to_pydatetime()), index[start])


def test_the_declared_history_is_not_far_too_long():
    market = random_walk(seed=8, n_candles=1_400, symbols=[f"S{n}/USDT" for n in range(20)], volatility=0.02)
    ranges = atr(market["high"], market["low"], market["close"], 14)
    index = market["close"].index
    whole = structure(market, ranges, index[0].to_pydatetime())
    differs = False
    for start in range(600, 1_400, 40):
        part = from_bar(market, ranges, start, STRUCTURE_BARS - 40)
        differs |= any(
            not np.array_equal(
                part.columns[name].to_numpy(), whole.columns[name].iloc[start:].to_numpy(), equal_nan=True
            )
            for name in part.columns
        )
    assert differs


@pytest.mark.parametrize(
    ("source", "timeframe"), [("genetrader_binance_2024", "1h"), ("genetrader_binance_2024", "4h")]
)
def test_real_bars_need_the_declared_history_and_no_more(source, timeframe):
    market = real_block(source, timeframe)
    ranges = atr(market["high"], market["low"], market["close"], 14)
    index = market["close"].index
    whole = structure(market, ranges, index[0].to_pydatetime())
    for start in range(STRUCTURE_BARS, len(index), len(index) // 7):
        assert_same(from_bar(market, ranges, start), whole, index[start])


@pytest.mark.parametrize(
    ("source", "timeframe"), [("genetrader_binance_2024", "1h"), ("genetrader_binance_2024", "4h")]
)
def test_every_real_pattern_is_what_its_name_says(source, timeframe):
    market = real_block(source, timeframe)
    series = [{name: frame[symbol] for name, frame in market.items()} for symbol in market["close"].columns]
    rows = of_whole(market).patterns

    assert [(row, said) for row in rows.itertuples() for said in breaches(row, series[row.place])] == []
    assert rows["pattern"].nunique() >= 14


def test_made_up_patterns_are_what_their_names_say():
    market = random_walk(seed=21, n_candles=3_000, symbols=[f"S{n}/USDT" for n in range(10)], volatility=0.02)
    series = [{name: frame[symbol] for name, frame in market.items()} for symbol in market["close"].columns]
    rows = of_whole(market).patterns

    assert len(rows) > 100
    assert [said for row in rows.itertuples() for said in breaches(row, series[row.place])] == []
