"""`signals sql-user`: logins made, shown, used, removed; and what is refused."""

from uuid import uuid4

import psycopg
import pytest

from pipeline.storage.database import Database
from pipeline.storage.sql_logins import add_login, list_logins
from tests.support.postgres import drop_database, fresh_database
from tests.support.sql_logins import drop_role


@pytest.fixture
def name(database):
    """A name that no other test uses: roles belong to the whole server."""
    made = f"grafana_{uuid4().hex[:8]}"
    yield made
    drop_role(database.address.libpq, made)


def test_a_login_is_made_with_a_password_that_is_shown_once_and_is_used(signals, name):
    said = signals("sql-user", "add", name, "--role", "reader")
    url = said.out.split()[-1]
    assert [line.split()[0] for line in said.out.splitlines()] == ["login", "password", "url"]
    assert "kept nowhere" in said.err

    with psycopg.connect(url) as session:
        assert session.execute("SELECT session_user::text, count(*) FROM v_candles").fetchone() == (name, 0)
        shown = signals("sql-user", "list", "--json")
        assert {"name": name, "role": "reader", "sessions": 1} in shown.json
        assert said.out.split()[-3] not in shown.out


def test_json_has_the_same_facts(signals, name):
    said = signals("sql-user", "add", name, "--role", "bot", "--json").json
    assert (said["name"], said["role"]) == (name, "bot")
    assert said["password"] in said["url"]


def test_the_password_is_stored_as_a_verifier(signals, name, database):
    signals("sql-user", "add", name, "--role", "reader")
    with psycopg.connect(database.address.libpq) as conn:
        row = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [name]).fetchone()
    assert row is not None
    assert row[0].startswith("SCRAM-SHA-256$")


def test_a_removed_login_is_shut_out_and_its_session_ended(signals, name):
    url = signals("sql-user", "add", name, "--role", "reader").out.split()[-1]
    session = psycopg.connect(url)
    said = signals("sql-user", "remove", name)
    assert said.out == f"{name} is removed\n"
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(url)
    assert "there are none" in signals("sql-user", "list").err


def test_a_login_that_has_rights_elsewhere_stays_there(signals, name, postgres_server, migrated_template):
    url = signals("sql-user", "add", name, "--role", "reader").out.split()[-1]
    other = fresh_database(postgres_server, migrated_template)
    with psycopg.connect(other.libpq, autocommit=True) as conn:
        conn.execute(f'GRANT CONNECT ON DATABASE "{other.database}" TO {name}')
    try:
        assert "shut out here" in signals("sql-user", "remove", name).out
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(url)
    finally:
        drop_database(other)


def test_another_installations_login_is_neither_shown_nor_removed(signals, name, postgres_server, migrated_template):
    signals("sql-user", "list")
    theirs = Database(fresh_database(postgres_server, migrated_template))
    try:
        with theirs.begin() as conn:
            add_login(conn, name, "bot")
        assert name not in signals("sql-user", "list").out
        said = signals("sql-user", "remove", name)
        assert (said.code, "this database has no login called" in said.err) == (1, True)
        with theirs.begin() as conn:
            assert [login.name for login in list_logins(conn)] == [name]
    finally:
        theirs.close()
        drop_database(theirs.address)


@pytest.mark.parametrize("wrong", ["Grafana", "pg_reader", "a b", "x; DROP TABLE series", "1st", "", "a" * 64])
def test_a_name_that_cannot_be_one_is_refused(signals, wrong):
    said = signals("sql-user", "add", wrong, "--role", "reader")
    assert said.code == 2
    assert "the name of a login must be of a-z" in said.err


def test_a_name_that_the_server_has_is_refused(signals, name):
    signals("sql-user", "add", name, "--role", "reader")
    said = signals("sql-user", "add", name, "--role", "bot")
    assert said.code == 1
    assert f"the server has a role called {name} already" in said.err
    assert signals("sql-user", "add", "signals_reader", "--role", "bot").code == 1


def test_the_group_roles_and_our_own_are_no_logins_to_remove(signals, database):
    for role in ("signals_reader", "signals_bot", database.address.user):
        assert signals("sql-user", "remove", role).code == 1
