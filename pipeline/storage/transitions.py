"""Ways to change a signal's status: one signal, all that are past, or many for reasons of their own.

What may be changed is decided by the database, for whoever asks, and so are the events (`storage.triggers`). Here a
change is told who makes it and why, and a refusal becomes an error of ours.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pandas as pd
import psycopg
import sqlalchemy as sa

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.errors import DataContractError, IllegalTransitionError
from pipeline.domain.status import SignalStatus
from pipeline.storage import tables
from pipeline.storage.bulk import affected

PIPELINE = "pipeline"  # the actor of what runs by itself


def transition(
    conn: sa.Connection,
    number: UUID,
    after: SignalStatus,
    *,
    actor: str,
    at: datetime | None = None,
    reason: str | None = None,
    price: float | None = None,
) -> SignalStatus | None:
    """Move an ACTIVE signal to ``after``; the status before, or None if there is no such signal.

    ``at`` is when it was executed, or from when on it is void; now by default. Of two callers who want the same
    signal, the database lets one win. To execute a signal again just as it was is fine and returns EXECUTED. A refusal
    leaves the caller's transaction as it was.

    Raises
    ------
    IllegalTransitionError
        The signal is not ACTIVE, or past, or it is an ALERT that would be EXECUTED; with the status that stands.
    DataContractError
        INVALIDATED without a reason, or EXECUTED without a finite price above 0, before the signal's close, or in the
        future.
    """
    if after is SignalStatus.INVALIDATED and not (reason and reason.strip()):
        raise DataContractError("an invalidation must have a reason, had none")
    t = tables.trading_signals.c
    standing = sa.select(t.status).where(t.id == number).with_for_update(key_share=True)
    with _refusals(), conn.begin_nested():
        before = conn.scalar(standing)
        if before is None:
            return None
        with _told(conn, actor=actor, reason=reason, effective_at=None if at is None else at.isoformat()):
            conn.execute(
                sa.text("SELECT FROM end_signal(:id, CAST(:after AS signal_status_enum), :price, :at)"),
                {"id": number, "after": after.value, "price": price, "at": at},
            )
    return SignalStatus(before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why, and as of when, a signal is INVALIDATED."""

    signal_id: UUID
    effective_at: datetime
    reason: str


def invalidate(conn: sa.Connection, endings: Sequence[Ending]) -> int:
    """Invalidate signals in one statement; returns how many. What somebody else has ended meanwhile keeps that end."""
    if not endings:
        return 0
    with _told(conn, actor=PIPELINE, each=endings_json(endings)):
        return affected(
            conn,
            sa.text(
                """UPDATE trading_signals t SET status = 'INVALIDATED'
FROM (SELECT id FROM trading_signals WHERE status = 'ACTIVE' AND id = ANY(:ids) ORDER BY id FOR NO KEY UPDATE) d
WHERE t.id = d.id"""  # in the order of their ids, so that two such statements never wait for each other
            ).bindparams(ids=[ending.signal_id for ending in endings]),
        )


def endings_json(endings: Sequence[Ending]) -> str:
    """Endings as the statement trigger reads them: id, at, reason."""
    return json.dumps([{"id": str(e.signal_id), "at": e.effective_at.isoformat(), "reason": e.reason} for e in endings])


def expire(conn: sa.Connection, as_of: datetime) -> pd.DataFrame:
    """Expire in one statement every ACTIVE signal whose expiry has come, of whatever origin and scope.

    Returns
    -------
    DataFrame, one row per origin, scope, exchange, timeframe and type
        How many ``signals`` were expired, and the first and last instant at which they had; empty where none was.
    """
    with _told(conn, actor=PIPELINE):
        rows = conn.execute(_EXPIRE, {"as_of": as_of}).mappings().all()
    found = pd.DataFrame([dict(row) for row in rows], columns=EXPIRED_COLUMNS)
    for name in ("first_expiry", "last_expiry"):
        found[name] = pd.DatetimeIndex(found[name]).as_unit(TIME_UNIT)
    return found


def standing_past(conn: sa.Connection, as_of: datetime) -> int:
    """How many signals are ACTIVE though their expiry has come."""
    t = tables.trading_signals.c
    past = sa.select(sa.func.count()).where(t.status == SignalStatus.ACTIVE.value, t.expires_at <= as_of)
    return conn.scalar(past) or 0


KIND = ("origin", "scope", "exchange", "timeframe", "signal_type")
EXPIRED_COLUMNS = (*KIND, "signals", "first_expiry", "last_expiry")

_EXPIRE = sa.text(
    f"""WITH gone AS (
  UPDATE trading_signals SET status = 'EXPIRED' WHERE status = 'ACTIVE' AND expires_at <= :as_of
  RETURNING origin, scope, exchange, timeframe, signal_type::text, expires_at
)
SELECT {", ".join(KIND)}, count(*) AS signals, min(expires_at) AS first_expiry, max(expires_at) AS last_expiry
FROM gone GROUP BY {", ".join(KIND)} ORDER BY {", ".join(KIND)}"""
)


@contextmanager
def _told(conn: sa.Connection, **settings: str | None) -> Iterator[None]:
    """Tell the triggers who changes what until the block ends; a failure takes the settings with its transaction."""
    names = ("actor", "reason", "effective_at", "each")
    setting = sa.text("SELECT " + ", ".join(f"set_config('signals.{name}', :{name}, true)" for name in names))
    conn.execute(setting, {name: settings.get(name) or "" for name in names})
    yield
    conn.execute(setting, dict.fromkeys(names, ""))


@contextmanager
def _refusals() -> Iterator[None]:
    """Raise our errors for what the database refuses."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        refusal: Any = error.orig
        if not isinstance(refusal, psycopg.Error):
            raise
        message = refusal.diag.message_primary or str(refusal)
        if isinstance(refusal, psycopg.errors.RestrictViolation):
            raise IllegalTransitionError(message, refusal.diag.message_detail) from error
        if isinstance(refusal, psycopg.errors.CheckViolation):
            raise DataContractError(message) from error
        raise
