"""Which closes of which series a step works on: since the watermark (a tick), or a window (everything else)."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import RESOLUTION, Timeframe
from pipeline.market.health import is_stale
from pipeline.storage import tables
from pipeline.storage.history import Series, SeriesGroup

STAGED = "staged_spans"  # in a connection's info: the transaction, and its spans


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


def groups_of_series(series: Iterable[Series]) -> list[SeriesGroup]:
    """Series by exchange and timeframe, as `groups_of` orders them."""
    found: defaultdict[tuple[str, Timeframe], list[Series]] = defaultdict(list)
    for each in series:
        found[each.key.exchange, each.key.timeframe].append(each)
    return [
        SeriesGroup(exchange, timeframe, tuple(sorted(members, key=lambda each: each.key.symbol)))
        for (exchange, timeframe), members in sorted(found.items(), key=lambda item: (item[0][0], -item[0][1].seconds))
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


def no_candles(exchange: str, start: datetime, end: datetime) -> DataContractError:
    """What to say where a window of days, ``end`` exclusive, has no candle to work on."""
    last = end - RESOLUTION
    return DataContractError(
        f"the days must have stored candles, {exchange} has none from {start:%Y-%m-%d} to {last:%Y-%m-%d}; "
        "`signals doctor` shows what is stored"
    )


def tick_spans(
    conn: sa.Connection, asset: str, series: Sequence[Series], as_of: datetime, *, revised_bars: int | None = None
) -> list[Span]:
    """The closes since each series' watermark; the newest close alone where there is no watermark yet, if not stale.

    Where a revision has moved the watermark back, the span begins there; with ``revised_bars`` at most so many
    bars before ``as_of``, for what is older can change nothing any more.
    """
    w = tables.watermarks.c
    marks = {
        number: (processed, reached)
        for number, processed, reached in conn.execute(
            sa.select(w.series_id, w.processed_to, w.reached).where(w.asset == asset)
        )
    }
    spans = []
    for each, (_, last_close) in _reach(conn, series, as_of).items():
        duration = each.key.timeframe.duration
        if each.series_id not in marks and is_stale(each.key.timeframe, as_of, last_close):
            continue
        after, reached = marks.get(each.series_id, (last_close - duration,) * 2)
        if revised_bars is not None:
            after = max(after, min(reached, as_of - (revised_bars + 1) * duration))
        if last_close > after:
            spans.append(Span(each, after, last_close))
    return spans


def never_processed(conn: sa.Connection, asset: str, spans: Sequence[Span]) -> set[Span]:
    """The spans of series of which live runs have never made the table before."""
    w = tables.watermarks.c
    known = set(conn.scalars(sa.select(w.series_id).where(w.asset == asset)))
    return {span for span in spans if span.series.series_id not in known}


def move_watermarks(conn: sa.Connection, asset: str, spans: Sequence[Span]) -> None:
    """Note that live runs have processed the spans."""
    if not spans:
        return
    w = tables.watermarks
    stage_spans(conn, spans)
    staged = sa.table("spans", sa.column("series_id"), sa.column("after"), sa.column("until")).c
    names = ["asset", "series_id", "processed_to", "reached", "started_after"]
    rows = sa.select(sa.literal(asset), staged.series_id, staged.until, staged.until, staged.after)
    merged = insert(w).from_select(names, rows)
    conn.execute(
        merged.on_conflict_do_update(
            index_elements=["asset", "series_id"],
            set_={
                "processed_to": merged.excluded.processed_to,
                "reached": sa.func.greatest(w.c.reached, merged.excluded.reached),
                "recorded_at": sa.func.now(),
            },
            where=sa.or_(w.c.processed_to != merged.excluded.processed_to, w.c.reached < merged.excluded.reached),
        )
    )


def dirty_spans(conn: sa.Connection, series: Sequence[Series]) -> list[Span]:
    """Bars whose stored indicators were derived from candles that have changed since."""
    s, i = tables.series.c, tables.indicators.c
    last = sa.select(sa.func.max(i.close_at)).where(i.series_id == s.series_id).scalar_subquery()
    query = sa.select(s.series_id, s.dirty_from, last).where(s.dirty_from.is_not(None))
    by_id = {each.series_id: each for each in series}
    return [
        Span(by_id[number], dirty_from, last_close)
        for number, dirty_from, last_close in conn.execute(query)
        if number in by_id and last_close is not None and last_close > dirty_from
    ]


def split(spans: Sequence[Span], max_bars: int) -> list[list[Span]]:
    """Cut spans at common instants so that each part holds about ``max_bars`` bars of all series; oldest first."""
    if not spans:
        return []
    begin, end = min(span.after for span in spans), max(span.until for span in spans)
    total = sum((span.until - span.after) / span.series.key.timeframe.duration for span in spans)
    step = (end - begin) / max(1, math.ceil(total / max_bars))
    parts = []
    while begin < end:
        stop = min(begin + step, end) if end - begin > 1.01 * step else end
        part = [
            Span(span.series, max(span.after, begin), min(span.until, stop))
            for span in spans
            if span.after < stop and span.until > begin
        ]
        parts.append([span for span in part if span.last_open >= span.first_open])
        begin = stop
    return [part for part in parts if part]


def stage_spans(conn: sa.Connection, spans: Sequence[Span]) -> None:
    """Make the temporary table ``spans`` (series_id, after, until) for queries of this transaction.

    The steps of a stage ask about the same spans one after the other; what is staged already stays.
    """
    staged = (conn.get_transaction(), tuple(spans))
    if conn.info.get(STAGED) == staged:
        return
    conn.execute(sa.text("DROP TABLE IF EXISTS pg_temp.spans"))
    conn.execute(
        sa.text(
            """CREATE TEMPORARY TABLE spans ON COMMIT DROP AS
