"""Logins with the rights of a reader or a bot for a test's database, removed at its end: roles outlive databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from pipeline.storage.sql_logins import Kind, add_login, address_of


def drop_role(server: str, name: str) -> None:
    """Remove a role and what it may do in the database that ``server`` names, if there is one."""
    with psycopg.connect(server, autocommit=True) as conn:
        if conn.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).rowcount:
            conn.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def connected(database: Database, kind: Kind) -> Iterator[psycopg.Connection]:
    """A session of a new login, each statement for itself; the login goes with it."""
    migrate(database)  # rights on a database are not copied with it
    name = f"{kind}_{uuid4().hex[:8]}"
    with database.begin() as conn:
        password = add_login(conn, name, kind)
    try:
        with psycopg.connect(address_of(database.address, name, password).libpq, autocommit=True) as session:
            yield session
    finally:
        drop_role(database.address.libpq, name)


@pytest.fixture
def reader(database: Database) -> Iterator[psycopg.Connection]:
    """A reader's session in the test's database."""
    with connected(database, "reader") as session:
        yield session


@pytest.fixture
def bot(database: Database) -> Iterator[psycopg.Connection]:
    """A bot's session in the test's database."""
    with connected(database, "bot") as session:
        yield session
