"""What a chart reads: the stored rows of one series between two opens, and the signals that deserve a picture."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd
import sqlalchemy as sa

from pipeline.charts.material import INDICATORS, LEVEL_FIELDS, PATTERN_FIELDS, SIGNAL_FIELDS, ChartMaterial
from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.indicators.levels import LIFE_BARS
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage import tables
from pipeline.storage.accounts import HOUSE
from pipeline.storage.database import Database
from pipeline.storage.history import CANDLE_COLUMNS, Series, bar_index
from pipeline.storage.queries import SignalFilter, list_signals


def read_material(
    database: Database,
    series: Series,
    first_open: datetime,
    last_open: datetime,
    *,
    origin: Origin,
    scope: str = DEFAULT_SCOPE,
    profile: str = HOUSE,
) -> ChartMaterial:
    """The rows of the bars from ``first_open`` to ``last_open``, inclusive, on the grid; signals of any status."""
    with database.begin() as conn:
        levels = _levels(conn, series, first_open, last_open)
        patterns = _patterns(conn, series, first_open, last_open)
        signals = _signals(conn, series, first_open, last_open, origin, scope, profile)
    return ChartMaterial(
        key=series.key,
        bars=_bars(database, series, first_open, last_open),
        levels=levels,
        patterns=patterns,
        signals=signals,
        origin=origin.value if scope == DEFAULT_SCOPE else f"{origin.value} {scope}",
    )


def _bars(database: Database, series: Series, first_open: datetime, last_open: datetime) -> pd.DataFrame:
    c, i, m, f = tables.candles.c, tables.indicators.c, tables.market_conditions.c, tables.symbol_sentiment.c
    said = [f.overall_score, f.news_score, f.social_score]
    covered = sa.case((f.silence.is_(None), f.overall_score)).label("covered_score")
    of_series = sa.and_(f.symbol == series.key.symbol, f.is_simulated == (series.key.exchange == SIMULATED_EXCHANGE))
    query = (
        sa.select(c.open_at, *(c[name] for name in CANDLE_COLUMNS), *(i[name] for name in INDICATORS), m.block_reason)
        .add_columns(*said, covered)
        .select_from(tables.candles)
        .outerjoin(tables.indicators, sa.and_(i.series_id == c.series_id, i.open_at == c.open_at))
        .outerjoin(tables.market_conditions, sa.and_(m.series_id == c.series_id, m.open_at == c.open_at))
        .outerjoin(tables.symbol_sentiment, sa.and_(of_series, f.close_at == c.close_at))
        .where(c.series_id == series.series_id, c.open_at.between(first_open, last_open))
    )
    rows = database.frame(query)
    opens = pd.DatetimeIndex(rows.pop("open_at")).as_unit(TIME_UNIT)
    reasons = rows.pop("block_reason").astype(object)
    numbers = rows.astype("float64").set_axis(opens)
    bars = numbers.reindex(bar_index(series.key.timeframe, first_open, last_open))
    bars["block_reason"] = reasons.where(reasons.notna(), None).set_axis(opens).reindex(bars.index)
    return bars


def _levels(conn: sa.Connection, series: Series, first_open: datetime, last_open: datetime) -> pd.DataFrame:
    step, t = series.key.timeframe.duration, tables.price_levels.c
    query = sa.select(*(t[name] for name in LEVEL_FIELDS)).where(
        t.series_id == series.series_id,
        t.expires_at > first_open,
        # No level that reaches into the picture became known before, which the index can tell.
        t.known_at.between(first_open - (LIFE_BARS + 1) * step, last_open + step),
    )
    return pd.DataFrame(conn.execute(query).mappings().all(), columns=list(LEVEL_FIELDS))


def _patterns(conn: sa.Connection, series: Series, first_open: datetime, last_open: datetime) -> list[dict[str, Any]]:
    step, t = series.key.timeframe.duration, tables.chart_patterns.c
    query = sa.select(*(t[name] for name in PATTERN_FIELDS)).where(
        t.series_id == series.series_id, t.completed_at.between(first_open + step, last_open + step)
    )
    rows = conn.execute(query.order_by(t.completed_at, t.pattern, t.direction)).mappings()
    return [dict(row) for row in rows]


def _signals(
    conn: sa.Connection,
    series: Series,
    first_open: datetime,
    last_open: datetime,
    origin: Origin,
    scope: str,
    profile: str,
) -> list[dict[str, Any]]:
    t = tables.trading_signals.c
    query = sa.select(*(t[name] for name in SIGNAL_FIELDS)).where(
        *_of_bars(series, first_open, last_open, scope, profile), t.origin == origin.value
    )
    return [dict(row) for row in conn.execute(query.order_by(t.created_at, t.rank_score, t.id)).mappings()]


def origins_of(
    conn: sa.Connection, series: Series, first_open: datetime, last_open: datetime, scope: str, profile: str
) -> set[Origin]:
    """The origins of the signals on some bars."""
    query = sa.select(tables.trading_signals.c.origin).where(*_of_bars(series, first_open, last_open, scope, profile))
    return {Origin(name) for name in conn.scalars(query.distinct())}


def _of_bars(
    series: Series, first_open: datetime, last_open: datetime, scope: str, profile: str
) -> Iterator[sa.ColumnElement[bool]]:
    """Which signals stand on the bars; by symbol and created_at too, of which there is an index."""
    step, t = series.key.timeframe.duration, tables.trading_signals.c
    yield t.symbol == series.key.symbol
    yield t.created_at.between(first_open + step, last_open + step)
    yield t.series_id == series.series_id
    yield t.scope == scope
    yield t.profile == profile


def strongest_active(conn: sa.Connection, as_of: datetime, exchange: str, limit: int) -> list[dict[str, Any]]:
    """The best live signals of the house that are active at an instant, best first."""
    active = list_signals(conn, SignalFilter(as_of=as_of, exchanges=(exchange,)))
    return [dict(row) for row in active if row["profile"] == HOUSE][:limit]


def stored_chart(conn: sa.Connection, signal_id: UUID) -> bytes | None:
    """The picture that is kept of a signal, a PNG; None if none is."""
    c = tables.signal_charts.c
    return conn.scalar(sa.select(c.png).where(c.signal_id == signal_id))


def replace_charts(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Keep these pictures and no others; returns how many there are now."""
    # Two runs at once would insert beside each other: neither sees the other's rows.
    conn.execute(sa.text("LOCK TABLE signal_charts IN EXCLUSIVE MODE"))
    conn.execute(sa.delete(tables.signal_charts))
    if rows:
        conn.execute(sa.insert(tables.signal_charts), list(rows))
    return len(rows)
