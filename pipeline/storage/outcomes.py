"""Outcomes in and out: which advice still waits for one, and what became of it.

Those of live signals are final: what is stored stays. Those of a replay follow it, and are written again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from pipeline.domain.signal import MULTI_STRATEGY, Origin
from pipeline.domain.timeframe import RESOLUTION, Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables
from pipeline.storage.bulk import affected, bulk_insert, bulk_upsert, typed
from pipeline.storage.database import Database
from pipeline.storage.history import Series

JUDGED = (
    *("horizon", "entry_at", "entry_price", "exit_at", "exit_price", "exit_reason", "bars_held", "resolved_at"),
    *("gross_return", "net_return", "r_multiple", "mfe", "mae", "ladder_return", "long_return"),
    *("targets_reached", "is_ambiguous"),
)
ABOUT_SIGNAL = (
    *("signal_id", "series_id", "candle_close_at", "signal_type", "strategy", "strategies", "source_group"),
    *("confidence", "calibrated_confidence", "origin", "scope", "profile"),
)
ABOUT_DROPPED = (
    *("series_id", "candle_close_at", "signal_type", "origin", "scope", "profile"),
    *("strategies", "reasons", "confidence"),
)


class WaitingSeries(NamedTuple):
    """A series whose advice is to be judged, and what is known of it."""

    series: Series
    delisted_at: datetime | None
    newest: datetime  # close of its newest candle
    done_to: datetime | None  # close up to which all its live advice has its outcomes; None if it was never asked
    made_to: datetime | None  # close up to which live runs have made its advice; None if none has


def advised_closes(
    conn: sa.Connection, origin: Origin, scope: str, after: datetime, until: datetime
) -> tuple[datetime, datetime] | None:
    """The first and the last close with ``after < close <= until`` that has advice; None where none has."""
    chosen = "origin = :origin AND scope = :scope AND candle_close_at > :after AND candle_close_at <= :until"
    row = conn.execute(
        sa.text(
            f"""SELECT least(s.first, c.first), greatest(s.last, c.last) FROM
  (SELECT min(candle_close_at) AS first, max(candle_close_at) AS last FROM trading_signals WHERE {chosen}) s,
  (SELECT min(candle_close_at) AS first, max(candle_close_at) AS last FROM candidate_signals WHERE {chosen}) c"""
        ),
        {"origin": origin.value, "scope": scope, "after": after, "until": until},
    ).one()
    return None if row[0] is None else (row[0], row[1])


def series_with_advice(
    conn: sa.Connection, origin: Origin, scope: str, after: datetime, until: datetime
) -> list[WaitingSeries]:
    """The series with decisions on closes with ``after < close <= until``."""
    query = sa.text(
        """SELECT s.exchange, s.symbol, s.timeframe, s.series_id, s.delisted_at, n.close_at AS newest FROM series s
CROSS JOIN LATERAL (SELECT close_at FROM candles c WHERE c.series_id = s.series_id ORDER BY c.open_at DESC LIMIT 1) n
WHERE s.series_id IN (
  SELECT DISTINCT d.series_id FROM risk_decisions d
  WHERE d.origin = :origin AND d.scope = :scope AND d.candle_close_at > :after AND d.candle_close_at <= :until
) ORDER BY s.exchange, s.bar_seconds, s.symbol"""
    )
    given = {"origin": origin.value, "scope": scope, "after": after, "until": until}
    return [
        WaitingSeries(
            Series(SeriesKey(row.exchange, row.symbol, Timeframe(row.timeframe)), row.series_id),
            row.delisted_at,
            row.newest,
            None,
            None,
        )
        for row in conn.execute(query, given)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which advice is asked for: that of the series, on closes with ``after < close <= until``."""

    origin: Origin
    scope: str
    series_ids: Sequence[int]
    after: datetime
    until: datetime
    horizons: Sequence[str]
    rules: str
    is_all: bool = False  # also what has all its outcomes

    def missing(self, table: str, key: Mapping[str, str], recorded_at: str) -> str:
        """SQL: whether the outcome of a horizon is missing; a replay's counts if it is of these rules and this row."""
        if self.is_all:
            return "true"
        stands = "" if self.origin is Origin.LIVE else f"AND o.rules = :rules AND o.recorded_at >= {recorded_at}"
        same = " AND ".join(f"o.{ours} = {theirs}" for ours, theirs in key.items())
        return f"(SELECT count(*) FROM {table} o WHERE {same} AND o.horizon = ANY(:horizons) {stands}) < :most"

    def bound(self, sql: str) -> sa.TextClause:
        """The query with the values that it names."""
        values: dict[str, Any] = {
            "series": sa.bindparam("series", list(self.series_ids), type_=ARRAY(sa.Integer)),
            "horizons": sa.bindparam("horizons", list(self.horizons), type_=ARRAY(sa.Text)),
            "origin": sa.bindparam("origin", self.origin.value),
            "scope": sa.bindparam("scope", self.scope),
            "after": sa.bindparam("after", self.after),
            "until": sa.bindparam("until", self.until),
            "rules": sa.bindparam("rules", self.rules),
            "most": sa.bindparam("most", len(self.horizons)),
        }
        return sa.text(sql).bindparams(*(value for name, value in values.items() if f":{name}" in sql))


