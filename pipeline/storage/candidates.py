"""Candidates and risk decisions: stored for a span of closes as a whole, read back for the next stage.

A replay's rows become what the strategies say now: added, changed, or deleted where they no longer fire. Live
candidates stay; one that a data revision made void is marked as superseded.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.contracts.signals import CandidateSignals, RiskDecisions
from pipeline.contracts.validation import hold_to
from pipeline.domain.signal import Origin, Signal, SignalType, Source
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.generation import BarKey, Decision
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.exposure import Pending
from pipeline.storage import tables
from pipeline.storage.bulk import Changes, bulk_upsert, copy_to_staging, literal_sql, staged_rows, typed
from pipeline.storage.endings import FREES_EXPOSURE
from pipeline.storage.spans import Span, stage_spans

BAR_KEY = ["series_id", "candle_close_at", "strategy", "signal_type"]
IN_SPANS = "x.series_id = s.series_id AND x.candle_close_at > s.after AND x.candle_close_at <= s.until"


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """On which occasion rows are made: their origin, scope and settings."""

    origin: Origin
    scope: str
    configuration_hash: str


def store_configuration(conn: sa.Connection, configuration_hash: str, content: dict[str, Any], version: str) -> None:
    """Keep the settings of the time, once."""
    row = {"configuration_hash": configuration_hash, "settings": content, "code_version": version}
    conn.execute(insert(tables.configurations).values(row).on_conflict_do_nothing())


def configurations_of(conn: sa.Connection, origin: Origin, scope: str) -> set[str]:
    """Hashes of the settings that made the stored candidates of a scope."""
    c = tables.candidate_signals.c
    query = sa.select(c.configuration_hash).where(c.origin == origin.value, c.scope == scope).distinct()
    return set(conn.scalars(query))


def store_candidates(
    conn: sa.Connection, spans: Sequence[Span], signals: Iterable[Signal], source: Source | None, occasion: Occasion
) -> Changes:
    """Make the candidates of one source, or of all if None, in the spans equal to ``signals``."""
    ids = {span.series.key: span.series.series_id for span in spans}
    rows = pd.DataFrame(
        [
            {
                "series_id": ids[s.series],
                "candle_close_at": s.created_at,
                "strategy": s.strategy,
                "signal_type": s.signal_type.value,
                "exchange": s.exchange,
                "symbol": s.symbol,
                "timeframe": str(s.timeframe),
                "source": s.source.value,
                "strength": s.strength,
                "confidence": s.confidence,
                "description": s.description,
                "inputs": json.dumps(dict(s.inputs), allow_nan=False),
                "created_at": s.created_at,
            }
            for s in signals
        ],
        columns=_CANDIDATE_COLUMNS,
    ).assign(**_made(occasion))
    rows = hold_to(CandidateSignals, typed(tables.candidate_signals, rows))
    rows = typed(tables.candidate_signals, rows.assign(superseded_at=None))
    stage_spans(conn, spans)
    among = {} if source is None else {"source": source.value}
    removed = remove_vanished(conn, tables.candidate_signals, rows[BAR_KEY], occasion, **among)
    return Changes(bulk_upsert(conn, tables.candidate_signals, rows), removed)


def remove_vanished(
    conn: sa.Connection,
    table: sa.Table,
    keys: pd.DataFrame,
    occasion: Occasion,
    keeps: Collection[SignalStatus] = (),
    /,
    **among: str,
) -> int:
    """Remove the occasion's rows in the staged spans that are not in ``keys``; returns how many.

    Only rows whose columns equal ``among`` are looked at, and of signals none whose status is in ``keeps``. A replay's
    rows are deleted; live ones, which stay for ever, are marked as superseded.
    """
    staging = copy_to_staging(conn, table, keys)
    is_key = " AND ".join(f"n.{name} = x.{name}" for name in keys.columns)
    is_among = "".join(f" AND x.{name} = :{name}" for name in among)
    if keeps:
        is_among += f" AND x.status NOT IN ({', '.join(repr(status.value) for status in keeps)})"
    vanished = f"""{IN_SPANS} AND x.origin = :origin AND x.scope = :scope{is_among}
  AND NOT EXISTS (SELECT FROM ({literal_sql(staged_rows(staging, table))}) n WHERE {is_key})"""
    if occasion.origin is Origin.REPLAY:
        statement = f"DELETE FROM {table.name} x USING spans s WHERE {vanished}"
    else:
        statement = f"""UPDATE {table.name} x SET superseded_at = now() FROM spans s
