"""Pivots: the bars at which a series swung, known some bars later; what levels and patterns are made of.

A pivot is a bar whose high lies above those of the `SIDE_BARS` bars on each side (or its low below them). It is known
at the close of the last of them and not before: a swing that is drawn on the bar itself has seen the future.

Within the package a swing is a row: arrays of the same length, sorted by series, then by bar. That is how everything
about swings stays free of loops over symbols and bars.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.indicators.columns import Array, Flags

SIDE_BARS = 3  # on each side
HIGH, LOW = 1, -1

Places = npt.NDArray[np.intp]


class Pivots(NamedTuple):
    """Swings of many series, sorted by series and bar; a bar that is both has its high first. All of shape (n,)."""

    series: Places  # row of the arrays that they were read off
    bar: Places
    kind: npt.NDArray[np.int8]  # HIGH or LOW
    price: Array  # the bar's high or low

    @property
    def known(self) -> Places:
        """The bar at whose close each is known."""
        return self.bar + SIDE_BARS

    def take(self, which: Flags | Places) -> "Pivots":
        """Some of them, in the order given."""
        return Pivots(self.series[which], self.bar[which], self.kind[which], self.price[which])


def find_pivots(highs: Array, lows: Array) -> Pivots:
    """Every pivot of the series, arrays of shape (n_symbols, n_candles), oldest first, NaN where there is no candle.

    A high must exceed the `SIDE_BARS` before it and must not be exceeded by as many after it: of a plateau the first
    bar counts, once. Bars without a candle on either side are no evidence, so no pivot is found next to them.
    """
    is_high = _is_extreme(highs)
    is_low = _is_extreme(-lows)
    series, bar = np.nonzero(is_high | is_low)
    both = is_high[series, bar] & is_low[series, bar]
    series, bar = (np.repeat(each, 1 + both) for each in (series, bar))
    kind = np.where(is_high[series, bar], HIGH, LOW).astype(np.int8)
    kind[1:][(series[1:] == series[:-1]) & (bar[1:] == bar[:-1])] = LOW
    return Pivots(series, bar, kind, np.where(kind == HIGH, highs[series, bar], lows[series, bar]))


def _is_extreme(values: Array) -> Flags:
    n_bars = values.shape[1]
    extreme = np.zeros(values.shape, dtype=np.bool_)
    middle = slice(SIDE_BARS, max(n_bars - SIDE_BARS, SIDE_BARS))
    found = extreme[:, middle]
    found[:] = True
    for step in range(1, SIDE_BARS + 1):
        found &= values[:, middle] > values[:, SIDE_BARS - step : middle.stop - step]
        found &= values[:, middle] >= values[:, SIDE_BARS + step : middle.stop + step]
    return extreme
