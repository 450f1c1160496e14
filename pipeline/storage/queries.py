"""What people ask of the stored data: signals as they are shown, and the state of what is stored.

Add a read here when a command or a route needs it. Reads that the stages compute with are in `storage.history`
and beside the tables they fill.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping
from sqlalchemy.dialects.postgresql import ARRAY

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin, SignalType, Source
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.storage import tables
from pipeline.storage.accounts import HOUSE
from pipeline.storage.plain import parameter, plain, plain_rows, sql_of

CALIBRATION = ("calibrated_confidence", "uncalibrated_because")  # what it is, or else why it is unknown
OCCASION = ("exchange", "profile", "is_conflicting", "rank_score")  # where, whose, beside what, and in which place
EVERY_PROFILE = "all"  # in place of a profile's name
# The detail object of the API, in its order; `signal_id` is our `id`.
DETAIL = (
    *("symbol", "signal_type", "strength", "confidence", "source", "strategy", "description", "entry_price"),
    *("target_prices", "stop_loss_price", "timeframe", "created_at", "expires_at", "status", "executed_at"),
    *("execution_price", "profit_loss", "metadata"),
    *CALIBRATION,
    *OCCASION,
)
UUID_DIGITS = 32
UNCALIBRATED = -1.0  # behind every calibrated rank
_t = tables.trading_signals.c


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
    profile: str | None = HOUSE  # None: of every profile
    seen_by: UUID | None = None  # the user who asks, see `visible_to`; None: who sees every signal
    is_by_calibrated: bool = False  # what came true most often first, signals without calibrated confidence last
    has_ended: bool = False  # whether those that are no longer, or not yet, active are wanted too
    limit: int | None = None

    @property
    def values(self) -> dict[str, object]:
        """What is asked for, by its name; what is not is left out."""
        asked = {
            "scope": self.scope,
            "origin": self.origin and self.origin.value,
            "profile": self.profile,
            "seen_by": self.seen_by,
            "symbol": self.symbol,
            "exchanges": None if self.exchanges is None else list(self.exchanges),
            "timeframe": self.timeframe and self.timeframe.value,
            "signal_type": self.signal_type and self.signal_type.value,
            "source_group": self.source_group,
            "min_confidence": self.min_confidence,
            "since": self.since,
            "as_of": None if self.has_ended else self.as_of,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def merit(self, signal: RowMapping) -> tuple[float, float]:
        """What a stored signal is ranked by: the higher, the better."""
        calibrated = signal["calibrated_rank"] if self.is_by_calibrated else None
        return UNCALIBRATED if calibrated is None else calibrated, signal["rank_score"]


def best_first(*, is_by_calibrated: bool = False) -> tuple[sa.ColumnElement[Any], ...]:
    """What rows of `trading_signals` are ordered by, each ascending."""
    stated = (-_t.rank_score, -_t.confidence, -_t.strength, _t.symbol, _t.signal_type, _t.id)
    return (-calibrated_rank(), *stated) if is_by_calibrated else stated


def calibrated_rank() -> sa.ColumnElement[float]:
    """The calibrated rank of a row, `UNCALIBRATED` where it has none."""
    return sa.func.coalesce(_t.calibrated_rank, sa.literal(UNCALIBRATED, sa.Double, literal_execute=True))


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
    best = best_first(is_by_calibrated=wanted.is_by_calibrated)
    order = (t.candle_close_at.desc(), *best) if wanted.has_ended else best
    query = signals_with_ends().where(*conditions(wanted)).order_by(*order).limit(wanted.limit)
    return conn.execute(query).mappings().all()


def count_signals(conn: sa.Connection, wanted: SignalFilter) -> int:
    """How many signals the filter lets through, whatever its limit."""
    query = sa.select(sa.func.count()).select_from(tables.trading_signals).where(*conditions(wanted))
    return conn.scalar(query) or 0


def conditions(wanted: SignalFilter) -> list[sa.ColumnElement[bool]]:
    """What holds of the rows of `trading_signals` that a filter lets through."""
    return conditions_of(wanted.values)


def conditions_of(values: Mapping[str, object]) -> list[sa.ColumnElement[bool]]:
    """The same of a filter's values, each of which is a parameter of its name."""
    return [_HOLDS[name](parameter(name, value=value)) for name, value in values.items()]


def visible_to(user_id: UUID | None) -> list[sa.ColumnElement[bool]]:
    """What holds of the signals that a user may see and act on: they are the house's, or this user's own.

    Nothing has to hold for None, who is on this machine and has no key.
    """
    return [] if user_id is None else [_HOLDS["seen_by"](parameter("seen_by", value=user_id))]


# What is asked for -> what holds of the rows then.
_HOLDS: Mapping[str, Callable[[sa.BindParameter[Any]], sa.ColumnElement[bool]]] = {
    "scope": lambda value: _t.scope == value,
    "origin": lambda value: _t.origin == value,
    "profile": lambda value: _t.profile == value,
    "seen_by": lambda value: sa.or_(_t.user_id.is_(None), _t.user_id == value),
    "symbol": lambda value: _t.symbol == value,
    "exchanges": lambda value: _t.exchange == sa.any_(sa.cast(value, ARRAY(sa.Text))),
    "timeframe": lambda value: _t.timeframe == value,
    "signal_type": lambda value: _t.signal_type == value,
    "source_group": lambda value: _t.source_group == value,
    "min_confidence": lambda value: _t.confidence >= value,
    "since": lambda value: _t.created_at >= value,
    "as_of": lambda value: sa.and_(
        _t.status == sa.literal(SignalStatus.ACTIVE.value, literal_execute=True),  # told to the partial index
        _t.created_at <= value,
        _t.expires_at > value,
    ),
}


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


def shown_signal(conn: sa.Connection, number: UUID, *, seen_by: UUID | None = None) -> dict[str, Any] | None:
    """The API's detail object of a signal, its id as text; None if there is none that ``seen_by`` may see."""
    values = {"id": number} | ({} if seen_by is None else {"seen_by": seen_by})
    found = plain_rows(conn, _shown_signal(seen_by is not None), values)
    return found[0] if found else None


@cache
def _shown_signal(has_asker: bool) -> str:
    shown = (plain(_t[name]) for name in DETAIL)
    query = sa.select(plain(_t.id).label("signal_id"), *shown).where(_t.id == parameter("id"))
    return sql_of(query.where(*conditions_of({"seen_by": None})) if has_asker else query)


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
