"""Changes are read in the order of their numbers, none skipped: against transactions that commit late, or never."""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import pytest
import sqlalchemy as sa

from pipeline.domain.status import SignalStatus
from pipeline.storage import tables
from pipeline.storage.changes import BEGINNING, is_known, newest_mark, read_changes
from pipeline.storage.database import Database
from pipeline.storage.transitions import Ending, expire, invalidate, transition
from tests.support.candle_rows import START
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import HOUR, a_life, plain, store, stored

ACTIVE, EXECUTED, EXPIRED, INVALIDATED = SignalStatus
MANY = 10_000


def told(database: Database, after: int = 0) -> list[tuple[object, SignalStatus]]:
    """Which signals changed how, behind a number."""
    return [(change.signal["id"], change.status) for change in read_changes(database, after, MANY)]


@contextmanager
def at_work(database: Database, **changes: object) -> Iterator[sa.Connection]:
    """A transaction that has stored a signal, and then is told to commit or to roll back."""
    with database.engine.connect() as conn:
        conn.execute(sa.insert(tables.trading_signals), [a_life(a_series_of(database), **changes)])
        yield conn


def by_number_alone(database: Database, after: int) -> list[int]:
    """What a reader sees who only knows the last number that it has read."""
    with database.begin() as conn:
        c = tables.signal_changes.c
        return list(conn.scalars(sa.select(c.change_id).where(c.change_id > after).order_by(c.change_id)))


def test_a_reader_by_number_alone_loses_what_commits_late_and_ours_waits_for_it(database):
    with at_work(database) as late:
        (early,) = stored(database)

        naive = by_number_alone(database, 0)
        ours = read_changes(database, 0, MANY)

        late.commit()
    assert naive == [2]
    assert by_number_alone(database, naive[-1]) == []  # number 1 is lost to it
    assert ours == []
    found = read_changes(database, 0, MANY)
    assert [change.number for change in found] == [1, 2]
    assert found[1].signal["id"] == early


def test_what_was_decided_before_is_told_while_somebody_is_at_work(database):
    (before,) = stored(database)
    with at_work(database) as late:
        stored(database)
        assert told(database) == [(before, ACTIVE)]
        late.rollback()
    assert len(told(database)) == 2


def test_a_savepoint_that_is_taken_back_holds_nothing_up_and_the_rest_of_its_transaction_still_does(database):
    number = a_series_of(database)
    with database.engine.connect() as late:
        with late.begin_nested() as part:
            late.execute(sa.insert(tables.trading_signals), [a_life(number)])
            part.rollback()
        late.execute(sa.insert(tables.trading_signals), [a_life(number)])
        stored(database)
        assert told(database) == []
        late.commit()
    assert len(told(database)) == 2


def test_a_transaction_takes_one_lock_however_many_statements_it_has(database):
    number = a_series_of(database)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
    with database.begin() as conn:
        for _ in range(50):
            conn.execute(sa.insert(tables.trading_signals), [a_life(number)])
        assert conn.scalar(sa.text(locks)) == 1
    with database.begin() as conn:
        conn.execute(sa.insert(tables.trading_signals), [a_life(number)])
        assert conn.scalar(sa.text(locks)) == 1


def test_replays_and_other_databases_hold_nothing_up_though_they_hold_the_oldest_transaction(
    database, postgres_server, migrated_template
):
    with ExitStack() as stack:
        other = stack.enter_context(a_database(postgres_server, migrated_template))
        stack.enter_context(at_work(other))
        stack.enter_context(at_work(database, origin="replay", scope="backfill"))
        number = a_series_of(database)
        with database.begin() as conn:
            conn.execute(sa.insert(tables.trading_signals), [a_life(number)])
            mine = conn.scalar(sa.text("SELECT pg_current_xact_id()::text::bigint"))
        with database.begin() as conn:
            oldest = conn.scalar(sa.text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))
        assert oldest < mine  # whoever reads up to the oldest transaction waits for both of them
        assert len(told(database)) == 1


def test_only_live_signals_of_the_default_scope_are_told_and_none_that_was_stored_with_its_end(database):
    stored(database, origin="replay")
    stored(database, scope="mine")
    stored(database, status="EXPIRED")
    (live,) = stored(database)
    with database.begin() as conn:
        expire(conn, START + HOUR)
    assert told(database) == [(live, ACTIVE), (live, EXPIRED)]


def test_each_end_is_told_with_its_instant_and_reason(database):
    executed, revoked, plainly, past = stored(database, 4)
    at = START + timedelta(minutes=10)
    with database.begin() as conn:
        transition(conn, executed, EXECUTED, actor="api", at=at, price=101.0)
        invalidate(conn, [Ending(signal_id=revoked, effective_at=at, reason="stop_breached")])
    with plain(database) as conn:
        conn.execute("SELECT invalidate_signal(%s, 'no liquidity')", [plainly])
    with database.begin() as conn:
        expire(conn, START + HOUR)
    found = read_changes(database, 4, MANY)
    assert [(c.signal["id"], c.status, c.reason) for c in found] == [
        (executed, EXECUTED, None),
        (revoked, INVALIDATED, "stop_breached"),
        (plainly, INVALIDATED, "no liquidity"),
        (past, EXPIRED, None),
    ]
    assert [found[0].at, found[1].at, found[3].at] == [at, at, START + HOUR]


