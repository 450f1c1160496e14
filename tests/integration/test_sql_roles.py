"""What readers and bots may do in SQL, and everything else that they try."""

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import errors

from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.roles import BOT, READER, lacking, secure, statements_for_another
from pipeline.storage.schema import migrate
from pipeline.storage.server import DAGSTER_DATABASE
from pipeline.storage.server_access import create_missing
from pipeline.storage.sql_logins import add_login, address_of
from pipeline.storage.views import VIEWS
from tests.support.lifecycle import around_now, events_of, plain, status_of, stored
from tests.support.postgres import drop_database, fresh_database
from tests.support.sql_logins import bot, connected, drop_role, reader

__all__ = ["bot", "reader"]

TABLES = [*sorted(tables.metadata.tables), "alembic_version"]
DENIED = [
    "INSERT INTO v_active_signals (symbol) VALUES ('BTC/USDT')",
    "UPDATE v_active_signals SET status = 'EXECUTED', execution_price = 1",
    "DELETE FROM v_symbol_sentiment",
    "DELETE FROM trading_signals",
    "UPDATE trading_signals SET confidence = 1",
    "TRUNCATE trading_signals",
    "SELECT * FROM users",
    "SELECT * FROM risk_profiles",
    "SELECT value FROM installation",
    "SELECT artefact FROM models",
    "SELECT * FROM end_signal('00000000-0000-0000-0000-000000000001', 'EXPIRED', NULL, NULL)",
    "CREATE TABLE public.mine (a int)",
    "CREATE TABLE mine (a int)",
    "CREATE TEMP TABLE mine (a int)",
    "CREATE VIEW public.mine AS SELECT 1",
    "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE FUNCTION pg_temp.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE SCHEMA mine",
    "CREATE DATABASE mine",
    "CREATE ROLE mine",
    "CREATE PUBLICATION mine",
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "SELECT pg_read_file('postgresql.conf')",
    "SELECT pg_ls_dir('.')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY (SELECT 1) TO '/nowhere/candles'",
    "SELECT lo_from_bytea(0, 'written')",
    "SELECT lo_create(0)",
    "SELECT pg_advisory_lock(1936287598, hashtext('default'))",
    "SELECT pg_try_advisory_xact_lock_shared(1)",
    "SET ROLE signals",
    "SET SESSION AUTHORIZATION signals",
    "ALTER ROLE signals PASSWORD 'mine'",
    "GRANT signals TO CURRENT_USER",
    "GRANT SELECT ON users TO PUBLIC",
    "ALTER SYSTEM SET log_statement = 'all'",
    "SET session_replication_role = 'replica'",
    "ALTER VIEW v_signals RENAME TO mine",
    "CREATE OR REPLACE FUNCTION public.execute_signal(id uuid, price float8, at timestamptz DEFAULT NULL) "
    "RETURNS trading_signals LANGUAGE sql AS 'SELECT NULL::trading_signals'",
    "COMMENT ON VIEW v_signals IS 'mine'",
    "DO $$ BEGIN LOCK TABLE public.trading_signals IN ROW EXCLUSIVE MODE; END $$",
    "DO $$ BEGIN LOCK TABLE public.v_signals IN ACCESS EXCLUSIVE MODE; END $$",
    "DO $$ BEGIN DELETE FROM public.trading_signals; END $$",
]


def set_writable(session: psycopg.Connection) -> None:
    """A login may change its own settings: what it must not do must not depend on them."""
    session.execute("SET default_transaction_read_only = off")


@pytest.mark.parametrize("view", [view.name for view in VIEWS])
def test_both_read_every_view(database, view):
    with database.begin() as conn:
        may = conn.execute(
            sa.text("SELECT has_table_privilege(:r, :v, 'SELECT'), has_table_privilege(:b, :v, 'SELECT')"),
            {"r": READER, "b": BOT, "v": view},
        ).one()
    assert tuple(may) == (True, True)


def test_a_reader_and_a_bot_read_what_is_stored(database, reader, bot):
    stored(database, 2, **around_now())
    for session in (reader, bot):
        assert session.execute("SELECT count(*) FROM v_active_signals").fetchone() == (2,)
        assert session.execute("SELECT buys, net_score FROM v_net_signals").fetchone() == (
            2,
            pytest.approx(2 * (0.7 * 0.65 + 0.3 * 0.7)),
        )