WHERE x.superseded_at IS NULL AND {vanished}"""
    bound = {"origin": occasion.origin.value, "scope": occasion.scope, **among}
    return int(conn.execute(sa.text(statement), bound).rowcount)


def read_candidates(conn: sa.Connection, spans: Sequence[Span], origin: Origin, scope: str) -> list[Signal]:
    """The candidates of all sources in the spans that stand, by close, series, strategy."""
    stage_spans(conn, spans)
    query = sa.text(
        f"{_SELECT_CANDIDATES} WHERE x.superseded_at IS NULL AND x.origin = :origin AND x.scope = :scope {_ORDER}"
    )
    return [_signal(row) for row in conn.execute(query, {"origin": origin.value, "scope": scope})]


def read_kept(conn: sa.Connection, spans: Sequence[Span], origin: Origin, scope: str, profile: str) -> list[Signal]:
    """The candidates in the spans that passed the filters of a profile."""
    stage_spans(conn, spans)
    query = sa.text(
        f"""{_SELECT_CANDIDATES}
JOIN risk_decisions d ON d.series_id = x.series_id AND d.candle_close_at = x.candle_close_at
  AND d.strategy = x.strategy AND d.signal_type = x.signal_type AND d.origin = x.origin AND d.scope = x.scope
WHERE x.superseded_at IS NULL AND d.is_kept AND d.profile = :profile AND x.origin = :origin AND x.scope = :scope
{_ORDER}"""
    )
    bound = {"origin": origin.value, "scope": scope, "profile": profile}
    return [_signal(row) for row in conn.execute(query, bound)]


def read_conditions(
    conn: sa.Connection, spans: Sequence[Span], origin: Origin, scope: str
) -> dict[BarKey, MarketConditions]:
    """What the filters must know about the bars that candidates in the spans stand on."""
    stage_spans(conn, spans)
    rows = conn.execute(
        sa.text(
            f"""SELECT DISTINCT x.exchange, x.symbol, x.timeframe, x.candle_close_at, m.is_volatile, m.atr_ratio,
  m.atr_ratio_p95, m.atr_ratio_median, m.atr_ratio_bars, m.block_reason, c.is_filled,
  coalesce(a.is_anomaly AND NOT a.is_ignored, false) AS is_anomalous
FROM candidate_signals x JOIN spans s ON {IN_SPANS} JOIN series e ON e.series_id = x.series_id
JOIN candles c ON c.series_id = x.series_id
  AND c.open_at = x.candle_close_at - make_interval(secs => e.bar_seconds)
LEFT JOIN market_conditions m ON m.series_id = x.series_id AND m.open_at = c.open_at
LEFT JOIN anomaly_scores a ON a.series_id = x.series_id AND a.open_at = c.open_at
WHERE x.origin = :origin AND x.scope = :scope"""
        ),
        {"origin": origin.value, "scope": scope},
    )
    return {
        (SeriesKey(r.exchange, r.symbol, Timeframe(r.timeframe)), r.candle_close_at): MarketConditions(
            is_volatile=r.is_volatile,
            atr_ratio=r.atr_ratio,
            threshold=r.atr_ratio_p95,
            median_ratio=r.atr_ratio_median,
            bars=r.atr_ratio_bars or 0,
            is_anomalous=r.is_anomalous,
            is_filled=r.is_filled,
            block_reason=r.block_reason,
        )
        for r in rows
    }


def store_decisions(
    conn: sa.Connection, spans: Sequence[Span], decisions: Iterable[Decision], profile: str, occasion: Occasion
) -> Changes:
    """Make the decisions of a profile in the spans equal to ``decisions``; live ones are never deleted."""
    ids = {span.series.key: span.series.series_id for span in spans}
    rows = pd.DataFrame(
        [
            {
                "series_id": ids[d.signal.series],
                "candle_close_at": d.signal.created_at,
                "strategy": d.signal.strategy,
                "signal_type": d.signal.signal_type.value,
                "exchange": d.signal.exchange,
                "symbol": d.signal.symbol,
                "timeframe": str(d.signal.timeframe),
                "is_kept": d.is_kept,
                "reasons": list(d.reasons),
                "exposure_weight": d.exposure_weight,
                "expires_at": d.expires_at,
                "created_at": d.signal.created_at,
            }
            for d in decisions
        ],
        columns=_DECISION_COLUMNS,
    ).assign(profile=profile, **_made(occasion))
    rows = hold_to(RiskDecisions, typed(tables.risk_decisions, rows))
    removed = 0
    if occasion.origin is Origin.REPLAY:
        stage_spans(conn, spans)
        removed = remove_vanished(conn, tables.risk_decisions, rows[BAR_KEY], occasion, profile=profile)
    return Changes(bulk_upsert(conn, tables.risk_decisions, rows), removed)


def note_judged(conn: sa.Connection, spans: Sequence[Span], profile: str, occasion: Occasion, at: datetime) -> None:
    """Note when a profile's decisions in the spans were made, also where they are those of the time before."""
    stage_spans(conn, spans)
    conn.execute(
        sa.text(
            f"""UPDATE risk_decisions x SET recorded_at = :at FROM spans s
WHERE {IN_SPANS} AND x.origin = :origin AND x.scope = :scope AND x.profile = :profile AND x.recorded_at <> :at"""
        ),
        {"at": at, "origin": occasion.origin.value, "scope": occasion.scope, "profile": profile},
    )


