"""What became of a signal, over HTTP: executed or taken back, by the one state machine, with the actor `api`."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from tests.support.api import SIGNALS, an_api, refused, wrong_fields
from tests.support.candle_rows import START
from tests.support.lifecycle import around_now, events_of, inconsistent, row_of, status_of, stored

AT = START + timedelta(minutes=10)
EXECUTED = {"status": "EXECUTED", "price": 101.5, "at": "2024-01-01T00:10:00Z"}


@pytest.fixture
def client(database):
    with an_api(database) as client:
        yield client


def patch(client, number, change):
    return client.patch(f"{SIGNALS}/{number}/status", json=change)


def test_an_execution_is_stored_and_answered_with_what_it_brought(client, database):
    (number,) = stored(database)

    answer = patch(client, number, EXECUTED)

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    signal = answer.json()["signal"]
    assert signal == client.get(f"{SIGNALS}/{number}").json()["signal"]
    assert {name: signal[name] for name in ("status", "executed_at", "execution_price", "profit_loss")} == {
        "status": "EXECUTED",
        "executed_at": "2024-01-01T00:10:00Z",
        "execution_price": 101.5,
        "profit_loss": 0.015,
    }
    assert events_of(database, number) == [("ACTIVE", "EXECUTED", AT, "api", None)]


def test_without_an_instant_it_is_executed_now(client, database):
    (number,) = stored(database, **around_now())
    assert patch(client, number, {"status": "EXECUTED", "price": 99}).status_code == 200
    assert abs(row_of(database, number)["executed_at"] - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize("again", [EXECUTED, {"status": "EXECUTED", "price": 101.5}])
def test_the_same_execution_again_is_fine_and_leaves_one_event(client, database, again):
    (number,) = stored(database)
    first = patch(client, number, EXECUTED)

    second = patch(client, number, again)

    assert (second.status_code, second.json()) == (200, first.json())
    assert len(events_of(database, number)) == 1


def test_an_invalidation_keeps_its_reason(client, database):
    (number,) = stored(database)
    answer = patch(client, number, {"status": "INVALIDATED", "reason": "the exchange halts trading"})
    assert answer.json()["signal"]["status"] == "INVALIDATED"
    ((*_, actor, reason),) = events_of(database, number)
    assert (actor, reason) == ("api", "the exchange halts trading")


def test_a_reason_may_be_in_any_script(client, database):
    (number,) = stored(database)
    reason = "Börse hält an: 交易暂停 👩‍🔧"
    patch(client, number, {"status": "INVALIDATED", "reason": reason})
    assert events_of(database, number)[0][-1] == reason


def test_another_execution_is_a_conflict_with_the_status_that_stands(client, database):
    (number,) = stored(database)
    patch(client, number, EXECUTED)
    error = refused(patch(client, number, {**EXECUTED, "price": 102.0}), 409, "illegal_transition")
    assert error["status"] == "EXECUTED"
    assert row_of(database, number)["execution_price"] == 101.5


def test_what_has_expired_unmarked_is_a_conflict_too(client, database):
    (number,) = stored(database)
    error = refused(patch(client, number, {"status": "EXECUTED", "price": 101.5}), 409, "illegal_transition")
    assert error["status"] == "EXPIRED"
    assert status_of(database, number) == "ACTIVE"  # the sweep marks it


def test_an_instant_before_the_signal_or_in_the_future_is_invalid(client, database):
    (number,) = stored(database, **around_now())
    for away in (-timedelta(days=1), timedelta(minutes=30)):
        change = {"status": "EXECUTED", "price": 101.5, "at": (datetime.now(UTC) + away).isoformat()}
        refused(patch(client, number, change), 422, "invalid_request")
    assert status_of(database, number) == "ACTIVE"


def test_an_unknown_id_is_not_found_whatever_is_asked(client):
    for change in (EXECUTED, {"status": "INVALIDATED", "reason": "why"}, {"status": "ACTIVE"}):
        refused(patch(client, uuid4(), change), 404, "not_found")


@pytest.mark.parametrize("reason", ["", "   ", "a\nforged line", "\u0000", "a\u202eb", "x" * 501, 7, None])
def test_an_invalidation_needs_a_reason_of_one_line(client, database, reason):
    (number,) = stored(database)
    assert wrong_fields(patch(client, number, {"status": "INVALIDATED", "reason": reason})) == {"body.reason"}
    assert status_of(database, number) == "ACTIVE"


def test_of_many_who_want_the_same_signal_one_wins_and_the_others_are_told(client, database):
    (number,) = stored(database)
    changes = [
        {**EXECUTED, "price": 100.0 + place} if place % 2 else {"status": "INVALIDATED", "reason": f"caller {place}"}
        for place in range(12)
    ]
    with ThreadPoolExecutor(len(changes)) as crowd:
        answers = list(crowd.map(lambda change: patch(client, number, change), changes))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 11
    standing = status_of(database, number)
    for answer in answers:
        if answer.status_code == 409:
            assert refused(answer, 409, "illegal_transition")["status"] == standing
    assert len(events_of(database, number)) == 1
    assert inconsistent(database) == []
