"""What every source of candles offers, whether it is simulated, read from files or asked of an exchange.

Add nothing here that only one source knows. A source hands over what it has, as it has it: judging rows is
the work of `pipeline.market.cleaning`, and a series that cannot be had is a failure beside the others, not an
error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

import pandas as pd

from pipeline.contracts.candles import KEY, VALUES
from pipeline.domain.universe import SeriesKey

# Called after each series with how many are done and how many were wanted.
Progress = Callable[[int, int], None]


class SeriesWindow(NamedTuple):
    """The bars of one series with ``open_at >= start`` and ``close_at <= end``."""

    series: SeriesKey
    start: datetime  # aware
    end: datetime  # aware


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source could give, and why it could not give the rest."""

    # Raw rows: exchange, symbol, timeframe, open_at, open, high, low, close, volume; of any order and type.
    frame: pd.DataFrame
    failures: dict[SeriesKey, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportedMarket:
    """Candles that `signals import` stored already: nothing is left to ask for."""

    exchange: str

    def candles(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Fetched:
        """Nothing, whatever is wanted; what is missing shows as stale or gapped."""
        return Fetched(pd.DataFrame(columns=[*KEY, *VALUES]))


class MarketSource(Protocol):
    """A source of candles."""

    @property
    def exchange(self) -> str:
        """Where its candles were traded, as it stands in every row."""

    def candles(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Fetched:
        """The candles of some windows; a series that fails is reported beside those that succeed."""
