"""Recursive averages: each value is the one before it, moved a fraction of the way towards the new bar.

Add a recursion here when its memory is infinite but fading; what looks back over a fixed number of bars
belongs in `rolling`. Everything runs on TA-Lib's EMA, which is a compiled loop; only its *start* is ours.
TA-Lib starts from the mean of the first ``window`` values, and `ta`, our definition, from the first value
(exponential averages) or from a mean that it counts differently (Wilder's). Zeros put before the array leave
the recursion at 0 when the first bar arrives, and a first bar that is made large enough carries it from there
to any wanted start.

Shapes are ``(n_symbols, n_candles)`` throughout.

Source of Wilder's smoothing: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
"""

from inspect import unwrap

import numpy as np
import talib

from pipeline.indicators.columns import Array, Rows, fill_before, first_rows, in_batches, values_at

_EMA = unwrap(talib.EMA)  # the compiled function: its wrapper looks for a Series among the arguments, every time


def smoothed(array: Array, window: int) -> Array:
    """``y[t] = y[t-1] + 2 / (window + 1) * (x[t] - y[t-1])``, from 0 before the first bar.

    NaN spreads to every later bar of its series, so callers fill what lies before a series' first value.
    """
    padded = np.zeros(window + array.shape[1])
    result = np.empty_like(array)
    for row, series in enumerate(array):
        padded[window:] = series
        result[row] = _EMA(padded, window)[window:]
    return result


def exponential(array: Array, window: int) -> Array:
    """Average with weight ``2 / (window + 1)`` that starts at each series' first value.

    NaN before a series' ``window``-th value. Until a series first moves the average is its value to the last
    bit: two averages of a market that never moved would otherwise differ by their roundings, and seem to have
    crossed.
    """
    return in_batches(lambda some: _exponential(some, window), array)


def _exponential(array: Array, window: int) -> Array:
    first = first_rows(array)
    start = values_at(array, first)
    average = _started(array, first, start, window)
    for row in np.flatnonzero(values_at(array, first + window - 1) == start):  # few: it has not moved, or is back
        has_moved = np.logical_or.accumulate(np.abs(array[row] - start[row]) > 0)
        average[row, (array[row] == start[row]) & ~has_moved] = start[row]
    return fill_before(average, first + window - 1, np.nan)


def wilder(array: Array, window: int) -> Array:
    """Wilder's average: the mean of the first ``window`` values, then 1 / ``window`` of the way to the next.

    NaN before a series' ``window``-th value.
    """
    first = first_rows(array)
    mean = np.cumsum(values_at(array, first + np.arange(window)), axis=1)[:, -1:] / window
    return fill_before(_started(array, first + window - 1, mean, 2 * window - 1), first + window - 1, np.nan)


def _started(array: Array, rows: Rows, start: Array, window: int) -> Array:
    """`smoothed`, but with the value ``start`` (n_symbols, 1) at each series' row; not to be read before."""
    fed = fill_before(array.copy(), rows, 0.0)
    begun = np.flatnonzero(rows[:, 0] < array.shape[1])
    fed[begun, rows[begun, 0]] = start[begun, 0] * (window + 1) / 2
    return smoothed(fed, window)
