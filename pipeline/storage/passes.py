"""Which live run processed which closes, and how long after them."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from pipeline.storage.spans import Span, stage_spans


class Latency(NamedTuple):
    """Seconds from the close to the stored pass over the series of a run, and the worst share of a timeframe."""

    series: int
    median_s: float
    p95_s: float
    worst_s: float
    worst_share: float


def record_passes(conn: sa.Connection, run_id: str, spans: Sequence[Span]) -> None:
    """Note which closes of the spans a live run has processed first; to be called before the watermarks move.

    What it did over again, because older candles changed, is no pass. A retry of the run changes nothing.
    """
    if not spans:
        return
    stage_spans(conn, spans)
    conn.execute(
        sa.text(
            """INSERT INTO live_passes (run_id, series_id, after, until)
SELECT :run_id, p.series_id, greatest(p.after, w.reached), p.until FROM spans p
LEFT JOIN watermarks w ON w.asset = 'trading_signals' AND w.series_id = p.series_id
WHERE p.until > w.reached OR w.reached IS NULL ON CONFLICT DO NOTHING"""
        ),
        {"run_id": run_id},
    )


def latency_of(conn: sa.Connection, run_id: str) -> Latency | None:
    """How late a run was; None if it processed nothing."""
    row = conn.execute(
        sa.text(
            """SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_seconds),
  percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_seconds), max(latency_seconds), max(latency_share)
FROM v_signal_latency WHERE run_id = :run_id"""
        ),
        {"run_id": run_id},
    ).one()
    return Latency(*row) if row[0] else None
