"""One way to change a status: the table of transitions, its trigger, and two callers who want the same signal."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from pipeline.domain.errors import DataContractError, IllegalTransitionError
from pipeline.domain.status import TRANSITIONS, SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.storage.database import Database
from pipeline.storage.signals import invalidate_delisted
from pipeline.storage.transitions import transition
from tests.support.chain import rows, run, store_block
from tests.support.market import random_walk
from tests.support.processes import until

AT = datetime(2024, 2, 10, 12, tzinfo=UTC)


@pytest.fixture
def signal_ids(database: Database) -> list[UUID]:
    """Signals that are ACTIVE, made by the chain as of their close."""
    symbols = tuple(f"{name}/USDT" for name in ("BTC", "ETH", "SOL", "XRP", "ADA", "DOT", "LTC", "UNI"))
    store_block(database, random_walk(seed=1, n_candles=45 * 24, symbols=symbols, timeframe=Timeframe.H1))
    for hour in range(3):
        at = AT + timedelta(hours=hour)
        run(database, {"signals/as_of": at.isoformat(), "signals/origin": "live"}, f"{date(2024, 2, 10)}")
    with database.begin() as conn:
        return list(conn.scalars(sa.text("SELECT id FROM trading_signals WHERE status = 'ACTIVE' ORDER BY id")))


def _status(database: Database, number: UUID) -> str:
    with database.begin() as conn:
        return conn.execute(sa.text("SELECT status FROM trading_signals WHERE id = :id"), {"id": number}).scalar_one()


def _move(database: Database, number: UUID, after: SignalStatus) -> SignalStatus | None:
    with database.begin() as conn:
        return transition(conn, number, after, at=AT, actor="cli", reason="a test", price=100.0)


def test_every_allowed_change_leaves_an_event(database, signal_ids):
    for number, after in zip(signal_ids, sorted(TRANSITIONS[SignalStatus.ACTIVE]), strict=False):
        assert _move(database, number, after) is SignalStatus.ACTIVE
        assert _status(database, number) == after
        (event,) = rows(database, "signal_events", f"signal_id = '{number}'")
        assert (event["from_status"], event["to_status"], event["actor"]) == ("ACTIVE", after, "cli")


def test_a_run_leaves_a_signal_alone_that_somebody_ends_at_the_same_time(database, signal_ids):
    taken, *others = signal_ids

    def invalidate() -> int:
        with database.begin() as conn:
            return invalidate_delisted(conn, AT)

    with database.begin() as conn:
        conn.execute(sa.text("UPDATE series SET delisted_at = :at"), {"at": AT})
    with ThreadPoolExecutor(max_workers=1) as pool:
        with database.begin() as conn:
            transition(conn, taken, SignalStatus.EXPIRED, at=AT, actor="cli")
            pipeline = pool.submit(invalidate)
            until(lambda: _waits_for_a_lock(database))

        assert pipeline.result(timeout=60) == len(others)
    assert _status(database, taken) == "EXPIRED"
    assert {_status(database, number) for number in others} == {"INVALIDATED"}


def _waits_for_a_lock(database: Database) -> bool:
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.begin() as conn:
        return conn.execute(sa.text(query)).scalar_one() > 0


def test_what_is_final_stays_and_the_caller_is_told(database, signal_ids):
    _move(database, signal_ids[0], SignalStatus.EXPIRED)

    for after in SignalStatus:
        with pytest.raises(IllegalTransitionError, match=f"EXPIRED cannot become {after}"):
            _move(database, signal_ids[0], after)

    assert _status(database, signal_ids[0]) == "EXPIRED"


def test_the_trigger_refuses_whoever_goes_around_the_state_machine(database, signal_ids):
    _move(database, signal_ids[0], SignalStatus.INVALIDATED)

    with pytest.raises(SQLAlchemyError, match="INVALIDATED cannot become ACTIVE"), database.begin() as conn:
        conn.execute(sa.text("UPDATE trading_signals SET status = 'ACTIVE' WHERE id = :id"), {"id": signal_ids[0]})


def test_an_execution_needs_a_price_and_an_invalidation_a_reason(database, signal_ids):
    for price in (None, 0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DataContractError, match="price"), database.begin() as conn:
            transition(conn, signal_ids[0], SignalStatus.EXECUTED, at=AT, actor="cli", price=price)
    with pytest.raises(DataContractError, match="reason"), database.begin() as conn:
        transition(conn, signal_ids[0], SignalStatus.INVALIDATED, at=AT, actor="cli")

    assert _status(database, signal_ids[0]) == "ACTIVE"


def test_an_unknown_signal_is_none(database):
    assert _move(database, UUID(int=7), SignalStatus.EXPIRED) is None


def test_of_many_callers_at_once_one_wins_and_the_others_are_told(database, signal_ids):
    def attempt(after: SignalStatus) -> str:
        try:
            return str(_move(database, signal_ids[0], after))
        except IllegalTransitionError:
            return "lost"

    wanted = [SignalStatus.EXPIRED, SignalStatus.EXECUTED, SignalStatus.INVALIDATED] * 4
    with ThreadPoolExecutor(max_workers=8) as pool:
        outcomes = list(pool.map(attempt, wanted))

    assert outcomes.count("ACTIVE") == 1
    assert outcomes.count("lost") == len(wanted) - 1
    assert len(rows(database, "signal_events", f"signal_id = '{signal_ids[0]}'")) == 1
