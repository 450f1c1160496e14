"""How fast something grows, from sizes that were measured on some days.

Add here what follows from the sizes alone; measuring belongs to `pipeline.storage.sizes`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from statistics import median

ONE_DAY = timedelta(days=1)
WINDOW = timedelta(days=14)  # older sizes are of a time before settings, markets or code changed
LEAST_SPAN = timedelta(days=2)
LEAST_SIZES = 3
DAYS_IN_A_YEAR = 365


@dataclass(frozen=True, slots=True)
class Growth:
    """What something occupies, and what becomes of it if it goes on as in the last days."""

    bytes_now: int
    bytes_per_day: float | None  # None: measured too seldom, or over too short a time, to tell

    @property
    def bytes_in_a_year(self) -> float | None:
        """What it occupies then, at least nothing; None where its growth is unknown."""
        if self.bytes_per_day is None:
            return None
        return max(0.0, self.bytes_now + DAYS_IN_A_YEAR * self.bytes_per_day)


def growth(sizes: Mapping[datetime, int], bytes_now: int) -> Growth:
    """Foretell from the sizes of the last `WINDOW`, by when they were measured.

    The slope is the median of those between any two sizes (Theil and Sen): a single backfill, or a file that grows in
    steps, moves a mean or a line through the ends, and this hardly. Unknown below `LEAST_SIZES` sizes or
    `LEAST_SPAN`.

    References
    ----------
    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968).
    """
    newest = max(sizes, default=None)
    if newest is None:
        return Growth(bytes_now, None)
    recent = sorted((at, size) for at, size in sizes.items() if newest - at <= WINDOW)
    if len(recent) < LEAST_SIZES or newest - recent[0][0] < LEAST_SPAN:
        return Growth(bytes_now, None)
    return Growth(bytes_now, median(_slopes(recent)))


def days_until_full(free: int, grown: Growth) -> float | None:
    """Days until ``free`` bytes are used up; None where that is unknown, or never happens."""
    if grown.bytes_per_day is None or grown.bytes_per_day <= 0:
        return None
    return free / grown.bytes_per_day


def _slopes(sizes: Sequence[tuple[datetime, int]]) -> list[float]:
    """Bytes a day between any two sizes."""
    return [(b - a) / ((later - at) / ONE_DAY) for (at, a), (later, b) in combinations(sizes, 2)]