@pytest.mark.parametrize("kind", ["reader", "bot"])
def test_neither_reads_a_table_nor_does_anything_that_it_was_not_given(database, kind):
    stored(database, **around_now())
    with connected(database, kind) as session:
        set_writable(session)
        allowed = []
        for statement in [*(f"SELECT FROM {table}" for table in TABLES), *DENIED]:
            try:
                session.execute(statement)
            except errors.InsufficientPrivilege:
                continue
            except psycopg.Error as error:
                allowed.append((statement, f"{type(error).__name__}: {error}"))
            else:
                allowed.append((statement, "done"))
    assert allowed == []
    with database.begin() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM trading_signals WHERE status = 'ACTIVE'")) == 1


def test_a_reader_begins_read_only_and_both_are_given_up_after_half_a_minute(reader, bot):
    for session, read_only in ((reader, "on"), (bot, "off")):
        shown = [session.execute(f"SHOW {name}").fetchone() for name in ("statement_timeout", "timezone")]
        assert shown == [("30s",), ("UTC",)]
        assert session.execute("SHOW default_transaction_read_only").fetchone() == (read_only,)


def test_a_reader_calls_no_function_of_bots(database, reader):
    (number,) = stored(database, **around_now())
    set_writable(reader)
    for call in (f"execute_signal('{number}', 100)", f"invalidate_signal('{number}', 'no')"):
        with pytest.raises(errors.InsufficientPrivilege):
            reader.execute(f"SELECT * FROM {call}")
    assert status_of(database, number) == "ACTIVE"


def test_a_bot_executes_and_its_event_bears_its_name(database, bot):
    (number,) = stored(database, **around_now())
    name = bot.info.user
    found = bot.execute("SELECT status, profit_loss FROM execute_signal(%s, 101)", [number]).fetchone()
    assert found == ("EXECUTED", pytest.approx(0.01))
    ((_, after, _, actor, reason),) = events_of(database, number)
    assert (after, actor, reason) == ("EXECUTED", f"sql:{name}", None)


def test_a_bot_invalidates_for_a_reason_and_cannot_take_another_name_or_instant(database, bot):
    (number,) = stored(database, **around_now())
    bot.execute("SET signals.actor = 'pipeline'")
    bot.execute("SET signals.effective_at = '2001-01-01Z'")
    bot.execute(
        "SELECT set_config('signals.each', %s, false)",
        [f'[{{"id": "{number}", "at": "2001-01-01T00:00:00Z", "reason": "forged"}}]'],
    )
    bot.execute("SELECT FROM invalidate_signal(%s, 'the exchange halts')", [number])
    ((_, after, at, actor, reason),) = events_of(database, number)
    assert (after, actor, reason) == ("INVALIDATED", f"sql:{bot.info.user}", "the exchange halts")
    assert at.year > 2001


def test_the_owner_may_still_name_another_actor(database):
    (number,) = stored(database, **around_now())
    with plain(database) as conn:
        conn.execute("SET signals.actor = 'bot 7'")
        conn.execute("SELECT FROM execute_signal(%s, 101)", [number])
    assert events_of(database, number)[0][3] == "bot 7"


def test_a_bot_meets_the_same_state_machine(database, bot):
    live = around_now()
    done, past = stored(database, 2, **live)
    with database.begin() as conn:
        row = tables.trading_signals
        past_life = {name: value - timedelta(days=1) for name, value in live.items()}
        conn.execute(sa.update(row).where(row.c.id == past).values(**past_life))
    bot.execute("SELECT FROM execute_signal(%s, 101)", [done])
    for call, error in (
        (f"execute_signal('{done}', 102)", errors.RestrictViolation),
        (f"invalidate_signal('{done}', 'late')", errors.RestrictViolation),
        (f"execute_signal('{past}', 101)", errors.RestrictViolation),
        (f"execute_signal('{past}', 'NaN')", errors.CheckViolation),
        (f"invalidate_signal('{past}', ' ')", errors.CheckViolation),
        (f"execute_signal('{uuid4()}', 101)", errors.NoDataFound),
    ):
        with pytest.raises(error):
            bot.execute(f"SELECT * FROM {call}")


