"""What people ask of the stored data: signals as they are shown, and the state of what is stored.

Add a read here when a command or a route needs it. Reads that the stages compute with are in `storage.history`
and beside the tables they fill.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin, SignalType, Source
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.storage import tables

CALIBRATION = ("calibrated_confidence", "uncalibrated_because")  # what it is, or else why it is unknown
# The detail object of the API, in its order; `signal_id` is our `id`.
DETAIL = (
    *("symbol", "signal_type", "strength", "confidence", "source", "strategy", "description", "entry_price"),
    *("target_prices", "stop_loss_price", "timeframe", "created_at", "expires_at", "status", "executed_at"),
    *("execution_price", "profit_loss", "metadata"),
    *CALIBRATION,
)
UUID_DIGITS = 32
UNCALIBRATED = -1.0  # behind every calibrated rank


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFilter:
    """Which signals are asked for."""

    as_of: datetime  # active is judged at this instant
    symbol: str | None = None
    exchanges: tuple[str, ...] | None = None  # None: any
    timeframe: Timeframe | None = None
    signal_type: SignalType | None = None
    source_group: str | None = None  # technical, ml_model, sentiment, multi
    min_confidence: float | None = None
    since: datetime | None = None  # of this close or later
    origin: Origin | None = Origin.LIVE  # None: any
    scope: str = DEFAULT_SCOPE
    seen_by: UUID | None = None  # the user who asks, see `visible_to`; None: who sees every signal
    is_by_calibrated: bool = False  # what came true most often first, signals without calibrated confidence last
    has_ended: bool = False  # whether those that are no longer, or not yet, active are wanted too
    limit: int | None = None

    def merit(self, signal: RowMapping) -> tuple[float, float]:
        """What a stored signal is ranked by: the higher, the better."""
        calibrated = signal["calibrated_rank"] if self.is_by_calibrated else None
        return UNCALIBRATED if calibrated is None else calibrated, signal["rank_score"]

    def best_first(self) -> tuple[sa.ColumnElement[Any], ...]:
        """What rows of `trading_signals` are ordered by, each ascending."""
        t = tables.trading_signals.c
        stated = (-t.rank_score, -t.confidence, -t.strength, t.symbol, t.signal_type, t.id)
        return (-calibrated_rank(), *stated) if self.is_by_calibrated else stated


def calibrated_rank() -> sa.ColumnElement[float]:
    """The calibrated rank of a row, `UNCALIBRATED` where it has none."""
    return sa.func.coalesce(tables.trading_signals.c.calibrated_rank, UNCALIBRATED)


def signals_with_ends() -> sa.Select[tuple[Any, ...]]:
    """Signals with every column, and ended_at, ended_by and end_reason of their last event; NULL while they stand."""
    e = tables.signal_events.c
    ended = (e.effective_at.label("ended_at"), e.actor.label("ended_by"), e.reason.label("end_reason"))
    return sa.select(tables.trading_signals, *ended).outerjoin_from(
        tables.trading_signals, tables.signal_events, e.signal_id == tables.trading_signals.c.id
    )


def find_signal(conn: sa.Connection, beginning: str) -> RowMapping:
    """The one signal whose id begins with hexadecimal digits, as `signals_with_ends` has it.

    Raises
    ------
    DataContractError
        There is none, or there are several.
    """
    t = tables.trading_signals.c
    first, last = (UUID(beginning.ljust(UUID_DIGITS, fill)) for fill in "0f")
    found = conn.execute(signals_with_ends().where(t.id.between(first, last)).order_by(t.id).limit(2)).mappings().all()
    if not found:
        raise DataContractError(
            f"no signal has an id that begins with {beginning}; `signals list --all` shows them by their beginnings"
        )
    if len(found) > 1:
        raise DataContractError(f"the id must be that of one signal, but {found[0]['id']} and others begin {beginning}")
    return found[0]


def signal_of(conn: sa.Connection, number: UUID, seen_by: UUID | None = None) -> RowMapping | None:
    """The row of `trading_signals` with an id; None if there is none that ``seen_by`` may see."""
    query = sa.select(tables.trading_signals).where(tables.trading_signals.c.id == number, *visible_to(seen_by))
    return conn.execute(query).mappings().one_or_none()


def list_signals(conn: sa.Connection, wanted: SignalFilter) -> Sequence[RowMapping]:
    """Signals as `signals_with_ends` has them; the best first, or the newest close where ended ones are wanted."""
    t = tables.trading_signals.c
    best = wanted.best_first()
    order = (t.candle_close_at.desc(), *best) if wanted.has_ended else best
    query = signals_with_ends().where(*conditions(wanted)).order_by(*order).limit(wanted.limit)
    return conn.execute(query).mappings().all()


def count_signals(conn: sa.Connection, wanted: SignalFilter) -> int:
    """How many signals the filter lets through, whatever its limit."""
    query = sa.select(sa.func.count()).select_from(tables.trading_signals).where(*conditions(wanted))
    return conn.scalar(query) or 0


def conditions(wanted: SignalFilter) -> list[sa.ColumnElement[bool]]:
    """What holds of the rows of `trading_signals` that a filter lets through."""
    t = tables.trading_signals.c
    found: list[sa.ColumnElement[bool]] = [t.scope == wanted.scope, *visible_to(wanted.seen_by)]
    if wanted.origin is not None:
        found.append(t.origin == wanted.origin)
    if wanted.symbol is not None:
        found.append(t.symbol == wanted.symbol)
    if wanted.exchanges is not None:
        found.append(t.exchange.in_(wanted.exchanges))
    if wanted.timeframe is not None:
        found.append(t.timeframe == wanted.timeframe.value)
    if wanted.signal_type is not None:
        found.append(t.signal_type == wanted.signal_type.value)
    if wanted.source_group is not None:
        found.append(t.source_group == wanted.source_group)
    if wanted.min_confidence is not None:
        found.append(t.confidence >= wanted.min_confidence)
    if wanted.since is not None:
        found.append(t.created_at >= wanted.since)
    if not wanted.has_ended:
        found += [
            t.status == sa.literal(SignalStatus.ACTIVE.value, literal_execute=True),  # told to the partial index
            t.created_at <= wanted.as_of,
            t.expires_at > wanted.as_of,
        ]
    return found


def visible_to(user_id: UUID | None) -> list[sa.ColumnElement[bool]]:
    """What holds of the signals that a user may see and act on: they are the house's, or this user's own.

    Nothing has to hold for None, who is on this machine and has no key.
    """
    owner = tables.trading_signals.c.user_id
    return [] if user_id is None else [sa.or_(owner.is_(None), owner == user_id)]


class SignalOccasion(NamedTuple):
    """How many signals of one exchange, origin and scope are stored, and up to which close."""

    exchange: str
    origin: str
    scope: str
    signals: int
    newest_close_at: datetime


def signal_occasions(conn: sa.Connection, symbol: str | None = None) -> list[SignalOccasion]:
    """What signals are stored, of one symbol or of all; by exchange, origin and scope."""
    t = tables.trading_signals.c
    places = (t.exchange, t.origin, t.scope)
    query = sa.select(*places, sa.func.count(), sa.func.max(t.candle_close_at)).group_by(*places).order_by(*places)
    if symbol is not None:
        query = query.where(t.symbol == symbol)
    return [SignalOccasion(*row) for row in conn.execute(query)]


def detail(signal: RowMapping) -> dict[str, Any]:
    """A row of `trading_signals` as the API's detail object."""
    return {"signal_id": signal["id"], **{name: signal[name] for name in DETAIL}}


