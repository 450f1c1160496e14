"""One state machine in the database, whoever asks: Python, the SQL functions, plain SQL."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.domain.errors import DataContractError, IllegalTransitionError
from pipeline.domain.status import TRANSITIONS, SignalStatus
from pipeline.storage.transitions import Ending, expire, invalidate, transition
from tests.support.candle_rows import START
from tests.support.database import a_database
from tests.support.lifecycle import (
    HOUR,
    around_now,
    events_of,
    inconsistent,
    move,
    plain,
    row_of,
    status_of,
    stored,
)

ACTIVE, EXECUTED, EXPIRED, INVALIDATED = SignalStatus


@pytest.mark.parametrize("after", sorted(TRANSITIONS[ACTIVE]))
def test_every_allowed_change_leaves_one_event(database, after):
    (number,) = stored(database)

    assert move(database, number, after) is ACTIVE

    assert status_of(database, number) == after
    effective_at = START + HOUR if after is EXPIRED else START
    reason = "a test" if after is INVALIDATED else None
    assert events_of(database, number) == [("ACTIVE", after, effective_at, "cli", reason)]


@pytest.mark.parametrize("before", sorted(TRANSITIONS[ACTIVE]))
def test_f61_what_is_final_stays_and_the_caller_is_told(database, before):
    (number,) = stored(database)
    move(database, number, before)
    found = row_of(database, number)

    for after in SignalStatus:
        if (before, after) == (EXECUTED, EXECUTED):  # the same execution is fine
            assert move(database, number, after) is EXECUTED
            continue
        with pytest.raises(IllegalTransitionError, match=f"{before} cannot become {after}") as refused:
            move(database, number, after)
        assert refused.value.status == before

    assert row_of(database, number) == found
    assert len(events_of(database, number)) == 1


def test_f61_a_signal_that_is_active_cannot_become_so_again(database):
    (number,) = stored(database)

    with pytest.raises(IllegalTransitionError, match="ACTIVE cannot become ACTIVE"):
        move(database, number, ACTIVE)

    assert events_of(database, number) == []


@pytest.mark.parametrize("before", sorted(TRANSITIONS[ACTIVE]))
@pytest.mark.parametrize("after", SignalStatus)
def test_f61_the_trigger_refuses_whoever_goes_around_the_state_machine(database, before, after):
    (number,) = stored(database)
    move(database, number, before)
    if after is before:
        return

    with plain(database) as conn, pytest.raises(psycopg.errors.RestrictViolation, match=f"{before} cannot become"):
        conn.execute("UPDATE trading_signals SET status = %s WHERE id = %s", [after, number])

    assert status_of(database, number) == before


@pytest.mark.parametrize(
    "change",
    [
        "execution_price = 102",
        "executed_at = executed_at + interval '1 second'",
        "executed_at = NULL",
        "id = gen_random_uuid()",
    ],
)
def test_f61_an_execution_cannot_be_rewritten(database, change):
    (number,) = stored(database)
    move(database, number, EXECUTED)
    found = row_of(database, number)

    with plain(database) as conn, pytest.raises(psycopg.errors.IntegrityError, match="cannot be changed"):
        conn.execute(f"UPDATE trading_signals SET {change} WHERE id = %s", [number])

    assert row_of(database, number) == found


@pytest.mark.parametrize("change", ["executed_at = created_at", "execution_price = 1", "profit_loss = 0.5"])
def test_f61_a_signal_that_was_not_executed_has_no_execution(database, change):
    (number,) = stored(database)

    with plain(database) as conn, pytest.raises(psycopg.errors.IntegrityError, match="execution"):
        conn.execute(f"UPDATE trading_signals SET {change} WHERE id = %s", [number])


@pytest.mark.parametrize("price", [None, 0.0, -1.0, float("nan"), float("inf")])
def test_f61_an_execution_needs_a_price(database, price):
    (number,) = stored(database, **around_now())

    with pytest.raises(DataContractError, match="price"), database.begin() as conn:
        transition(conn, number, EXECUTED, actor="cli", price=price)
    with plain(database) as conn:
        with pytest.raises(psycopg.errors.CheckViolation, match="price"):
            conn.execute("SELECT execute_signal(%s, %s)", [number, price])
        with pytest.raises(psycopg.errors.CheckViolation, match=r"price|execution"):
            conn.execute(
                "UPDATE trading_signals SET status = 'EXECUTED', execution_price = %s WHERE id = %s", [price, number]
            )

    assert status_of(database, number) == "ACTIVE"


def test_f61_an_alert_is_never_executed(database):
    (number,) = stored(database, signal_type="ALERT")

    with pytest.raises(IllegalTransitionError, match="ALERT cannot become EXECUTED"):
        move(database, number, EXECUTED)

    assert move(database, number, EXPIRED) is ACTIVE


@pytest.mark.parametrize(
    ("at", "error", "status"),
    [
        (START - timedelta(seconds=1), DataContractError, "ACTIVE"),
        (START + HOUR, IllegalTransitionError, "ACTIVE"),
        (START + 2 * HOUR, IllegalTransitionError, "ACTIVE"),
        (START, None, "EXECUTED"),
        (START + HOUR - timedelta(microseconds=1), None, "EXECUTED"),
    ],
)
def test_a_signal_is_executed_within_its_life_though_nobody_has_marked_it_expired(database, at, error, status):
    (number,) = stored(database)

    def execute() -> None:
        with database.begin() as conn:
            transition(conn, number, EXECUTED, at=at, actor="cli", price=101.0)

    if error is None:
        execute()
    else:
        with pytest.raises(error) as refused:
            execute()
        if error is IllegalTransitionError:
            assert refused.value.status == "EXPIRED"
            assert "expired at 2024-01-01 01:00" in str(refused.value)
    assert status_of(database, number) == status


def test_an_execution_in_the_future_is_refused_but_for_clocks_that_differ(database):
    first, second = stored(database, 2, **around_now())
    now = datetime.now(UTC)

    with database.begin() as conn:
        with pytest.raises(DataContractError, match="future"):
            transition(conn, first, EXECUTED, at=now + timedelta(minutes=5), actor="cli", price=101.0)
        transition(conn, second, EXECUTED, at=now + timedelta(seconds=20), actor="cli", price=101.0)

    assert [status_of(database, number) for number in (first, second)] == ["ACTIVE", "EXECUTED"]


def test_f61_nobody_says_that_a_signal_has_expired_before_it_has(database):
    (number,) = stored(database, **around_now())

    with plain(database) as conn, pytest.raises(psycopg.errors.CheckViolation, match="has not expired yet"):
        conn.execute("UPDATE trading_signals SET status = 'EXPIRED' WHERE id = %s", [number])

    assert (status_of(database, number), events_of(database, number)) == ("ACTIVE", [])


def test_an_invalidation_has_a_reason_and_plain_sql_is_told_how_to_give_one(database):
    first, second, third = stored(database, 3)
    update = "UPDATE trading_signals SET status = 'INVALIDATED' WHERE id = %s"

    with pytest.raises(DataContractError, match="reason"), database.begin() as conn:
        transition(conn, first, INVALIDATED, actor="cli", reason="  ")
    with plain(database) as conn:
        with pytest.raises(psycopg.errors.CheckViolation, match=rf"invalidate_signal\('{first}', 'why'\)"):
            conn.execute(update, [first])
        with pytest.raises(psycopg.errors.CheckViolation, match="reason"):
            conn.execute("SELECT invalidate_signal(%s, ' ')", [first])
        conn.execute("SELECT invalidate_signal(%s, 'listed twice')", [second])
        with pytest.raises(psycopg.errors.CheckViolation, match="reason"):  # of the other transaction, not of this one
            conn.execute(update, [first])
        with conn.transaction():
            conn.execute(
                "SELECT set_config('signals.reason', 'a hand', true), set_config('signals.actor', 'ops', true)"
            )
            conn.execute("SELECT set_config('signals.effective_at', '2024-01-01T00:30Z', true)")
            conn.execute(update, [third])

    assert status_of(database, first) == "ACTIVE"
    ((*_, actor, reason),) = events_of(database, second)
    assert (actor.partition(":")[0], reason) == ("sql", "listed twice")
    assert events_of(database, third) == [("ACTIVE", "INVALIDATED", START + HOUR / 2, "ops", "a hand")]


def test_an_unknown_signal_is_none_and_in_sql_an_error(database):
    assert move(database, UUID(int=7), EXPIRED) is None
    with plain(database) as conn, pytest.raises(psycopg.errors.NoDataFound, match=str(UUID(int=7))):
        conn.execute("SELECT execute_signal(%s, 100)", [UUID(int=7)])


def test_plain_sql_leaves_the_same_row_and_event_as_the_function(database):
    first, second = stored(database, 2, **around_now())
    with plain(database) as conn:
        user = conn.execute("SELECT session_user").fetchone()[0]
        conn.execute("UPDATE trading_signals SET status = 'EXECUTED', execution_price = 103 WHERE id = %s", [first])
        returned = conn.execute("SELECT id, status, profit_loss FROM execute_signal(%s, 103)", [second]).fetchone()

    assert returned == (second, "EXECUTED", pytest.approx(0.03))
    for number in (first, second):
        row = row_of(database, number)
        assert row["executed_at"] - datetime.now(UTC) < timedelta(minutes=1)
        assert row["profit_loss"] == pytest.approx(0.03)
        assert events_of(database, number) == [("ACTIVE", "EXECUTED", row["executed_at"], f"sql:{user}", None)]


def test_the_same_execution_twice_is_fine_and_a_different_one_a_conflict(database):
    (number,) = stored(database, **around_now())
    with plain(database) as conn:
        first = conn.execute("SELECT * FROM execute_signal(%s, 103)", [number]).fetchone()
        (at,) = conn.execute("SELECT executed_at FROM trading_signals WHERE id = %s", [number]).fetchone()

        assert conn.execute("SELECT * FROM execute_signal(%s, 103)", [number]).fetchone() == first
        assert conn.execute("SELECT * FROM execute_signal(%s, 103, %s)", [number, at]).fetchone() == first
        for arguments in ([number, 104.0, at], [number, 103.0, at - timedelta(seconds=1)]):
            with pytest.raises(psycopg.errors.RestrictViolation, match=r"was executed at .* for 103"):
                conn.execute("SELECT * FROM execute_signal(%s, %s, %s)", arguments)

    assert len(events_of(database, number)) == 1


@pytest.fixture(scope="module")
def lifecycle_database(postgres_server, migrated_template):
    with a_database(postgres_server, migrated_template) as fresh:
        yield fresh


@given(
    side=st.sampled_from(["BUY", "SELL"]),
    entry=st.floats(1e-8, 1e9),
    price=st.floats(1e-8, 1e9),
)
def test_profit_and_loss_are_those_of_the_specification(lifecycle_database, side, entry, price):
    (number,) = stored(lifecycle_database, signal_type=side, entry_price=entry)

    with lifecycle_database.begin() as conn:
        transition(conn, number, EXECUTED, at=START, actor="cli", price=price)

    wanted = (price - entry) / entry if side == "BUY" else (entry - price) / entry
    assert row_of(lifecycle_database, number)["profit_loss"] == wanted


def test_without_an_entry_price_there_is_no_profit_or_loss(database):
    (number,) = stored(database, entry_price=None)

    move(database, number, EXECUTED)

    assert row_of(database, number)["profit_loss"] is None


def test_what_somebody_says_about_profit_is_computed_anew(database):
    (number,) = stored(database)
    move(database, number, EXECUTED)

    with plain(database) as conn:
        conn.execute("UPDATE trading_signals SET profit_loss = 9 WHERE id = %s", [number])
        assert row_of(database, number)["profit_loss"] == pytest.approx(0.01)
        conn.execute("UPDATE trading_signals SET entry_price = 50 WHERE id = %s", [number])  # as a replay may

    assert row_of(database, number)["profit_loss"] == pytest.approx(1.02)
    assert len(events_of(database, number)) == 1


def test_a_refusal_leaves_the_callers_transaction_as_it_was(database):
    first, second = stored(database, 2)
    move(database, first, EXPIRED)

    with database.begin() as conn:
        with pytest.raises(IllegalTransitionError):
            transition(conn, first, INVALIDATED, actor="cli", reason="a test")
        transition(conn, second, EXPIRED, actor="cli")
        told = conn.scalar(
            sa.text("SELECT concat(current_setting('signals.reason'), current_setting('signals.actor'))")
        )

    assert told == ""
    assert events_of(database, second) == [("ACTIVE", "EXPIRED", START + HOUR, "cli", None)]


def test_what_is_rolled_back_leaves_nothing(database):
    (number,) = stored(database)

    with database.begin() as conn:
        transition(conn, number, EXPIRED, actor="cli")
        conn.rollback()

    assert status_of(database, number) == "ACTIVE"
    assert events_of(database, number) == []


def test_many_are_invalidated_at_once_each_for_its_own_reason(database):
    numbers = stored(database, 5)
    move(database, numbers[0], EXPIRED)
    endings = [Ending(signal_id=n, effective_at=START + i * HOUR / 9, reason=f"r{i}") for i, n in enumerate(numbers)]

    with database.begin() as conn:
        assert invalidate(conn, endings) == 4
        assert invalidate(conn, []) == 0

    assert status_of(database, numbers[0]) == "EXPIRED"
    for i, number in enumerate(numbers[1:], start=1):
        assert events_of(database, number) == [
            ("ACTIVE", "INVALIDATED", START + i * HOUR / 9, "pipeline", f"r{i}"),
        ]


def test_the_sweep_expires_what_is_past_of_every_origin_and_nothing_else(database):
    live, later = stored(database, 2)
    (replayed,) = stored(database, origin="replay", scope="fast", signal_type="SELL")
    executed, alert = (*stored(database), *stored(database, signal_type="ALERT"))
    (standing,) = stored(database, expires_at=START + HOUR + timedelta(microseconds=1))
    move(database, executed, EXECUTED)
    move(database, later, INVALIDATED)

    with database.begin() as conn:
        found = expire(conn, START + HOUR)
        again = expire(conn, START + HOUR)

    assert again.empty
    assert found[["origin", "scope", "signal_type", "signals"]].to_numpy().tolist() == [
        ["live", "default", "ALERT", 1],
        ["live", "default", "BUY", 1],
        ["replay", "fast", "SELL", 1],
    ]
    assert set(found["last_expiry"]) == {START + HOUR}
    for number in (live, replayed, alert):
        assert events_of(database, number) == [("ACTIVE", "EXPIRED", START + HOUR, "pipeline", None)]
    assert status_of(database, standing) == "ACTIVE"
    assert inconsistent(database) == []


def test_a_signal_is_refused_by_the_table_too_when_triggers_are_off(database):
    (number,) = stored(database, signal_type="ALERT")

    with plain(database) as conn:
        conn.execute("SET session_replication_role = replica")
        with pytest.raises(psycopg.errors.CheckViolation, match="alert_is_never_executed"):
            conn.execute(
                "UPDATE trading_signals SET status = 'EXECUTED', executed_at = now(), execution_price = 1"
                " WHERE id = %s",
                [number],
            )
