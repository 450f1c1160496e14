"""Keys over HTTP: what they open, what events call them, what is counted, and whose signals they show."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.api.requester import COUNTED
from pipeline.domain.access import Scope
from pipeline.storage import tables
from pipeline.storage.keys import USE_NOTED_EVERY, find_key
from pipeline.storage.users import remove_user, user_of
from tests.support.api import KEYS, SIGNALS, a_key, an_api, refused, showing
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, events_of, status_of, store

ACTIVE = f"{SIGNALS}/active"
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def client(database):
    with an_api(database, settings=KEYS) as client:
        yield client


@pytest.mark.parametrize("header", ["Authorization", "authorization", "X-API-Key"])
def test_a_key_may_be_shown_in_either_header(database, client, header):
    key = a_key(database, Scope.READ)
    answer = client.get(ACTIVE, headers={header: key if header == "X-API-Key" else f"bearer {key}"})
    assert answer.status_code == 200


def test_every_route_counts_under_the_scope_that_it_needs(database, client):
    document = client.get("/openapi.json", headers=showing(a_key(database))).json()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            needed = operation["security"]
            counted = COUNTED.get(method.upper(), Scope.READ)
            assert needed == ([] if path == "/health" else [{"bearer": [counted]}, {"header": [counted]}])


def test_the_document_of_a_server_that_asks_for_no_key_says_so(database):
    with an_api(database) as client:
        document = client.get("/openapi.json").json()
    assert document["paths"][ACTIVE]["get"]["security"] == [{"bearer": ["read"]}, {"header": ["read"]}, {}]
    assert {name: scheme["type"] for name, scheme in document["components"]["securitySchemes"].items()} == {
        "bearer": "http",
        "header": "apiKey",
    }


def test_an_event_names_the_key_that_made_it(database, client):
    bot, person = a_key(database, Scope.EXECUTE, name="alice-bot"), a_key(database, Scope.EXECUTE)
    numbers = store(database, [a_life(a_series_of(database), **around_now()) for _ in range(2)])
    for number, key in zip(numbers, (bot, person), strict=True):
        change = {"status": "INVALIDATED", "reason": "halted"}
        assert client.patch(f"{SIGNALS}/{number}/status", json=change, headers=showing(key)).status_code == 200
    assert [events_of(database, number)[0][3] for number in numbers] == ["api:alice-bot", "api:alice"]


def test_use_is_noted_once_in_five_minutes(database):
    key = a_key(database, at=NOW)

    def last_used_after_a_request_at(at: datetime) -> datetime:
        with an_api(database, at=at, settings=KEYS) as client:
            assert client.get(ACTIVE, headers=showing(key)).status_code == 200
        with database.begin() as conn:
            return find_key(conn, key).last_used_at

    assert last_used_after_a_request_at(NOW) == NOW
    assert last_used_after_a_request_at(NOW + USE_NOTED_EVERY - timedelta(seconds=1)) == NOW
    assert last_used_after_a_request_at(NOW + USE_NOTED_EVERY) == NOW + USE_NOTED_EVERY


def test_a_key_opens_until_the_instant_of_its_expiry(database):
    key = a_key(database, at=NOW, lifetime=timedelta(days=1))
    for later, status in ((timedelta(days=1) - timedelta(microseconds=1), 200), (timedelta(days=1), 401)):
        with an_api(database, at=NOW + later, settings=KEYS) as client:
            assert client.get(ACTIVE, headers=showing(key)).status_code == status


def test_the_keys_of_a_user_who_is_removed_open_nothing_from_the_next_request_on(database, client):
    key = a_key(database)
    assert client.get(ACTIVE, headers=showing(key)).status_code == 200
    with database.begin() as conn:
        assert remove_user(conn, "alice", datetime.now(UTC)) == 1
    refused(client.get(ACTIVE, headers=showing(key)), 401, "key_revoked")


# Whose signals


def owned(database, user: str | None = None):
    """A signal that is active now, of a user or of the house."""
    with database.begin() as conn:
        owner = None if user is None else user_of(conn, user)
    life = around_now()
    (number,) = store(database, [a_life(a_series_of(database), user_id=owner, profile=user or "house", **life)])
    return number


def test_a_user_sees_and_changes_the_houses_signals_and_their_own_and_no_others(database, client):
    alice, bob = a_key(database, user="alice"), a_key(database, user="bob")
    houses, alices, bobs = owned(database), owned(database, "alice"), owned(database, "bob")
    for key, seen, hidden in ((alice, {houses, alices}, bobs), (bob, {houses, bobs}, alices)):
        shown = showing(key)
        listed = client.get(f"{ACTIVE}?profile=all", headers=shown).json()["signals"]
        assert {each["signal_id"] for each in listed} == {str(number) for number in seen}
        for route in ("", "/explain", "/chart"):
            refused(client.get(f"{SIGNALS}/{hidden}{route}", headers=shown), 404, "not_found")
        for change in (
            {"status": "EXECUTED", "price": 100.0},
            {"status": "INVALIDATED", "reason": "why"},
            {"status": "ACTIVE"},
        ):
            answer = client.patch(f"{SIGNALS}/{hidden}/status", json=change, headers=shown)
            refused(answer, 404, "not_found")
            assert status_of(database, hidden) == "ACTIVE"
    execution = {"status": "EXECUTED", "price": 100.0}
    for key, number in ((alice, alices), (bob, houses)):
        answer = client.patch(f"{SIGNALS}/{number}/status", json=execution, headers=showing(key))
        assert answer.json()["signal"]["status"] == "EXECUTED"
    assert status_of(database, bobs) == "ACTIVE"
    for key in (alice, bob):
        told = client.get(f"{SIGNALS}/performance", headers=showing(key)).json()["performance"]
        assert told["executed_signals"] == 1  # the house's


def test_who_asks_on_this_machine_without_a_key_sees_every_signal(database):
    a_key(database)
    numbers = {str(owned(database)), str(owned(database, "alice"))}
    with an_api(database) as client:
        assert {each["signal_id"] for each in client.get(f"{ACTIVE}?profile=all").json()["signals"]} == numbers
        assert all(client.get(f"{SIGNALS}/{number}").status_code == 200 for number in numbers)
        for number in numbers:
            client.patch(f"{SIGNALS}/{number}/status", json={"status": "EXECUTED", "price": 100.0})
        assert client.get(f"{SIGNALS}/performance").json()["performance"]["executed_signals"] == 1  # the house's


# How often


def test_who_asks_too_often_is_told_when_to_come_back_and_others_are_not_held_up(database):
    limited = {**KEYS, "api.read_per_minute": 6, "api.burst_seconds": 30, "api.execute_per_minute": 0}
    alice, bob = a_key(database, user="alice"), a_key(database, user="bob")
    with an_api(database, settings=limited) as client:
        answers = [client.get(ACTIVE, headers=showing(alice)) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == ["r=2", "r=1", "r=0", "r=0"]
        assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"read";q=3;w=30'}
        error = refused(answers[-1], 429, "too_many_requests")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
        assert "at most 3 in 30 s" in error["message"]
        assert client.get(ACTIVE, headers=showing(bob)).status_code == 200
        answer = client.patch(f"{SIGNALS}/x/status", json={}, headers=showing(alice))
        assert answer.status_code == 422  # of another scope, which has no limit here
        assert "ratelimit" not in answer.headers


def test_without_keys_it_is_the_address_that_asks_too_often(database):
    with an_api(database, settings={"api.read_per_minute": 12, "api.burst_seconds": 10}) as client:
        assert [client.get(path).status_code for path in ("/health", ACTIVE, "/docs")] == [200, 200, 429]


def test_who_tries_keys_out_is_held_up_however_many_they_try(database):
    key = a_key(database)
    with an_api(database, settings={**KEYS, "api.read_per_minute": 12, "api.burst_seconds": 10}) as client:
        tried = [client.get(ACTIVE, headers=showing(f"signals_{n:012x}_{'a' * 43}")).status_code for n in range(4)]
        assert tried == [401, 401, 429, 429]
        assert client.get(ACTIVE, headers=showing(key)).status_code == 200


# By which name


@pytest.mark.parametrize(
    ("host", "origin", "code"),
    [
        ("signals.example.com", None, None),
        ("SIGNALS.example.com:8443", "https://signals.example.com:8443", None),
        ("127.0.0.1", None, None),
        ("other.example.com", None, "foreign_host"),
        ("signals.example.com", "https://evil.example", "foreign_origin"),
        ("signals.example.com", "null", "foreign_origin"),
    ],
)
def test_a_server_is_called_by_its_public_names_and_makes_keys_a_must_then(database, host, origin, code):
    key = a_key(database)
    with an_api(database, settings={"api.public_hosts": "signals.example.com"}) as client:
        headers = {"Host": host, **({} if origin is None else {"Origin": origin})}
        answer = client.get(ACTIVE, headers={**headers, **showing(key)})
        if code is None:
            assert answer.status_code == 200
            refused(client.get(ACTIVE, headers=headers), 401, "key_missing")
        else:
            refused(answer, 403, code)


def test_no_key_is_needed_to_learn_what_a_key_is_but_to_use_one_it_has_to_be_whole(database):
    whole = a_key(database)
    with database.begin() as conn:
        assert find_key(conn, whole).user == "alice"
        assert [find_key(conn, key) for key in (whole[:-1], whole + "a", whole.upper(), f" {whole}", whole[:20])] == (
            [None] * 5
        )
        assert conn.scalar(sa.select(sa.func.count()).select_from(tables.api_keys)) == 1
