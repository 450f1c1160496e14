"""Markets drawn through given points, and structure read off a block, for tests of levels and patterns."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.indicators.structure import Structure, structure
from tests.support.market import grid

SYMBOL = "BTC/USDT"
SHADOW = 0.1  # of a bar on either side, beyond open and close

Points = Sequence[tuple[int, float]]


def drawn(points: Points, noise: float = 0.0, symbol: str = SYMBOL) -> Block:
    """Candles whose closes run straight from point to point (bar, price); each opens at the close before."""
    bars, prices = zip(*points, strict=True)
    close = np.interp(np.arange(bars[-1] + 1), bars, prices)
    close += np.random.default_rng(5).uniform(-noise, noise, len(close))
    opens = np.append(close[0], close[:-1])
    values = {
        "open": opens,
        "high": np.maximum(opens, close) + SHADOW,
        "low": np.minimum(opens, close) - SHADOW,
        "close": close,
        "volume": np.full(len(close), 10.0),
    }
    index = grid(len(close))
    return {name: pd.DataFrame({symbol: column}, index=index) for name, column in values.items()}


def mirrored(candles: Block, around: float = 110.0) -> Block:
    """The same market upside down."""
    turned = {"high": "low", "low": "high"}
    flip = {name: 2 * around - candles[turned.get(name, name)] for name in ("open", "high", "low", "close")}
    return candles | flip


def times(candles: Block, factor: float) -> Block:
    """The same market with every price multiplied."""
    return candles | {name: candles[name] * factor for name in ("open", "high", "low", "close")}


def read(candles: Block, atr: float = 1.0, keep_from: int = 0) -> Structure:
    """Levels and patterns from bar ``keep_from`` on, in a market whose average true range never changes."""
    close = candles["close"]
    ranges = close.mul(0.0).add(atr)
    return structure(candles, ranges, close.index[keep_from].to_pydatetime())
