"""How far each feed of texts has been read, what of a plan's allowance is used, and how each source is doing."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.domain.document import Cursor, TextSource
from pipeline.storage import tables

POSTS, REQUESTS = "posts", "requests"  # what plans count
WINDOW = timedelta(minutes=15)  # in which requests are counted
_CURSOR = tuple(Cursor.__dataclass_fields__)


def read_cursors(conn: sa.Connection, source: TextSource) -> dict[str, Cursor]:
    """How far the feeds of a source have been read, by feed; one that never was has none."""
    f = tables.text_feeds.c
    rows = conn.execute(sa.select(f.feed, *(f[name] for name in _CURSOR)).where(f.source == source.value))
    return {row.feed: Cursor(**{name: row._mapping[name] for name in _CURSOR}) for row in rows}


def resting(conn: sa.Connection, source: TextSource, as_of: datetime) -> dict[str, datetime]:
    """The feeds that asked not to be asked before a later instant, with that."""
    f = tables.text_feeds.c
    query = sa.select(f.feed, f.retry_at).where(f.source == source.value, f.retry_at > as_of)
    return {row.feed: row.retry_at for row in conn.execute(query)}


def store_cursor(
    conn: sa.Connection,
    source: TextSource,
    feed: str,
    cursor: Cursor,
    *,
    now: datetime,
    has_answered: bool,
    retry_at: datetime | None = None,
) -> None:
    """Note how far a feed has been read."""
    t = tables.text_feeds
    values = {name: getattr(cursor, name) for name in _CURSOR} | {
        "source": source.value,
        "feed": feed,
        "answered_at": now if has_answered else None,
        "retry_at": retry_at,
    }
    added = insert(t).values(values)
    changed: dict[str, sa.ColumnElement[Any]] = {
        name: added.excluded[name] for name in values if name not in ("source", "feed")
    }
    changed |= {
        "answered_at": sa.func.coalesce(added.excluded.answered_at, t.c.answered_at),
        "recorded_at": sa.func.now(),
    }
    conn.execute(added.on_conflict_do_update(index_elements=["source", "feed"], set_=changed))


def left_of(conn: sa.Connection, source: TextSource, unit: str, allowed: int, as_of: datetime) -> int:
    """What is left of ``allowed`` posts of the month, or requests of the quarter of an hour, that ``as_of`` lies in."""
    b = tables.text_budgets.c
    used = conn.scalar(
        sa.select(b.used).where(b.source == source.value, b.unit == unit, b.since == begin_of(unit, as_of))
    )
    return max(0, allowed - (used or 0))


def use(conn: sa.Connection, source: TextSource, used: Mapping[str, int], as_of: datetime) -> None:
    """Count what was used, by unit."""
    t = tables.text_budgets
    rows = [
        {"source": source.value, "unit": unit, "since": begin_of(unit, as_of), "used": number}
        for unit, number in used.items()
        if number
    ]
    if rows:
        added = insert(t).values(rows)
        conn.execute(
            added.on_conflict_do_update(
                index_elements=["source", "unit", "since"], set_={"used": t.c.used + added.excluded.used}
            )
        )


def begin_of(unit: str, instant: datetime) -> datetime:
    """When the month, or the quarter of an hour, begins in which a unit is counted."""
    utc = instant.astimezone(UTC)
    if unit == POSTS:
        return utc.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return utc.replace(minute=utc.minute - utc.minute % (WINDOW // timedelta(minutes=1)), second=0, microsecond=0)


def forget_health(conn: sa.Connection, source: TextSource, feeds: Collection[str]) -> None:
    """Drop what was recorded of feeds that are no longer read."""
    h = tables.source_health.c
    conn.execute(sa.delete(tables.source_health).where(h.source == source.value, h.subject.not_in(list(feeds))))
