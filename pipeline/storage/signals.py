"""Signals: stored once, changed only by the state machine, and what a data revision makes of them.

A replay's signals become what the pipeline says now. Live signals are never rewritten: a repeated run adds nothing,
and a revision of the data can only invalidate one and, while there is time, add its successor.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.signals import TradingSignals
from pipeline.contracts.validation import hold_to
from pipeline.domain.signal import Origin, TradingSignal, signal_id
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.generation import FELT, PREDICTED, BarKey
from pipeline.indicators.structure import BAR_COLUMNS
from pipeline.models.price_range import RANGES
from pipeline.performance.calibration import CalibrationRules
from pipeline.settings_sections import SIMULATED_EXCHANGE, LifecycleSettings
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_insert, bulk_upsert, copy_to_staging, typed
from pipeline.storage.calibrations import GIVEN, with_calibration
from pipeline.storage.candidates import IN_SPANS, Occasion, remove_vanished
from pipeline.storage.endings import DATA_REVISION, find_endings
from pipeline.storage.spans import Span, stage_spans
from pipeline.storage.tables.signals import NOT_CALIBRATED_YET
from pipeline.storage.transitions import PIPELINE, Ending, endings_json, invalidate

PAST_AT_INSERTION = "past_at_insertion"
# What only the state machine changes after a signal is stored.
LIFECYCLE_COLUMNS = ("status", "executed_at", "execution_price", "profit_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignals:
    """What storing did."""

    written: int  # signals inserted or, in a replay, changed
    duplicates: int  # live signals that stood already
    removed: int  # replay signals that no longer fire
    invalidated: int  # live signals that revised data made void, or the market before they were stored
    expired: int  # signals that were past when they were stored


def read_bars(conn: sa.Connection, spans: Sequence[Span], origin: Origin, scope: str) -> dict[BarKey, dict[str, Any]]:
    """Close, indicators, predictions and sentiment of the bars in the spans that have a candidate."""
    stage_spans(conn, spans)
    columns = ", ".join(f"i.{name}" for name in BAR_COLUMNS)
    predicted = ", ".join(["d.probability", *(f"p.{name}" for name in RANGES)])
    felt = ", ".join(f"f.{name}" for name in FELT.values())
    rows = conn.execute(
        sa.text(
            f"""SELECT DISTINCT x.exchange, x.symbol, x.timeframe, x.candle_close_at, c.close, {columns},
  {predicted}, {felt}
FROM candidate_signals x JOIN spans s ON {IN_SPANS} JOIN series e ON e.series_id = x.series_id
JOIN candles c ON c.series_id = x.series_id
  AND c.open_at = x.candle_close_at - make_interval(secs => e.bar_seconds)
JOIN indicators i ON i.series_id = c.series_id AND i.open_at = c.open_at
LEFT JOIN direction_predictions d ON d.series_id = c.series_id AND d.open_at = c.open_at
LEFT JOIN price_range_predictions p ON p.series_id = c.series_id AND p.open_at = c.open_at
LEFT JOIN symbol_sentiment f ON f.symbol = x.symbol AND f.close_at = x.candle_close_at
  AND f.is_simulated = (x.exchange = '{SIMULATED_EXCHANGE}') AND f.silence IS NULL
