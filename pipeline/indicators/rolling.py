"""Means, spreads and medians of the last ``window`` values, and of nothing else.

Add a statistic here when it forgets a bar completely once the window has passed it; fading memories belong in
`smoothing`.

Running sums, which add the new value and take the oldest away (TA-Lib, pandas), carry the rounding of
everything that they ever saw: after a crash to a millionth of the price little of the average is left to
trust, and the last bits depend on where the history began. Here every value is computed from its window
alone, bit for bit, by a handful of operations on whole arrays: a sum over 2, 4, 8, ... bars is that of two
sums over half as many.

Shapes are ``(n_symbols, n_candles)`` throughout. A window that is not full, or holds a NaN, gives NaN.
"""

import numpy as np

from pipeline.indicators.columns import Array, Flags, batches


def rolling_mean(array: Array, window: int) -> Array:
    """Mean of the last ``window`` values; where they equal one another that value, to the last bit."""
    result = np.full_like(array, np.nan)
    if array.shape[1] >= window:
        for batch in batches(array):
            mean = _sum_of_full_windows(array[batch], window)
            mean /= window
            last = slice(window - 1, None)
            np.copyto(mean, array[batch, last], where=unchanged(array[batch], window)[:, last])
            result[batch, last] = mean
    return result


def rolling_all(flags: Flags, window: int) -> Flags:
    """Whether each of the last ``window`` flags is set; False while there are fewer."""
    result = np.zeros_like(flags)
    n_windows = flags.shape[1] - window + 1
    if n_windows < 1:
        return result
    total = result[:, window - 1 :]
    total[:] = True
    block, size, taken = flags, 1, 0
    while True:
        if window & size:
            taken += size
            total &= block[:, window - taken :][:, :n_windows]
        if taken == window:
            return result
        block = block[:, size:] & block[:, :-size]
        size *= 2


def rolling_squares(array: Array, window: int) -> Array:
    """Sum of the squared deviations of the last ``window`` values from their mean; exactly 0 if they are
    equal.

    Computed from the distances to the window's last value, which are exact while a price stays within a
    factor of 2, as the sum of their squares less ``window`` times the square of their mean. Because one
    distance is 0, the difference is never less than a ``window``-th of what it is taken from, and so a few
    last bits are all that is ever lost. The same formula over plain prices, or a variance that is updated
    from bar to bar, loses the more the quieter the market is: `ta` is off by 3e-5 of the deviation where a
    price of 60,000 moves by 0.0001 a bar.
    """
    result = np.full_like(array, np.nan)
    if array.shape[1] >= window:
        for batch in batches(array):
            result[batch, window - 1 :] = _squares_of_full_windows(array[batch], window)
    return result


def rolling_median(array: Array, window: int) -> Array:
    """Median of the last ``window`` values; of an even number the mean of the two in the middle."""
    result = np.full_like(array, np.nan)
    if array.shape[1] >= window:
        for batch in batches(array):
            ordered = np.sort(np.lib.stride_tricks.sliding_window_view(array[batch], window, axis=1), axis=2)
            middle = (ordered[..., (window - 1) // 2] + ordered[..., window // 2]) / 2
            middle[np.isnan(ordered[..., -1])] = np.nan  # NaN sorts last
            result[batch, window - 1 :] = middle
    return result


def unchanged(array: Array, window: int) -> Flags:
    """Whether the last ``window`` values of each series equal one another; False while there are fewer."""
    same = np.zeros(array.shape, dtype=np.bool_)
    np.equal(array[:, 1:], array[:, :-1], out=same[:, 1:])
    return rolling_all(same, window - 1)


def _sum_of_full_windows(array: Array, window: int) -> Array:
    n_windows = array.shape[1] - window + 1
    total = np.zeros((array.shape[0], n_windows))
    block, size, taken = array, 1, 0
    while True:
        if window & size:
            taken += size
            total += block[:, window - taken :][:, :n_windows]
        if taken == window:
            return total
        block = block[:, size:] + block[:, :-size]
        size *= 2


def _squares_of_full_windows(array: Array, window: int) -> Array:
    last = array[:, window - 1 :]
    total, squares, distance = np.zeros_like(last), np.zeros_like(last), np.empty_like(last)
    for start in range(window - 1):
        np.subtract(array[:, start : start + last.shape[1]], last, out=distance)
        total += distance
        distance *= distance
        squares += distance
    squares -= total * total / window
    return squares
