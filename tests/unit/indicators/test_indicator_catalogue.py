"""The catalogue: names, history and documentation of every indicator."""

import re
from pathlib import Path

import numpy as np
import pytest

from pipeline.indicators.catalogue import CANDLE_FIELDS, COLUMNS, INDICATORS, WARM_UP, WARM_UP_BARS, Memory
from pipeline.indicators.compute import evaluate
from tests.support.market import random_walk
from tests.support.real_market import real_block
from tests.support.reference_indicators import error

PAGE = Path(__file__).resolve().parents[3] / "docs" / "indicators.md"
TOLERANCE = 1e-9
FADING = sorted(name for name, indicator in INDICATORS.items() if indicator.memory is Memory.FADING)
STARTS = (100, 1300, 2500, 3700)  # rows at which a history of real candles is cut off


def test_the_columns_are_those_that_tables_and_strategies_know():
    assert (
        *(
            "sma_20",
            "sma_50",
            "sma_200",
            "ema_12",
            "ema_26",
            "rsi_14",
            "macd",
            "macd_signal",
            "macd_histogram",
        ),
        *("bb_middle", "bb_upper", "bb_lower", "bb_width", "bb_percent", "atr_14", "adx_14", "obv"),
        *("volume_median_20", "realised_volatility_20", "trend_state"),
        *("bullish_candles", "bearish_candles", "doji_candles"),
    ) == COLUMNS


def test_indicators_read_candles_or_what_stands_before_them():
    known = set(CANDLE_FIELDS)
    for indicator in INDICATORS.values():
        assert known.issuperset(indicator.inputs), indicator.name
        known |= set(indicator.columns)
    assert set(CANDLE_FIELDS) <= {"open", "high", "low", "close", "volume"}


def worst_error(columns, block, starts, warm_up):
    """Largest error, after so many bars, of values computed from a history that is cut off.

    A value that is still unknown is infinitely wrong.
    """
    whole = evaluate(block)
    worst = 0.0
    for start in starts:
        rows = slice(start, start + warm_up + 64)
        part = evaluate({field: frame.iloc[rows] for field, frame in block.items()})
        for column in columns:
            trusted = part[column].iloc[warm_up:]
            apart = error(column, trusted, whole[column].loc[trusted.index], block["close"].loc[trusted.index])
            worst = max(worst, apart.fillna(np.inf).max(axis=None))
    return worst


@pytest.mark.parametrize("name", FADING)
def test_on_real_candles_the_declared_warm_up_gives_the_value_of_the_whole_history(name):
    block = real_block("genetrader_binance_2024", "1h")
    indicator = INDICATORS[name]

    assert worst_error(indicator.columns, block, STARTS, indicator.warm_up) <= TOLERANCE


@pytest.mark.parametrize("name", FADING)
def test_the_declared_warm_up_gives_the_value_of_the_whole_history(name):
    block = random_walk(seed=12, n_candles=1200, volatility=0.03)
    indicator = INDICATORS[name]

    assert worst_error(indicator.columns, block, (50, 333, 600), indicator.warm_up) <= TOLERANCE


@pytest.mark.parametrize("name", FADING)
def test_half_of_the_declared_warm_up_would_not_do(name):
    block = random_walk(seed=12, n_candles=1200, volatility=0.03)
    indicator = INDICATORS[name]

    assert worst_error(indicator.columns, block, (50, 333, 600), indicator.warm_up // 2) > TOLERANCE


@pytest.mark.parametrize(
    "name", sorted(name for name, indicator in INDICATORS.items() if indicator.memory is Memory.WINDOW)
)
def test_a_window_is_as_long_as_its_warm_up_says(name):
    block = random_walk(seed=13, n_candles=400)
    warm_up = INDICATORS[name].warm_up
    whole = evaluate(block, [name])
    part = evaluate({field: frame.iloc[100 : 101 + warm_up] for field, frame in block.items()}, [name])
    short = evaluate({field: frame.iloc[101 : 101 + warm_up] for field, frame in block.items()}, [name])

    for column in INDICATORS[name].columns:
        assert part[column].iloc[-1].equals(whole[column].iloc[100 + warm_up])
        assert np.isnan(short[column]).all(axis=None)


def test_the_longest_warm_up_is_the_history_that_is_loaded():
    assert max(WARM_UP.values()) == WARM_UP_BARS


@pytest.mark.parametrize("name", sorted(INDICATORS))
def test_every_indicator_has_a_section(name):
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.S | re.M))

    assert name in sections
    for word in ("Formula", "Source", "Unit", "Warm-up", "Unknown"):
        assert f"**{word}**" in sections[name], word
    for column in INDICATORS[name].columns:
        assert f"`{column}`" in sections[name]
    assert re.search(rf"\*\*Warm-up\*\* {INDICATORS[name].warm_up} bars?\b", sections[name])
