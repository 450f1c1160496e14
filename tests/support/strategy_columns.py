"""Indicator columns made up for strategies, and strategies that cheat.

The columns do not come from candles: they wander so that ties, exact thresholds and unknown bars, which a
market shows once in a while, happen all the time. A cheat is a real strategy, declared like any other.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.definition import Fraction, Strategy, StrategyParameters, strategy
from tests.support.market import grid

SYMBOL = "BTC/USDT"


def wide(values: Sequence[float | None], symbol: str = SYMBOL) -> pd.DataFrame:
    """One symbol's column as a frame of shape (n_candles, 1); None is unknown."""
    return pd.DataFrame({symbol: np.array(values, dtype=np.float64)}, index=grid(len(values)))


def columns_of(**values: Sequence[float | None]) -> Block:
    """A block of one symbol from a list per column, oldest bar first."""
    return {name: wide(each) for name, each in values.items()}


def wandering_columns(seed: int, n_candles: int, n_symbols: int = 3) -> Block:
    """All columns that the strategies read, on coarse steps; each symbol is unknown at its start."""
    rng = np.random.default_rng(seed)
    shape = (n_candles, n_symbols)

    def walk(step: float, low: float, high: float) -> npt.NDArray[np.float64]:
        """Whole multiples of ``step`` between two bounds, standing still on half of the bars."""
        moves = rng.choice([-2, -1, 0, 0, 0, 0, 1, 2], shape)
        span = round((high - low) / step)
        folded = np.abs((np.cumsum(moves, axis=0) + rng.integers(0, 2 * span, n_symbols)) % (2 * span) - span)
        return low + step * folded

    close = walk(0.5, 99.0, 101.0)
    middle, half_width = walk(0.5, 99.5, 100.5), walk(0.25, 0.0, 1.0)
    values = {
        "close": close,
        "sma_20": walk(0.5, 99.0, 101.0),
        "sma_50": walk(0.5, 99.5, 100.5),
        "sma_200": np.full(shape, 100.0),
        "macd": walk(0.25, -0.5, 0.5),
        "macd_signal": walk(0.25, -0.25, 0.25),
        "rsi_14": walk(2.5, 20.0, 80.0),
        "bb_upper": middle + half_width,
        "bb_lower": middle - half_width,
        "bb_width": 2.0 * half_width / middle,
    }
    unknown = np.arange(n_candles)[:, None] < rng.integers(0, 6, n_symbols)
    symbols = [f"{'ABCDEFGH'[place]}/USDT" for place in range(n_symbols)]
    index = grid(n_candles)
    return {
        name: pd.DataFrame(np.where(unknown, np.nan, each), index=index, columns=symbols)
        for name, each in values.items()
    }


class CheatParameters(StrategyParameters):
    """A cheat has nothing to set."""

    strength: Fraction = 0.5
    confidence: Fraction = 0.5


def _cheat(key: str, lookback: int = 1) -> Mapping[str, object]:
    return {
        "key": key,
        "buy": key.upper(),
        "sell": key.upper(),
        "parameters": CheatParameters,
        "family": "cheat",
        "source": Source.TECHNICAL,
        "columns": ("close",),
        "lookback": lookback,
        "describe": lambda side, inputs, parameters: "it knew",
    }


def _sign(frame: pd.DataFrame) -> pd.DataFrame:
    return np.sign(frame).fillna(0.0).astype("int8")


@strategy(**_cheat("next_candle"))
def next_candle(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy where the next close is higher."""
    return _sign(columns["close"].shift(-1) - columns["close"])


@strategy(**_cheat("centred_window", lookback=2))
def centred_window(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy below the mean of a window that has the bar in its middle."""
    return _sign(columns["close"].rolling(5, center=True).mean() - columns["close"])


@strategy(**_cheat("whole_sample_mean"))
def whole_sample_mean(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy below the mean of everything, the future included."""
    return _sign(columns["close"].mean() - columns["close"])


@strategy(**_cheat("filled_backwards"))
def filled_backwards(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy where the next move, whenever it comes, is upwards."""
    return _sign(columns["close"].diff().replace(0.0, np.nan).bfill())


@strategy(**_cheat("whole_sample_rank"))
def whole_sample_rank(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy in the lower half of all closes."""
    return _sign(0.5 - columns["close"].rank(pct=True))


@strategy(**_cheat("mean_since_listing", lookback=20))
def mean_since_listing(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy below the mean of all closes so far: nothing of the future, but all of the past."""
    return _sign(columns["close"].expanding().mean() - columns["close"])


@strategy(**_cheat("last_move", lookback=3))
def last_move(columns: Block, parameters: CheatParameters) -> pd.DataFrame:
    """Buy while the last move was upwards, however long ago it was."""
    return _sign(columns["close"].diff().replace(0.0, np.nan).ffill())


PEEKING: Mapping[str, Strategy] = {
    each.key: each for each in (next_candle, centred_window, whole_sample_mean, filled_backwards, whole_sample_rank)
}
NEVER_FORGETTING: Mapping[str, Strategy] = {each.key: each for each in (mean_since_listing, last_move)}
