"""Entries at random in and out: which days are over, and what an entry into a series brought on average."""

from datetime import datetime
from typing import NamedTuple

import pandas as pd
import sqlalchemy as sa

from pipeline.domain.timeframe import midnight_before
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_upsert, typed
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup


class OpenDay(NamedTuple):
    """A day of a series whose entries are to be counted."""

    series_id: int
    day_at: datetime
    newest_close: datetime  # of the series' candles


def open_days(
    conn: sa.Connection,
    group: SeriesGroup,
    rules: str,
    longest: int,
    window: tuple[datetime, datetime],
    as_of: datetime,
) -> list[OpenDay]:
    """The days of a window on which a series has closes, and that candles since the last count tell more of.

    A day is over ``longest`` bars and one more after its end. What a series does not have, since it was listed later or
    is delisted, is not waited for.
    """
    query = sa.text(
        """SELECT s.series_id, d.day_at, n.close_at
FROM series s
CROSS JOIN LATERAL (
  SELECT close_at FROM candles c WHERE c.series_id = s.series_id AND c.close_at <= :as_of
    AND c.open_at < :as_of ORDER BY c.open_at DESC LIMIT 1
) n
CROSS JOIN generate_series(CAST(:first AS timestamptz), CAST(:last AS timestamptz), interval '1 day') d(day_at)
WHERE s.series_id = ANY(:ids) AND d.day_at <= n.close_at
  AND d.day_at + interval '1 day' > s.listed_at + make_interval(secs => s.bar_seconds)
  AND NOT EXISTS (SELECT FROM random_entries r WHERE r.series_id = s.series_id AND r.day_at = d.day_at
    AND r.rules = :rules
    AND r.computed_to >= least(n.close_at, d.day_at + interval '1 day' + make_interval(secs => s.bar_seconds) * :over))
ORDER BY d.day_at, s.series_id"""
    )
    first, last = (midnight_before(each) for each in window)
    given = {"ids": group.ids, "rules": rules, "over": longest + 1, "first": first, "last": last, "as_of": as_of}
    return [OpenDay(*row) for row in conn.execute(query, given)]


def store_random_entries(conn: sa.Connection, rows: pd.DataFrame) -> int:
    """Store days that were counted; returns how many rows are new or changed."""
    return bulk_upsert(conn, tables.random_entries, typed(tables.random_entries, rows))


def read_random_means(database: Database, rules: str, horizon: str, start: datetime, end: datetime) -> pd.DataFrame:
    """What an entry on the days from that of ``start`` to that of ``end`` brought on average, both inclusive.

    Columns series_id, is_buy, net_return, hit_rate and n_entries; a row for each series and side.
    """
    t = tables.random_entries.c
    n = sa.func.sum(t.n_entries)
    query = (
        sa.select(
            t.series_id,
            (t.signal_type == "BUY").label("is_buy"),
            (sa.func.sum(t.net_return * t.n_entries) / n).label("net_return"),
            (sa.func.sum(t.n_wins) / sa.cast(n, sa.Double)).label("hit_rate"),
            n.label("n_entries"),
        )
        .where(
            t.rules == rules,
            t.horizon == horizon,
            t.day_at >= midnight_before(start),
            t.day_at <= end,
        )
        .group_by(t.series_id, t.signal_type)
    )
    return database.frame(query)
