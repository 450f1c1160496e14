"""The market of a local exchange: which candles it shows at which instant, and what is listed.

Wire formats are not known here; `exchange_binance` and `exchange_kraken` ask for pages of rows and write them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pipeline.domain.timeframe import Timeframe
from tests.support.exchange_candles import CandleProvider
from tests.support.exchange_clock import ExchangeClock, bar_ms, open_ms_of, position_at
from tests.support.exchange_faults import Fault, PageFault, Query, QueryFault, Row, SeriesFault

DAY_IN = (Timeframe.H1, Timeframe.M15, Timeframe.M5, Timeframe.M1, Timeframe.H4, Timeframe.D1)
MARGIN = 200  # rows beyond the limit of which series faults may take some away


@dataclass
class Market:
    """Candles, a clock, and the state of the listings.

    A candle that has not closed yet is the newest row, with what has happened of it so far, unless
    ``shows_open_candle`` is False.
    """

    candles: CandleProvider
    clock: ExchangeClock
    shows_open_candle: bool = True
    halted_ms: dict[str, int] = field(default_factory=dict)  # symbol -> when trading stopped
    delisted: set[str] = field(default_factory=set)

    @property
    def symbols(self) -> list[str]:
        """What is listed now, halted symbols included."""
        return [symbol for symbol in self.candles.symbols if symbol not in self.delisted]

    def page(self, query: Query, faults: Sequence[Fault] = ()) -> list[Row]:
        """The rows that the exchange answers with, oldest first unless a fault says otherwise."""
        query = self._as_traded(query)
        for fault in faults:
            if isinstance(fault, QueryFault):
                query = fault.change(query)
        rows = self._rows(query, MARGIN if any(isinstance(fault, SeriesFault) for fault in faults) else 0)
        for fault in faults:
            if isinstance(fault, SeriesFault):
                rows = fault.change(rows, query)
        rows = _cut(rows, query)
        for fault in faults:
            if isinstance(fault, PageFault):
                rows = fault.change(rows)
        return rows

    def last_day(self, symbol: str) -> list[Row]:
        """The candles of the last 24 hours, in the first timeframe that there is of those that divide a day."""
        now_ms = self.clock.now_ms()
        day_ago_ms = now_ms - bar_ms(Timeframe.D1)
        for timeframe in DAY_IN:
            limit = Timeframe.D1.duration // timeframe.duration
            if rows := self.page(Query(symbol, timeframe, limit, now_ms, now_ms, day_ago_ms)):
                return rows
        return []

    def _as_traded(self, query: Query) -> Query:
        """The query as of the newest trade that can be seen."""
        now_ms = min(query.now_ms, self.halted_ms.get(query.symbol, query.now_ms))
        end_ms = min(query.end_ms, now_ms)
        if not self.shows_open_candle:
            end_ms = min(end_ms, open_ms_of(query.timeframe, position_at(query.timeframe, now_ms)) - 1)
        return replace(query, now_ms=now_ms, end_ms=end_ms)

    def _rows(self, query: Query, margin: int) -> list[Row]:
        """True rows from the start of the query on, or up to its end, and some more for faults to act on."""
        series, limit = (query.symbol, query.timeframe), query.limit + margin
        if query.start_ms is None:
            found = self.candles.last(*series, query.end_ms, limit)
        else:
            found = self.candles.first(*series, query.start_ms, query.end_ms, limit)
        rows: list[Row] = [
            [opened, *values] for opened, values in zip(found.open_ms.tolist(), found.values.tolist(), strict=True)
        ]
        if rows:
            rows[-1] = _so_far(rows[-1], (query.now_ms - rows[-1][0]) / bar_ms(query.timeframe))
        return rows


def _cut(rows: list[Row], query: Query) -> list[Row]:
    """The page that was asked for."""
    page = rows[: query.limit] if query.start_ms is not None else rows[max(0, len(rows) - query.limit) :]
    if query.newer_than_ms is None:
        return page
    return [row for row in page[:-1] if row[0] > query.newer_than_ms] + page[-1:]


def _so_far(row: Row, elapsed: float) -> Row:
    """What has happened of a bar after a part of it: the price is on its way to the close, and so is the volume."""
    if elapsed >= 1.0:
        return row
    opened, first, high, low, close, volume = row
    last = first + (close - first) * elapsed
    high, low = first + (high - first) * elapsed, first + (low - first) * elapsed
    return [opened, first, max(first, last, high), min(first, last, low), last, volume * elapsed]
