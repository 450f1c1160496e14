"""The future never changes the past, and the past counts only as far back as a strategy says.

The first makes a backtest honest. The second makes a live run, which loads a few hundred bars, give the
signals of a replay over years. Registering a strategy puts it under both; the planted cheats guard the
detectors.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.contracts.blocks import Block
from pipeline.indicators.compute import evaluate
from pipeline.strategies.definition import Strategy, StrategyParameters
from pipeline.strategies.registry import STRATEGIES
from tests.support.lookahead import first_rewrite
from tests.support.market import random_walk
from tests.support.strategy_columns import NEVER_FORGETTING, PEEKING, columns_of, wandering_columns

SEEDS = st.integers(0, 2**32 - 1)


def judged(strategy: Strategy, parameters: StrategyParameters) -> Callable[[Block], pd.DataFrame]:
    """The strategy under these parameters, as a function of columns alone."""
    return lambda columns: strategy.sides(columns, parameters)


def first_forgotten(strategy: Strategy, parameters: StrategyParameters, columns: Block) -> int | None:
    """The first bar whose side is another one when only the declared lookback stands before it, or None."""
    full = strategy.sides(columns, parameters)
    for bar in range(strategy.lookback + 1, len(full)):
        loaded = {name: frame.iloc[bar - strategy.lookback : bar + 1] for name, frame in columns.items()}
        if not strategy.sides(loaded, parameters).iloc[-1].equals(full.iloc[bar]):
            return bar
    return None


def variants(strategy: Strategy) -> list[StrategyParameters]:
    """The default parameters, and the other trigger where there is one."""
    fields = strategy.parameters.model_fields
    levels = [strategy.parameters.model_validate({"trigger": "level"})] if "trigger" in fields else []
    return [strategy.parameters(), *levels]


@pytest.mark.parametrize("key", STRATEGIES)
@given(seed=SEEDS)
@settings(max_examples=5)
def test_future_bars_never_change_past_sides(key, seed):
    columns = wandering_columns(seed, n_candles=120)
    for parameters in variants(STRATEGIES[key]):
        assert first_rewrite(judged(STRATEGIES[key], parameters), columns) is None


@pytest.mark.parametrize("key", PEEKING)
def test_the_detector_catches_a_strategy_that_peeks(key):
    cheat = PEEKING[key]
    columns = wandering_columns(seed=1, n_candles=60)
    assert first_rewrite(judged(cheat, cheat.parameters()), columns) is not None


def test_later_candles_never_change_earlier_sides_through_the_indicators_either():
    found: list[int] = []

    def sides_of_all(candles: Block) -> Block:
        columns = evaluate(candles) | {"close": candles["close"]}
        sides = {key: each.sides(columns, each.parameters()) for key, each in STRATEGIES.items()}
        found.append(sum(int(np.count_nonzero(each)) for each in sides.values()))
        return sides

    assert first_rewrite(sides_of_all, random_walk(seed=11, n_candles=260)) is None
    assert found[0] > 50


@pytest.mark.parametrize("key", STRATEGIES)
@given(seed=SEEDS)
@settings(max_examples=5)
def test_sides_from_the_declared_lookback_are_those_from_full_history(key, seed):
    strategy = STRATEGIES[key]
    columns = wandering_columns(seed, n_candles=strategy.lookback + 100)
    for parameters in variants(strategy):
        assert first_forgotten(strategy, parameters, columns) is None


@pytest.mark.parametrize("key", NEVER_FORGETTING)
def test_the_detector_catches_a_strategy_that_remembers_more_than_it_declares(key):
    cheat = NEVER_FORGETTING[key]
    columns = wandering_columns(seed=1, n_candles=400)
    assert first_rewrite(judged(cheat, cheat.parameters()), columns) is None, "it looks back only"
    assert first_forgotten(cheat, cheat.parameters(), columns) is not None


LONG_TOUCH = columns_of(
    sma_20=[99.0, 99.0, *[100.0] * 50, 101.0],
    sma_50=[100.0] * 53,
    sma_200=[100.0] * 53,
    macd=[-1.0, -1.0, *[0.0] * 50, 1.0],
    macd_signal=[0.0] * 53,
    close=[100.0] * 53,
)
LATEST_MEMORY: dict[str, Block] = {  # columns on which the oldest bar of the lookback decides on the newest bar
    "sma_crossover": LONG_TOUCH,
    "golden_cross": LONG_TOUCH | {"sma_50": LONG_TOUCH["sma_20"]},
    "macd_crossover": LONG_TOUCH,
    "rsi": columns_of(rsi_14=[50.0, 29.0, *[32.0] * 199, 29.0]),
    "bollinger_breakout": columns_of(
        close=[100.0, 100.0, 103.0],
        bb_upper=[102.0, 102.0, 102.5],
        bb_lower=[98.0, 98.0, 97.5],
        bb_width=[4.0, 4.0, 5.0],
    ),
}


@pytest.mark.parametrize("key", STRATEGIES)
def test_the_declared_lookback_is_needed_to_its_last_bar(key):
    strategy, columns = STRATEGIES[key], LATEST_MEMORY[key]
    parameters = strategy.parameters()
    assert len(next(iter(columns.values()))) == strategy.lookback + 2
    assert first_forgotten(strategy, parameters, columns) is None
    shorter = replace(strategy, lookback=strategy.lookback - 1)
    assert first_forgotten(shorter, parameters, columns) == strategy.lookback + 1


def test_the_made_up_columns_hold_what_markets_rarely_show():
    columns = pd.concat(wandering_columns(seed=1, n_candles=2_000), axis=1)
    assert (columns["rsi_14"] == 30.0).any(axis=None)
    assert (columns["rsi_14"] == 70.0).any(axis=None)
    assert (columns["sma_20"] == columns["sma_50"]).any(axis=None)
    assert (columns["close"] == columns["bb_upper"]).any(axis=None)
    assert columns.isna().any(axis=None)
