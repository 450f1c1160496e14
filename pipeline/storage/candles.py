"""Candles in: series, revisions, filled gaps, price jumps, the quarantine, and what derived rows must be redone.

Everything happens in the caller's transaction. What a candle must be is decided in `pipeline.market`; here it is
only kept.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.contracts.candles import VALUES
from pipeline.domain.context import MarketContext
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.market.health import JUMP, SeriesState
from pipeline.storage import tables
from pipeline.storage.bulk import affected, bulk_insert, copy_to_staging
from pipeline.storage.revisions import mark_revised

STORING_LOCK = 0x63616E64  # "cand": one batch of candles at a time
REVISED_NAMED = 20  # of a batch; who wants all of them asks `candle_revisions`


@dataclass(frozen=True, slots=True)
class StoredCandles:
    """What a batch of candles changed."""

    written: int  # candles inserted or changed
    revised: int  # of them, candles that stood with other values before
    filled: int  # bars made up for interior gaps
    jumps: int  # opens far away from the close before them
    revised_bars: tuple[tuple[SeriesKey, datetime], ...] = ()  # series and open of the first few that were revised

    def __add__(self, other: "StoredCandles") -> "StoredCandles":
        """What two batches changed, one after the other."""
        return StoredCandles(
            self.written + other.written,
            self.revised + other.revised,
            self.filled + other.filled,
            self.jumps + other.jumps,
            (self.revised_bars + other.revised_bars)[:REVISED_NAMED],
        )


def ensure_series(conn: sa.Connection, keys: Iterable[SeriesKey]) -> dict[SeriesKey, int]:
    """Ids of the series, which are created where they are new."""
    wanted = sorted(set(keys))
    if not wanted:
        return {}
    known = _series_ids(conn, wanted)
    rows = [
        {"exchange": k.exchange, "symbol": k.symbol, "timeframe": k.timeframe, "bar_seconds": k.timeframe.seconds}
        for k in wanted
        if k not in known
    ]
    if not rows:  # an insert that conflicts would use up a number each time, and numbers are places in arrays
        return known
    conn.execute(insert(tables.series).values(rows).on_conflict_do_nothing())
    return _series_ids(conn, wanted)


def _series_ids(conn: sa.Connection, keys: Iterable[SeriesKey]) -> dict[SeriesKey, int]:
    t = tables.series.c
    found = conn.execute(
        sa.select(t.series_id, t.exchange, t.symbol, t.timeframe).where(
            sa.tuple_(t.exchange, t.symbol, t.timeframe).in_([tuple(map(str, k)) for k in keys])
        )
    )
    return {SeriesKey(e, s, Timeframe(tf)): number for number, e, s, tf in found}


def store_candles(conn: sa.Connection, candles: pd.DataFrame, context: MarketContext) -> StoredCandles:
    """Merge candles that obey `contracts.candles.Candles`.

    Old values of a candle that changes are kept in `candle_revisions`; interior gaps are filled, never the newest
    bar; what was derived from changed or inserted bars, in the series that ``context`` lets read them too, is marked
    to be redone.
    """
    if candles.empty:
        return StoredCandles(0, 0, 0, 0)
    # Two batches that do not see each other would leave the gap between them open.
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(STORING_LOCK)))
    keys = candles[["exchange", "symbol", "timeframe"]].drop_duplicates()
    series = {(e, s, t): SeriesKey(e, s, Timeframe(t)) for e, s, t in keys.itertuples(index=False)}
    ids = ensure_series(conn, series.values())
    grouped = candles.groupby(["exchange", "symbol", "timeframe"], sort=False, observed=True).ngroup()
    order = [series[row] for row in keys.itertuples(index=False, name=None)]
    rows = candles[["open_at", *VALUES]].assign(
        series_id=pd.Series([ids[key] for key in order], dtype="int32").to_numpy()[grouped],
        close_at=candles["open_at"]
        + pd.to_timedelta([key.timeframe.seconds for key in order], unit="s").to_numpy()[grouped],
        is_filled=False,
    )
    copy_to_staging(conn, tables.candles, rows)
    conn.execute(sa.text("CREATE INDEX ON staging_candles (series_id, open_at)"))
    conn.execute(sa.text("ANALYZE staging_candles"))
    revised = conn.execute(_KEEP_OLD_VALUES, {"named": REVISED_NAMED}).all()
    conn.execute(sa.text("DROP TABLE IF EXISTS pg_temp.touched"))
    conn.execute(_TOUCHED)
    written = affected(conn, _MERGE)
    conn.execute(sa.text("DROP TABLE IF EXISTS pg_temp.gap_bars"))
    conn.execute(_GAP_BARS)
    conn.execute(_KEEP_OLD_FILLINGS)
    filled = affected(conn, _FILL_GAPS)
    jumps = affected(conn, _FIND_JUMPS)
    conn.execute(_FORGET_MENDED_JUMPS)
    mark_revised(conn, context)
    conn.execute(_LISTED)
    key_of = {number: key for key, number in ids.items()}
    return StoredCandles(
        written=written,
        revised=revised[0].total if revised else 0,
        filled=filled,
        jumps=jumps,
        revised_bars=tuple((key_of[row.series_id], row.open_at) for row in revised),
    )


def quarantine(conn: sa.Connection, refused: pd.DataFrame) -> int:
    """Keep refused rows with their reasons; the same bad row is kept once. Returns how many are new."""
    if refused.empty:
        return 0
    documents = [json.dumps(row, sort_keys=True, allow_nan=False) for row in refused["row"]]
    marks = zip(refused["exchange"], refused["symbol"], refused["timeframe"], refused["reason"], documents, strict=True)
    fingerprints = [hashlib.sha256("\x1f".join(map(str, mark)).encode()).hexdigest() for mark in marks]
    rows = refused[["exchange", "symbol", "timeframe", "open_at", "reason"]].assign(
        fingerprint=fingerprints, row=documents
    )
    return bulk_insert(conn, tables.candle_quarantine, rows)


def record_health(
    conn: sa.Connection,
    source: str,
    states: Mapping[SeriesKey, SeriesState] | Mapping[str, SeriesState],
    ids: Mapping[SeriesKey, int],
    as_of: datetime,
) -> None:
    """Store the state of each series, or of whatever a source consists of, as of an instant.

    An older instant never overwrites a newer one.
    """
    if not states:
        return
    conn.execute(
        sa.text(
            """INSERT INTO source_health AS h (source, subject, series_id, status, reason, as_of)
