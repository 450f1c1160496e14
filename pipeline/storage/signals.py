"""Signals: stored once, changed only by the state machine, and what a data revision makes of them.

A replay's signals become what the pipeline says now. Live signals are never rewritten: a repeated run adds nothing,
and a revision of the data can only invalidate one and, while there is time, add its successor.
"""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.signals import TradingSignals
from pipeline.contracts.validation import hold_to
from pipeline.domain.errors import IllegalTransitionError
from pipeline.domain.signal import Origin, TradingSignal, signal_id
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.generation import FELT, PREDICTED, BarKey
from pipeline.indicators.structure import BAR_COLUMNS
from pipeline.models.price_range import RANGES
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage import tables
from pipeline.storage.bulk import affected, bulk_insert, bulk_upsert, typed
from pipeline.storage.candidates import IN_SPANS, Occasion, remove_vanished
from pipeline.storage.spans import Span, stage_spans
from pipeline.storage.transitions import transition

DATA_REVISION = "data_revision"
DELISTED = "delisted"
PAST_AT_INSERTION = "past_at_insertion"
# What only the state machine changes after a signal is stored.
LIFECYCLE_COLUMNS = ("status", "executed_at", "execution_price", "profit_loss")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSignals:
    """What storing did."""

    written: int  # signals inserted or, in a replay, changed
    duplicates: int  # live signals that stood already
    removed: int  # replay signals that no longer fire
    invalidated: int  # live signals that revised data made void
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
) -> StoredSignals:
    """Make a replay's signals in the spans equal to ``signals``; what is past at ``as_of`` is stored EXPIRED."""
    rows = _rows(spans, signals, occasion, as_of)
    stage_spans(conn, spans)
    removed = remove_vanished(conn, tables.trading_signals, rows[["id"]], occasion, profile=profile)
    written = bulk_upsert(conn, tables.trading_signals, rows, keep=LIFECYCLE_COLUMNS)
    return StoredSignals(written=written, duplicates=0, removed=removed, invalidated=0, expired=_note_past(conn, rows))


def store_live(
    conn: sa.Connection,
    spans: Sequence[Span],
    signals: Sequence[TradingSignal],
    profile: str,
    occasion: Occasion,
    as_of: datetime,
) -> StoredSignals:
    """Add live signals; on bars that were processed before, act on what a revision of the data changed.

    A signal that stands is left alone, whatever its values would be now. An ACTIVE one that no longer fires is
    invalidated for good. One that fires now and did not before is stored if it has not expired yet.
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
        if any(status != SignalStatus.INVALIDATED for _, status, _ in versions):
            duplicates += 1
        elif signal.created_at > reached[signal.series] or signal.expires_at > as_of:
            fresh.append(replace(signal, revision=1 + len(versions)))
    rows = _rows(spans, fresh, occasion, as_of)
    written = bulk_insert(conn, tables.trading_signals, rows)
    return StoredSignals(
        written=written,
        duplicates=duplicates + len(fresh) - written,
        removed=0,
        invalidated=_invalidate(conn, no_longer, as_of, DATA_REVISION),
        expired=_note_past(conn, rows),
    )


def invalidate_delisted(conn: sa.Connection, as_of: datetime) -> int:
    """Invalidate live signals that still stand on series that are offered no longer; returns how many."""
    query = sa.text(
        """SELECT x.id FROM trading_signals x JOIN series s USING (series_id)
WHERE x.origin = 'live' AND x.status = 'ACTIVE' AND x.expires_at > :as_of AND s.delisted_at IS NOT NULL"""
    )
    return _invalidate(conn, conn.scalars(query, {"as_of": as_of}).all(), as_of, DELISTED)


def _invalidate(conn: sa.Connection, numbers: Iterable[UUID], at: datetime, reason: str) -> int:
    """Invalidate signals; returns how many. What somebody else has ended meanwhile keeps that end."""
    count = 0
    for number in numbers:
        with suppress(IllegalTransitionError):
            transition(conn, number, SignalStatus.INVALIDATED, at=at, actor="pipeline", reason=reason)
            count += 1
    return count


def _reached(conn: sa.Connection, spans: Sequence[Span]) -> dict[SeriesKey, datetime]:
    """Up to which close each series' live signals have been made before."""
    w = tables.watermarks.c
    query = sa.select(w.series_id, w.reached).where(w.asset == tables.trading_signals.name)
    marks = {row.series_id: row.reached for row in conn.execute(query)}
    return {span.series.key: marks.get(span.series.series_id, span.after) for span in spans}


_Versions = list[tuple[UUID, str, int]]


def _standing(
    conn: sa.Connection, profile: str, occasion: Occasion
) -> dict[tuple[SeriesKey, datetime, str], _Versions]:
    """The live signals in the staged spans: id, status and revision, by bar and type."""
    rows = conn.execute(
        sa.text(
            f"""SELECT x.exchange, x.symbol, x.timeframe, x.candle_close_at, x.signal_type, x.id, x.status, x.revision
FROM trading_signals x JOIN spans s ON {IN_SPANS}
WHERE x.origin = :origin AND x.scope = :scope AND x.profile = :profile"""
        ),
        {"origin": occasion.origin.value, "scope": occasion.scope, "profile": profile},
    )
    found: dict[tuple[SeriesKey, datetime, str], _Versions] = {}
    for exchange, symbol, timeframe, close_at, kind, number, status, revision in rows:
        key = (SeriesKey(exchange, symbol, Timeframe(timeframe)), close_at, kind)
        found.setdefault(key, []).append((number, status, revision))
    return found


def _note_past(conn: sa.Connection, rows: pd.DataFrame) -> int:
    """An event for each of the rows, which are still staged, that was stored EXPIRED."""
    if rows.empty:
        return 0
    return affected(
        conn,
        sa.text(
            """INSERT INTO signal_events (signal_id, to_status, effective_at, actor, reason)
SELECT t.id, t.status, t.expires_at, 'pipeline', :reason
FROM staging_trading_signals n JOIN trading_signals t ON t.id = n.id::uuid
WHERE t.status = 'EXPIRED' AND NOT EXISTS (SELECT FROM signal_events e WHERE e.signal_id = t.id)"""
        ).bindparams(reason=PAST_AT_INSERTION),
    )


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


_MADE_BY_THE_DATABASE = {"recorded_at", "source_group", "executed_at", "execution_price", "profit_loss"}
_STORED_COLUMNS = [c.name for c in tables.trading_signals.columns if c.name not in _MADE_BY_THE_DATABASE]


_encode = json.JSONEncoder(allow_nan=False).encode  # made once: `json.dumps` makes one at every call


def _json(value: Any) -> str:
    return _encode(value)
