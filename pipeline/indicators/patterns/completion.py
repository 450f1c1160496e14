"""Completion: which shapes were completed by a close, and when.

A pattern is advice only when its boundary is broken. A shape is given `COMPLETION_BARS` bars for that, from the close
at which it was first seen; a close beyond its other boundary ends it sooner.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.domain.patterns import CHART_PATTERNS
from pipeline.indicators.columns import Array, Flags
from pipeline.indicators.patterns.shapes import Shapes
from pipeline.indicators.pivots import Places

COMPLETION_BARS = 30
STRAY_ATR = 0.25  # a close inside the shape may stray beyond a boundary by so much before the last swing
LATE_SHARE = 0.5  # of the height: further beyond the boundary the move is as good as over
ROUNDING = 1e-10  # of the price: a close that is nearer to a boundary is on it, whatever the last digits say
REPEAT_BARS = 10  # a pattern of the same name and direction so soon after another is the same one, seen again

_SHAPES_AT_ONCE = 4_096

# Shapes of one kind of reading, the larger first: of several that one close completes, the first is told.
_GROUPS = (
    ("head_and_shoulders", "inverse_head_and_shoulders", "triple_top", "triple_bottom", "double_top", "double_bottom"),
    (
        *("bull_flag", "bear_flag", "bull_pennant", "bear_pennant"),
        *("ascending_triangle", "descending_triangle", "rising_wedge", "falling_wedge"),
        *("symmetrical_triangle", "rectangle"),
    ),
)


class Completed(NamedTuple):
    """Completed patterns; arrays of shape (n,), by series, bar, then pattern."""

    shapes: Shapes
    bar: Places  # the completing bar
    break_price: Array  # the broken boundary there


def find_completed(shapes: Shapes, closes: Array, keep_from: int) -> Completed:
    """The shapes that a close at bar ``keep_from`` or later completes.

    Parameters
    ----------
    closes : array of shape (n_symbols, n_candles), quote currency, NaN where there is no candle
    """
    bar = np.full(len(shapes.known), -1, dtype=np.intp)
    for start in range(0, len(bar), _SHAPES_AT_ONCE):
        some = slice(start, start + _SHAPES_AT_ONCE)
        bar[some] = _completing_bar(shapes.take(np.arange(len(bar))[some]), closes)
    done = np.flatnonzero(bar >= 0)
    shapes, bar = shapes.take(done), bar[done]
    told = np.flatnonzero(_is_told(shapes, bar) & (bar >= keep_from))
    order = told[np.lexsort((shapes.pattern[told], bar[told], shapes.series[told]))]
    shapes, bar = shapes.take(order), bar[order]
    return Completed(shapes, bar, shapes.broken.at(bar))


def _completing_bar(shapes: Shapes, closes: Array) -> Places:
    """The bar that completes each shape; -1 where none does."""
    first, last = shapes.first, shapes.bars[:, 0]
    longest = int((shapes.known - first).max(initial=0)) + COMPLETION_BARS
    bars = first[:, np.newaxis] + np.arange(longest + 1)
    close = closes[shapes.series[:, np.newaxis], np.minimum(bars, closes.shape[1] - 1)]
    close[bars >= closes.shape[1]] = np.nan
    side = shapes.direction[:, np.newaxis]
    beyond = (close - shapes.broken.at(bars)) * side
    beyond_other = (shapes.other.at(bars) - close) * side
    stray = STRAY_ATR * shapes.atr[:, np.newaxis]
    # A line is a boundary from its first anchor on; before, the pattern has only one side.
    begun = bars >= np.maximum(shapes.broken.bar, shapes.other.bar)[:, np.newaxis]
    is_inside = begun & (bars <= last[:, np.newaxis])
    strays = (is_inside & ((beyond > stray) | (beyond_other > stray))).any(axis=1)

    waits = (bars >= shapes.known[:, np.newaxis]) & (bars <= shapes.known[:, np.newaxis] + COMPLETION_BARS)
    crossed = (shapes.broken.at(bars) - shapes.other.at(bars)) * side <= stray  # at the apex there is no pattern left
    least = ROUNDING * close
    breaks = waits & (beyond > least) & ~crossed
    ends = waits & ((beyond_other > least) | crossed)
    column = breaks.argmax(axis=1)
    rows = np.arange(len(column))
    is_done = breaks[rows, column] & ~(ends & (bars < bars[rows, column][:, np.newaxis])).any(axis=1) & ~strays
    is_done &= beyond[rows, column] <= LATE_SHARE * shapes.height
    return np.where(is_done, bars[rows, column], -1)


def _is_told(shapes: Shapes, bar: Places) -> Flags:
    """Leave out what is the same pattern once more: of one reading at one bar, or soon after its like."""
    n = len(CHART_PATTERNS)
    group, rank = np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    for number, members in enumerate(_GROUPS):
        for place, name in enumerate(members):
            group[CHART_PATTERNS.index(name)], rank[CHART_PATTERNS.index(name)] = number, place
    span = shapes.bars[:, 0] - shapes.first
    pattern = shapes.pattern.astype(np.intp)
    told = np.ones(len(bar), dtype=np.bool_)

    order = np.lexsort((-span, rank[pattern], bar, group[pattern], shapes.direction, shapes.series))
    same = _equal_before(order, shapes.series, shapes.direction, group[pattern], bar)
    told[order[1:][same]] = False

    order = np.lexsort((bar, pattern, shapes.direction, shapes.series))
    same = _equal_before(order, shapes.series, shapes.direction, pattern)
    distance = bar[order][1:] - bar[order][:-1]
    told[order[1:][same & (distance > 0) & (distance <= REPEAT_BARS)]] = False
    return told


def _equal_before(order: Places, *keys: npt.NDArray[np.generic]) -> Flags:
    """Whether each but the first, in this order, has the keys of the one before it."""
    same = np.ones(max(len(order) - 1, 0), dtype=np.bool_)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    return same
