"""What a picture shows, in plain values: no colour, no pixel, no library.

Places are bars: 0 is the first bar of the picture, and a line that ends at 7.0 ends with the bar at place 7. A fact of
a close (a signal, a completed pattern, a new level) is drawn at the bar that closed then. Prices in quote currency.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pandas as pd


class Point(NamedTuple):
    """A bar and a price."""

    place: float
    price: float


class Anchor(NamedTuple):
    """A swing that a pattern is made of, and what it is called there."""

    place: float
    price: float
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLine:
    """A stretch of bars over which a level was in force in one role."""

    begin: float
    end: float
    price: float
    role: str  # support or resistance
    touches: int
    strength: float  # 0 to 1, the weight of the line
    is_standing: bool  # in force at the last bar


@dataclass(frozen=True, slots=True, kw_only=True)
class PatternDrawing:
    """A completed pattern: its swings, its boundaries (the first is the one that was broken), its target."""

    name: str  # as people read it: double top
    direction: int  # 1 up, -1 down
    anchors: tuple[Anchor, ...]
    boundaries: tuple[tuple[Point, Point], ...]
    completed: Point  # the bar that completed it, and where the boundary was there
    target: float | None
    target_end: float  # where the line of the target ends


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalMark:
    """A signal; with its prices where it is one of the few that are drawn in full."""

    signal_id: UUID
    place: float
    price: float  # entry, which is the close
    signal_type: str
    status: str
    label: str  # type and strategy
    text: str  # all of it in one line
    end: float  # the bar at whose close it expires
    stop: float | None
    targets: tuple[tuple[str, float], ...]
    is_full: bool  # its prices are drawn
    is_labelled: bool  # and written


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Bars from ``begin`` to ``end`` (both inclusive) that a reader must know something about."""

    begin: int
    end: int
    kind: str  # filled or blocked
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One picture.

    Attributes
    ----------
    bars : DataFrame of shape (n_bars, n_columns)
        Index ``open_at``; open, high, low, close, volume, the averages and bands, rsi_14, the MACD, and what texts say
        at the bars' closes; NaN where unknown.
    is_line
        True where there are too many bars for candles: the close is a line in the band from low to high.
    averages
        Column of ``bars`` -> what it is called.
    lowest, highest
        The prices that the picture must hold: candles, bands, and the prices that are drawn in full.
    room
        Bars to the right of the last one that are left free, for lines that reach into the future.
    """

    title: str
    subtitle: str
    step: timedelta
    bars: pd.DataFrame
    is_line: bool
    averages: Mapping[str, str]
    levels: tuple[LevelLine, ...]
    patterns: tuple[PatternDrawing, ...]
    signals: tuple[SignalMark, ...]
    stretches: tuple[Stretch, ...]
    lowest: float
    highest: float
    room: float

    @property
    def has_bands(self) -> bool:
        """Whether Bollinger bands are drawn: where they are known, and wide enough to be seen as bands."""
        return not self.is_line and bool(self.bars["bb_upper"].notna().any())

    @property
    def has_sentiment(self) -> bool:
        """Whether anything is said of the symbol at any of the bars' closes."""
        return bool(self.bars["overall_score"].notna().any())

    @property
    def n_bars(self) -> int:
        """How many bars the picture has."""
        return len(self.bars)

    @property
    def newest_close(self) -> datetime:
        """The close of the last bar."""
        return self.instant_of(self.n_bars)

    def instant_of(self, place: float) -> datetime:
        """The instant that a place means on an axis of opens."""
        return pd.Timestamp(self.bars.index[0] + place * self.step).to_pydatetime()