def series_overview(conn: sa.Connection) -> Sequence[RowMapping]:
    """Per series: exchange, symbol, timeframe, bars, filled bars, first and last close, state, reason, watermark."""
    return conn.execute(_SERIES_OVERVIEW).mappings().all()


_SERIES_OVERVIEW = sa.text("""
SELECT s.exchange, s.symbol, s.timeframe, coalesce(c.bars, 0) AS bars, coalesce(c.filled_bars, 0) AS filled_bars,
  c.first_close_at, c.last_close_at, h.status, h.reason, h.as_of, w.processed_to, s.dirty_from
FROM series s
LEFT JOIN (
  SELECT series_id, count(*) AS bars, count(*) FILTER (WHERE is_filled) AS filled_bars,
    min(close_at) AS first_close_at, max(close_at) AS last_close_at
  FROM candles GROUP BY series_id
) c USING (series_id)
LEFT JOIN source_health h ON h.source = 'candles' AND h.series_id = s.series_id
LEFT JOIN watermarks w ON w.asset = 'trading_signals' AND w.series_id = s.series_id
ORDER BY s.exchange, s.symbol, s.bar_seconds""")


def silent_models(conn: sa.Connection) -> list[dict[str, Any]]:
    """Which kinds of models the newest runs found silent: kind, exchange, timeframe, reason, as_of (of that run)."""
    h = tables.source_health.c
    query = sa.select(h.subject, h.reason, h.as_of).where(h.source == Source.ML_MODEL.value, h.status == "BLOCKED")
    return [
        dict(zip(("kind", "exchange", "timeframe"), subject.split(), strict=True)) | {"reason": reason, "as_of": as_of}
        for subject, reason, as_of in conn.execute(query.order_by(h.subject))
    ]


def open_jumps(conn: sa.Connection) -> Sequence[RowMapping]:
    """Price jumps that nobody has accepted: exchange, symbol, timeframe, open_at, ratio; oldest first."""
    j, s = tables.price_jumps.c, tables.series.c
    query = (
        sa.select(s.exchange, s.symbol, s.timeframe, j.open_at, j.ratio)
        .join_from(tables.price_jumps, tables.series, j.series_id == s.series_id)
        .where(j.accepted_at.is_(None))
        .order_by(j.open_at, s.exchange, s.symbol, s.bar_seconds)
    )
    return conn.execute(query).mappings().all()


def quarantine_counts(conn: sa.Connection) -> Sequence[RowMapping]:
    """Refused candle rows per exchange and reason: exchange, reason, rows, series, newest (recorded); most first."""
    q = tables.candle_quarantine.c
    query = (
        sa.select(
            q.exchange,
            q.reason,
            sa.func.count().label("rows"),
            sa.func.count(sa.distinct(sa.tuple_(q.symbol, q.timeframe))).label("series"),
            sa.func.max(q.recorded_at).label("newest"),
        )
        .group_by(q.exchange, q.reason)
        .order_by(sa.desc("rows"), q.exchange, q.reason)
    )
    return conn.execute(query).mappings().all()


def versions(conn: sa.Connection) -> tuple[str, str]:
    """Version of the server, and of the schema."""
    server = conn.scalar(sa.text("SELECT current_setting('server_version')"))
    schema = conn.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return str(server), str(schema)
