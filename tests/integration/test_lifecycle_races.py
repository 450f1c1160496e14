"""Executions against the sweep at the same instant, and a crowd of processes that change the same signals (F50)."""

import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
import sqlalchemy as sa

from pipeline.domain.errors import IllegalTransitionError
from pipeline.domain.status import SignalStatus
from pipeline.storage.database import Database
from pipeline.storage.transitions import expire, transition
from tests.support.candle_rows import START
from tests.support.database import a_series_of
from tests.support.lifecycle import HOUR, events_of, inconsistent, status_of, stored
from tests.support.processes import python

LAST = START + HOUR - (HOUR / 3_600_000_000)  # the last microsecond of a life
N_PROCESSES = 8


def execute_at_last(database: Database, number: UUID, start: Barrier, delay_s: float) -> str:
    """Whether an execution in the last instant was made, or what it lost to."""
    start.wait()
    time.sleep(delay_s)
    try:
        with database.begin() as conn:
            transition(conn, number, SignalStatus.EXECUTED, actor="bot", at=LAST, price=101.0)
    except IllegalTransitionError as lost:
        return f"lost to {lost.status}"
    return "won"


def sweep_at_once(database: Database, start: Barrier, delay_s: float) -> str:
    """Whether the sweep got the signal."""
    start.wait()
    time.sleep(delay_s)
    with database.begin() as conn:
        return "lost" if expire(conn, START + HOUR).empty else "won"


@pytest.mark.parametrize(("execution_s", "sweep_s"), [(0, 0), (0.01, 0), (0, 0.01)])
def test_f50_an_execution_and_the_sweep_at_the_same_instant_have_one_winner(database, execution_s, sweep_s):
    ends: Counter[str] = Counter()
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in range(40):
            (number,) = stored(database)
            start = Barrier(2)
            executed = pool.submit(execute_at_last, database, number, start, execution_s)
            swept = pool.submit(sweep_at_once, database, start, sweep_s)
            said = (executed.result(timeout=60), swept.result(timeout=60))
            status = status_of(database, number)
            assert said == {"EXECUTED": ("won", "lost"), "EXPIRED": ("lost to EXPIRED", "won")}[status]
            assert [event[1] for event in events_of(database, number)] == [status]
            ends[status] += 1
    if execution_s != sweep_s:
        assert ends["EXECUTED" if sweep_s else "EXPIRED"] > 0


def crowd(database: Database, seconds: float) -> Counter[str]:
    """What processes did that changed the same signals at once."""
    arguments = (database.address.libpq, a_series_of(database), seconds)
    program = "import sys\nfrom tests.support.lifecycle_crowd import main\nmain(*sys.argv[1:])"
    members = [python(program, *arguments, seed) for seed in range(N_PROCESSES)]
    assert [member.stdout.readline() for member in members] == ["ready\n"] * N_PROCESSES
    for member in members:
        member.stdin.write("go\n")
        member.stdin.flush()
    said = [member.communicate(timeout=seconds + 120)[0] for member in members]
    assert [member.returncode for member in members] == [0] * N_PROCESSES, said
    return sum((Counter(json.loads(text.splitlines()[-1])) for text in said), Counter())


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.long)])
def test_f50_of_a_crowd_nobody_loses_or_doubles_an_event(database, seconds):
    done = crowd(database, seconds)

    with database.begin() as conn:
        counts = conn.execute(
            sa.text(
                """SELECT (SELECT count(*) FROM trading_signals), (SELECT count(*) FROM signal_events),
  (SELECT count(DISTINCT to_status) FROM signal_events)"""
            )
        ).one()
    assert counts == (done["created"], done["changed"], 3)
    assert done["lost"] > 0
    assert inconsistent(database) == []
