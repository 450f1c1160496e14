"""Levels and chart patterns: stored for a span of closes as a whole, so that what no longer holds is gone."""

from collections.abc import Sequence

import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.structure import ChartPatterns, PriceLevels
from pipeline.contracts.validation import hold_to
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_upsert, typed
from pipeline.storage.spans import Span, stage_spans


def store_levels(conn: sa.Connection, spans: Sequence[Span], rows: pd.DataFrame) -> int:
    """Make the changes of levels in the spans equal to ``rows``; returns how many were written or deleted."""
    return _replace(conn, tables.price_levels, "known_at", spans, hold_to(PriceLevels, rows))


def store_patterns(conn: sa.Connection, spans: Sequence[Span], rows: pd.DataFrame) -> int:
    """Make the patterns that completed in the spans equal to ``rows``; returns how many were written or deleted."""
    return _replace(conn, tables.chart_patterns, "completed_at", spans, hold_to(ChartPatterns, rows))


def _replace(conn: sa.Connection, table: sa.Table, known_at: str, spans: Sequence[Span], rows: pd.DataFrame) -> int:
    stage_spans(conn, spans)
    written = bulk_upsert(conn, table, typed(table, rows))
    vanished = f"""DELETE FROM {table.name} x USING spans s
WHERE x.series_id = s.series_id AND x.{known_at} > s.after AND x.{known_at} <= s.until"""
    if not rows.empty:
        is_key = " AND ".join(f"n.{column.name} = x.{column.name}" for column in table.primary_key)
        vanished += f" AND NOT EXISTS (SELECT FROM pg_temp.staging_{table.name} n WHERE {is_key})"
    return written + int(conn.execute(sa.text(vanished)).rowcount)
