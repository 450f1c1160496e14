"""Keys that end while streams are open by them: those streams end within seconds, and no other one notices."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from pipeline.api import key_watch
from pipeline.api.client import ApiError, SignalsClient
from pipeline.api.client_stream import Event
from pipeline.domain.access import Scope
from pipeline.storage.database import Database
from pipeline.storage.keys import revoke_key
from pipeline.storage.users import remove_user
from tests.support.api import KEYS, a_key, an_api, refused, showing
from tests.support.lifecycle import stored
from tests.support.processes import until
from tests.support.streams import STREAM, caught_up, code_of, streamed

SOON_S = key_watch.CHECK_S + 2.0


@pytest.fixture
def client(database):
    with an_api(database, settings=KEYS) as client:
        yield client


def revoke(database: Database, name: str) -> None:
    with database.begin() as conn:
        assert revoke_key(conn, name, datetime.now(UTC)) == (name, True)


@contextmanager
def following(server: httpx.Client, key: str | None = None, **parameters: Any) -> Iterator[Iterator[Event]]:
    """The events of a stream over a connection of its own, by a key."""
    shown = {} if key is None else showing(key)
    with httpx.Client(base_url=server.base_url, timeout=60) as own, streamed(own, shown, **parameters) as events:
        yield events


def told_next(events: Iterator[Event]) -> str:
    """The signal that the next event is about."""
    event = next(events)
    assert event.kind == "signal", event
    number: str = json.loads(event.data)["signal"]["signal_id"]
    return number


def test_a_key_that_is_taken_back_ends_its_streams_within_seconds_and_says_so(database, client):
    key = a_key(database)
    (before,) = stored(database)
    with following(client, key, after="0") as one, following(client, key) as other:
        told = next(one)
        began = time.monotonic()
        revoke(database, "alice")
        ends = [next(one), next(other)]
        took_s = time.monotonic() - began
        assert [*one, *other] == []
    assert str(before) in told.data
    assert [code_of(end) for end in ends] == ["key_revoked"] * 2
    assert [end.id for end in ends] == [told.id] * 2
    assert "`signals keys add` makes one" in ends[0].data
    assert took_s < SOON_S
    refused(client.get(STREAM, headers=showing(key)), 401, "key_revoked")


def test_the_streams_of_a_user_who_is_removed_end_whatever_their_keys(database, client):
    keys = [a_key(database, Scope.READ), a_key(database)]
    with ExitStack() as stack:
        alices = [stack.enter_context(following(client, key)) for key in keys]
        bobs = stack.enter_context(following(client, a_key(database, user="bob")))
        with database.begin() as conn:
            remove_user(conn, "alice", datetime.now(UTC))
        assert [code_of(next(events)) for events in alices] == ["key_revoked"] * 2
        (number,) = stored(database)
        assert told_next(bobs) == str(number)


def test_a_key_that_is_gone_altogether_was_taken_back(database, client):
    key = a_key(database)
    with following(client, key) as events:
        with database.begin() as conn:
            conn.execute(sa.text("DELETE FROM api_keys"))
        assert code_of(next(events)) == "key_revoked"


def test_a_key_that_expires_ends_its_streams_by_the_clock_of_the_server(database, monkeypatch):
    monkeypatch.setattr(key_watch, "CHECK_S", 0.1)
    made_at = datetime(2024, 5, 1, 12, tzinfo=UTC)
    now = [made_at]
    short = a_key(database, at=made_at, lifetime=timedelta(hours=1))
    long = a_key(database, user="bob", at=made_at, lifetime=timedelta(hours=2))
    with (
        an_api(database, clock=lambda: now[0], settings=KEYS) as server,
        following(server, short) as ending,
        following(server, long) as staying,
    ):
        for later in (timedelta(hours=1) - timedelta(microseconds=1), timedelta(hours=1)):
            now[0] = made_at + later
            time.sleep(0.5)
            if later < timedelta(hours=1):
                (number,) = stored(database)
                assert [told_next(events) for events in (ending, staying)] == [str(number)] * 2
        assert code_of(next(ending)) == "key_expired"
        (number,) = stored(database)
        assert told_next(staying) == str(number)
        refused(httpx.get(f"{server.base_url}{STREAM}", headers=showing(short)), 401, "key_expired")


def test_a_key_expires_while_the_database_is_away(database, postgres_server, monkeypatch):
    monkeypatch.setattr(key_watch, "CHECK_S", 0.1)
    now = [datetime.now(UTC)]
    key = a_key(database, at=now[0], lifetime=timedelta(hours=1))
    with an_api(database, clock=lambda: now[0], settings=KEYS) as server, following(server, key) as events:
        time.sleep(0.5)  # the key has been looked at
        with let_nobody_in(database, postgres_server.libpq):
            now[0] += timedelta(hours=1)
            assert code_of(next(events)) == "key_expired"


@contextmanager
def let_nobody_in(database: Database, server: str) -> Iterator[None]:
    name = database.address.database
    with psycopg.connect(server, autocommit=True) as conn:
        conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        conn.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        try:
            yield
        finally:
            conn.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_who_asks_on_this_machine_without_a_key_goes_on_while_keys_end_beside_them(database):
    key = a_key(database)
    with an_api(database) as server, following(server) as keyless, following(server, key) as keyed:
        revoke(database, "alice")
        assert code_of(next(keyed)) == "key_revoked"
        (number,) = stored(database)
        assert told_next(keyless) == str(number)


def test_other_streams_lose_nothing_and_whoever_comes_back_with_another_key_neither(database, client):
    ending, other = a_key(database), a_key(database, user="bob")
    is_done = threading.Event()

    def write() -> list[str]:
        made = []
        while not is_done.is_set():
            made += [str(number) for number in stored(database, 2)]
        return made + [str(number) for number in stored(database, 2)]

    with ThreadPoolExecutor(1) as pool, following(client, ending) as alices, following(client, other) as bobs:
        writing = pool.submit(write)
        told = [next(alices) for _ in range(20)]
        revoke(database, "alice")
        told += list(alices)
        is_done.set()
        made = writing.result(60)
        *changes, end = told
        assert code_of(end) == "key_revoked"
        assert [told_next(bobs) for _ in made] == made
    assert end.id == changes[-1].id
    rest = caught_up(client, str(end.id), headers=showing(a_key(database, user="carol")))
    heard = [json.loads(event.data)["signal"]["signal_id"] for event in changes]
    assert heard + [change["signal"]["signal_id"] for change in rest] == made
    assert 0 < len(rest) < len(made)


def test_keys_are_looked_at_once_for_all_streams_and_not_at_all_where_none_is_open(database, client, monkeypatch):
    monkeypatch.setattr(key_watch, "CHECK_S", 0.2)
    keys = [a_key(database, user=f"user-{number}") for number in range(3)]
    looks: list[float] = []

    def note(conn: Any, cursor: Any, statement: str, *rest: object) -> None:
        if "api_keys.name IN" in statement:
            looks.append(time.monotonic())

    sa.event.listen(database.engine, "before_cursor_execute", note)
    with ExitStack() as stack:
        for key in keys * 4:
            stack.enter_context(following(client, key))
        began = time.monotonic()
        until(lambda: sum(look > began for look in looks) >= 5)
    until(lambda: "signals_api_streams 0.0" in client.get("/metrics", headers=showing(keys[0])).text)
    assert all(later - earlier > 0.15 for earlier, later in pairwise(looks))
    n_looks = len(looks)
    time.sleep(0.6)
    assert len(looks) == n_looks


@pytest.mark.parametrize("end", [revoke, lambda database, name: expire(database, name)], ids=["revoked", "expired"])
def test_the_python_client_raises_the_error_of_a_401_and_does_not_come_back(
    database, client, end: Callable[[Database, str], None]
):
    with SignalsClient(str(client.base_url), api_key=a_key(database)) as signals, signals.stream(after="0") as changes:
        (first,) = stored(database)
        assert next(changes).signal.signal_id == first
        end(database, "alice")
        with pytest.raises(ApiError, match=r"401 key_\w+: the key .*`signals keys add` makes one") as ended:
            next(changes)
        with pytest.raises(StopIteration):
            next(changes)
    (second,) = stored(database)
    assert (ended.value.http_status, ended.value.code.startswith("key_")) == (401, True)
    with SignalsClient(str(client.base_url), api_key=a_key(database, user="bob")) as signals:
        rest = list(signals.stream(after=changes.cursor, until_caught_up=True))
    assert [change.signal.signal_id for change in rest] == [second]


def expire(database: Database, name: str) -> None:
    """Let a key expire now."""
    with database.begin() as conn:
        conn.execute(
            sa.text("UPDATE api_keys SET created_at = now() - interval '1 day', expires_at = now() WHERE name = :name"),
            {"name": name},
        )
