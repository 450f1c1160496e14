"""Market conditions: is this bar's market unusually volatile, measured by its own recent past?

Add a condition here when a filter needs it and it follows from one series' bars. What a profile makes of it
belongs to `pipeline.risk.filters`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from math import isnan

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError

WINDOW_BARS = 500  # what "recent" means, the current bar included
MIN_BARS = 100  # fewer say nothing about a 95th percentile: five bars would lie above it
PERCENTILE = Fraction(95, 100)
MEDIAN = Fraction(1, 2)
MEDIAN_MULTIPLE = 1.5  # a calm market has a 95th percentile too
COLUMNS = ("atr_ratio", "atr_ratio_p95", "atr_ratio_median", "atr_ratio_bars", "is_volatile")

_FEW_ROWS = 64  # up to here sorting the windows asked for is cheaper than rolling through 499 bars to reach them

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketConditions:
    """What the filters know about one series at one close. ``None`` means unknown, which blocks nothing."""

    is_volatile: bool | None = None
    atr_ratio: float | None = None  # ATR 14 / close
    threshold: float | None = None  # its 95th percentile over the window
    median_ratio: float | None = None
    bars: int = 0  # how many bars of the window had a ratio
    is_anomalous: bool = False  # a model flagged the bar, and its flags count
    is_filled: bool = False  # the bar was made up to close a gap
    block_reason: str | None = None  # why the series is left out at this close (stale, gaps, price_jump ...)

    @classmethod
    def of_bar(
        cls,
        values: Mapping[str, float],
        *,
        is_anomalous: bool = False,
        is_filled: bool = False,
        block_reason: str | None = None,
    ) -> "MarketConditions":
        """The conditions that one cell of `market_conditions`' columns describes; NaN becomes ``None``."""
        ratio, threshold, median, bars, flag = (None if isnan(values[column]) else values[column] for column in COLUMNS)
        return cls(
            is_volatile=None if flag is None else bool(flag),
            atr_ratio=ratio,
            threshold=threshold,
            median_ratio=median,
            bars=int(bars or 0),
            is_anomalous=is_anomalous,
            is_filled=is_filled,
            block_reason=block_reason,
        )


def atr_ratio(atr: pd.DataFrame, close: pd.DataFrame) -> pd.DataFrame:
    """ATR 14 / close: how far a bar usually reaches, as a fraction.

    Parameters
    ----------
    atr, close : DataFrame of shape (n_candles, n_symbols)
        In quote currency, same index (open_at, oldest first) and columns; NaN where unknown.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), float64
        NaN where either is unknown, or the quotient is no finite number.

    Raises
    ------
    DataContractError
        If the frames do not share index and columns.
    """
    if not (atr.index.equals(close.index) and atr.columns.equals(close.columns)):
        raise DataContractError("atr and close must share index and columns, but differ")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = atr.to_numpy(float) / close.to_numpy(float)
    return pd.DataFrame(np.where(np.isfinite(ratio), ratio, np.nan), index=close.index, columns=close.columns)