def test_what_changes_no_status_is_no_change(database):
    stored(database)
    with database.begin() as conn:
        conn.execute(sa.text("UPDATE trading_signals SET calibrated_confidence = 0.5, uncalibrated_because = NULL"))
    assert len(told(database)) == 1


def test_a_mark_is_known_where_its_change_is_and_nowhere_else(database, postgres_server, migrated_template):
    stored(database)
    mark = newest_mark(database)
    with a_database(postgres_server, migrated_template) as other:
        stored(other)
        with other.begin() as conn:
            assert not is_known(conn, mark)
            assert is_known(conn, BEGINNING)
        assert newest_mark(other).number == mark.number
    with database.begin() as conn:
        assert is_known(conn, mark)
        assert not is_known(conn, mark._replace(number=mark.number + 1))


def test_changes_go_with_their_signals(database):
    one, other = stored(database, 2)
    mark = newest_mark(database)
    with database.begin() as conn:
        conn.execute(sa.delete(tables.trading_signals).where(tables.trading_signals.c.id == other))
        assert not is_known(conn, mark)
    assert told(database) == [(one, ACTIVE)]
    with database.begin() as conn:
        conn.execute(sa.text("TRUNCATE trading_signals CASCADE"))
    assert (told(database), newest_mark(database)) == ([], BEGINNING)


def test_a_server_whose_transactions_see_one_instant_by_default_is_read_alike(database):
    with psycopg.connect(database.address.libpq, autocommit=True) as conn:
        conn.execute(
            f"ALTER DATABASE {database.address.database} SET default_transaction_isolation = 'repeatable read'"
        )
    database.engine.dispose()
    with at_work(database) as late:
        stored(database)
        assert told(database) == []
        late.commit()
    assert len(told(database)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_however_writers_overlap_a_reader_has_every_change_once_and_in_order(database, seed):
    number = a_series_of(database)
    is_done = threading.Event()

    def write(chance: random.Random) -> None:
        for _ in range(25):
            with database.engine.connect() as conn:
                signals = [a_life(number) for _ in range(chance.randint(1, 3))]
                conn.execute(sa.insert(tables.trading_signals), signals)
                if chance.random() < 0.5:
                    is_done.wait(chance.random() * 0.02)
                    transition(conn, signals[0]["id"], EXPIRED, actor="test")
                if chance.random() < 0.2:
                    conn.rollback()
                else:
                    conn.commit()

    writers = [threading.Thread(target=write, args=(random.Random(10 * seed + each),)) for each in range(4)]
    for writer in writers:
        writer.start()
    seen: list[int] = []
    naive: list[int] = []
    while True:
        is_last = not any(writer.is_alive() for writer in writers)
        naive += by_number_alone(database, naive[-1] if naive else 0)
        seen += [change.number for change in read_changes(database, seen[-1] if seen else 0, 7)]
        if is_last and len(read_changes(database, seen[-1], 1)) == 0:
            break
    assert seen == by_number_alone(database, 0)
    assert len(naive) < len(seen)  # it was not all too easy


def test_signals_that_exist_when_the_table_is_made_are_in_no_stream_but_their_ends_are(database):
    (standing,) = stored(database)
    with database.begin() as conn:
        conn.execute(sa.text("DELETE FROM signal_changes"))
        transition(conn, standing, EXPIRED, actor="cli")
    assert told(database) == [(standing, EXPIRED)]


def test_one_statement_that_ends_many_rings_once(database):
    store(database, [a_life(a_series_of(database)) for _ in range(20)])
    with psycopg.connect(database.address.libpq, autocommit=True) as ear:
        ear.execute("LISTEN signal_changes")
        with database.begin() as conn:
            expire(conn, START + HOUR)
        assert len(list(ear.notifies(timeout=0.5))) == 1


def test_neither_the_end_of_a_replayed_signal_nor_what_changes_no_status_rings(database):
    stored(database, expires_at=START + 2 * HOUR)
    stored(database, origin="replay", scope="backfill")
    with psycopg.connect(database.address.libpq, autocommit=True) as ear:
        ear.execute("LISTEN signal_changes")
        with database.begin() as conn:
            conn.execute(sa.text("UPDATE trading_signals SET calibrated_confidence = 0.5, uncalibrated_because = NULL"))
        with database.begin() as conn:
            ended = expire(conn, START + HOUR)
        assert list(ear.notifies(timeout=0.5)) == []
    assert ended[["origin", "signals"]].to_numpy().tolist() == [["replay", 1]]
