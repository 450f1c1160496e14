"""Whether a server lets us in: its databases made where they are missing, and why they cannot be entered.

What the databases hold is told in `pipeline.storage.schema`, how our own server begins and ends in
`pipeline.storage.server`.
"""

from collections.abc import Sequence

import psycopg
from psycopg import sql
from psycopg.pq import PGconn, Ping

from pipeline.domain.errors import ConfigurationError, DatabaseUnavailableError
from pipeline.storage.address import DatabaseAddress

CREATION_LOCK = 0x64617461  # "data": who creates the same database at the same time gets an error otherwise
CONNECT_TIMEOUT_S = 10


def ensure_database(address: DatabaseAddress) -> None:
    """Create the database if its server lacks it; for a server that somebody set up by hand.

    `DatabaseUnavailableError` if the server does not answer or takes no more connections now, `ConfigurationError`
    if it refuses the role, the password or the database.
    """
    reason = _refusal(address)
    if reason is None:
        return
    if _is_away(address, reason):
        raise DatabaseUnavailableError(
            f"the database server must answer at {address}: {_first_line(reason)}; start it, or try again later"
        )
    try:
        create_missing(address, (address.database,))
        reason = _refusal(address)
    except psycopg.OperationalError:
        pass  # it lets us in nowhere, so that the first reason tells
    except psycopg.Error as error:
        reason = error
    if reason is not None:
        raise ConfigurationError(
            f"the database must let its user in, or be one that the user may create, at {address}: "
            f"{_first_line(reason)}"
        )


def create_missing(address: DatabaseAddress, names: Sequence[str]) -> None:
    """Create those of the databases that the server of ``address`` lacks."""
    with psycopg.connect(
        address.with_database("postgres").libpq, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S
    ) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [CREATION_LOCK])
        known = {name for (name,) in conn.execute("SELECT datname FROM pg_database")}
        for name in names:
            if name not in known:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))


def _refusal(address: DatabaseAddress) -> psycopg.Error | None:
    """Why no connection is to be had, if none is."""
    try:
        psycopg.connect(address.libpq, connect_timeout=CONNECT_TIMEOUT_S).close()
    except psycopg.OperationalError as error:
        return error
    return None


def _is_away(address: DatabaseAddress, reason: psycopg.Error) -> bool:
    """Whether the server itself cannot be had now, rather than refuses us for good.

    libpq keeps the SQLSTATE of a failed connection to itself, but for ``ping``; of a full server it says nothing.
    """
    is_full = any(words in str(reason) for words in ("too many", "connection slots"))
    if is_full or isinstance(reason, psycopg.errors.ConnectionTimeout):
        return True
    return PGconn.ping(address.libpq.encode()) in (Ping.NO_RESPONSE, Ping.REJECT)


def _first_line(error: psycopg.Error) -> str:
    """What happened; further lines guess why, or repeat it for each address of a host."""
    text = str(error).removeprefix("connection failed: ").removeprefix("connection is bad: ")
    return text.partition("\n")[0]