def read_pending(conn: sa.Connection, spans: Sequence[Span], origin: Origin, scope: str, profile: str) -> list[Pending]:
    """BUY groups kept before or outside the spans that may still tie up money at one of their closes."""
    if not spans:
        return []
    stage_spans(conn, spans)
    rows = conn.execute(
        sa.text(
            f"""
SELECT d.symbol, d.timeframe, d.candle_close_at, max(d.exposure_weight) AS weight, d.expires_at,
  min(e.effective_at) AS ended_at
FROM risk_decisions d
LEFT JOIN trading_signals t ON t.series_id = d.series_id AND t.candle_close_at = d.candle_close_at
  AND t.signal_type = d.signal_type AND t.origin = d.origin AND t.scope = d.scope AND t.profile = d.profile
LEFT JOIN signal_events e ON e.signal_id = t.id AND {FREES_EXPOSURE}
WHERE d.is_kept AND d.signal_type = 'BUY' AND d.origin = :origin AND d.scope = :scope AND d.profile = :profile
  AND d.expires_at > :begin AND d.candle_close_at <= :end
  AND NOT EXISTS (SELECT FROM spans s WHERE s.series_id = d.series_id
    AND d.candle_close_at > s.after AND d.candle_close_at <= s.until)
GROUP BY d.series_id, d.symbol, d.timeframe, d.candle_close_at, d.expires_at
ORDER BY d.candle_close_at, d.symbol"""
        ),
        {
            "origin": origin.value,
            "scope": scope,
            "profile": profile,
            "begin": min(span.after for span in spans),
            "end": max(span.until for span in spans),
        },
    )
    return pending_of(rows)


def pending_of(rows: Iterable[sa.Row[Any]]) -> list[Pending]:
    """The groups that rows with symbol, timeframe, close, weight, expiry and end tell of."""
    return [
        Pending(
            symbol=r.symbol,
            timeframe=Timeframe(r.timeframe),
            close_at=r.candle_close_at,
            weight=r.weight,
            expires_at=r.expires_at,
            ended_at=r.ended_at,
        )
        for r in rows
    ]


_CANDIDATE_COLUMNS = [
    *("series_id", "candle_close_at", "strategy", "signal_type", "exchange", "symbol", "timeframe", "source"),
    *("strength", "confidence", "description", "inputs", "created_at"),
]
_DECISION_COLUMNS = [
    *("series_id", "candle_close_at", "strategy", "signal_type", "exchange", "symbol", "timeframe"),
    *("is_kept", "reasons", "exposure_weight", "expires_at", "created_at"),
]
_SELECT_CANDIDATES = f"""SELECT x.exchange, x.symbol, x.timeframe, x.candle_close_at, x.strategy, x.signal_type,
  x.source, x.strength, x.confidence, x.description, x.inputs
FROM candidate_signals x JOIN spans s ON {IN_SPANS}"""
_ORDER = "ORDER BY x.candle_close_at, x.symbol, x.timeframe, x.strategy, x.signal_type"


def _made(occasion: Occasion) -> dict[str, str]:
    return {
        "origin": occasion.origin.value,
        "scope": occasion.scope,
        "configuration_hash": occasion.configuration_hash,
    }


def _signal(row: Any) -> Signal:
    return Signal(
        series=SeriesKey(row.exchange, row.symbol, Timeframe(row.timeframe)),
        signal_type=SignalType(row.signal_type),
        strategy=row.strategy,
        source=Source(row.source),
        strength=row.strength,
        confidence=row.confidence,
        created_at=row.candle_close_at,
        description=row.description,
        inputs=row.inputs,
    )
