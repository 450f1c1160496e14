"""The database goes away, conflicts, or refuses: a run does its step again, or fails loudly and leaves nothing behind.

Every error here is raised by a real server. Those that need a second party whose timing cannot be told are raised by
a trigger, which counts with a sequence because that survives a rollback.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql

from pipeline.domain.errors import DatabaseUnavailableError
from pipeline.storage import tables
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.bulk import bulk_insert
from pipeline.storage.database import ATTEMPTS, READERS, Database
from tests.support.chain import run
from tests.support.chaos import AROUND_A_COMMIT, Blow, Moment, Stop, Work, end_lock, perform
from tests.support.chaos_market import NEXT_TICK, Scenario, a_copy, scenario, traded
from tests.support.contents import contents, digest
from tests.support.database import a_series_of, a_stored_signal
from tests.support.postgres import end_connections
from tests.support.processes import until

APART = 5  # commits from one lost connection to the next: more than a step has, so that its next attempt passes
PASSING = {"40P01": "deadlock", "40001": "serialization", "55P03": "lock timeout", "57014": "statement timeout"}
LASTING = {"53100": "disk full", "53200": "out of memory"}


@pytest.fixture(scope="module")
def next_tick(migrated_template: DatabaseAddress) -> Iterator[Scenario]:
    """The tick after one that saw a wrong candle."""
    with traded(migrated_template) as origin, scenario(NEXT_TICK, origin) as made:
        yield made


@pytest.fixture
def address(next_tick: Scenario) -> Iterator[DatabaseAddress]:
    """A database in which that tick is still to be done."""
    with a_copy(next_tick.origin) as copy:
        yield copy


def do(address: DatabaseAddress, work: Work) -> dict[str, dict[str, object]]:
    """Do the work in this process."""
    database = Database(address)
    try:
        return run(database, work.tags, work.partition_key, work.changes)
    finally:
        database.close()


def told(address: DatabaseAddress, statement: str) -> object:
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        cursor = conn.execute(statement)  # type: ignore[call-overload]
        return cursor.fetchone()[0] if cursor.description else None


def refuse(address: DatabaseAddress, code: str, times: int) -> None:
    """Let the first few attempts to store signals fail with an SQLSTATE."""
    told(address, "CREATE SEQUENCE attempts")
    told(
        address,
        f"""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