def read_signals(database: Database, wanted: Wanted) -> pd.DataFrame:
    """BUYs and SELLs whose outcome of a horizon is missing, by close and series.

    Columns `ABOUT_SIGNAL`, entry_price, stop_loss_price, tp1, tp2, tp3 and expires_at.
    """
    missing = wanted.missing("signal_outcomes", {"signal_id": "t.id"}, "t.recorded_at")
    return database.frame(
        wanted.bound(
            f"""SELECT t.id::text AS signal_id, t.series_id, t.candle_close_at, t.signal_type::text AS signal_type,
  t.strategy,
  CASE WHEN t.strategy <> '{MULTI_STRATEGY}' THEN ARRAY[t.strategy] ELSE
    (SELECT array_agg(DISTINCT c.strategy ORDER BY c.strategy)
     FROM jsonb_to_recordset(t.metadata -> 'components') AS c(strategy text)) END AS strategies,
  t.source_group, t.confidence, t.calibrated_confidence, t.origin, t.scope, t.profile, t.entry_price, t.stop_loss_price,
  (t.target_prices ->> 'tp1')::float8 AS tp1, (t.target_prices ->> 'tp2')::float8 AS tp2,
  (t.target_prices ->> 'tp3')::float8 AS tp3, t.expires_at
FROM trading_signals t
WHERE t.origin = :origin AND t.scope = :scope AND t.candle_close_at > :after AND t.candle_close_at <= :until
  AND t.signal_type <> 'ALERT' AND t.series_id = ANY(:series) AND {missing}
ORDER BY t.candle_close_at, t.series_id"""
        )
    )


def read_dropped(database: Database, wanted: Wanted) -> pd.DataFrame:
    """The bars and sides of which risk let nothing pass, and whose outcome of a horizon is missing; without prices.

    Columns `ABOUT_DROPPED`, close (of the bar), stop_atr_multiple and expires_at.
    """
    key = ["series_id", "candle_close_at", "signal_type", "origin", "scope", "profile"]
    missing = wanted.missing("dropped_outcomes", {name: f"d.{name}" for name in key}, "d.recorded_at")
    return database.frame(
        wanted.bound(
            f"""SELECT d.series_id, d.candle_close_at, d.signal_type::text AS signal_type, d.origin, d.scope, d.profile,
  d.strategies, d.reasons, d.confidence, d.expires_at, k.close,
  (f.settings -> 'profiles' -> d.profile ->> 'stop_atr_multiple')::float8 AS stop_atr_multiple
FROM (
  SELECT x.series_id, x.candle_close_at, x.signal_type, x.origin, x.scope, x.profile,
    array_agg(DISTINCT x.strategy ORDER BY x.strategy) AS strategies,
    array_agg(DISTINCT r.reason ORDER BY r.reason) AS reasons,
    max(c.confidence) AS confidence, max(x.expires_at) AS expires_at, max(x.recorded_at) AS recorded_at,
    max(x.configuration_hash) AS configuration_hash
  FROM risk_decisions x
  JOIN candidate_signals c USING (series_id, candle_close_at, strategy, signal_type, origin, scope)
  CROSS JOIN LATERAL unnest(CASE WHEN x.is_kept THEN ARRAY[''] ELSE x.reasons END) AS r(reason)
  WHERE x.origin = :origin AND x.scope = :scope AND x.candle_close_at > :after AND x.candle_close_at <= :until
    AND x.signal_type <> 'ALERT' AND x.series_id = ANY(:series) AND c.superseded_at IS NULL
  GROUP BY x.series_id, x.candle_close_at, x.signal_type, x.origin, x.scope, x.profile
  HAVING NOT bool_or(x.is_kept)
) d
JOIN series s USING (series_id)
JOIN candles k ON k.series_id = d.series_id AND k.open_at = d.candle_close_at - make_interval(secs => s.bar_seconds)
JOIN configurations f USING (configuration_hash)
WHERE {missing}
ORDER BY d.candle_close_at, d.series_id"""
        )
    )


