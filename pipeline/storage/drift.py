"""Drift: where a replay of the default scope and the live signals of the same closes disagree."""

from collections.abc import Sequence

import sqlalchemy as sa

from pipeline.storage.spans import Span, stage_spans

# What must be equal; when a row was written and what became of the signal afterwards may differ.
COMPARED = (
    *("strategy", "strength", "confidence", "source", "description", "entry_price", "target_prices"),
    *("stop_loss_price", "expires_at", "rank_score", "base_confidence", "agreement_boost", "is_conflicting"),
    "metadata",
)


def record_drift(conn: sa.Connection, spans: Sequence[Span], scope: str, profile: str) -> int:
    """Compare the spans' closes that live runs have processed; returns how many signals differ.

    A live signal that a data revision invalidated is no longer what live says, so it is left out.
    """
    stage_spans(conn, spans)
    values = ", ".join(f"'{name}', x.{name}" for name in COMPARED)
    common = """FROM trading_signals x JOIN spans s ON x.series_id = s.series_id
  AND x.candle_close_at > s.after AND x.candle_close_at <= s.until
JOIN watermarks w ON w.asset = 'trading_signals' AND w.series_id = x.series_id
  AND x.candle_close_at > w.started_after AND x.candle_close_at <= w.reached
WHERE x.profile = :profile"""
    selected = f"x.signal_key, x.series_id, x.candle_close_at, x.signal_type, jsonb_build_object({values}) AS v"
    conn.execute(
        sa.text(
            """DELETE FROM replay_drift d USING spans s
WHERE d.scope = :scope AND d.series_id = s.series_id AND d.candle_close_at > s.after AND d.candle_close_at <= s.until"""
        ),
        {"scope": scope},
    )
    statement = sa.text(
        f"""WITH l AS (SELECT {selected} {common} AND x.origin = 'live' AND x.scope = 'default'
  AND NOT (x.status = 'INVALIDATED' AND EXISTS (SELECT FROM signal_events e
    WHERE e.signal_id = x.id AND e.reason = 'data_revision'))),
r AS (SELECT {selected} {common} AND x.origin = 'replay' AND x.scope = :scope),
j AS (
  SELECT coalesce(l.signal_key, r.signal_key) AS signal_key, series_id, candle_close_at, l.v AS lv, r.v AS rv
  FROM l FULL JOIN r USING (series_id, candle_close_at, signal_type)
)
INSERT INTO replay_drift (signal_key, scope, kind, series_id, candle_close_at, live, replay)
SELECT signal_key, :scope,
  CASE WHEN rv IS NULL THEN 'only_live' WHEN lv IS NULL THEN 'only_replay' ELSE 'different' END,
  series_id, candle_close_at, {_differing("lv", "rv")}, {_differing("rv", "lv")}
FROM j WHERE lv IS DISTINCT FROM rv
ON CONFLICT (signal_key, scope) DO UPDATE SET kind = excluded.kind, live = excluded.live, replay = excluded.replay"""
    )
    return int(conn.execute(statement, {"scope": scope, "profile": profile}).rowcount)


def _differing(mine: str, other: str) -> str:
    """The fields of one JSON object that the other has differently; all of them if there is no other."""
    return (
        f"(SELECT jsonb_object_agg(key, value) FROM jsonb_each({mine}) "
        f"WHERE {other} IS NULL OR {other} -> key IS DISTINCT FROM value)"
    )