IF nextval('attempts') <= {times} THEN RAISE EXCEPTION 'refused' USING ERRCODE = '{code}'; END IF; RETURN NULL; END $$;
CREATE TRIGGER refuse AFTER INSERT ON trading_signals FOR EACH STATEMENT EXECUTE FUNCTION refuse()""",
    )


def signals_of(address: DatabaseAddress) -> int:
    return sum(n for (table, _), n in contents(address).items() if table == "trading_signals")


# The connection ends


@pytest.mark.parametrize("moment", AROUND_A_COMMIT)
def test_f48_a_tick_that_loses_its_connections_around_commits_succeeds_by_itself(next_tick, address, moment):
    numbers = range(1 + AROUND_A_COMMIT.index(moment), next_tick.course.counts[moment] + 1, APART)

    code = perform(address, NEXT_TICK, *(Stop(moment, number, Blow.DISCONNECT) for number in numbers))

    assert code == 0
    assert digest(address) == next_tick.course.end


@pytest.mark.parametrize("number", [1, 2, 40, 70, 100])
def test_f48_a_tick_that_loses_its_connection_before_a_statement_succeeds_by_itself(next_tick, address, number):
    assert perform(address, NEXT_TICK, Stop(Moment.STATEMENT, number, Blow.DISCONNECT)) == 0
    assert digest(address) == next_tick.course.end


def test_f48_a_commit_that_took_place_unheard_is_not_done_twice(next_tick, address):
    lost = [Stop(Moment.SENT, number, Blow.DISCONNECT) for number in next_tick.course.writing[-1:]]

    assert perform(address, NEXT_TICK, *lost) == 0

    assert contents(address) == contents(next_tick.twin)


def test_f48_a_server_that_crashes_and_recovers_is_waited_for(next_tick, address):
    # The tests' server does not wait for the disk, and would lose what it had just answered for.
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        conn.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit TO on").format(sql.Identifier(address.database)))
    stop = Stop(Moment.COMMIT, next_tick.course.writing[-1], Blow.CRASH)

    assert perform(address, NEXT_TICK, stop) == 0

    assert digest(address) == next_tick.course.end


def test_f48_the_lock_is_taken_anew_after_its_connection_ended(address):
    database, other = Database(address), Database(address)
    entered = threading.Event()

    def enter() -> None:
        with other.chain_lock():
            entered.set()

    second = threading.Thread(target=enter)
    with database.chain_lock():
        assert end_lock(address) == 1
        attempts: list[int] = []

        def work() -> None:
            attempts.append(1)
            if len(attempts) == 1:
                raise DatabaseUnavailableError("as a step says whose connection ended with the lock's")
            second.start()
            assert not entered.wait(0.3)

        database.retried(work)
    second.join(10)

    assert len(attempts) == 2
    assert entered.is_set()
    database.close()
    other.close()


def test_f48_reads_over_kept_connections_that_have_ended_are_done_again(database):
    queries = [sa.text("SELECT 1 AS one")] * READERS
    database.frames(queries)

    assert end_connections(database.address) == READERS

    assert [frame["one"].tolist() for frame in database.frames(queries)] == [[1]] * READERS


def test_f48_a_read_that_itself_ends_its_connection_is_not_repeated_for_ever(database):
    database.frames([sa.text("SELECT 1")] * READERS)

    with pytest.raises(DatabaseUnavailableError, match="terminating connection"):
        database.frame(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))

    assert database.frame(sa.text("SELECT 1 AS one"))["one"].tolist() == [1]


def test_f48_a_database_that_stays_away_ends_the_run_with_a_plain_error(postgres_server, address):
    database = Database(address)

    def work() -> None:
        with database.begin() as conn:
            conn.execute(sa.text("SELECT 1"))

    with database.chain_lock():
        told(postgres_server, f"ALTER DATABASE {address.database} WITH ALLOW_CONNECTIONS false")
        told(
            postgres_server,
            f"SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = '{address.database}'",
        )
        with pytest.raises(DatabaseUnavailableError, match="the database did not answer"):
            database.retried(work)

    database.close()


# Conflicts and limits


@pytest.mark.parametrize("code", PASSING, ids=PASSING.values())
def test_f49_a_conflict_is_tried_again(next_tick, address, code):
    refuse(address, code, times=2)

    do(address, NEXT_TICK)

    assert told(address, "SELECT last_value FROM attempts") == 3
    assert digest(address) == next_tick.course.end


@pytest.mark.long
def test_f49_a_conflict_that_never_ends_is_tried_a_few_times_and_then_said(address):
    before = signals_of(address)
    refuse(address, "40001", times=1000)

    with pytest.raises(DatabaseUnavailableError, match="refused"):
        do(address, NEXT_TICK)

    assert told(address, "SELECT last_value FROM attempts") == ATTEMPTS
    assert signals_of(address) == before


def test_f49_of_two_transactions_in_a_real_deadlock_both_succeed(database):
    for key in ("a", "b"):
        told(database.address, f"INSERT INTO configurations VALUES ('{key}', '{{}}', 'none')")
    together = threading.Barrier(2)
    attempts: list[str] = []

    def move(first: str, second: str) -> None:
        def work() -> None:
            is_first = first not in attempts
            attempts.append(first)
            with database.begin() as conn:
                for key in (first, second):
                    query = (
                        "UPDATE configurations SET code_version = code_version || :by WHERE configuration_hash = :key"
                    )
                    conn.execute(sa.text(query), {"key": key, "by": f" {first}"})
                    if is_first and key == first:
                        together.wait(10)

        database.retried(work)

    threads = [threading.Thread(target=move, args=order) for order in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert len(attempts) == 3  # the server chose one of them to do it again
    with database.begin() as conn:
        versions = conn.scalars(sa.select(tables.configurations.c.code_version)).all()
    assert [sorted(version.split()) for version in versions] == [["a", "b", "none"]] * 2


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_f49_a_step_that_runs_into_a_real_timeout_is_done_again(next_tick, address, limit):
    told(address, f"ALTER DATABASE {address.database} SET {limit} = '600ms'")

    with locked(address, "trading_signals") as release:
        timer = threading.Timer(2, release)
        timer.start()
        do(address, NEXT_TICK)
        timer.join()

    told(address, f"ALTER DATABASE {address.database} RESET {limit}")  # or it would end the reading of all rows too
    assert digest(address) == next_tick.course.end


@contextmanager
def locked(address: DatabaseAddress, table: str) -> Iterator[Callable[[], None]]:
    """Keep writers from a table until the end, or until the function that is given is called."""
    with psycopg.connect(address.libpq) as conn:
        conn.execute(f"LOCK TABLE {table} IN SHARE MODE")  # type: ignore[call-overload]
        yield conn.rollback


# What will not pass by itself


@pytest.mark.parametrize("code", LASTING, ids=LASTING.values())
def test_f44_a_server_without_room_ends_the_run_at_once_and_nothing_is_half_written(next_tick, address, code):
    refuse(address, code, times=1000)

    with pytest.raises((dg.DagsterError, sa.exc.DBAPIError), match="refused"):
        do(address, NEXT_TICK)

    assert told(address, "SELECT last_value FROM attempts") == 1
    assert digest(address) == next_tick.course.states[-2]  # all that was stored before the signals
    told(address, "DROP TRIGGER refuse ON trading_signals")
    do(address, NEXT_TICK)
    assert digest(address) == next_tick.course.end


def test_f44_a_read_only_database_ends_the_run_and_keeps_its_rows(next_tick, address):
    told(address, f"ALTER DATABASE {address.database} SET default_transaction_read_only = on")

    with pytest.raises((dg.DagsterError, sa.exc.DBAPIError), match="read-only transaction"):
        do(address, NEXT_TICK)

    assert digest(address) == next_tick.course.states[0]
    told(address.with_database("postgres"), f"ALTER DATABASE {address.database} RESET default_transaction_read_only")
    do(address, NEXT_TICK)
    assert digest(address) == next_tick.course.end


# The same rows again


def test_f51_signals_that_stand_already_are_counted_as_duplicates_and_left_alone(next_tick):
    with a_copy(next_tick.twin) as address:
        told(
            address,
            "UPDATE trading_signals SET description = 'as it was stored' WHERE created_at = '2024-03-05 13:00Z'",
        )
        before = told(address, "SELECT count(*) FROM trading_signals WHERE created_at = '2024-03-05 13:00Z'")
        told(address, "DELETE FROM watermarks")  # as if nothing had been done

        made = do(address, NEXT_TICK)["trading_signals"]

        assert (made["rows_written"], made["duplicates"]) == (0, before)
        assert told(address, "SELECT count(*) FROM trading_signals WHERE description = 'as it was stored'") == before


def test_f51_of_two_writers_of_one_signal_one_writes_and_the_other_counts_a_duplicate(database):
    row = a_stored_signal(a_series_of(database))
    frame = pd.DataFrame([{**row, "id": str(row["id"]), "signal_key": str(row["signal_key"]), "metadata": "{}"}]).drop(
        columns="target_prices"
    )
    written: list[int] = []

    def write() -> None:
        with database.begin() as conn:
            written.append(bulk_insert(conn, tables.trading_signals, frame))

    second = threading.Thread(target=write)
    with database.begin() as conn:
        written.append(bulk_insert(conn, tables.trading_signals, frame))
        second.start()
        until(
            lambda: told(database.address, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'transactionid'")
        )
    second.join(10)

    assert written == [1, 0]
    assert told(database.address, "SELECT count(*) FROM trading_signals") == 1
