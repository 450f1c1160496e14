"""Reversals: double and triple tops, head and shoulders, and the same upside down.

All sizes are in average true ranges (ATR) of the bar on which the last swing became known, or in parts of the
pattern's own height, so that a pattern is one at any price and in any market. Upside down is the same arithmetic on
mirrored prices.

Source of the shapes: R. D. Edwards, J. Magee, *Technical Analysis of Stock Trends*, 1948; the tolerances are ours and
are told in docs/patterns.md.
"""

import numpy as np

from pipeline.indicators.columns import Array, Flags
from pipeline.indicators.patterns.shapes import Shapes, level_at, shapes_of, through
from pipeline.indicators.patterns.swings import Swings
from pipeline.indicators.pivots import Places

EQUAL_ATR = 0.75  # tops of one height differ by no more
MIN_HEIGHT_ATR = 2.5  # from the tops to the neckline
MIN_HEAD_ATR = 0.75  # how far a head stands over its shoulders
SHOULDER_SHARE = 0.4  # of the height: shoulders differ by no more, and stand over the neckline by at least so much
NECK_SHARE = 0.4  # of the height: a neckline rises or falls by no more between its two anchors
MIN_APPROACH_SHARE = 1.0  # of the height: the move that the pattern is to reverse
LEADING_SPANS, LEADING_BARS = 2, 60  # so many times the pattern's length, or bars, before it nothing is higher
MAX_LOPSIDED = 3.5  # one half lasts so many times as long as the other at most


def find_reversals(swings: Swings, highs: Array, lows: Array) -> list[Shapes]:
    """The shapes among the swings that would complete below their neckline (above it, upside down).

    ``highs`` and ``lows`` have the shape (n_symbols, n_candles), from `LEADING_BARS` bars before the oldest swing.
    """
    return [
        shapes.take(_is_leading(shapes, highs, lows))
        for shapes in (_double(swings), _triple(swings), _head_and_shoulders(swings))
    ]


def _double(swings: Swings) -> Shapes:
    """Two tops of one height, the trough between them the neckline."""
    h = swings.heights
    height = (h[:, 0] + h[:, 2]) / 2 - h[:, 1]
    found = swings.is_complete[:, 3]
    found = found & (np.abs(h[:, 0] - h[:, 2]) <= EQUAL_ATR * swings.atr)
    found &= height >= MIN_HEIGHT_ATR * swings.atr
    found &= h[:, 2] - h[:, 3] >= MIN_APPROACH_SHARE * height
    found &= _is_even(swings.bars, 0, 1, 2)
    s, h, height = swings.take(found), h[found], height[found]
    top = np.maximum(h[:, 0], h[:, 2])
    return shapes_of(
        "double_top", "double_bottom", s, 3, -1, level_at(h[:, 1], s.bars[:, 1]), level_at(top, s.bars[:, 2]), height
    )


def _triple(swings: Swings) -> Shapes:
    """Three tops of one height; the lower of the two troughs between them is the neckline."""
    h = swings.heights
    tops = h[:, [0, 2, 4]]
    neck = np.minimum(h[:, 1], h[:, 3])
    height = tops.mean(axis=1) - neck
    found = swings.is_complete[:, 5]
    found = found & (np.ptp(tops, axis=1) <= EQUAL_ATR * swings.atr)
    found &= np.minimum(height, tops.min(axis=1) - np.maximum(h[:, 1], h[:, 3])) >= MIN_HEIGHT_ATR * swings.atr
    found &= h[:, 4] - h[:, 5] >= MIN_APPROACH_SHARE * height
    found &= _is_even(swings.bars, 0, 2, 4)
    s, tops, neck, height = swings.take(found), tops[found], neck[found], height[found]
    line, top = level_at(neck, s.bars[:, 3]), level_at(tops.max(axis=1), s.bars[:, 4])
    return shapes_of("triple_top", "triple_bottom", s, 5, -1, line, top, height)


def _head_and_shoulders(swings: Swings) -> Shapes:
    """A head between two shoulders; the neckline runs through the troughs beside the head and may slope."""
    h, bars = swings.heights, swings.bars
    left, head, right = h[:, 4], h[:, 2], h[:, 0]
    neck = through(bars[:, 3], h[:, 3], bars[:, 1], h[:, 1])
    height = head - neck.at(bars[:, 2])
    found = swings.is_complete[:, 5]
    found = found & (height >= MIN_HEIGHT_ATR * swings.atr)
    found &= head - np.maximum(left, right) >= MIN_HEAD_ATR * swings.atr
    found &= np.abs(left - right) <= SHOULDER_SHARE * height
    found &= np.minimum(left - neck.at(bars[:, 4]), right - neck.at(bars[:, 0])) >= SHOULDER_SHARE * height
    found &= np.abs(h[:, 1] - h[:, 3]) <= NECK_SHARE * height
    found &= left - h[:, 5] >= MIN_APPROACH_SHARE * (left - neck.at(bars[:, 4]))
    found &= _is_even(bars, 0, 2, 4)
    s, height = swings.take(found), height[found]
    return shapes_of(
        "head_and_shoulders",
        "inverse_head_and_shoulders",
        s,
        5,
        -1,
        neck.take(found),
        level_at(head[found], s.bars[:, 2]),
        height,
    )


def _is_leading(shapes: Shapes, highs: Array, lows: Array) -> Flags:
    """Whether nothing was higher (lower, upside down) for a while before: there is something to reverse."""
    first = shapes.first
    back = np.arange(1, LEADING_BARS + 1)
    bars = first[:, np.newaxis] - back
    counts = (back <= LEADING_SPANS * (shapes.bars[:, 0] - first)[:, np.newaxis]) & (bars >= 0)
    cells = shapes.series[:, np.newaxis], np.maximum(bars, 0)
    is_top = (shapes.direction < 0)[:, np.newaxis]
    before = np.where(counts, np.where(is_top, highs[cells], -lows[cells]), -np.inf)
    extreme = np.nanmax(np.where(is_top, shapes.prices, -shapes.prices), axis=1, initial=-np.inf)
    leading: Flags = ~(before > extreme[:, np.newaxis]).any(axis=1)
    return leading


def _is_even(bars: Places, newest: int, middle: int, oldest: int) -> Flags:
    """Whether neither half of a pattern lasts much longer than the other."""
    right = (bars[:, newest] - bars[:, middle]).astype(np.float64)
    left: Array = (bars[:, middle] - bars[:, oldest]).astype(np.float64)
    even: Flags = np.maximum(left, right) <= MAX_LOPSIDED * np.minimum(left, right)
    return even