SELECT :source, n.subject, n.series_id, n.status, n.reason, :as_of
FROM unnest(CAST(:subjects AS text[]), CAST(:ids AS integer[]), CAST(:statuses AS text[]), CAST(:reasons AS text[]))
  AS n(subject, series_id, status, reason)
ON CONFLICT (source, subject) DO UPDATE SET series_id = excluded.series_id, status = excluded.status,
  reason = excluded.reason, as_of = excluded.as_of, recorded_at = now() WHERE h.as_of <= excluded.as_of"""
        ),
        {
            "source": source,
            "as_of": as_of,
            "subjects": [str(key) for key in states],
            "ids": [ids.get(key) if isinstance(key, SeriesKey) else None for key in states],
            "statuses": [state.status.value for state in states.values()],
            "reasons": [state.reason for state in states.values()],
        },
    )


def accept_jumps(conn: sa.Connection, symbol: str) -> int:
    """Say that every open jump of a symbol is real; its series are no longer blocked. Returns how many."""
    jumps, series = tables.price_jumps, tables.series
    ids = sa.select(series.c.series_id).where(series.c.symbol == symbol).scalar_subquery()
    return affected(
        conn,
        sa.update(jumps)
        .where(jumps.c.series_id.in_(ids), jumps.c.accepted_at.is_(None))
        .values(accepted_at=sa.func.now()),
    )


_OLD_DIFFERS = (
    "(c.open, c.high, c.low, c.close, c.volume, c.is_filled) IS DISTINCT FROM "
    "(n.open, n.high, n.low, n.close, n.volume, false)"
)

# How many there are, and the first few of them: an import that revises a year need not send it all back.
_KEEP_OLD_VALUES = sa.text(f"""
WITH kept AS (
  INSERT INTO candle_revisions (series_id, open_at, open, high, low, close, volume, is_filled)
  SELECT series_id, open_at, c.open, c.high, c.low, c.close, c.volume, c.is_filled
  FROM candles c JOIN staging_candles n USING (series_id, open_at)
  WHERE {_OLD_DIFFERS}
  ON CONFLICT DO NOTHING
  RETURNING series_id, open_at
)
SELECT series_id, open_at, count(*) OVER () AS total FROM kept ORDER BY series_id, open_at LIMIT :named""")

# Per series: the first bar of this batch, the earliest one that is changed or comes before a stored one, and the
# earliest one that is changed or new, with the gap before it if that is filled now.
_TOUCHED = sa.text(f"""
CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
WITH newest AS (
  SELECT b.series_id, b.first_open, (SELECT max(open_at) FROM candles c WHERE c.series_id = b.series_id) AS newest
  FROM (SELECT series_id, min(open_at) AS first_open FROM staging_candles GROUP BY series_id) b
)
SELECT m.series_id, m.first_open,
  coalesce((SELECT max(open_at) FROM candles p WHERE p.series_id = m.series_id AND p.open_at < m.first_open
            AND NOT p.is_filled), m.first_open) AS from_open,
  c.dirty_open,
  CASE WHEN c.news_open > m.newest THEN m.newest + make_interval(secs => s.bar_seconds)
    ELSE c.news_open END AS news_open
