"""Runs of the chain that are stopped half way: in a process of their own, at a chosen moment or at any.

A moment is a place in the conversation with the database: before a statement, before COMMIT is sent, after it was
sent and before it is answered, after the answer. The process ends itself there with SIGKILL, or loses its connection;
between moments its parent ends it. Processes are forked from one that has imported everything and connected to
nothing, so that one costs no more than the run itself.
"""

import multiprocessing
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import sqlalchemy as sa

from pipeline.definitions import defs
from pipeline.domain.model import ModelKind
from pipeline.jobs import CHAIN
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import CHAIN_LOCK, Database
from tests.support.chain import run
from tests.support.contents import digest
from tests.support.model_chain import train_run

PATIENCE_S = 120.0  # for a run that takes a second or two
processes = multiprocessing.get_context("forkserver")
# This module, and what a run would import at its first step.
processes.set_forkserver_preload([__name__, "dagster._daemon", "pandera.strategies.pandas_strategies", "upath"])


class Moment(StrEnum):
    """A place in the conversation with the database."""

    STATEMENT = "before a statement"
    COMMIT = "before COMMIT"
    SENT = "after COMMIT was sent"
    COMMITTED = "after COMMIT was answered"


AROUND_A_COMMIT = (Moment.COMMIT, Moment.SENT, Moment.COMMITTED)


class Blow(StrEnum):
    """What happens at a moment."""

    KILL = "the process is killed"
    DISCONNECT = "its connection ends"
    UNLOCK = "the connection that holds the chain's lock ends"
    CRASH = "the server's process for it is killed, so that the server starts anew"


@dataclass(frozen=True, slots=True)
class Work:
    """One run of the chain, or a training of the week that ``partition_key`` names."""

    name: str
    tags: Mapping[str, str]
    partition_key: str | None = None
    changes: Mapping[str, str] = field(default_factory=dict)
    kinds: Sequence[ModelKind] = ()  # to train models of these kinds instead


@dataclass(frozen=True, slots=True)
class Stop:
    """At the n-th of which moments, counted from 1 at the beginning of a run, what happens."""

    moment: Moment
    number: int
    blow: Blow = Blow.KILL


@dataclass(frozen=True, slots=True)
class Course:
    """An undisturbed run: how many of each moment it has, which commits wrote, and what the database held then."""

    counts: Mapping[Moment, int]
    writing: tuple[int, ...]  # numbers of the commits that changed something
    states: tuple[str, ...]  # before the run, and after each of these commits

    @property
    def end(self) -> str:
        """What the database holds after the run."""
        return self.states[-1]

    def around_writes(self) -> list[Stop]:
        """The moments around each commit that changes something, in order."""
        return [Stop(moment, number) for number in self.writing for moment in AROUND_A_COMMIT]

    def any_stop(self, chance: random.Random, blow: Blow = Blow.KILL) -> Stop:
        """One of the moments."""
        moment = chance.choice(list(Moment))
        return Stop(moment, chance.randint(1, self.counts[moment]), blow)


class _Watch:
    """Counts the moments of this process, and strikes at some of them."""

    def __init__(self, address: DatabaseAddress, stops: Sequence[Stop], is_noting: bool) -> None:
        self.address, self.is_noting = address, is_noting
        self.stops = {(stop.moment, stop.number): stop.blow for stop in stops}
        self.counts = Counter[Moment]()
        self.states = [digest(address)] if is_noting else []
        self.writing: list[int] = []
        sa.event.listen(sa.Engine, "before_cursor_execute", self._on_statement)
        sa.event.listen(sa.Engine, "commit", self._on_commit)
        sa.event.listen(sa.Pool, "checkin", self._on_checkin)

    def _on_statement(self, conn: sa.Connection, *_: Any) -> None:
        if conn.dialect.name == "postgresql":
            self._pass(Moment.STATEMENT, conn.connection.driver_connection)

    def _on_commit(self, conn: sa.Connection) -> None:
        if conn.dialect.name == "postgresql":
            self._pass(Moment.COMMIT, conn.connection.driver_connection)
            self._pass(Moment.SENT, conn.connection.driver_connection)

    def _on_checkin(self, connection: Any, _: Any) -> None:
        if not isinstance(connection, psycopg.Connection):
            return
        self._pass(Moment.COMMITTED, connection)
        if self.is_noting and (state := digest(self.address)) != self.states[-1]:
            self.states.append(state)
            self.writing.append(self.counts[Moment.COMMIT])

    def _pass(self, moment: Moment, connection: Any) -> None:
        self.counts[moment] += 1
        blow = self.stops.get((moment, self.counts[moment]))
        if blow is None:
            return
        if moment is Moment.SENT:
            connection.pgconn.send_query(b"COMMIT")
            connection.pgconn.flush()
        if blow is Blow.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        elif blow is Blow.UNLOCK:
            end_lock(self.address)
        elif blow is Blow.CRASH:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        elif moment is Moment.SENT:
            connection.pgconn.get_result()  # it has taken place, and nobody will hear of it
            connection.pgconn.finish()
        else:
            end_backend(self.address, connection.info.backend_pid)


