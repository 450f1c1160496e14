"""The clock of a local exchange: the real time, or one that a test sets and moves."""

import time
from datetime import UTC, datetime, timedelta

from pipeline.domain.timeframe import EPOCH, Timeframe

MILLISECOND = timedelta(milliseconds=1)


def milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, rounded down; the unit of time in everything that the exchange keeps."""
    return (instant - EPOCH) // MILLISECOND


def bar_ms(timeframe: Timeframe) -> int:
    """How long a bar lasts."""
    return timeframe.duration // MILLISECOND


def position_at(timeframe: Timeframe, instant_ms: int) -> int:
    """Position of the bar that holds an instant, on the grid of `Timeframe`."""
    return (instant_ms - milliseconds(timeframe.origin)) // bar_ms(timeframe)


def open_ms_of(timeframe: Timeframe, position: int) -> int:
    """Open of the bar at a position."""
    return milliseconds(timeframe.origin) + position * bar_ms(timeframe)


class ExchangeClock:
    """What time it is at the exchange; may be set from another thread while the server runs.

    Without ``at`` it starts at the real time. It runs ``speed`` times as fast as the real clock; at speed 0 it
    stands still until it is set or advanced.
    """

    def __init__(self, at: datetime | None = None, *, speed: float = 1.0) -> None:
        self._speed = speed
        self.set(at or datetime.now(UTC))

    def now_ms(self) -> int:
        """Milliseconds since 1970."""
        start_ms, started_s = self._start
        return start_ms + int((time.time() - started_s) * 1000.0 * self._speed)

    def now(self) -> datetime:
        """The instant, to the millisecond."""
        return EPOCH + self.now_ms() * MILLISECOND

    def set(self, at: datetime) -> None:
        """Go on from ``at``, at the same speed."""
        self._start = milliseconds(at), time.time()

    def advance(self, by: timedelta) -> None:
        """Jump ahead."""
        self.set(self.now() + by)
