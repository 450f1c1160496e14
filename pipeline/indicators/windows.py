"""From where each bar's indicators are computed: always the same bars, however much history is at hand.

A recursive average depends, in its last bits, on where it began. If a tick began at one bar, a backfill of
the day at another and a replay of the year at a third, each would store slightly different values, and a
signal on the edge would fire in one and not in the other. So the grid of bars is cut into segments of
`SEGMENT` bars, and every bar of a segment is computed from a history that begins exactly `WARM_UP_BARS`
before the segment (or at the series' first candle, if that is later).

Positions are those of `Timeframe.position`. The segment's length is a compromise: a tick loads `WARM_UP_BARS`
and half a segment on average, a long range computes (`WARM_UP_BARS` + `SEGMENT`) / `SEGMENT` bars for each
that it keeps.
"""

from collections.abc import Iterator
from typing import NamedTuple

from pipeline.indicators.catalogue import WARM_UP_BARS

SEGMENT = 128


class Segment(NamedTuple):
    """Positions, all inclusive: what is loaded to compute the bars from ``keep_from`` to ``keep_to``."""

    load_from: int
    keep_from: int
    keep_to: int


def history_start(position: int) -> int:
    """The earliest position that must be loaded to compute the bar at ``position``."""
    return position // SEGMENT * SEGMENT - WARM_UP_BARS


def segments(first: int, last: int, warm_up: int = WARM_UP_BARS) -> Iterator[Segment]:
    """The pieces, oldest first, in which the bars from ``first`` to ``last`` (inclusive) are computed.

    ``warm_up`` is that of the indicators which are computed together; each begins so many bars before its segment.
    """
    keep_from = first
    while keep_from <= last:
        keep_to = min(last, (keep_from // SEGMENT + 1) * SEGMENT - 1)
        yield Segment(keep_from // SEGMENT * SEGMENT - warm_up, keep_from, keep_to)
        keep_from = keep_to + 1
