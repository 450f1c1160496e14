"""A real PostgreSQL for tests: one embedded server per test process, one database per test."""

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pipeline.storage.address import DatabaseAddress
from pipeline.storage.server import embedded_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[DatabaseAddress]:
    """An embedded server that forgets everything at the end, so that it never waits for the disk."""
    with tempfile.TemporaryDirectory(prefix="signals-") as home, embedded_server(Path(home)) as address:
        with psycopg.connect(address.libpq, autocommit=True) as conn:
            for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                conn.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
            conn.execute("SELECT pg_reload_conf()")
        yield address


def fresh_database(server: DatabaseAddress, template: DatabaseAddress | None = None) -> DatabaseAddress:
    """A new database, empty or a copy of ``template``, to which nobody may be connected meanwhile.

    Copied file by file: without fsync that takes 20 ms, six times less than through the write-ahead log.
    """
    address = server.with_database(f"test_{uuid.uuid4().hex}")
    origin = template.database if template else "template1"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
    with psycopg.connect(server.libpq, autocommit=True) as conn:
        conn.execute(statement.format(sql.Identifier(address.database), sql.Identifier(origin)))
    return address


def drop_database(address: DatabaseAddress) -> None:
    """Remove a test's database, whoever is still connected: a thousand of them fill a disk."""
    with psycopg.connect(address.with_database("postgres").libpq, autocommit=True) as conn:
        conn.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(address.database)))


def end_connections(address: DatabaseAddress) -> int:
    """End whatever is connected to the database, as a restart of the server does; returns how many there were."""
    with psycopg.connect(address.with_database("postgres").libpq, autocommit=True) as conn:
        statement = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = %s"
        (ended,) = conn.execute(statement, [address.database]).fetchone() or (0,)
        return int(ended)


def query(url: str, statement: str) -> object:
    """The first value of the statement's first row, if it gives rows, over a connection of its own."""
    with psycopg.connect(url, autocommit=True) as conn:
        cursor = conn.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None
