"""Channels: prices between two lines; triangles, wedges, rectangles, flags and pennants.

A line is drawn through the oldest and the newest of three swings on the newest one's side, with the one between them
close to it, and through the two swings between on the other side: five touches, for two lines through two points each
can be drawn through any market. A flag or a pennant is short and follows a pole, so four touches are enough there.

All sizes are in average true ranges (ATR) of the bar on which the last swing became known, or in parts of the
pattern's own width.

Source of the shapes: R. D. Edwards, J. Magee, *Technical Analysis of Stock Trends*, 1948; the tolerances are ours and
are told in docs/patterns.md.
"""

from functools import partial

import numpy as np

from pipeline.indicators.columns import Array, Flags
from pipeline.indicators.patterns.shapes import Line, Shapes, shapes_of, through
from pipeline.indicators.patterns.swings import Swings

TOUCH_ATR = 0.6  # a swing touches a line that it comes so near to
SPREAD = 0.25  # of the pattern's length: the swing between is so far from the first and the last
FLAT_ATR = 0.5  # a line is flat that rises or falls by no more from the pattern's beginning to its end
SLOPE_ATR = 1.25  # and sloped, if by no less
MIN_WIDTH_ATR = 2.5  # at its beginning; of a rectangle all along
CONVERGED = 0.7  # a triangle's or wedge's width at its last swing, as part of that at its first, at most
MIN_LAST_WIDTH_ATR = 0.75  # there must be something left to break out of

POLE_ATR = 5.0
POLE_ATR_PER_BAR = 0.5
POLE_CLOSES = 0.6  # of the pole, from close to close: a single shadow is no pole
MAX_RETRACED = 0.5  # of the pole
FLAG_BARS = (6, 30)  # from the pole's end to the last swing
PARALLEL = 0.35  # of the width: the lines of a flag converge or part by no more
FLAG_DRIFT_ATR = 0.5  # a flag leans against its pole, or with it by no more than this


def find_channels(swings: Swings, closes: Array) -> list[Shapes]:
    """The shapes among the swings, one for each side on which a shape may complete.

    ``closes`` has the shape (n_symbols, n_candles).
    """
    s = swings.take(swings.is_complete[:, 4])
    h, bars = s.heights, s.bars
    near = through(bars[:, 4], h[:, 4], bars[:, 0], h[:, 0])  # the line on the newest swing's side
    far = through(bars[:, 3], h[:, 3], bars[:, 1], h[:, 1])
    span = (bars[:, 0] - bars[:, 4]).astype(np.float64)
    near_rise, far_rise = near.slope * span / s.atr, far.slope * span / s.atr
    width = near.at(bars[:, 4]) - far.at(bars[:, 4])
    last_width = near.at(bars[:, 0]) - far.at(bars[:, 0])
    touches = np.abs(h[:, 2] - near.at(bars[:, 2])) <= TOUCH_ATR * s.atr
    touches &= (bars[:, 2] - bars[:, 4] >= SPREAD * span) & (bars[:, 0] - bars[:, 2] >= SPREAD * span)
    is_open = touches & (width >= MIN_WIDTH_ATR * s.atr) & (last_width >= MIN_LAST_WIDTH_ATR * s.atr)
    converges = is_open & (last_width <= CONVERGED * width)
    is_flat_near, is_flat_far = np.abs(near_rise) <= FLAT_ATR, np.abs(far_rise) <= FLAT_ATR

    made = partial(_sides, s, near, far, width)
    return [
        *made(converges & is_flat_near & (far_rise >= SLOPE_ATR), "ascending_triangle", "descending_triangle", (1,)),
        *made(converges & is_flat_far & (near_rise <= -SLOPE_ATR), "descending_triangle", "ascending_triangle", (-1,)),
        *made(
            converges & (near_rise <= -SLOPE_ATR) & (far_rise >= SLOPE_ATR),
            "symmetrical_triangle",
            "symmetrical_triangle",
            (1, -1),
        ),
        *made(converges & (near_rise >= SLOPE_ATR) & (far_rise >= SLOPE_ATR), "rising_wedge", "falling_wedge", (-1,)),
        *made(converges & (near_rise <= -SLOPE_ATR) & (far_rise <= -SLOPE_ATR), "falling_wedge", "rising_wedge", (1,)),
        *made(
            is_open & is_flat_near & is_flat_far & (last_width >= MIN_WIDTH_ATR * s.atr),
            "rectangle",
            "rectangle",
            (1, -1),
        ),
        *_flags(s, closes),
    ]


def _sides(
    swings: Swings,
    near: Line,
    far: Line,
    width: Array,
    found: Flags,
    name: str,
    mirrored: str,
    breaks: tuple[int, ...],
) -> list[Shapes]:
    s, width = swings.take(found), width[found]
    near, far = near.take(found), far.take(found)
    return [
        shapes_of(name, mirrored, s, 5, side, *((near, far) if side > 0 else (far, near)), height=width)
        for side in breaks
    ]


def _flags(s: Swings, closes: Array) -> list[Shapes]:
    """A pause after a pole: swings 3 to 0 are the pause, 4 to 3 the pole, which points away from the newest swing."""
    h, bars = s.heights, s.bars
    pole = h[:, 4] - h[:, 3]
    pole_bars = (bars[:, 3] - bars[:, 4]).astype(np.float64)
    near = through(bars[:, 2], h[:, 2], bars[:, 0], h[:, 0])
    far = through(bars[:, 3], h[:, 3], bars[:, 1], h[:, 1])
    length = (bars[:, 0] - bars[:, 3]).astype(np.float64)
    width = near.at(bars[:, 3]) - far.at(bars[:, 3])
    last_width = near.at(bars[:, 0]) - far.at(bars[:, 0])
    found = (pole >= POLE_ATR * s.atr) & (pole >= POLE_ATR_PER_BAR * s.atr * pole_bars)
    found &= (closes[s.series, bars[:, 4]] - closes[s.series, bars[:, 3]]) * s.sign >= POLE_CLOSES * pole
    found &= np.maximum(h[:, 0], h[:, 2]) - h[:, 3] <= MAX_RETRACED * pole
    found &= (length >= FLAG_BARS[0]) & (length <= FLAG_BARS[1])
    found &= (width > 0) & (last_width >= MIN_LAST_WIDTH_ATR * s.atr)
    # In heights the pole falls, so that leaning against it is to rise.
    leans = (near.slope + far.slope) / 2 * length >= -FLAG_DRIFT_ATR * s.atr
    is_flag = found & leans & (np.abs(last_width - width) <= PARALLEL * width)
    is_pennant = found & (last_width <= CONVERGED * width) & (near.slope <= 0) & (far.slope >= 0)
    is_pennant &= ~is_flag
    return [
        shapes_of(
            *names,
            s.take(which),
            5,
            -1,
            far.take(which),
            near.take(which),
            pole[which],
        )
        for which, names in (
            (is_flag, ("bear_flag", "bull_flag")),
            (is_pennant, ("bear_pennant", "bull_pennant")),
        )
    ]