def test_neither_enters_dagsters_database_nor_another_of_ours(database, postgres_server, migrated_template):
    create_missing(postgres_server, (DAGSTER_DATABASE,))  # another test may have taken it away
    other = Database(fresh_database(postgres_server, migrated_template))
    try:
        migrate(other)
        with connected(database, "bot") as session:
            password, name = session.info.password, session.info.user
            for closed in (DAGSTER_DATABASE, other.address.database):
                address = address_of(database.address.with_database(closed), name, password)
                with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                    psycopg.connect(address.libpq)
    finally:
        other.close()
        drop_database(other.address)


def test_two_installations_on_a_server_share_the_groups_and_not_their_logins(postgres_server, migrated_template):
    mine, yours = (Database(fresh_database(postgres_server, migrated_template)) for _ in range(2))
    name = f"shared_{uuid4().hex[:8]}"
    try:
        for installation in (mine, yours):
            migrate(installation)
            with installation.begin() as conn:
                assert lacking(conn) == []
        with mine.begin() as conn:
            password = add_login(conn, name, "reader")
        with psycopg.connect(address_of(mine.address, name, password).libpq) as session:
            assert session.execute("SELECT count(*) FROM v_signals").fetchone() == (0,)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(address_of(yours.address, name, password).libpq)
    finally:
        drop_role(mine.address.libpq, name)
        for installation in (mine, yours):
            installation.close()
            drop_database(installation.address)


def test_rights_that_somebody_changed_are_mended_on_the_next_start(database):
    migrate(database)
    with database.begin() as conn:
        assert lacking(conn) == []
        for statement in (
            f"REVOKE SELECT ON v_signals FROM {READER}",
            f"REVOKE EXECUTE ON FUNCTION execute_signal FROM {BOT}",
            "GRANT EXECUTE ON FUNCTION end_signal TO PUBLIC",
            "GRANT CREATE ON SCHEMA public TO PUBLIC",
            f'GRANT CONNECT ON DATABASE "{database.address.database}" TO PUBLIC',
            "GRANT EXECUTE ON FUNCTION lo_create TO PUBLIC",
        ):
            conn.exec_driver_sql(statement)
    with database.begin() as conn:
        assert len(lacking(conn)) == 6

    migrate(database)

    with database.begin() as conn:
        assert lacking(conn) == []


def test_a_server_where_ours_may_do_little_is_used_and_what_lacks_is_told_in_sql(database):
    """The pipeline's own user owns the database here, and may make no roles, as on many hosted servers."""
    owner = f"owner_{uuid4().hex[:8]}"
    with plain(database) as conn:
        conn.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'secret'")
        conn.execute(f'ALTER DATABASE "{database.address.database}" OWNER TO {owner}')
        conn.execute("GRANT EXECUTE ON FUNCTION lo_create TO PUBLIC")
        for view in VIEWS:
            conn.execute(f"ALTER VIEW {view.name} OWNER TO {owner}")
            conn.execute(f"REVOKE SELECT ON {view.name} FROM {READER}")
    theirs = Database(address_of(database.address, owner, "secret"))
    try:
        with theirs.begin() as conn:
            secure(conn)
            told = statements_for_another(conn)
            left = [lack for lack in lacking(conn) if lack.is_ours]
            readable = conn.scalar(sa.text("SELECT has_table_privilege(:r, 'v_signals', 'SELECT')"), {"r": READER})
        assert readable
        assert left == []
        assert "REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC" in told
        with plain(database) as conn:
            for statement in told:
                conn.execute(statement)
        with theirs.begin() as conn:
            assert statements_for_another(conn) == []
            conn.execute(sa.text("SELECT pg_advisory_xact_lock(1)"))
    finally:
        theirs.close()
        with plain(database) as conn:
            conn.execute(f"REASSIGN OWNED BY {owner} TO CURRENT_USER")
        drop_role(database.address.libpq, owner)
