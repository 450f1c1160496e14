"""The future never changes the past, and the past counts only as far back as a strategy says.

The first makes a backtest honest. The second makes a live run, which loads a few hundred bars, give the
signals of a replay over years. A file in `pipeline/strategies` is under both, over columns and settings made
from its own declaration; planted cheats guard the detectors, and so does each strategy, made to cheat.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pipeline.contracts.blocks import Block
from pipeline.strategies.definition import Strategy, StrategyParameters
from pipeline.strategies.registry import STRATEGIES
from tests.support.lookahead import first_rewrite
from tests.support.market import random_walk
from tests.support.strategy_columns import (
    FORGETTING_TOO_LATE,
    PEEKING,
    predicted_columns,
    remembering_columns,
    variants,
    wandering_columns,
)

SEEDS = st.integers(0, 2**32 - 1)
# A smaller seed is no simpler market, so that looking for one would only keep the author waiting.
few_markets = settings(max_examples=3, phases=[Phase.generate])


def judged(strategy: Strategy, parameters: StrategyParameters) -> Callable[[Block], pd.DataFrame]:
    """The strategy under these parameters, as a function of columns alone."""
    return lambda columns: strategy.sides(columns, parameters)


def wandering(strategy: Strategy, parameters: StrategyParameters, seed: int) -> Block:
    """The columns that the strategy reads, for longer than it looks back."""
    n_candles = max(120, strategy.lookback + 60)
    return wandering_columns(seed, n_candles, n_symbols=48, names=strategy.columns(parameters))


def first_forgotten(
    strategy: Strategy, parameters: StrategyParameters, columns: Block, newest: int | None = None
) -> int | None:
    """The first bar whose side is another one when only the declared lookback stands before it, or None.

    Judged are all bars that have more than the lookback before them, or the ``newest`` of them.
    """
    full = strategy.sides(columns, parameters)
    for bar in range(strategy.lookback + 1 if newest is None else len(full) - newest, len(full)):
        loaded = {name: frame.iloc[bar - strategy.lookback : bar + 1] for name, frame in columns.items()}
        if not strategy.sides(loaded, parameters).iloc[-1].equals(full.iloc[bar]):
            return bar
    return None


def remembers_too_much(strategy: Strategy) -> bool:
    """Whether a bar before the lookback decides under any settings: the bar just before it, or one far back."""
    return any(
        first_forgotten(strategy, parameters, columns, newest=1) is not None
        for parameters in variants(strategy)
        for n_symbols, n_before, seed in [(4_000, 0, 0), (4_000, 0, 1), (4_000, 0, 2), (100, 1_000, 3)]
        for columns in [remembering_columns(strategy.lookback, strategy.columns(parameters), n_symbols, seed, n_before)]
    )


@pytest.mark.parametrize("key", STRATEGIES)
@given(seed=SEEDS)
@few_markets
def test_future_bars_never_change_past_sides(key, seed):
    strategy = STRATEGIES[key]
    for parameters in variants(strategy):
        assert first_rewrite(judged(strategy, parameters), wandering(strategy, parameters, seed)) is None


@pytest.mark.parametrize("key", PEEKING)
def test_the_detector_catches_a_strategy_that_peeks(key):
    cheat = PEEKING[key]
    assert first_rewrite(judged(cheat, cheat.parameters()), wandering(cheat, cheat.parameters(), seed=1)) is not None


@pytest.mark.parametrize("key", STRATEGIES)
def test_the_detector_catches_every_strategy_once_it_sees_the_next_bar(key):
    strategy, parameters = STRATEGIES[key], STRATEGIES[key].parameters()

    def peeking(columns: Block) -> pd.DataFrame:
        return strategy.sides({name: frame.shift(-1) for name, frame in columns.items()}, parameters)

    markets = (wandering(strategy, parameters, seed) for seed in range(5))
    assert any(first_rewrite(peeking, columns) is not None for columns in markets), (
        f"{key} must take a side now and then in the made-up markets, took none: nothing can be shown about it"
    )


def test_later_candles_never_change_earlier_sides_through_the_indicators_either():
    found: list[int] = []

    def sides_of_all(candles: Block) -> Block:
        columns = predicted_columns(candles)
        sides = {key: each.sides(columns, each.parameters()) for key, each in STRATEGIES.items()}
        found.append(sum(int(np.count_nonzero(each)) for each in sides.values()))
        return sides

    assert first_rewrite(sides_of_all, random_walk(seed=11, n_candles=260)) is None
    assert found[0] > 50


@pytest.mark.parametrize("key", STRATEGIES)
@given(seed=SEEDS)
@few_markets
def test_sides_from_the_declared_lookback_are_those_from_full_history(key, seed):
    strategy = STRATEGIES[key]
    for parameters in variants(strategy):
        assert first_forgotten(strategy, parameters, wandering(strategy, parameters, seed)) is None


@pytest.mark.parametrize("key", STRATEGIES)
def test_no_setting_lets_a_bar_before_the_declared_lookback_decide(key):
    assert not remembers_too_much(STRATEGIES[key]), (
        f"{key} must not use bars before its lookback of {STRATEGIES[key].lookback}: declare as many as the rule "
        "can use under any settings, and bound the settings that count bars"
    )


@pytest.mark.parametrize("key", FORGETTING_TOO_LATE)
def test_the_detector_catches_a_strategy_that_remembers_more_than_it_declares(key):
    cheat = FORGETTING_TOO_LATE[key]
    assert first_rewrite(judged(cheat, cheat.parameters()), wandering(cheat, cheat.parameters(), seed=1)) is None
    assert remembers_too_much(cheat)


@pytest.mark.parametrize("key", [key for key, each in STRATEGIES.items() if each.lookback])
def test_the_declared_lookback_is_needed_to_its_last_bar(key):
    strategy = STRATEGIES[key]
    shorter = replace(strategy, lookback=strategy.lookback - 1)
    found = (
        first_forgotten(shorter, parameters, columns, newest=1)
        for seed in range(10)
        for parameters in variants(strategy)
        for columns in [remembering_columns(strategy.lookback, strategy.columns(parameters), 4_000, seed)]
    )
    assert any(bar is not None for bar in found), (
        f"{key} must need its lookback of {strategy.lookback} to the last bar, was the same without it in all "
        "made-up markets: declare as many bars as the rule can use"
    )


def test_the_made_up_columns_hold_what_markets_rarely_show():
    columns = pd.concat(wandering_columns(seed=1, n_candles=2_000), axis=1)
    assert (columns["rsi_14"] == 30.0).any(axis=None)
    assert (columns["rsi_14"] == 70.0).any(axis=None)
    assert (columns["sma_20"] == columns["sma_50"]).any(axis=None)
    assert (columns["close"] == columns["bb_upper"]).any(axis=None)
    assert columns.isna().any(axis=None)
