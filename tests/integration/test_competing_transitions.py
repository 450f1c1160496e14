"""Callers who want to end the same signal at the same time: one wins, and the others are told who did."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.errors import IllegalTransitionError
from pipeline.domain.status import SignalStatus
from pipeline.storage.database import Database
from pipeline.storage.endings import invalidate_delisted
from pipeline.storage.transitions import expire, transition
from tests.support.candle_rows import START
from tests.support.lifecycle import (
    HOUR,
    events_of,
    inconsistent,
    move,
    status_of,
    stored,
)
from tests.support.processes import until

ACTIVE, EXECUTED, EXPIRED, INVALIDATED = SignalStatus


def test_a_run_leaves_a_signal_alone_that_somebody_ends_at_the_same_time(database):
    taken, *others = stored(database, 4)

    def invalidate_all() -> int:
        with database.begin() as conn:
            return invalidate_delisted(conn, START)

    with database.begin() as conn:
        conn.execute(sa.text("UPDATE series SET delisted_at = :at"), {"at": START})
    with ThreadPoolExecutor(max_workers=1) as pool:
        with database.begin() as conn:
            transition(conn, taken, EXPIRED, actor="cli")
            pipeline = pool.submit(invalidate_all)
            until(lambda: waits_for_a_lock(database))

        assert pipeline.result(timeout=60) == len(others)
    assert status_of(database, taken) == "EXPIRED"
    assert {status_of(database, number) for number in others} == {"INVALIDATED"}
    assert inconsistent(database) == []


def waits_for_a_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.begin() as conn:
        return conn.execute(sa.text(query)).scalar_one() > 0


def test_f50_of_many_callers_at_once_one_wins_and_the_others_are_told(database):
    (number,) = stored(database)

    def attempt(after: SignalStatus) -> str:
        try:
            return f"{move(database, number, after)} -> {after}"
        except IllegalTransitionError as lost:
            return f"lost to {lost.status}"

    wanted = [EXPIRED, EXECUTED, INVALIDATED] * 4
    with ThreadPoolExecutor(max_workers=8) as pool:
        outcomes = list(pool.map(attempt, wanted))

    status = status_of(database, number)
    again = outcomes.count("EXECUTED -> EXECUTED")
    assert outcomes.count(f"ACTIVE -> {status}") == 1
    assert again == (3 if status == "EXECUTED" else 0)
    assert outcomes.count(f"lost to {status}") == len(wanted) - 1 - again
    assert len(events_of(database, number)) == 1


@pytest.mark.parametrize("first", ["execute", "expire"])
def test_f50_of_an_execution_and_the_sweep_the_first_to_come_wins_and_the_other_waits_for_it(database, first):
    (number,) = stored(database)

    def execute(conn: sa.Connection) -> str:
        try:
            transition(conn, number, EXECUTED, at=START + HOUR - timedelta(seconds=1), actor="cli", price=101.0)
        except IllegalTransitionError as lost:
            return f"lost to {lost.status}"
        return "won"

    def sweep(conn: sa.Connection) -> str:
        return "lost" if expire(conn, START + HOUR).empty else "won"

    def in_a_transaction(work) -> str:
        with database.begin() as conn:
            return str(work(conn))

    one, two = (execute, sweep) if first == "execute" else (sweep, execute)
    with ThreadPoolExecutor(max_workers=1) as pool:
        with database.begin() as conn:
            assert one(conn) == "won"
            other = pool.submit(in_a_transaction, two)
            until(lambda: waits_for_a_lock(database))
        assert other.result(timeout=60) == ("lost" if first == "execute" else "lost to EXPIRED")
    assert status_of(database, number) == {"execute": "EXECUTED", "expire": "EXPIRED"}[first]
    assert inconsistent(database) == []


def test_f50_where_the_winner_takes_it_back_the_other_gets_the_signal(database):
    (number,) = stored(database)

    def sweep() -> int:
        with database.begin() as conn:
            return len(expire(conn, START + HOUR))

    with ThreadPoolExecutor(max_workers=1) as pool:
        with database.begin() as conn:
            transition(conn, number, EXECUTED, at=START, actor="cli", price=101.0)
            other = pool.submit(sweep)
            until(lambda: waits_for_a_lock(database))
            conn.rollback()
        assert other.result(timeout=60) == 1
    assert [event[1] for event in events_of(database, number)] == ["EXPIRED"]


def test_f50_two_sweeps_at_once_expire_each_signal_once(database):
    stored(database, 300)

    def sweep(_: int) -> int:
        with database.begin() as conn:
            return int(expire(conn, START + HOUR)["signals"].sum())

    with ThreadPoolExecutor(max_workers=4) as pool:
        assert sum(pool.map(sweep, range(4))) == 300
    assert inconsistent(database) == []
