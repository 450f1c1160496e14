"""The simulated market as a source of candles: no network, no key, the same candles for ever.

How prices come about is written in `resources.simulation`; this module only cuts out the windows asked for.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.contracts.candles import KEY, VALUES
from pipeline.domain.timeframe import EPOCH, Timeframe
from pipeline.domain.universe import SYMBOL_PATTERN, SeriesKey
from resources.market import Fetched, Progress, SeriesWindow
from resources.simulation.days import DAY, FIRST_DAY
from resources.simulation.minutes import MINUTES, Candles, bars, minutes

EXCHANGE = "simulated"
DAYS_AT_ONCE = 56  # whole weeks, and small enough for the processor's cache
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SimulatedMarket:
    """A market that follows from its seed.

    The same (seed, symbol, timeframe, open) gives the same candle, to the bit, whatever is asked for around
    it and before it. Candles of all timeframes are made of the same minutes. The market opens on 2009-01-01
    and never closes; it knows no clock, so that a window that ends in the future is filled as well.
    """

    seed: int

    @property
    def exchange(self) -> str:
        """The exchange of every row: nobody shall take these prices for real ones."""
        return EXCHANGE

    def candles(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Fetched:
        """The candles of some windows, in the order asked for, oldest first.

        Any symbol is listed; a series of another exchange, or a symbol that is not written as ccxt does, is a
        failure.
        """
        found: list[tuple[SeriesKey, int, Candles]] = []
        failures: dict[SeriesKey, str] = {}
        for done, window in enumerate(wanted, start=1):
            if problem := _problem(window.series):
                failures[window.series] = problem
            else:
                found.extend((window.series, first, part) for first, part in self._parts(window))
            if on_progress is not None:
                on_progress(done, len(wanted))
        return Fetched(_frame(found), failures)

    def portions(self, wanted: Sequence[SeriesWindow], on_progress: Progress | None = None) -> Iterator[Fetched]:
        """All in one portion; see `MarketSource`."""
        yield self.candles(wanted, on_progress)

    def _parts(self, window: SeriesWindow) -> Iterator[tuple[int, Candles]]:
        """The bars of a window in portions, each with the position of its first bar."""
        timeframe = window.series.timeframe
        opening = timeframe.position(max(timeframe.ceil(window.start), timeframe.ceil(FIRST_DAY)))
        closing = timeframe.position(window.end)
        size = timeframe.duration // MINUTE
        while opening < closing:
            first_day = _day(timeframe.open_of(opening))
            last_day = min(_day(timeframe.open_of(closing) - MINUTE) + 1, first_day + DAYS_AT_ONCE)
            last_day += (first_day - last_day) % max(1, size // MINUTES)
            day_opening = timeframe.position(FIRST_DAY + first_day * DAY)
            portion = bars(minutes(self.seed, window.series.symbol, first_day, last_day - first_day), size)
            end = min(closing, day_opening + len(portion.open))
            cut = slice(opening - day_opening, end - day_opening)
            yield opening, Candles(*(column[cut] for column in portion))
            opening = end


def _day(instant: datetime) -> int:
    return (instant - FIRST_DAY) // DAY


def _problem(series: SeriesKey) -> str | None:
    if series.exchange != EXCHANGE:
        return f"exchange must be {EXCHANGE}, was {series.exchange}"
    if not re.fullmatch(SYMBOL_PATTERN, series.symbol):
        return f"symbol must read like BTC/USDT, was {series.symbol!r}"
    return None


def _frame(found: list[tuple[SeriesKey, int, Candles]]) -> pd.DataFrame:
    """One frame of raw rows, empty if nothing was found."""
    lengths = [len(part.open) for _, _, part in found]
    names = {
        name: pd.array([series[place] for series, _, _ in found], dtype="str").repeat(lengths)
        for place, name in enumerate(KEY[:3])
    }
    opens = [_opens(series.timeframe, first, len(part.open)) for series, first, part in found]
    open_at = np.concatenate([np.empty(0, dtype=f"datetime64[{TIME_UNIT}]"), *opens])
    values = {name: np.concatenate([np.empty(0), *(getattr(part, name) for _, _, part in found)]) for name in VALUES}
    return pd.DataFrame({**names, "open_at": pd.DatetimeIndex(open_at).tz_localize("UTC"), **values})


def _opens(timeframe: Timeframe, first: int, count: int) -> np.ndarray:
    start = (timeframe.open_of(first) - EPOCH) // MINUTE
    since_1970 = start + np.arange(count) * (timeframe.duration // MINUTE)
    return since_1970.astype("datetime64[m]").astype(f"datetime64[{TIME_UNIT}]")