def end_backend(address: DatabaseAddress, number: int) -> None:
    """End a connection from the server's side."""
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        conn.execute("SELECT pg_terminate_backend(%s, 5000)", [number])


def end_lock(address: DatabaseAddress) -> int:
    """End the connection that holds the chain's lock in this database; how many there were."""
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        query = """SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
        return len(conn.execute(query, [CHAIN_LOCK]).fetchall())


def _perform(address: DatabaseAddress, work: Work, stops: Sequence[Stop], answer: Connection | None) -> None:
    """In the forked process: do the work; the exit code says whether it succeeded."""
    watch = _Watch(address, stops, is_noting=answer is not None)
    try:
        if work.kinds:
            train_run(Database(address), str(work.partition_key), work.changes, work.kinds)
        else:
            run(Database(address), work.tags, work.partition_key, work.changes)
    except Exception as error:
        sys.exit(f"{work.name}: {type(error).__name__}: {error}")
    if answer:
        answer.send(Course(dict(watch.counts), tuple(watch.writing), tuple(watch.states)))


def perform_recorded(home: Path, address: DatabaseAddress, work: Work, *stops: Stop) -> int:
    """Do the work under the Dagster instance of a folder, as the command does; its exit code."""
    process = processes.Process(target=_perform_recorded, args=(home, address, work, stops))
    process.start()
    return ended(process)


def _perform_recorded(home: Path, address: DatabaseAddress, work: Work, stops: Sequence[Stop]) -> None:
    _Watch(address, stops, is_noting=False)
    resources = {
        "database": {"config": {"url": address.libpq}},
        "settings": {"config": {"changes": dict(work.changes)}},
    }
    with dg.DagsterInstance.from_config(str(home)) as instance:
        defs.resolve_job_def("generate_signals").execute_in_process(
            instance=instance,
            tags=dict(work.tags),
            asset_selection=[dg.AssetKey(name) for name in CHAIN],
            partition_key=work.partition_key,
            run_config={"resources": resources, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )


def start(address: DatabaseAddress, work: Work, stops: Sequence[Stop] = ()) -> ForkServerProcess:
    """A process that does the work, and ends where it is stopped."""
    process = processes.Process(target=_perform, args=(address, work, stops, None))
    process.start()
    return process


def perform(address: DatabaseAddress, work: Work, *stops: Stop, kill_after_s: float | None = None) -> int:
    """Do the work in a process; its exit code, which is negative if a signal ended it."""
    process = start(address, work, stops)
    if kill_after_s is not None:
        process.join(kill_after_s)
        process.kill()
    return ended(process)


def ended(process: ForkServerProcess) -> int:
    """Its exit code, once it has ended."""
    process.join(PATIENCE_S)
    code = process.exitcode
    if code is None:
        process.kill()
        process.join()
        raise AssertionError(f"a run must end within {PATIENCE_S:.0f} s, it did not")
    process.close()
    return code


def course_of(address: DatabaseAddress, work: Work) -> Course:
    """Do the work undisturbed, and note how it goes."""
    receiving, sending = processes.Pipe(duplex=False)
    process = processes.Process(target=_perform, args=(address, work, (), sending))
    process.start()
    sending.close()
    try:
        course: Course = receiving.recv()
    except EOFError:
        raise AssertionError(f"{work.name} failed undisturbed") from None
    assert ended(process) == 0
    return course
