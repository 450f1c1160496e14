"""What an exchange said about series: from where on it was asked, and which it does not offer any longer."""

from collections.abc import Collection, Mapping
from datetime import datetime

import sqlalchemy as sa

from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables


def searched_from(conn: sa.Connection, ids: Collection[int]) -> dict[int, datetime]:
    """From which open on each series was asked for; series that never were are left out."""
    s = tables.series.c
    query = sa.select(s.series_id, s.searched_from).where(s.series_id.in_(ids), s.searched_from.is_not(None))
    return {row.series_id: row.searched_from for row in conn.execute(query)}


def note_search(conn: sa.Connection, searched: Mapping[int, datetime]) -> None:
    """Note from where on an exchange has given what it has, so that it is not asked for it again."""
    if not searched:
        return
    conn.execute(
        sa.text(
            """UPDATE series s SET searched_from = n.instant
FROM unnest(CAST(:ids AS integer[]), CAST(:instants AS timestamptz[])) AS n(series_id, instant)
WHERE s.series_id = n.series_id AND (s.searched_from IS NULL OR s.searched_from > n.instant)"""
        ),
        {"ids": list(searched), "instants": list(searched.values())},
    )


def note_ended(conn: sa.Connection, ids: Mapping[SeriesKey, int], ended: Collection[SeriesKey]) -> None:
    """Of these series, note which are offered no longer, as of their last candle, and which trade (again)."""
    s, c = tables.series, tables.candles.c
    gone = [ids[key] for key in ended]
    trading = [number for key, number in ids.items() if key not in ended]
    last_close = sa.select(sa.func.max(c.close_at)).where(c.series_id == s.c.series_id).scalar_subquery()
    conn.execute(sa.update(s).where(s.c.series_id.in_(gone), s.c.delisted_at.is_(None)).values(delisted_at=last_close))
    conn.execute(sa.update(s).where(s.c.series_id.in_(trading), s.c.delisted_at.is_not(None)).values(delisted_at=None))
