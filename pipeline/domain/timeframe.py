"""Timeframes and the UTC grid of bars.

Every bar has `open_at` and `close_at = open_at + duration`; weeks start on Monday. A bar's *position*
counts bars since the grid's origin, so that gaps, windows and anchors are integer arithmetic.
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pipeline.domain.errors import DataContractError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
RESOLUTION = timedelta(microseconds=1)  # of every instant, here and in the database
BITCOIN_GENESIS = datetime(2009, 1, 1, tzinfo=UTC)  # no candle of a crypto asset is older


class Timeframe(StrEnum):
    """How long one bar lasts."""

    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H12 = "12h"
    D1 = "1d"
    W1 = "1w"

    @property
    def duration(self) -> timedelta:
        """From a bar's open to its close."""
        return _DURATIONS[self]

    @property
    def seconds(self) -> int:
        """The duration in seconds."""
        return _SECONDS[self]

    @property
    def origin(self) -> datetime:
        """The open of the bar at position 0."""
        return FIRST_MONDAY if self is Timeframe.W1 else EPOCH

    def position(self, instant: datetime) -> int:
        """Position of the bar that holds ``instant``: ``open_at <= instant < close_at``."""
        if instant.tzinfo is None:
            raise DataContractError(f"an instant must carry its time zone, was {instant.isoformat()}")
        return (instant - self.origin) // self.duration

    def open_of(self, position: int) -> datetime:
        """Open of the bar at ``position``."""
        return self.origin + position * self.duration

    def floor(self, instant: datetime) -> datetime:
        """Open of the bar that holds ``instant``; also the newest close at or before ``instant``."""
        return self.open_of(self.position(instant))

    def ceil(self, instant: datetime) -> datetime:
        """First bar boundary at or after ``instant``."""
        floor = self.floor(instant)
        return floor if floor == instant else floor + self.duration


_DURATIONS = {
    Timeframe.M1: timedelta(minutes=1),
    Timeframe.M3: timedelta(minutes=3),
    Timeframe.M5: timedelta(minutes=5),
    Timeframe.M15: timedelta(minutes=15),
    Timeframe.M30: timedelta(minutes=30),
    Timeframe.H1: timedelta(hours=1),
    Timeframe.H2: timedelta(hours=2),
    Timeframe.H4: timedelta(hours=4),
    Timeframe.H6: timedelta(hours=6),
    Timeframe.H12: timedelta(hours=12),
    Timeframe.D1: timedelta(days=1),
    Timeframe.W1: timedelta(weeks=1),
}
_SECONDS = {timeframe: int(duration.total_seconds()) for timeframe, duration in _DURATIONS.items()}

# Which longer timeframe tells the trend of a shorter one, four to sixteen bars to one of it; none above the week.
HIGHER_TIMEFRAMES = {
    Timeframe.M1: Timeframe.M15,
    Timeframe.M3: Timeframe.M30,
    Timeframe.M5: Timeframe.H1,
    Timeframe.M15: Timeframe.H1,
    Timeframe.M30: Timeframe.H4,
    Timeframe.H1: Timeframe.H4,
    Timeframe.H2: Timeframe.H12,
    Timeframe.H4: Timeframe.D1,
    Timeframe.H6: Timeframe.D1,
    Timeframe.H12: Timeframe.W1,
    Timeframe.D1: Timeframe.W1,
}


def parse_timeframe(text: str) -> Timeframe:
    """The timeframe that ``text`` names, as exchanges write it (``1h``, ``15m``); `DataContractError` if none."""
    try:
        return Timeframe(text)
    except ValueError:
        choices = " ".join(Timeframe)
        raise DataContractError(f"timeframe must be one of {choices}, was {text!r}") from None


def midnight_before(at: datetime) -> datetime:
    """The midnight that the day of an instant began with, in the instant's own zone."""
    return at.replace(hour=0, minute=0, second=0, microsecond=0)


def parse_instant(text: str) -> datetime:
    """The UTC instant that ISO 8601 ``text`` means; without an offset it is UTC, a day alone is its midnight.

    More digits in a row than a day has are refused: they are a count of seconds or milliseconds, the first eight of
    which would be read as a day of some other century.
    """
    if re.match(r"\s*\d{9}", text):
        raise DataContractError(
            f"an instant must read like 2024-06-01 or 2024-06-01T12:00Z and not be a count of seconds or milliseconds, "
            f"was {text!r}"
        )
    try:
        value = datetime.fromisoformat(text.strip())
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError):  # an offset may lead out of the years that there are
        raise DataContractError(f"an instant must read like 2024-06-01 or 2024-06-01T12:00Z, was {text!r}") from None
