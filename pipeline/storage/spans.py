"""Which closes of which series a step works on: since the watermark (a tick), or a window (everything else)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables
from pipeline.storage.history import Series, SeriesGroup


@dataclass(frozen=True, slots=True)
class Span:
    """The closes of one series with ``after < close_at <= until``."""

    series: Series
    after: datetime
    until: datetime

    @property
    def first_open(self) -> datetime:
        """Open of the first bar."""
        timeframe = self.series.key.timeframe
        return timeframe.floor(self.after)

    @property
    def last_open(self) -> datetime:
        """Open of the last bar."""
        timeframe = self.series.key.timeframe
        return timeframe.floor(self.until) - timeframe.duration


def groups_of(spans: Iterable[Span]) -> list[tuple[SeriesGroup, list[Span]]]:
    """Spans by exchange and timeframe, longer timeframes first, series sorted by symbol."""
    found: defaultdict[tuple[str, Timeframe], list[Span]] = defaultdict(list)
    for span in spans:
        found[span.series.key.exchange, span.series.key.timeframe].append(span)
    ordered = []
    for (exchange, timeframe), members in sorted(found.items(), key=lambda item: (item[0][0], -item[0][1].seconds)):
        members.sort(key=lambda span: span.series.key.symbol)
        ordered.append((SeriesGroup(exchange, timeframe, tuple(span.series for span in members)), members))
    return ordered


def universe(
    conn: sa.Connection,
    exchange: str,
    symbols: Sequence[str] | None = None,
    timeframes: Sequence[Timeframe] | None = None,
) -> list[Series]:
    """The stored series of an exchange that trade, all of them or those named."""
    t = tables.series.c
    query = sa.select(t.series_id, t.symbol, t.timeframe).where(t.exchange == exchange, t.listed_at.is_not(None))
    if symbols is not None:
        query = query.where(t.symbol.in_(symbols))
    if timeframes is not None:
        query = query.where(t.timeframe.in_([str(timeframe) for timeframe in timeframes]))
    return [
        Series(SeriesKey(exchange, symbol, Timeframe(timeframe)), number)
        for number, symbol, timeframe in conn.execute(query.order_by(t.symbol, t.bar_seconds))
    ]


def window_spans(conn: sa.Connection, series: Sequence[Series], after: datetime, until: datetime) -> list[Span]:
    """The part of a window in which each series has candles; series without any are left out."""
    spans = []
    for each, (first_open, last_close) in _reach(conn, series, until).items():
        begin = max(after, first_open)
        end = min(until, last_close)
        if each.key.timeframe.floor(end) > each.key.timeframe.floor(begin):
            spans.append(Span(each, begin, end))
    return spans


def tick_spans(conn: sa.Connection, asset: str, series: Sequence[Series], as_of: datetime) -> list[Span]:
    """The closes since each series' watermark; the newest close alone where there is no watermark yet."""
    w = tables.watermarks.c
    marks = dict(conn.execute(sa.select(w.series_id, w.processed_to).where(w.asset == asset)).tuples().all())
    spans = []
    for each, (_, last_close) in _reach(conn, series, as_of).items():
        after = marks.get(each.series_id, last_close - each.key.timeframe.duration)
        if last_close > after:
            spans.append(Span(each, after, last_close))
    return spans


def move_watermarks(conn: sa.Connection, asset: str, spans: Sequence[Span]) -> None:
    """Note that the spans are processed."""
    if not spans:
        return
    w = tables.watermarks
    merged = insert(w).values(
        [
            {"asset": asset, "series_id": s.series.series_id, "processed_to": s.until, "reached": s.until}
            for s in spans
        ]
    )
    conn.execute(
        merged.on_conflict_do_update(
            index_elements=["asset", "series_id"],
            set_={
                "processed_to": merged.excluded.processed_to,
                "reached": sa.func.greatest(w.c.reached, merged.excluded.reached),
                "recorded_at": sa.func.now(),
            },
            where=sa.or_(
                w.c.processed_to != merged.excluded.processed_to,
                w.c.reached < merged.excluded.reached,
            ),
        )
    )


def _reach(
    conn: sa.Connection, series: Sequence[Series], until: datetime
) -> dict[Series, tuple[datetime, datetime]]:
    """First open and last close at or before ``until`` of each series that has one; two index look-ups each."""
    if not series:
        return {}
    s, c = tables.series.c, tables.candles.c
    last = (
        sa.select(c.close_at)
        .where(c.series_id == s.series_id, c.open_at < until, c.close_at <= until)
        .order_by(c.open_at.desc())
        .limit(1)
        .lateral()
    )
    query = (
        sa.select(s.series_id, s.listed_at, last.c.close_at)
        .join_from(tables.series, last, sa.true())
        .where(s.series_id.in_([each.series_id for each in series]))
    )
    found = {number: (first, close) for number, first, close in conn.execute(query)}
    return {each: found[each.series_id] for each in series if each.series_id in found}
