"""Stored signals with a life, and what became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import sqlalchemy as sa

from pipeline.domain.status import SignalStatus
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.transitions import transition
from tests.support.candle_rows import START
from tests.support.database import a_series_of, a_stored_signal

HOUR = timedelta(hours=1)
# What must hold of every signal, whoever changed it: the signals of which it does not.
INCONSISTENT = """SELECT t.id FROM trading_signals t LEFT JOIN signal_events e ON e.signal_id = t.id
GROUP BY t.id
HAVING count(e.event_id) <> (t.status <> 'ACTIVE')::int
  OR t.status <> 'ACTIVE' AND min(e.to_status::text) <> t.status::text
  OR (t.status = 'EXECUTED') <> (t.profit_loss IS NOT NULL)
  OR t.status = 'EXECUTED' AND NOT (t.created_at <= t.executed_at AND t.executed_at < t.expires_at)"""


def a_life(number: int, **changes: Any) -> dict[str, Any]:
    """A row of `trading_signals` under an id of its own; for an hour if nothing else is said."""
    return a_stored_signal(number, **changes) | {"id": uuid4()}


def store(database: Database, signals: Sequence[dict[str, Any]]) -> list[UUID]:
    """Store signals as they are; their ids."""
    with database.begin() as conn:
        conn.execute(sa.insert(tables.trading_signals), list(signals))
    return [signal["id"] for signal in signals]


def stored(database: Database, n_signals: int = 1, **changes: Any) -> list[UUID]:
    """Store signals of one series that are alike."""
    number = a_series_of(database)
    return store(database, [a_life(number, **changes) for _ in range(n_signals)])


def around_now(before: timedelta = HOUR, after: timedelta = HOUR) -> dict[str, datetime]:
    """The life of a signal that may be executed now, for people who leave the instant out."""
    now = datetime.now(UTC).replace(microsecond=0)
    return {"created_at": now - before, "candle_close_at": now - before, "expires_at": now + after}


def row_of(database: Database, number: UUID) -> dict[str, Any]:
    """A signal as it is stored."""
    with database.begin() as conn:
        query = sa.select(tables.trading_signals).where(tables.trading_signals.c.id == number)
        return dict(conn.execute(query).mappings().one())


def status_of(database: Database, number: UUID) -> str:
    """A signal's status."""
    return str(row_of(database, number)["status"])


def events_of(database: Database, number: UUID) -> list[tuple[Any, ...]]:
    """Status before and after, instant, actor and reason of a signal's events, in order."""
    e = tables.signal_events.c
    query = (
        sa.select(e.from_status, e.to_status, e.effective_at, e.actor, e.reason)
        .where(e.signal_id == number)
        .order_by(e.event_id)
    )
    with database.begin() as conn:
        return [tuple(row) for row in conn.execute(query)]


def inconsistent(database: Database) -> list[UUID]:
    """Signals whose events do not tell what they are, or whose execution is not whole."""
    with database.begin() as conn:
        return list(conn.scalars(sa.text(INCONSISTENT)))


def plain(database: Database) -> psycopg.Connection:
    """A connection of somebody who uses nothing of ours but SQL."""
    return psycopg.connect(database.address.libpq, autocommit=True)


def move(database: Database, number: UUID, after: SignalStatus) -> SignalStatus | None:
    """Ask the state machine for a change at `START`, by the CLI; what it answers."""
    with database.begin() as conn:
        return transition(
            conn,
            number,
            after,
            at=START,
            actor="cli",
            reason="a test" if after is SignalStatus.INVALIDATED else None,
            price=101.0 if after is SignalStatus.EXECUTED else None,
        )
