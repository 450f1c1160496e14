"""Changes of live signals in the order of their numbers, none skipped and none twice: what a stream is read from.

Numbers come from a sequence, before their transactions commit: whoever has read up to 10 may have missed 9, whose
transaction commits later. So a reader stops below the first number that may still be undecided. Before a transaction
takes its first number, a trigger (`storage.change_triggers`) takes a shared advisory lock that is called by the last
number given out until then, and so lies below all that the transaction will take; the lock goes when it has committed
or been rolled back. A reader asks, in this order,

1. which number was given out last,
2. which locks are held; the least of them and of the last number is what is *decided*,
3. in a transaction of its own, for the rows up to there.

A number up to the decided one was given out before 1, and its writer had taken its lock before that. Had the writer
still been at work at 2, its lock would have held the reader below the number. So the row is seen at 3, or never is.

The obvious way, a column with each row's transaction and reading up to `pg_snapshot_xmin(pg_current_snapshot())`, waits
for every transaction of the whole server that has written anything: a backfill of minutes would stop the stream, and so
would Dagster's database beside ours. Here only transactions that change live signals are waited for.

Retention may delete the oldest changes (`storage.thinning`); the newest that it has deleted is in `trimmed_changes`.
Whoever is behind that one has missed some, and is told so instead of being told the rest.

`NOTIFY` is a bell and carries nothing. Whoever hears it reads the table, and looks now and then without it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import sqlalchemy as sa

from pipeline.domain.errors import ChangesDeletedError
from pipeline.domain.status import SignalStatus
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.change_triggers import CHANNEL, LAST_NUMBER, LOCK, NUMBER_BITS
from pipeline.storage.database import Database
from pipeline.storage.paging import SHOWN
from pipeline.storage.server_access import CONNECT_TIMEOUT_S


class Mark(NamedTuple):
    """A change by its number, and by words that no other change has.

    A number alone means something else in another database, or in this one after a restore from a backup.
    """

    number: int  # 0 is before the first change
    words: str

    @classmethod
    def of(cls, number: int, signal_id: UUID, status: str, recorded_at: datetime) -> "Mark":
        """The mark of a row of `signal_changes`."""
        told = f"{signal_id} {status} {recorded_at.timestamp():.6f}"
        return cls(number, blake2b(told.encode(), digest_size=6).hexdigest())


BEGINNING = Mark(0, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A live signal that is new, or has ended."""

    mark: Mark
    status: SignalStatus  # ACTIVE: it is new
    at: datetime  # when it was stored, executed or taken back, or its expiry
    reason: str | None
    signal: Mapping[str, Any]  # id, the columns of `SHOWN`, source_group, user_id

    @property
    def number(self) -> int:
        """Its place in the order of changes."""
        return self.mark.number


def read_changes(database: Database, after: int, limit: int) -> list[Change]:
    """The next decided changes behind a number, in order; at most so many.

    Raises
    ------
    ChangesDeletedError
        Some of them were deleted for their age.
    """
    with database.begin() as conn:
        until = decided(conn)
    if until <= after:
        return []
    with database.begin() as conn:  # another transaction, whose snapshot is younger than what is decided
        rows = conn.execute(_CHANGES, {"after": after, "until": until, "limit": limit}).mappings().all()
        _check_kept(conn, after)  # only now: before, they might have been deleted between the two
    return [
        Change(
            mark=Mark.of(row["change_id"], row["id"], row["change"], row["recorded_at"]),
            status=SignalStatus(row["change"]),
            at=row["at"],
            reason=row["reason"],
            signal=dict(row),
        )
        for row in rows
    ]


def newest_mark(database: Database) -> Mark:
    """The last change that is decided; `BEGINNING` if there never was one."""
    with database.begin() as conn:
        until = decided(conn)
    with database.begin() as conn:
        row = conn.execute(_NEWEST, {"until": until}).first()
    return BEGINNING if row is None else Mark.of(*row)


def is_known(conn: sa.Connection, mark: Mark) -> bool:
    """Whether a mark is of a change of this database, as it is now; `ChangesDeletedError` if others followed it."""
    _check_kept(conn, mark.number)
    return mark == BEGINNING or mark in [Mark.of(*row) for row in conn.execute(_ONE, {"number": mark.number})]


@asynccontextmanager
async def listening(address: DatabaseAddress) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """A connection that hears of changes; a call waits for the next one, or for so many seconds.

    Raises
    ------
    psycopg.OperationalError
        The database does not answer, or no longer.
    """
    conn = await psycopg.AsyncConnection.connect(
        address.libpq,
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT_S,
        keepalives_idle=30,  # seconds, as the next; they find a network that is gone
        keepalives_interval=10,
        keepalives_count=3,
    )
    async with conn:
        await conn.execute(f"LISTEN {CHANNEL}")

        async def heard(seconds: float) -> None:
            async for _ in conn.notifies(timeout=seconds, stop_after=1):
                return
            await conn.execute("SELECT 1")  # whether anybody is still there

        yield heard


def decided(conn: sa.Connection) -> int:
    """The number up to which every change is visible to transactions that begin from now on, or never will be."""
    last: int = conn.execute(_LAST).scalar_one()
    least: int | None = conn.execute(_LEAST_UNDECIDED).scalar_one()
    return last if least is None else min(last, least)


def _check_kept(conn: sa.Connection, after: int) -> None:
    if conn.scalar(_DELETED_BEHIND, {"after": after}):
        raise ChangesDeletedError


_LAST = sa.text(LAST_NUMBER)
_LEAST_UNDECIDED = sa.text(
    f"""SELECT min((classid::bigint << 32 | objid::bigint) & {(1 << NUMBER_BITS) - 1}) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> {NUMBER_BITS - 32} = {LOCK}
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
)
_CHANGES = sa.text(
    f"""SELECT c.change_id, c.status AS change, c.recorded_at, coalesce(e.effective_at, c.recorded_at) AS at, e.reason,
  {", ".join(f"t.{name}" for name in ("id", *SHOWN, "source_group", "user_id"))}
FROM (
  SELECT * FROM signal_changes WHERE change_id > :after AND change_id <= :until ORDER BY change_id LIMIT :limit
) c
JOIN trading_signals t ON t.id = c.signal_id
LEFT JOIN signal_events e ON e.signal_id = c.signal_id AND e.to_status = c.status
ORDER BY c.change_id"""
)
_ROW = "SELECT change_id, signal_id, status::text, recorded_at FROM"
_NEWEST = sa.text(
    f"""({_ROW} signal_changes WHERE change_id <= :until ORDER BY change_id DESC LIMIT 1)
UNION ALL {_ROW} trimmed_changes
ORDER BY change_id DESC"""
)
_ONE = sa.text(
    f"{_ROW} signal_changes WHERE change_id = :number UNION ALL {_ROW} trimmed_changes WHERE change_id = :number"
)
_DELETED_BEHIND = sa.text("SELECT EXISTS (SELECT FROM trimmed_changes WHERE change_id > :after)")