SELECT * FROM unnest(CAST(:ids AS integer[]), CAST(:afters AS timestamptz[]), CAST(:untils AS timestamptz[]))
AS s(series_id, after, until)"""
        ),
        {
            "ids": [span.series.series_id for span in spans],
            "afters": [span.after for span in spans],
            "untils": [span.until for span in spans],
        },
    )
    # Nobody has counted a new table, and for a guess of thousands of spans the planner reads whole tables.
    conn.execute(sa.text("ANALYZE pg_temp.spans"))
    conn.info[STAGED] = staged


def _reach(conn: sa.Connection, series: Sequence[Series], until: datetime) -> dict[Series, tuple[datetime, datetime]]:
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


def merge_spans(spans: Sequence[Span], others: Sequence[Span]) -> list[Span]:
    """One span per series, from the earliest beginning to the latest end of its spans."""
    merged: dict[Series, Span] = {}
    for span in (*spans, *others):
        known = merged.get(span.series, span)
        merged[span.series] = Span(span.series, min(known.after, span.after), max(known.until, span.until))
    return list(merged.values())


def lookback_gaps(conn: sa.Connection, spans: Sequence[Span], bars: int) -> dict[int, int]:
    """``bars`` for each series that lacks stored indicators in so many bars before its span, by series id."""
    if not spans:
        return {}
    stage_spans(conn, spans)
    rows = conn.execute(
        sa.text(
            # By opens alone, which the primary key holds: no row is visited. A series has a candle at each open since
            # it was listed.
            """SELECT p.series_id FROM spans p JOIN series s USING (series_id)
CROSS JOIN LATERAL (SELECT greatest(s.listed_at, p.after - make_interval(secs => s.bar_seconds) * :bars) AS first) b
WHERE extract(epoch FROM p.after - b.first) / s.bar_seconds
    > (SELECT count(*) FROM indicators i WHERE i.series_id = p.series_id AND i.open_at >= b.first
       AND i.open_at < p.after)"""
        ),
        {"bars": bars},
    )
    return dict.fromkeys((number for (number,) in rows), bars)


def clear_dirty(conn: sa.Connection, spans: Sequence[Span]) -> None:
    """Note that the series' derived rows are made anew."""
    ids = [span.series.series_id for span in spans]
    conn.execute(
        sa.update(tables.series)
        .where(tables.series.c.series_id.in_(ids), tables.series.c.dirty_from.is_not(None))
        .values(dirty_from=None)
    )
