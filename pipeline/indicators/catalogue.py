"""Every indicator that is computed and stored: its columns, what it reads, and how much history it needs.

To add one, write the function in its family's module, an entry here, and a section in `docs/indicators.md`.
Registering puts it under the look-ahead test, the test of its warm-up, and the comparison of a tick with a
range.

The warm-up is the number of bars that must be loaded before a bar so that the value there equals the one from
the series' whole history to 1e-9 of itself (or of a millionth of the close, if that is more). For windows it
is exact. For fading memories it follows from the weight that the start still has after so many bars, which
for weight ``a`` is ``(1 - a) ** bars``: 2e-11 for EMA 26 after 320 bars, 5e-12 for Wilder's 1/14 after 350.
It is longer for MACD, a small difference of large averages (1e-15 after 448), and for ADX, which averages
twice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any

import pandas as pd

from pipeline.indicators.momentum import rsi
from pipeline.indicators.patterns.candles import candle_patterns
from pipeline.indicators.trend import adx, ema, macd, sma, trend_state
from pipeline.indicators.volatility import atr, bollinger, realised_volatility
from pipeline.indicators.volume import obv, volume_median


class Memory(Enum):
    """How an indicator remembers earlier bars, which decides from where it is computed."""

    WINDOW = "the last few bars and nothing else: the same bits from any start before them"
    FADING = "all bars, each less than the next: computed from an anchored start"
    CUMULATIVE = "all bars alike: no warm-up is enough, so it is carried forward"


@dataclass(frozen=True, slots=True)
class Indicator:
    """A function of candles, or of columns of indicators before it, that gives one or more columns."""

    name: str
    columns: tuple[str, ...]
    inputs: tuple[str, ...]  # candle fields and columns of earlier indicators, as the function takes them
    warm_up: int  # bars before the first one whose value is to be trusted
    function: Callable[..., Any]
    memory: Memory = Memory.WINDOW

    def compute(self, *inputs: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """The columns by name, each of the inputs' shape."""
        result = self.function(*inputs)
        return dict(zip(self.columns, result if isinstance(result, tuple) else (result,), strict=True))


_MACD = ("macd", "macd_signal", "macd_histogram")
_CANDLES = ("bullish_candles", "bearish_candles", "doji_candles")
_BANDS = ("bb_middle", "bb_upper", "bb_lower", "bb_width", "bb_percent")

_ALL = (
    Indicator("sma_20", ("sma_20",), ("close",), 19, partial(sma, window=20)),
    Indicator("sma_50", ("sma_50",), ("close",), 49, partial(sma, window=50)),
    Indicator("sma_200", ("sma_200",), ("close",), 199, partial(sma, window=200)),
    Indicator("ema_12", ("ema_12",), ("close",), 160, partial(ema, window=12), Memory.FADING),
    Indicator("ema_26", ("ema_26",), ("close",), 320, partial(ema, window=26), Memory.FADING),
    Indicator("rsi_14", ("rsi_14",), ("close",), 350, partial(rsi, window=14), Memory.FADING),
    Indicator("macd", _MACD, ("ema_12", "ema_26"), 448, partial(macd, signal_window=9), Memory.FADING),
    Indicator("bollinger", _BANDS, ("close",), 19, partial(bollinger, window=20, width=2.0)),
    Indicator("atr_14", ("atr_14",), ("high", "low", "close"), 350, partial(atr, window=14), Memory.FADING),
    Indicator("adx_14", ("adx_14",), ("high", "low"), 400, partial(adx, window=14), Memory.FADING),
    Indicator("obv", ("obv",), ("close", "volume"), 0, obv, Memory.CUMULATIVE),
    Indicator("volume_median_20", ("volume_median_20",), ("volume",), 19, partial(volume_median, window=20)),
    Indicator(
        "realised_volatility_20",
        ("realised_volatility_20",),
        ("close",),
        20,
        partial(realised_volatility, window=20),
    ),
    Indicator("trend_state", ("trend_state",), ("sma_50", "sma_200"), 199, trend_state),
    Indicator("candle_patterns", _CANDLES, ("open", "high", "low", "close"), 30, candle_patterns, Memory.FADING),
)

INDICATORS = {indicator.name: indicator for indicator in _ALL}
COLUMNS = tuple(column for indicator in _ALL for column in indicator.columns)
CANDLE_FIELDS = tuple(sorted({name for indicator in _ALL for name in indicator.inputs} - set(COLUMNS)))
WARM_UP = {column: indicator.warm_up for indicator in _ALL for column in indicator.columns}  # bars, by column
WARM_UP_BARS = max(WARM_UP.values())
