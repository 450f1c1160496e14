"""The strategies on half a year of real hourly candles: ties, the specification's code, counts."""

from datetime import timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.strategies.crossing import ABOVE, BELOW, TOUCH, relation
from pipeline.strategies.emission import signals_of
from pipeline.strategies.registry import STRATEGIES
from tests.support.real_market import real_block
from tests.support.strategy_columns import predicted_columns

IntegerArray = npt.NDArray[np.object_]


@pytest.fixture(scope="module")
def columns() -> Block:
    """The indicators of 40 symbols, 4,368 bars each."""
    candles = real_block("genetrader_binance_2024", "1h")
    return predicted_columns(candles)


def in_ticks(closes: pd.Series) -> IntegerArray:
    """The closes as whole numbers of the smallest decimal place that any of them uses."""
    prices = [Decimal(repr(price)) for price in closes.tolist()]
    digits = max(-int(price.as_tuple().exponent) for price in prices)
    return np.array([int(price.scaleb(digits)) for price in prices], dtype=object)


def sums(values: IntegerArray, window: int) -> IntegerArray:
    """Sum of the last ``window`` values, from the first bar that has so many."""
    total = np.cumsum(np.concatenate([[0], values]))
    return total[window:] - total[:-window]


def test_the_averages_lie_where_exact_arithmetic_puts_them(columns):
    found = relation(columns["sma_20"], columns["sma_50"], columns["sma_50"])
    ties = 0
    for place, symbol in enumerate(columns["close"].columns):
        ticks = in_ticks(columns["close"][symbol])
        gaps = 5 * sums(ticks, 20)[30:] - 2 * sums(ticks, 50)  # 100 times the difference of the averages
        exact = np.where(gaps > 0, ABOVE, np.where(gaps < 0, BELOW, TOUCH))
        assert (found[49:, place] == exact).all(), symbol
        ties += int((gaps == 0).sum())
    assert ties == 14, "the test means something only where there are ties"


def test_the_breakouts_are_those_of_exact_arithmetic(columns):
    strategy = STRATEGIES["bollinger_breakout"]
    sides = strategy.sides(columns, strategy.parameters())
    steady = 0
    for symbol in columns["close"].columns:
        ticks = in_ticks(columns["close"][symbol])
        mean = sums(ticks, 20)  # 20 times the middle band
        variance = 20 * sums(ticks * ticks, 20) - mean * mean  # 400 times the square of the deviation
        reach = 20 * ticks[19:] - mean
        is_outside = reach * reach > 4 * variance
        lies = np.where(is_outside, np.where(reach > 0, 1, -1), 0)
        growth = variance[1:] * mean[:-1] ** 2 - variance[:-1] * mean[1:] ** 2
        exact = np.where((growth > 0) & (lies[1:] != lies[:-1]), lies[1:], 0)
        assert sides[symbol].to_numpy()[20:].tolist() == exact.tolist(), symbol
        steady += int((growth == 0).sum())
    assert steady > 100, "the test means something only where bands keep their width"
    assert int(np.count_nonzero(sides)) == 10_169, "as the page says"


def test_the_level_triggers_give_what_the_specification_gives(columns):
    chosen = {name: frame.iloc[:600, :4] for name, frame in columns.items()}
    usable = pd.DataFrame(True, index=chosen["close"].index, columns=chosen["close"].columns)
    found = set()
    for key in ("sma_crossover", "rsi"):
        parameters = STRATEGIES[key].parameters.model_validate({"trigger": "level"})
        for signal in signals_of(
            STRATEGIES[key], parameters, chosen, exchange="binance", timeframe=Timeframe.H1, usable=usable
        ):
            advice = (signal.signal_type, signal.strategy, signal.strength, signal.confidence)
            found.add((signal.symbol, signal.created_at - timedelta(hours=1), *advice, signal.description))

    expected = set()
    for symbol in usable.columns:
        values = zip(*(chosen[name][symbol].tolist() for name in ("sma_20", "sma_50", "rsi_14")), strict=True)
        for open_at, seen in zip(usable.index.to_pydatetime(), values, strict=True):
            expected |= {(symbol, open_at, *advice) for advice in advice_of_the_specification(*seen)}
    assert found == expected
    assert len(expected) > 2_000


def advice_of_the_specification(sma_20: float, sma_50: float, rsi_value: float) -> list[tuple[object, ...]]:
    """What the owner's `_generate_technical_signals` says about one bar."""
    signals: list[tuple[object, ...]] = []
    if sma_20 > sma_50:
        signals.append((SignalType.BUY, "SMA_CROSSOVER", 0.7, 0.65, "SMA 20 crossed above SMA 50"))
    elif sma_20 < sma_50:
        signals.append((SignalType.SELL, "SMA_CROSSOVER", 0.7, 0.65, "SMA 20 crossed below SMA 50"))
    if rsi_value < 30:
        signals.append((SignalType.BUY, "RSI_OVERSOLD", 0.8, 0.7, f"RSI is oversold at {rsi_value:.2f}"))
    elif rsi_value > 70:
        signals.append((SignalType.SELL, "RSI_OVERBOUGHT", 0.8, 0.7, f"RSI is overbought at {rsi_value:.2f}"))
    return signals


@pytest.mark.parametrize(
    ("key", "crosses", "levels_in_thousands"),
    [
        ("sma_crossover", 4_004, 173),
        ("golden_cross", 1_000, 167),
        ("macd_crossover", 13_510, 173),
        ("rsi", 3_521, 15),
    ],
)
def test_the_counts_on_the_page_are_those_of_real_candles(columns, key, crosses, levels_in_thousands):
    strategy = STRATEGIES[key]
    sides = strategy.sides(columns, strategy.parameters())
    assert int(np.count_nonzero(sides)) == crosses
    sides = strategy.sides(columns, strategy.parameters.model_validate({"trigger": "level"}))
    assert round(np.count_nonzero(sides) / 1_000) == levels_in_thousands


@pytest.mark.parametrize("key", STRATEGIES)
def test_real_sides_from_the_declared_lookback_are_those_from_half_a_year(columns, key):
    strategy = STRATEGIES[key]
    full = strategy.sides(columns, strategy.parameters())
    for bar in np.random.default_rng(7).integers(strategy.lookback, len(full), 60):
        loaded = {name: frame.iloc[bar - strategy.lookback : bar + 1] for name, frame in columns.items()}
        newest = strategy.sides(loaded, strategy.parameters()).iloc[-1]
        pd.testing.assert_series_equal(newest, full.iloc[bar])