FROM newest m JOIN series s USING (series_id)
CROSS JOIN LATERAL (
  SELECT min(n.open_at) AS news_open,
    min(n.open_at) FILTER (WHERE c.series_id IS NOT NULL OR n.open_at < m.newest) AS dirty_open
  FROM staging_candles n LEFT JOIN candles c USING (series_id, open_at)
  WHERE n.series_id = m.series_id AND (c.series_id IS NULL OR {_OLD_DIFFERS})
) c""")

_MERGE = sa.text("""
INSERT INTO candles AS c (series_id, open_at, close_at, open, high, low, close, volume, is_filled)
SELECT series_id, open_at, close_at, open, high, low, close, volume, false FROM staging_candles
ON CONFLICT (series_id, open_at) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
  close = excluded.close, volume = excluded.volume, is_filled = false
WHERE (c.open, c.high, c.low, c.close, c.volume, c.is_filled)
  IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, false)""")

_GAP_BARS = sa.text("""
CREATE TEMPORARY TABLE gap_bars ON COMMIT DROP AS
SELECT g.series_id, o AS open_at, o + g.bar AS close_at, g.close
FROM (
  SELECT r.series_id, r.open_at, r.close, make_interval(secs => s.bar_seconds) AS bar,
    lead(r.open_at) OVER (PARTITION BY r.series_id ORDER BY r.open_at) AS next_open
  FROM touched t JOIN series s USING (series_id)
  JOIN candles r ON r.series_id = t.series_id AND r.open_at >= t.from_open AND NOT r.is_filled
) g CROSS JOIN LATERAL generate_series(g.open_at + g.bar, g.next_open - g.bar, g.bar) o
WHERE g.next_open > g.open_at + g.bar""")

_KEEP_OLD_FILLINGS = sa.text("""
INSERT INTO candle_revisions (series_id, open_at, open, high, low, close, volume, is_filled)
SELECT series_id, open_at, c.open, c.high, c.low, c.close, c.volume, c.is_filled
FROM gap_bars g JOIN candles c USING (series_id, open_at) WHERE c.close IS DISTINCT FROM g.close
ON CONFLICT DO NOTHING""")

_FILL_GAPS = sa.text("""
INSERT INTO candles AS c (series_id, open_at, close_at, open, high, low, close, volume, is_filled)
SELECT series_id, open_at, close_at, close, close, close, close, 0, true FROM gap_bars
ON CONFLICT (series_id, open_at) DO UPDATE SET open = excluded.open, high = excluded.high, low = excluded.low,
  close = excluded.close
WHERE c.is_filled AND c.close IS DISTINCT FROM excluded.close""")

# The arithmetic of `pipeline.market.health.price_jumps`: a quotient would make a jump of exactly 30 %.
_IS_JUMP = f"abs(open - previous_close) > {JUMP} * previous_close"

_NEIGHBOURS = """
  SELECT c.series_id, c.open_at, c.open,
    lag(c.close) OVER (PARTITION BY c.series_id ORDER BY c.open_at) AS previous_close
  FROM touched t JOIN candles c ON c.series_id = t.series_id AND c.open_at >= t.from_open"""

_FIND_JUMPS = sa.text(f"""
INSERT INTO price_jumps (series_id, open_at, ratio)
SELECT series_id, open_at, open / previous_close FROM ({_NEIGHBOURS}) j WHERE {_IS_JUMP}
ON CONFLICT DO NOTHING""")

_FORGET_MENDED_JUMPS = sa.text(f"""
DELETE FROM price_jumps p USING ({_NEIGHBOURS}) j
WHERE p.series_id = j.series_id AND p.open_at = j.open_at AND p.accepted_at IS NULL
  AND NOT ({_IS_JUMP})""")

_LISTED = sa.text("""
UPDATE series s SET listed_at = t.first_open FROM touched t
WHERE s.series_id = t.series_id AND (s.listed_at IS NULL OR s.listed_at > t.first_open)""")