def store_outcomes(conn: sa.Connection, table: sa.Table, rows: pd.DataFrame, origin: Origin) -> int:
    """Store outcomes of signals or of dropped advice; returns how many are new or, in a replay, changed."""
    rows = typed(table, rows)
    if origin is Origin.LIVE:
        return bulk_insert(conn, table, rows)
    if table is tables.signal_outcomes:  # a replay made anew meanwhile deletes signals, and with them what is stored
        rows = rows[rows["signal_id"].isin(_held(conn, rows["signal_id"].unique().tolist()))]
    return bulk_upsert(conn, table, rows)


def _held(conn: sa.Connection, ids: Sequence[str]) -> set[str]:
    """Those of the signals that are still there, which nobody deletes until the transaction ends."""
    held = sa.text(
        "SELECT id::text FROM trading_signals WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR KEY SHARE"
    )
    return set(conn.scalars(held, {"ids": list(ids)}))


def forget_dropped(conn: sa.Connection, origin: Origin, scope: str, after: datetime, until: datetime) -> int:
    """Delete outcomes of dropped advice that a replay has meanwhile let pass, or makes no longer; returns how many."""
    return affected(
        conn,
        sa.text(
            """DELETE FROM dropped_outcomes o
WHERE o.origin = :origin AND o.scope = :scope AND o.candle_close_at > :after AND o.candle_close_at <= :until
  AND (NOT EXISTS (SELECT FROM risk_decisions d
    WHERE (d.series_id, d.candle_close_at, d.signal_type, d.origin, d.scope, d.profile)
      = (o.series_id, o.candle_close_at, o.signal_type, o.origin, o.scope, o.profile))
    OR EXISTS (SELECT FROM risk_decisions d
    WHERE (d.series_id, d.candle_close_at, d.signal_type, d.origin, d.scope, d.profile)
      = (o.series_id, o.candle_close_at, o.signal_type, o.origin, o.scope, o.profile) AND d.is_kept))"""
        ).bindparams(origin=origin.value, scope=scope, after=after, until=until),
    )


def waiting_series(conn: sa.Connection) -> list[WaitingSeries]:
    """The series of which something new may be known about live advice: a later candle, or a delisting."""
    query = sa.text(
        """SELECT s.exchange, s.symbol, s.timeframe, s.series_id, s.delisted_at, n.close_at AS newest,
  w.processed_to AS done_to, t.processed_to AS made_to
FROM series s
LEFT JOIN watermarks t ON t.series_id = s.series_id AND t.asset = 'trading_signals'
CROSS JOIN LATERAL (SELECT close_at FROM candles c WHERE c.series_id = s.series_id ORDER BY c.open_at DESC LIMIT 1) n
LEFT JOIN watermarks w ON w.series_id = s.series_id AND w.asset = :asset
WHERE w.series_id IS NULL OR n.close_at > w.reached
  OR (s.delisted_at IS NOT NULL AND n.close_at - :short > w.processed_to)
ORDER BY s.exchange, s.bar_seconds, s.symbol"""
    )
    return [
        WaitingSeries(
            Series(SeriesKey(row.exchange, row.symbol, Timeframe(row.timeframe)), row.series_id),
            row.delisted_at,
            row.newest,
            row.done_to,
            row.made_to,
        )
        for row in conn.execute(query, {"asset": tables.signal_outcomes.name, "short": RESOLUTION})
    ]


def mark_judged(conn: sa.Connection, marks: Sequence[tuple[int, datetime, datetime]]) -> None:
    """Note per series up to which close all live advice has its outcomes, and which candle was the newest."""
    if not marks:
        return
    rows = [
        {
            "asset": tables.signal_outcomes.name,
            "series_id": number,
            "processed_to": done_to,
            "reached": newest,
            "started_after": done_to,
        }
        for number, done_to, newest in marks
    ]
    merged = insert(tables.watermarks).values(rows)
    conn.execute(
        merged.on_conflict_do_update(
            index_elements=["asset", "series_id"],
            set_={
                "processed_to": merged.excluded.processed_to,
                "reached": merged.excluded.reached,
                "recorded_at": sa.func.now(),
            },
        )
    )
