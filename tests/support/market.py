"""Made-up markets: blocks of candles that look like real ones, the same for the same arguments.

Add a builder here when several tests need a market with some property; what only one test needs stands there.
Nothing here is random between runs: everything follows from ``seed``.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.domain.timeframe import Timeframe

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday, so that it is on the grid of every timeframe
SYMBOLS = ("BTC/USDT", "ETH/USDT")
FIELDS = ("open", "high", "low", "close", "volume", "is_filled")
DIGITS = 6  # significant ones: exchanges quote on ticks, so that equal closes do happen


def grid(n_candles: int, timeframe: Timeframe = Timeframe.H1, start: datetime = START) -> pd.DatetimeIndex:
    """Opens of ``n_candles`` bars from ``start`` on, UTC, microseconds."""
    opens = pd.date_range(start, periods=n_candles, freq=timeframe.duration, unit=TIME_UNIT, name="open_at")
    return pd.DatetimeIndex(opens, freq=None)


def random_walk(
    seed: int,
    n_candles: int = 400,
    symbols: Sequence[str] = SYMBOLS,
    timeframe: Timeframe = Timeframe.H1,
    start: datetime = START,
    price: float = 100.0,
    volatility: float = 0.01,
) -> Block:
    """A block of candles whose closes walk at random, with calm and wild spells and the odd jump.

    Each bar opens at the close before it and its range holds both; volume rises with the size of the move;
    prices are rounded to six significant digits. ``volatility`` is that of one bar's log return, ``price``
    the order of magnitude of the first close (each symbol has its own).
    """
    rng = np.random.default_rng(seed)
    shape = (n_candles, len(symbols))
    spell = np.exp(0.7 * np.sin(np.cumsum(rng.normal(0.0, 0.08, shape), axis=0)))
    step = rng.standard_t(4, shape) * volatility * spell / np.sqrt(2.0)
    close = price * rng.uniform(0.5, 2.0, len(symbols)) * np.exp(np.cumsum(step, axis=0))
    close = _round(close)
    before = np.vstack([close[:1], close[:-1]])
    wick = rng.exponential(0.4 * volatility, (2, *shape)) * spell
    high = np.maximum(_round(np.maximum(before, close) * (1.0 + wick[0])), np.maximum(before, close))
    low = np.minimum(_round(np.minimum(before, close) / (1.0 + wick[1])), np.minimum(before, close))
    volume = _round(1_000.0 * rng.lognormal(0.0, 0.5, shape) * (1.0 + np.abs(step) / volatility))
    values = (before, high, low, close, volume, np.zeros(shape))
    return _block(values, grid(n_candles, timeframe, start), symbols)


def flat_market(
    n_candles: int = 400,
    symbols: Sequence[str] = SYMBOLS,
    timeframe: Timeframe = Timeframe.H1,
    start: datetime = START,
    price: float = 100.1,
    volume: float = 1.0,
) -> Block:
    """A block of candles that never move; the default price has no exact binary form, as most prices."""
    prices = np.full((n_candles, len(symbols)), price)
    volumes = np.full_like(prices, volume)
    values = (prices, prices, prices, prices, volumes, np.zeros_like(prices))
    return _block(values, grid(n_candles, timeframe, start), symbols)


def with_listing(block: Block, symbol: str, at: datetime | int) -> Block:
    """The block with ``symbol`` listed at ``at`` (open of its first candle, or its row): NaN before."""
    first = _row(block, at)
    return _changed(block, symbol, slice(0, first), dict.fromkeys(block, np.nan))


def with_delisting(block: Block, symbol: str, at: datetime | int) -> Block:
    """The block with ``symbol`` delisted at ``at`` (open of the first bar without a candle, or its row)."""
    return _changed(block, symbol, slice(_row(block, at), None), dict.fromkeys(block, np.nan))


def with_filled(block: Block, symbol: str, at: datetime | int, n_candles: int = 1) -> Block:
    """The block with a gap of ``symbol`` filled: ``n_candles`` rows at the close before them, volume 0."""
    first = _row(block, at)
    close = float(block["close"][symbol].iloc[first - 1])
    values = dict.fromkeys(("open", "high", "low", "close"), close) | {"volume": 0.0, "is_filled": 1.0}
    return _changed(block, symbol, slice(first, first + n_candles), values)


def scaled(block: Block, factor: float) -> Block:
    """The block with every price multiplied by ``factor``."""
    prices = ("open", "high", "low", "close")
    return {field: frame * factor if field in prices else frame for field, frame in block.items()}


def _round(values: np.ndarray) -> np.ndarray:
    """Rounded to `DIGITS` significant digits."""
    decimals = DIGITS - 1 - np.floor(np.log10(np.abs(values)))
    return np.round(values * 10.0**decimals) / 10.0**decimals


def _block(values: Sequence[np.ndarray], index: pd.DatetimeIndex, symbols: Sequence[str]) -> Block:
    columns = pd.Index(symbols, name="symbol")
    frames = (pd.DataFrame(array, index=index, columns=columns) for array in values)
    return dict(zip(FIELDS, frames, strict=True))


def _row(block: Block, at: datetime | int) -> int:
    index = next(iter(block.values())).index
    return at if isinstance(at, int) else int(index.searchsorted(pd.Timestamp(at)))


def _changed(block: Block, symbol: str, rows: slice, values: dict[str, float]) -> Block:
    changed = {field: frame.copy() for field, frame in block.items()}
    for field, value in values.items():
        changed[field].iloc[rows, changed[field].columns.get_loc(symbol)] = value
    return changed