def market_conditions(ratios: pd.DataFrame, keep_from: datetime | None = None) -> Block:
    """Whether each bar is volatile by its series' own standard, and the numbers behind it.

    Volatile: ATR 14 / close is above 0, at or above its 95th percentile of the last 500 bars (the current one
    included; 100 to 499 use what there is) and at least 1.5 times its median. A fixed threshold would call
    small coins always volatile and Bitcoin never; the percentile alone would flag one bar in twenty of the
    calmest market; a ratio of 0 is a market without trades, where percentile and median are 0 as well.

    Parameters
    ----------
    ratios : DataFrame of shape (n_candles, n_symbols)
        `atr_ratio`, indexed by open_at, oldest first; NaN where unknown.
    keep_from : datetime, optional
        First open_at that is wanted. Load 499 bars before it: a value depends on the last 500 rows and, bit
        for bit, on nothing else.

    Returns
    -------
    Block of shape (n_kept, n_symbols), float64
        ``atr_ratio`` and ``atr_ratio_bars`` (bars of the window with a ratio), NaN where the ratio is;
        ``atr_ratio_p95`` and ``atr_ratio_median`` (linear between order statistics, like numpy's default) and
        ``is_volatile`` (1.0, 0.0), NaN with fewer than 100 bars too.

    Notes
    -----
    Order statistics are exact, so that two ways of finding them agree to the bit: a range rolls pandas'
    skip list along each series, the few rows of a tick sort their own windows.
    """
    first = 0 if keep_from is None else int(ratios.index.searchsorted(pd.Timestamp(keep_from)))
    start = max(first - WINDOW_BARS + 1, 0)
    ratio = ratios.iloc[start:].to_numpy(float)
    kept = ratio[first - start :]
    bars = np.where(np.isnan(kept), np.nan, _bars_in_window(ratio)[first - start :])
    lows, highs = (_by_sorting if len(kept) <= _FEW_ROWS else _by_rolling)(ratio, len(kept))
    p95, median = (
        _between(low, high, bars, share) for low, high, share in zip(lows, highs, (PERCENTILE, MEDIAN), strict=True)
    )
    volatile = (kept > 0.0) & (kept >= p95) & (kept >= MEDIAN_MULTIPLE * median)
    is_volatile = np.where(np.isnan(p95), np.nan, volatile)
    values = (kept, p95, median, bars, is_volatile)
    index = ratios.index[first:]
    return {
        name: pd.DataFrame(array, index=index, columns=ratios.columns)
        for name, array in zip(COLUMNS, values, strict=True)
    }


def _bars_in_window(ratio: Matrix) -> Matrix:
    """Known ratios among the last 500 rows, for every row."""
    known = np.cumsum(~np.isnan(ratio), axis=0)
    known[WINDOW_BARS:] -= known[:-WINDOW_BARS].copy()
    return known.astype(float)


def _between(low: Matrix, high: Matrix, bars: Matrix, share: Fraction) -> Matrix:
    """Interpolate between the neighbours of a quantile; integer arithmetic finds the fraction exactly."""
    enough = bars >= MIN_BARS
    steps = np.where(enough, bars - 1, 0).astype(np.int64) * share.numerator
    fraction = (steps % share.denominator) / share.denominator
    return np.where(enough, low + (high - low) * fraction, np.nan)


def _by_rolling(ratio: Matrix, n_kept: int) -> tuple[list[Matrix], list[Matrix]]:
    """The order statistics around each quantile, for many consecutive rows."""
    rolling = pd.DataFrame(ratio).rolling(WINDOW_BARS, min_periods=MIN_BARS)
    skip = len(ratio) - n_kept
    shares = [float(share) for share in (PERCENTILE, MEDIAN)]
    return (
        [rolling.quantile(share, interpolation="lower").to_numpy()[skip:] for share in shares],
        [rolling.quantile(share, interpolation="higher").to_numpy()[skip:] for share in shares],
    )


def _by_sorting(ratio: Matrix, n_kept: int) -> tuple[list[Matrix], list[Matrix]]:
    """The order statistics around each quantile, for a few rows: sort each row's own window."""
    lows, highs = (np.full((2, n_kept, ratio.shape[1]), np.nan) for _ in range(2))
    for row in range(n_kept):
        end = len(ratio) - n_kept + row + 1
        ordered = np.sort(ratio[max(end - WINDOW_BARS, 0) : end].T)  # (n_symbols, <= 500), NaN last
        last = np.maximum(np.count_nonzero(~np.isnan(ordered), axis=1) - 1, 0)
        for which, share in enumerate((PERCENTILE, MEDIAN)):
            below = last * share.numerator // share.denominator
            above = np.minimum(below + 1, last)
            symbols = np.arange(ratio.shape[1])
            lows[which, row], highs[which, row] = ordered[symbols, below], ordered[symbols, above]
    return list(lows), list(highs)
