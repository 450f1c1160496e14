"""The life of signals under whatever callers do, over several connections, beside a model of it (F50, F61)."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from pipeline.domain.errors import DataContractError, IllegalTransitionError
from pipeline.domain.status import SignalStatus
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.transitions import Ending, expire, invalidate, transition
from tests.support.candle_rows import START
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import HOUR, a_life, inconsistent, plain

N_CALLERS = 3
MINUTES = st.integers(-10, 130)
PRICES = st.sampled_from([99.0, 101.0, 0.0, -1.0, float("nan")])
CALLERS = st.integers(0, N_CALLERS - 1)


@dataclass
class Life:
    """What the model knows of a signal."""

    signal_type: str
    expires_at: datetime
    status: str = "ACTIVE"
    execution: tuple[datetime, float] | None = None
    events: list[tuple[str, str, datetime | None, str | None]] = field(default_factory=list)

    def end(self, status: str, at: datetime | None, reason: str | None = None) -> None:
        self.events.append((self.status, status, at, reason))
        self.status = status


class Lives(RuleBasedStateMachine):
    """Callers who act in turn, each over a connection of its own, some of them in plain SQL."""

    database: Database
    series_id: int
    signals = Bundle("signals")

    def __init__(self) -> None:
        super().__init__()
        self.lives: dict[UUID, Life] = {}
        with self.database.begin() as conn:
            conn.execute(sa.text("TRUNCATE trading_signals CASCADE"))
        self.callers = [plain(self.database) for _ in range(N_CALLERS)]

    def teardown(self) -> None:
        for caller in self.callers:
            caller.close()

    @rule(target=signals, kind=st.sampled_from(["BUY", "SELL", "ALERT"]), hours=st.integers(1, 2))
    def create(self, kind: str, hours: int) -> UUID:
        row = a_life(self.series_id, signal_type=kind, expires_at=START + hours * HOUR)
        with self.database.begin() as conn:
            conn.execute(sa.insert(tables.trading_signals).values(row))
        number: UUID = row["id"]
        self.lives[number] = Life(kind, row["expires_at"])
        return number

    @rule(
        number=signals, minutes=MINUTES, price=PRICES, caller=CALLERS, way=st.sampled_from(["python", "sql", "update"])
    )
    def execute(self, number: UUID, minutes: int, price: float, caller: int, way: str) -> None:
        life, at = self.lives[number], START + timedelta(minutes=minutes)
        is_allowed = (
            life.status == "ACTIVE" and life.signal_type != "ALERT" and START <= at < life.expires_at and price > 0
        )
        is_same = life.execution == (at, price)
        succeeded = self._attempt(
            caller,
            way,
            number,
            SignalStatus.EXECUTED,
            {"price": price, "at": at},
            "SELECT execute_signal(%(id)s, %(price)s, %(at)s)",
            "UPDATE trading_signals SET status = 'EXECUTED', execution_price = %(price)s, executed_at = %(at)s "
            "WHERE id = %(id)s",
        )
        assert succeeded == (is_allowed or is_same)
        if is_allowed:
            life.execution = (at, price)
            life.end("EXECUTED", at)

    @rule(number=signals, caller=CALLERS, way=st.sampled_from(["python", "sql", "update"]), has_reason=st.booleans())
    def invalidate(self, number: UUID, caller: int, way: str, has_reason: bool) -> None:
        life, reason = self.lives[number], "why" if has_reason else ""
        is_allowed = life.status == "ACTIVE" and has_reason
        is_idle = way == "update" and life.status == "INVALIDATED"
        succeeded = self._attempt(
            caller,
            way,
            number,
            SignalStatus.INVALIDATED,
            {"reason": reason},
            "SELECT invalidate_signal(%(id)s, %(reason)s)",
            "WITH told AS (SELECT set_config('signals.reason', %(reason)s, true)) "
            "UPDATE trading_signals SET status = 'INVALIDATED' FROM told WHERE id = %(id)s",
        )
        assert succeeded == (is_allowed or is_idle)
        if is_allowed:
            life.end("INVALIDATED", None, "why")

    @rule(minutes=MINUTES)
    def sweep(self, minutes: int) -> None:
        as_of = START + timedelta(minutes=minutes)
        past = [life for life in self.lives.values() if life.status == "ACTIVE" and life.expires_at <= as_of]
        with self.database.begin() as conn:
            assert int(expire(conn, as_of)["signals"].sum()) == len(past)
        for life in past:
            life.end("EXPIRED", life.expires_at)

    @rule(numbers=st.lists(signals, max_size=4, unique=True))
    def invalidate_together(self, numbers: list[UUID]) -> None:
        active = [number for number in numbers if self.lives[number].status == "ACTIVE"]
        with self.database.begin() as conn:
            endings = [Ending(signal_id=n, effective_at=START, reason=str(n)) for n in numbers]
            assert invalidate(conn, endings) == len(active)
        for number in active:
            self.lives[number].end("INVALIDATED", START, str(number))

    @rule(number=signals, status=st.sampled_from(["ACTIVE", "EXPIRED", "EXECUTED"]), caller=CALLERS)
    def update(self, number: UUID, status: str, caller: int) -> None:
        """A hand that sets a status and knows nothing of executions."""
        life = self.lives[number]
        is_allowed = life.status == status or (life.status, status) == ("ACTIVE", "EXPIRED")
        try:
            self.callers[caller].execute("UPDATE trading_signals SET status = %s WHERE id = %s", [status, number])
        except psycopg.errors.IntegrityError:
            assert not is_allowed
        else:
            assert is_allowed
            if life.status != status:
                life.end("EXPIRED", life.expires_at)

    @rule(numbers=st.lists(signals, min_size=1, max_size=3, unique=True), caller=CALLERS)
    def take_it_back(self, numbers: list[UUID], caller: int) -> None:
        """Changes that are rolled back, after another caller has seen none of them."""
        conn = self.callers[caller]
        with conn.transaction(force_rollback=True):
            for number in numbers:
                if self.lives[number].status == "ACTIVE":
                    conn.execute("SELECT invalidate_signal(%s, 'a mistake')", [number])
            self.what_is_stored_is_what_the_model_knows()

    @invariant()
    def what_is_stored_is_what_the_model_knows(self) -> None:
        with self.database.begin() as conn:
            t, e = tables.trading_signals.c, tables.signal_events.c
            stored = {row.id: row for row in conn.execute(sa.select(t.id, t.status, t.executed_at, t.execution_price))}
            events: dict[UUID, list[tuple[Any, ...]]] = {number: [] for number in self.lives}
            for row in conn.execute(sa.select(tables.signal_events).order_by(e.event_id)):
                events[row.signal_id].append((row.from_status, row.to_status, row.effective_at, row.reason))
        assert set(stored) == set(self.lives)
        for number, life in self.lives.items():
            row = stored[number]
            assert row.status == life.status
            assert (None if row.executed_at is None else (row.executed_at, row.execution_price)) == life.execution
            told = [(*event[:2], event[2] if life.events[0][2] else None, event[3]) for event in events[number]]
            assert told == life.events
        assert inconsistent(self.database) == []

    def _attempt(
        self,
        caller: int,
        way: str,
        number: UUID,
        after: SignalStatus,
        arguments: dict[str, Any],
        call: str,
        update: str,
    ) -> bool:
        """Whether a change was made, or was there already."""
        try:
            if way == "python":
                with self.database.begin() as conn:
                    transition(conn, number, after, actor="test", **arguments)
            else:
                self.callers[caller].execute(call if way == "sql" else update, arguments | {"id": number})
        except (IllegalTransitionError, DataContractError, psycopg.errors.IntegrityError):
            return False
        return True


def test_f50_f61_no_change_is_illegal_lost_or_doubled_whoever_makes_it(postgres_server, migrated_template):
    with a_database(postgres_server, migrated_template) as database:

        class Here(Lives):
            pass

        Here.database, Here.series_id = database, a_series_of(database)
        run_state_machine_as_test(Here, settings=settings(max_examples=30, stateful_step_count=30, deadline=None))


def test_the_machine_finds_a_lost_event(postgres_server, migrated_template):
    with a_database(postgres_server, migrated_template) as database:
        with database.begin() as conn:
            conn.execute(sa.text("ALTER TABLE trading_signals DISABLE TRIGGER note_signal_transitions"))

        class Blind(Lives):
            pass

        Blind.database, Blind.series_id = database, a_series_of(database)
        with pytest.raises(AssertionError):
            run_state_machine_as_test(Blind, settings=settings(max_examples=20, stateful_step_count=20, deadline=None))
