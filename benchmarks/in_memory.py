"""Indicators and strategies over a block in memory, against a loop over `ta` and against TA-Lib on its own."""

import time
from collections.abc import Collection

import numpy as np

from benchmarks.floor import contiguous, talib_block
from benchmarks.measurement import Figures, median_seconds, peak_memory
from benchmarks.stored_market import EXCHANGE, TIMEFRAME, symbols_of
from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Signal
from pipeline.generation import advice_of, usable_bars
from pipeline.indicators.catalogue import INDICATORS
from pipeline.indicators.compute import evaluate
from pipeline.settings import load_settings
from pipeline.stages import rules_of
from pipeline.strategies.columns import PREDICTION, PREDICTIONS
from pipeline.strategies.registry import STRATEGIES
from tests.support.market import random_walk
from tests.support.reference_indicators import candles_of, ta_columns
from tests.support.strategy_columns import bar_columns

N_SYMBOLS, N_BARS = 500, 1_000
BEYOND_PEERS = ("candle_patterns",)  # what the peers do not have; nor have they levels or chart patterns
BEYOND_VECTORBT = (*BEYOND_PEERS, "adx_14", "volume_median_20", "realised_volatility_20")
COMPARED = tuple(name for name in INDICATORS if name not in BEYOND_PEERS)
TA_SYMBOLS = 10  # `ta` is slow and its time proportional to the symbols


def market(n_symbols: int = N_SYMBOLS, n_bars: int = N_BARS) -> Block:
    """The block that all contestants get."""
    return random_walk(0, n_bars, symbols_of(n_symbols), TIMEFRAME)


def in_memory(home: object) -> Figures:
    """Case: processor seconds of every contestant over the same candles, and the peak memory of ours."""
    block = market()
    arrays = {name: contiguous(frame.to_numpy()) for name, frame in block.items()}
    ours = median_seconds(lambda: indicators_and_sides(block, COMPARED), clock=time.process_time)
    indicators = median_seconds(lambda: evaluate(block, COMPARED), 3, time.process_time)
    everything = median_seconds(lambda: indicators_and_sides(block), 3, time.process_time)
    signals = median_seconds(lambda: indicators_and_signals(block), 1, time.process_time)
    peak = peak_memory()
    talib_s = median_seconds(lambda: talib_block(arrays, with_shapes=False), clock=time.process_time)
    some = [candles_of(block, symbol) for symbol in symbols_of(TA_SYMBOLS)]
    ta_s = median_seconds(lambda: [ta_columns(candles) for candles in some], 1, time.process_time)
    return {
        "seconds": ours,
        "indicators_s": indicators,
        "everything_s": everything,
        "signals_s": signals,
        "signals": len(indicators_and_signals(block)),
        "talib_s": talib_s,
        "ta_s": ta_s * N_SYMBOLS / TA_SYMBOLS,
        "peak": peak,
    }


def beside_peers(home: object) -> Figures:
    """Case: processor seconds of ours, with all indicators and with those that vectorbt has."""
    block = market()
    common = [name for name in INDICATORS if name not in BEYOND_VECTORBT]
    return {
        "seconds": median_seconds(lambda: indicators_and_sides(block, COMPARED), clock=time.process_time),
        "as_vectorbt_s": median_seconds(lambda: indicators_and_sides(block, common), clock=time.process_time),
        "peak": peak_memory(),
    }


def indicators_and_sides(block: Block, names: Collection[str] | None = None) -> int:
    """Indicators, and what each strategy says on every bar: BUY, SELL or nothing. How often it says something.

    With ``names`` only these indicators, no levels and no patterns, and the strategies that can do with them.
    """
    columns = bar_columns(block) if names is None else evaluate(block, names) | {"close": block["close"]}
    parameters = load_settings().strategies
    able = {key: each for key, each in STRATEGIES.items() if set(each.columns(parameters[key])) <= set(columns)}
    return sum(int(np.count_nonzero(each.sides(columns, parameters[key]))) for key, each in able.items())


def indicators_and_signals(block: Block) -> list[Signal]:
    """Every indicator and every advice of every strategy, as objects with what was seen."""
    columns = bar_columns(block)
    columns |= {PREDICTION + name: columns["close"] * float("nan") for name in PREDICTIONS}  # no model speaks
    everywhere = block["close"].notna()
    reasons = everywhere.astype(object).where(~everywhere, None)
    usable = usable_bars(block["is_filled"], reasons, everywhere)
    return advice_of(columns, usable, EXCHANGE, TIMEFRAME, rules_of(load_settings()))