WHERE x.origin = :origin AND x.scope = :scope"""
        ),
        {"origin": origin.value, "scope": scope},
    )
    return {
        (SeriesKey(r[0], r[1], Timeframe(r[2])), r[3]): dict(
            zip(("close", *BAR_COLUMNS, *PREDICTED, *FELT), r[4:], strict=True)
        )
        for r in rows
    }


def store_replayed(
    conn: sa.Connection,
    spans: Sequence[Span],
    signals: Iterable[TradingSignal],
    profile: str,
    occasion: Occasion,
    as_of: datetime,
    *,
    keeps: Collection[SignalStatus] = (),
) -> StoredSignals:
    """Make a replay's signals in the spans equal to ``signals``; what is past at ``as_of`` is stored EXPIRED.

    Those whose status is one of ``keeps`` stay where they no longer fire: somebody may have acted on them.
    """
    rows = _rows(spans, signals, occasion, as_of)
    stage_spans(conn, spans)
    removed = remove_vanished(conn, tables.trading_signals, rows[["id"]], occasion, keeps, profile=profile)
    written = bulk_upsert(conn, tables.trading_signals, rows, keep=LIFECYCLE_COLUMNS)
    if written:
        _forget_calibrations(conn, rows)
    noted = _note_past(conn, rows, [])
    return StoredSignals(
        written=written, duplicates=0, removed=removed, invalidated=0, expired=noted[SignalStatus.EXPIRED]
    )


def store_live(
    conn: sa.Connection,
    spans: Sequence[Span],
    signals: Sequence[TradingSignal],
    profile: str,
    occasion: Occasion,
    as_of: datetime,
    lifecycle: LifecycleSettings,
    calibration: CalibrationRules,
) -> StoredSignals:
    """Add live signals; on bars that were processed before, act on what a revision of the data changed.

    A signal that stands is left alone, whatever its values would be now. An ACTIVE one that no longer fires is
    invalidated for good. One that fires now and did not before is stored if it has not expired yet. What is past is
    stored as it ended, and so was never ACTIVE.
    """
    reached = _reached(conn, spans)
    stage_spans(conn, spans)
    standing = _standing(conn, profile, occasion)
    fired = {(s.series, s.created_at, s.signal_type.value) for s in signals}
    no_longer = [
        number
        for (series, close_at, kind), versions in standing.items()
        if close_at <= reached[series] and (series, close_at, kind) not in fired
        for number, status, _ in versions
        if status == SignalStatus.ACTIVE
    ]
    fresh, duplicates = [], 0
    for signal in signals:
        versions = standing.get((signal.series, signal.created_at, signal.signal_type.value), [])
        if any(not was_revised for _, _, was_revised in versions):
            duplicates += 1
        elif signal.created_at > reached[signal.series] or signal.expires_at > as_of:
            fresh.append(replace(signal, revision=1 + len(versions)))
    rows = with_calibration(conn, _rows(spans, fresh, occasion, as_of), occasion, calibration)
    rows, past = _ended_before(conn, rows, as_of, lifecycle)
    written = bulk_insert(conn, tables.trading_signals, rows)
    noted = _note_past(conn, rows, past)
    revised = [Ending(signal_id=number, effective_at=as_of, reason=DATA_REVISION) for number in no_longer]
    return StoredSignals(
        written=written,
        duplicates=duplicates + len(fresh) - written,
        removed=0,
        invalidated=invalidate(conn, revised) + noted[SignalStatus.INVALIDATED],
        expired=noted[SignalStatus.EXPIRED],
    )


def _ended_before(
    conn: sa.Connection, rows: pd.DataFrame, as_of: datetime, lifecycle: LifecycleSettings
) -> tuple[pd.DataFrame, list[Ending]]:
    """The rows, those INVALIDATED that would have been before they expired; and how each of them ended."""
    if not rows["status"].eq(SignalStatus.EXPIRED.value).any():
        return rows, []
    copy_to_staging(conn, tables.trading_signals, rows)
    past = find_endings(conn, as_of, lifecycle, staged=True)
    is_void = rows["id"].isin([str(ending.signal_id) for ending in past])
    return rows.assign(status=rows["status"].mask(is_void, SignalStatus.INVALIDATED.value)), past


def _reached(conn: sa.Connection, spans: Sequence[Span]) -> dict[SeriesKey, datetime]:
    """Up to which close each series' live signals have been made before."""
    w = tables.watermarks.c
    query = sa.select(w.series_id, w.reached).where(w.asset == tables.trading_signals.name)
    marks = {row.series_id: row.reached for row in conn.execute(query)}
    return {span.series.key: marks.get(span.series.series_id, span.after) for span in spans}


_Versions = list[tuple[UUID, str, bool]]


def _standing(
    conn: sa.Connection, profile: str, occasion: Occasion
) -> dict[tuple[SeriesKey, datetime, str], _Versions]:
    """The live signals in the staged spans: id, status, and whether revised data took it back, by bar and type."""
    rows = conn.execute(
        sa.text(
            f"""SELECT x.exchange, x.symbol, x.timeframe, x.candle_close_at, x.signal_type, x.id, x.status,
  x.status = 'INVALIDATED' AND EXISTS (
    SELECT FROM signal_events e WHERE e.signal_id = x.id AND e.reason = '{DATA_REVISION}')
FROM trading_signals x JOIN spans s ON {IN_SPANS}
WHERE x.origin = :origin AND x.scope = :scope AND x.profile = :profile"""
        ),
        {"origin": occasion.origin.value, "scope": occasion.scope, "profile": profile},
    )
    found: dict[tuple[SeriesKey, datetime, str], _Versions] = {}
    for exchange, symbol, timeframe, close_at, kind, number, status, was_revised in rows:
        key = (SeriesKey(exchange, symbol, Timeframe(timeframe)), close_at, kind)
        found.setdefault(key, []).append((number, status, was_revised))
    return found


