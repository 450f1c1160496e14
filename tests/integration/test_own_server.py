"""A PostgreSQL server of one's own: what is told when it does not let us in, and with which exit code."""

import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pipeline.domain.errors import ConfigurationError, DatabaseUnavailableError
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.server_access import ensure_database
from tests.support.commands import environment, signals
from tests.support.postgres import drop_database, fresh_database, query

ROLES = {
    "stranger": "LOGIN PASSWORD 'secret'",
    "maker": "LOGIN CREATEDB PASSWORD 'secret'",
    "crowd": "LOGIN CONNECTION LIMIT 0 PASSWORD 'secret'",
}


@pytest.fixture(scope="module")
def server(postgres_server: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A server with roles that may do little."""
    with psycopg.connect(postgres_server.libpq, autocommit=True) as conn:
        for role, rights in ROLES.items():
            conn.execute(f"CREATE ROLE {role} {rights}")
    yield postgres_server
    with psycopg.connect(postgres_server.libpq, autocommit=True) as conn:
        for role in ROLES:
            conn.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


def of(address: DatabaseAddress, user: str, password: str = "secret") -> DatabaseAddress:
    return replace(address, user=user, password=password)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        port: int = trial.getsockname()[1]
        return port


def test_a_missing_database_is_made_by_whoever_may(server):
    address = of(server.with_database("made_for_test"), "maker")

    ensure_database(address)

    assert query(address.libpq, "SELECT current_database()") == "made_for_test"
    ensure_database(address)
    drop_database(server.with_database("made_for_test"))


@pytest.mark.parametrize(
    ("user", "password", "database", "reason"),
    [
        ("stranger", "guess", "signals", 'password authentication failed for user "stranger"'),
        ("nobody", "secret", "signals", 'password authentication failed for user "nobody"'),
        ("stranger", "secret", "missing", "permission denied to create database"),
    ],
)
def test_what_the_server_refuses_for_good_is_a_wrong_setting_told_once(server, user, password, database, reason):
    with pytest.raises(ConfigurationError) as refused:
        ensure_database(of(server.with_database(database), user, password))

    told = str(refused.value)
    assert told.endswith(reason)
    assert told.count(reason) == 1
    assert f"postgresql://{user}:***@" in told


def test_a_database_that_may_not_be_entered_is_a_wrong_setting(server):
    shut = fresh_database(server)
    with psycopg.connect(server.libpq, autocommit=True) as conn:
        conn.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(sql.Identifier(shut.database)))

    with pytest.raises(ConfigurationError, match="permission denied for database"):
        ensure_database(of(shut, "stranger"))
    drop_database(shut)


def test_a_server_that_takes_no_more_connections_may_be_tried_later(server):
    with pytest.raises(DatabaseUnavailableError, match="too many connections"):
        ensure_database(of(server, "crowd"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "no-such-host.invalid"])
def test_a_server_that_does_not_answer_may_be_tried_later_and_is_told_once(host):
    address = DatabaseAddress.parse(f"postgresql://user:secret@{host}:{free_port()}/signals")

    with pytest.raises(DatabaseUnavailableError) as refused:
        ensure_database(address)

    assert str(refused.value).startswith(f"the database server must answer at {address}: ")
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).count("refused") <= 1


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://user@host/signals", "must start with postgresql://"),
        ("postgresql://host:99999/signals", "a numeric port, such as host:5432"),
        ("postgresql://host/signals?sslmod=require", 'invalid URI query parameter: "sslmod"'),
    ],
)
def test_a_malformed_address_is_a_wrong_setting(tmp_path, url, reason):
    asked = signals("status", env=environment(tmp_path / "home", SIGNALS_DATABASE_URL=url), folder=tmp_path)

    assert asked.returncode == 2
    assert asked.stderr.startswith("error: SIGNALS_DATABASE_URL (database_url): database URL ")
    assert reason in asked.stderr


def test_status_tells_what_runs_before_it_says_that_the_database_does_not_answer(tmp_path):
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/signals"

    asked = signals("status", "--json", env=environment(tmp_path / "home", SIGNALS_DATABASE_URL=url), folder=tmp_path)

    assert asked.returncode == 75
    assert json.loads(asked.stdout)["service"] == "not running"
    assert asked.stderr.startswith("error: the database server must answer at postgresql://user:***@127.0.0.1:")
    assert len(asked.stderr.splitlines()) == 1


def test_a_user_who_may_not_make_tables_is_told_so(server, tmp_path: Path):
    bare = fresh_database(server)
    url = of(bare, "stranger").libpq

    asked = signals("status", env=environment(tmp_path / "home", SIGNALS_DATABASE_URL=url), folder=tmp_path)

    drop_database(bare)
    assert asked.returncode == 2
    assert "the database's user must own it, or be allowed to make tables in it" in asked.stderr
    assert "permission denied for schema public" in asked.stderr
