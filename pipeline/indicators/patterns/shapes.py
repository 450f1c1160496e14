"""Shapes: swings that look like a pattern and wait for the close that completes it.

A shape has two boundaries. A close beyond the one it is to break completes it, a close beyond the other one ends it.
Boundaries are straight lines over the bars; both are meant in prices as they are, not mirrored.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.domain.patterns import CHART_PATTERNS
from pipeline.indicators.columns import Array, Flags
from pipeline.indicators.patterns.swings import N_ANCHORS, Swings
from pipeline.indicators.pivots import Places


class Line(NamedTuple):
    """A straight line through (bar, price) with a slope per bar; arrays of shape (n,)."""

    bar: Places
    price: Array
    slope: Array

    def take(self, which: Flags | Places) -> "Line":
        """Some of them."""
        return Line(self.bar[which], self.price[which], self.slope[which])

    def mirrored(self, sign: npt.NDArray[np.int8]) -> "Line":
        """The lines in mirrored prices where ``sign`` is -1."""
        return Line(self.bar, self.price * sign, self.slope * sign)

    def at(self, bars: Places) -> Array:
        """Prices of the lines on the bars: one for each of (n,), or a row for each of (n, m)."""
        if bars.ndim == 1:
            return self.price + self.slope * (bars - self.bar)
        return self.price[:, np.newaxis] + self.slope[:, np.newaxis] * (bars - self.bar[:, np.newaxis])


class Shapes(NamedTuple):
    """Patterns that may complete; arrays of shape (n,), anchors (n, 7) newest first."""

    pattern: npt.NDArray[np.int8]  # place in `CHART_PATTERNS`
    series: Places
    known: Places  # the bar at whose close it was first seen
    direction: npt.NDArray[np.int8]  # +1 completes above the broken boundary, -1 below
    broken: Line
    other: Line
    height: Array  # size of the expected move
    bars: Places  # anchors, newest first; -1 where there is none
    prices: Array
    atr: Array

    @property
    def first(self) -> Places:
        """Bar of the oldest anchor."""
        oldest: Places = np.where(self.bars < 0, np.iinfo(np.intp).max, self.bars).min(axis=1)
        return oldest

    def take(self, which: Flags | Places) -> "Shapes":
        """Some of them."""
        return Shapes(
            pattern=self.pattern[which],
            series=self.series[which],
            known=self.known[which],
            direction=self.direction[which],
            broken=self.broken.take(which),
            other=self.other.take(which),
            height=self.height[which],
            bars=self.bars[which],
            prices=self.prices[which],
            atr=self.atr[which],
        )


def through(bar: Places, price: Array, other_bar: Places, other_price: Array) -> Line:
    """The lines through two points each."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Line(bar, price, (other_price - price) / (other_bar - bar))


def level_at(price: Array, bar: Places) -> Line:
    """Lines without a slope."""
    return Line(bar, price, np.zeros(len(price)))


def shapes_of(
    name: str,
    mirrored: str,
    swings: Swings,
    n_anchors: int,
    breaks: int,
    broken: Line,
    other: Line,
    height: Array,
) -> Shapes:
    """Swings with a pattern's shape.

    Parameters
    ----------
    name, mirrored
        What it is called where the newest swing is a high, and where it is a low.
    n_anchors
        How many of the newest swings it is made of.
    breaks
        +1 where it completes beyond the newest swing's side, -1 on the other side.
    broken, other, height
        In heights of the swings (`Swings.heights`), as the shape was judged.
    """
    sign = swings.sign
    names = np.array([CHART_PATTERNS.index(mirrored), CHART_PATTERNS.index(name)], dtype=np.int8)
    used = np.arange(N_ANCHORS) < n_anchors
    return Shapes(
        pattern=names[(sign > 0).astype(np.intp)],
        series=swings.series,
        known=swings.known,
        direction=(breaks * sign).astype(np.int8),
        broken=broken.mirrored(sign),
        other=other.mirrored(sign),
        height=height,
        bars=np.where(used, swings.bars, -1),
        prices=np.where(used, swings.prices, np.nan),
        atr=swings.atr,
    )


def join(parts: Sequence[Shapes]) -> Shapes:
    """All shapes of several kinds."""
    return Shapes(
        pattern=np.concatenate([part.pattern for part in parts]),
        series=np.concatenate([part.series for part in parts]),
        known=np.concatenate([part.known for part in parts]),
        direction=np.concatenate([part.direction for part in parts]),
        broken=_joined([part.broken for part in parts]),
        other=_joined([part.other for part in parts]),
        height=np.concatenate([part.height for part in parts]),
        bars=np.concatenate([part.bars for part in parts]),
        prices=np.concatenate([part.prices for part in parts]),
        atr=np.concatenate([part.atr for part in parts]),
    )


def _joined(lines: Sequence[Line]) -> Line:
    return Line(
        np.concatenate([line.bar for line in lines]),
        np.concatenate([line.price for line in lines]),
        np.concatenate([line.slope for line in lines]),
    )
