"""What every source of candles offers, whether it is simulated, read from files or asked of an exchange.

Add nothing here that only one source knows. A source hands over what it has, as it has it: judging rows is
the work of `pipeline.market.cleaning`, and a series that cannot be had is a failure beside the others, not an
error.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import pandas as pd

from pipeline.domain.universe import SeriesKey

# Called after each series with how many are done and how many were wanted.
Progress = Callable[[int, int], None]


class SeriesWindow(NamedTuple):
    """The bars of one series with ``open_at >= start`` and ``close_at <= end``."""

    series: SeriesKey
    start: datetime  # aware
    end: datetime  # aware
    is_backward: bool = False  # older than what is stored: its newest bars come first, so that none is skipped


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source could give, and why it could not give the rest."""

    # Raw rows: exchange, symbol, timeframe, open_at, open, high, low, close, volume; of any order and type.
    frame: pd.DataFrame
    failures: dict[SeriesKey, str] = field(default_factory=dict)
    ended: dict[SeriesKey, str] = field(default_factory=dict)  # series that the source does not offer (any longer)
    clock_skew: timedelta | None = None  # our clock less the source's, where it tells the time
    requests: int = 0  # so far
    used_weight: int | None = None  # of the rate limit, as the source counts it, where it tells


@dataclass(frozen=True, slots=True)
class ImportedMarket:
    """Candles that `signals import` stored already: nothing is left to ask for."""

    exchange: str

    def portions(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Iterator[Fetched]:
        """Nothing, whatever is wanted; what is missing shows as stale or gapped."""
        return iter(())


class MarketSource(Protocol):
    """A source of candles."""

    @property
    def exchange(self) -> str:
        """Where its candles were traded, as it stands in every row."""

    def portions(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Iterator[Fetched]:
        """The candles of some windows, in portions that can be kept one by one.

        The bars of a series that were handed over are always without a gap of our making. A series that fails is
        reported beside those that succeed.
        """
