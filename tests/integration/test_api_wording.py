"""What a refusal says: plain words, the field that is wrong, instants as everywhere; none of a library's own terms."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.api import KEYS, SIGNALS, a_key, an_api, refused, showing
from tests.support.lifecycle import around_now, row_of, status_of, stored

HOUR = timedelta(hours=1)
EXECUTED = {"status": "EXECUTED", "price": 101.5}


@pytest.fixture
def client(database):
    with an_api(database) as client:
        yield client


def told(answer) -> list[tuple[str, str]]:
    """Fields and messages of a 422."""
    return [(each["field"], each["message"]) for each in refused(answer, 422, "invalid_request")["fields"]]


@pytest.mark.parametrize(
    ("headers", "was"),
    [({}, "was not there"), ({"Content-Type": "text/plain"}, "was another"), ({"Content-Type": ""}, "was another")],
)
def test_a_body_without_its_type_is_told_which_header_lacks(client, database, headers, was):
    (number,) = stored(database)
    asked = [
        client.post(SIGNALS, content=b'{"symbols": ["BTC/USDT"]}', headers=headers),
        client.patch(f"{SIGNALS}/{number}/status", content=json.dumps(EXECUTED), headers=headers),
        client.put("/api/v1/ai/positions", content=b'{"positions": []}', headers=headers),
    ]
    for answer in asked:
        assert told(answer) == [("header.content-type", f"must be application/json, {was}")]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/problem+json"])
def test_json_that_is_no_object_is_told_so(client, database, content_type):
    (number,) = stored(database)
    for path in (SIGNALS, f"{SIGNALS}/{number}/status"):
        method = "POST" if path == SIGNALS else "PATCH"
        answer = client.request(method, path, content=b"[]", headers={"Content-Type": content_type})
        assert told(answer) == [("body", "must be a JSON object")]


@pytest.mark.parametrize("body", [{}, {"status": "executed"}, {"status": 7}, {"price": 1}, {"status": None}])
def test_a_status_that_is_none_is_told_by_its_field(client, database, body):
    (number,) = stored(database)
    answer = client.patch(f"{SIGNALS}/{number}/status", json=body)
    assert told(answer) == [("body.status", "must be EXECUTED or INVALIDATED")]


@pytest.mark.parametrize("reason", ["", " ", "a\nb", "\u202eb"])
def test_a_reason_that_is_none_is_told_without_a_pattern(client, database, reason):
    (number,) = stored(database)
    answer = client.patch(f"{SIGNALS}/{number}/status", json={"status": "INVALIDATED", "reason": reason})
    ((field, message),) = told(answer)
    assert (field, message.partition(":")[0]) == ("body.reason", "must be one line of text")


def test_an_exchange_that_is_none_is_told_without_a_pattern(client):
    assert told(client.get(f"{SIGNALS}/active", params={"exchange": "Binance"})) == [
        ("query.exchange", "must be the name of an exchange in lower case, such as binance")
    ]


def test_limits_that_contradict_each_other_are_told_by_field_and_by_whose_they_are(database):
    shown = showing(a_key(database))
    with an_api(database, settings=KEYS) as client:
        hours = {"trading_hours_start": 8, "trading_hours_end": 8}
        answer = client.put("/api/v1/ai/risk-profile", json=hours, headers=shown)
        assert {field for field, _ in told(answer)} == {"body.trading_hours_start", "body.trading_hours_end"}
        assert "risk profile 'alice'" in answer.text
        answer = client.put("/api/v1/ai/risk-profile", json={"max_asset_exposure": 0.9}, headers=shown)
        assert {field for field, _ in told(answer)} == {"body.max_asset_exposure", "body.max_total_exposure"}


# Instants of executions


def test_an_execution_before_its_signal_or_to_come_is_told_by_its_field(client, database):
    (number,) = stored(database, **around_now())
    now = datetime.now(UTC)
    for at in (now - 2 * HOUR, now + HOUR / 2):
        answer = client.patch(f"{SIGNALS}/{number}/status", json={**EXECUTED, "at": at.isoformat()})
        ((field, message),) = told(answer)
        assert field == "body.at"
        assert "+00" not in message
    assert status_of(database, number) == "ACTIVE"


@pytest.mark.parametrize("later", [timedelta(0), HOUR])
def test_an_execution_after_the_expiry_of_a_signal_that_lives_is_the_callers_mistake(client, database, later):
    (number,) = stored(database, **around_now())
    expiry = row_of(database, number)["expires_at"]
    answer = client.patch(f"{SIGNALS}/{number}/status", json={**EXECUTED, "at": (expiry + later).isoformat()})
    ((field, message),) = told(answer)
    assert (field, f"must be before the signal's expiry at {expiry:%Y-%m-%dT%H:%M:%SZ}" in message) == ("body.at", True)
    assert client.patch(f"{SIGNALS}/{number}/status", json=EXECUTED).status_code == 200


@pytest.mark.parametrize("at", [-HOUR / 2, timedelta(0)])
def test_a_signal_that_is_past_has_expired_whatever_instant_is_named(client, database, at):
    life = around_now(before=3 * HOUR, after=-HOUR)
    (number,) = stored(database, **life)
    answer = client.patch(f"{SIGNALS}/{number}/status", json={**EXECUTED, "at": (life["expires_at"] - at).isoformat()})
    assert refused(answer, 409, "illegal_transition")["status"] == "EXPIRED"


def test_a_conflict_tells_instants_as_answers_have_them(client, database):
    (number,) = stored(database, **around_now())
    path = f"{SIGNALS}/{number}/status"
    executed_at = client.patch(path, json=EXECUTED).json()["signal"]["executed_at"]
    error = refused(client.patch(path, json={**EXECUTED, "price": 7}), 409, "illegal_transition")
    assert f"was executed at {executed_at} for 101.5" in error["message"]