def _forget_calibrations(conn: sa.Connection, rows: pd.DataFrame) -> None:
    """Take from those of the rows, which are still staged, that have just changed what was fitted for them before."""
    conn.execute(
        sa.text(
            """UPDATE trading_signals t SET calibrated_confidence = NULL, uncalibrated_because = :because
FROM staging_trading_signals n
WHERE t.id = n.id::uuid AND t.recorded_at >= now() AND t.calibrated_confidence IS NOT NULL"""
        ),
        {"because": NOT_CALIBRATED_YET},
    )


def _note_past(conn: sa.Connection, rows: pd.DataFrame, past: Sequence[Ending]) -> Counter[str]:
    """An event for each of the rows, which are still staged, that was stored with its end; how many by status."""
    if rows.empty:
        return Counter()
    noted = conn.scalars(
        sa.text(
            """INSERT INTO signal_events (signal_id, to_status, effective_at, actor, reason)
SELECT t.id, t.status, coalesce(s.at, t.expires_at), :actor, coalesce(s.reason, :reason)
FROM staging_trading_signals n JOIN trading_signals t ON t.id = n.id::uuid
LEFT JOIN jsonb_to_recordset(CAST(:past AS jsonb)) AS s (id uuid, at timestamptz, reason text) ON s.id = t.id
WHERE n.status <> 'ACTIVE' AND t.status::text = n.status
  AND NOT EXISTS (SELECT FROM signal_events e WHERE e.signal_id = t.id)
RETURNING to_status"""
        ),
        {"actor": PIPELINE, "reason": PAST_AT_INSERTION, "past": endings_json(past)},
    )
    return Counter(noted)


def _rows(spans: Sequence[Span], signals: Iterable[TradingSignal], occasion: Occasion, as_of: datetime) -> pd.DataFrame:
    ids = {span.series.key: span.series.series_id for span in spans}
    rows = pd.DataFrame(
        [
            {
                "id": str(signal_id(key, occasion.origin, occasion.scope)),
                "symbol": s.series.symbol,
                "signal_type": s.signal_type.value,
                "strategy": s.strategy,
                "strength": s.strength,
                "confidence": s.confidence,
                "source": s.source,
                "description": s.description,
                "entry_price": s.entry_price,
                "target_prices": None if s.target_prices is None else _json(s.target_prices),
                "stop_loss_price": s.stop_loss_price,
                "timeframe": str(s.series.timeframe),
                "created_at": s.created_at,
                "expires_at": s.expires_at,
                "status": (SignalStatus.EXPIRED if s.expires_at <= as_of else SignalStatus.ACTIVE).value,
                "metadata": _json(s.metadata),
                "user_id": None if s.user_id is None else str(s.user_id),
                "signal_key": str(key),
                "series_id": ids[s.series],
                "exchange": s.series.exchange,
                "candle_close_at": s.created_at,
                "origin": occasion.origin.value,
                "scope": occasion.scope,
                "profile": s.profile,
                "revision": s.revision,
                "configuration_hash": occasion.configuration_hash,
                "rank_score": s.rank_score,
                "base_confidence": s.base_confidence,
                "agreement_boost": s.agreement_boost,
                "is_conflicting": s.is_conflicting,
            }
            for s in signals
            for key in [s.key]
        ],
        columns=_STORED_COLUMNS,
    )
    return hold_to(TradingSignals, typed(tables.trading_signals, rows))


_MADE_LATER = {
    *("recorded_at", "source_group", "calibrated_rank", "executed_at", "execution_price", "profit_loss"),
    *GIVEN,
}
_STORED_COLUMNS = [c.name for c in tables.trading_signals.columns if c.name not in _MADE_LATER]


_encode = json.JSONEncoder(allow_nan=False).encode  # made once: `json.dumps` makes one at every call


def _json(value: Any) -> str:
    return _encode(value)
