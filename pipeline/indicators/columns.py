"""Frames in, contiguous arrays through, frames out; and where each series begins.

Add here what every family of indicators needs to read its inputs and to mark what is unknown. Formulas live
with their family, means over windows in `rolling`, recursions in `smoothing`.

Inside the package an array has the shape ``(n_symbols, n_candles)``, oldest first: the bars of one series lie
side by side in memory, which is how TA-Lib wants them and how pandas keeps the columns of a frame, so that
nothing is copied.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]
Values = TypeVar("Values", pd.DataFrame, pd.Series)

SERIES_PER_BATCH = 32  # few enough that what is computed on the way stays in the processor's cache


def unpack(values: pd.DataFrame | pd.Series) -> Array:
    """The values as ``(n_symbols, n_candles)``; a Series is one symbol. Not to be written to."""
    table: Array = values.to_numpy(dtype=np.float64)
    return np.ascontiguousarray(np.atleast_2d(table.T))


def batches(array: Array) -> Iterator[slice]:
    """The rows of an array in slices of `SERIES_PER_BATCH`."""
    return (slice(start, start + SERIES_PER_BATCH) for start in range(0, array.shape[0], SERIES_PER_BATCH))


def in_batches(function: Callable[..., Array], *arrays: Array) -> Array:
    """``function`` of the arrays, some series at a time; its result has their shape."""
    result = np.empty_like(arrays[0])
    for batch in batches(result):
        result[batch] = function(*(array[batch] for array in arrays))
    return result


def pack(array: Array, like: Values) -> Values:
    """The array as a frame or Series with the index and columns of ``like``."""
    if isinstance(like, pd.Series):
        return pd.Series(array[0], index=like.index)
    return pd.DataFrame(array.T, index=like.index, columns=like.columns, copy=False)


def first_rows(array: Array) -> Rows:
    """Shape ``(n_symbols, 1)``: where each series has its first value; ``n_candles`` where it has none."""
    known = ~np.isnan(array)
    first: Rows = np.where(known.any(axis=1), known.argmax(axis=1), array.shape[1])
    return first[:, np.newaxis]


def fill_before(array: Array, first: Rows, value: float) -> Array:
    """The array itself, with ``value`` written before each series' row ``first``."""
    if first.size and (first == first[0]).all():  # almost always: every series began before the block did
        array[:, : first[0, 0]] = value
    else:
        array[np.arange(array.shape[1]) < first] = value
    return array


def values_at(array: Array, rows: Rows) -> Array:
    """Shape ``(n_symbols, n)``: each series' values at its ``rows``; past the end, its last value."""
    return np.take_along_axis(array, np.minimum(rows, array.shape[1] - 1), axis=1)


def previous(array: Array) -> Array:
    """The value of the bar before; NaN on the first bar of the array."""
    shifted = np.full_like(array, np.nan)
    shifted[:, 1:] = array[:, :-1]
    return shifted
