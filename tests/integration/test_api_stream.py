"""The stream of changes over HTTP: what it tells, to whom, from where on, and how it ends."""

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from pipeline.api import following, stream
from pipeline.api.client_stream import Event
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage.candles import ensure_series
from pipeline.storage.transitions import expire, transition
from tests.support.api import an_api, refused, wrong_fields
from tests.support.candle_rows import START
from tests.support.database import a_database
from tests.support.lifecycle import HOUR, a_life, store, stored
from tests.support.processes import until
from tests.support.streams import STREAM, caught_up, newest, streamed


@pytest.fixture
def client(database):
    with an_api(database) as client:
        yield client


# What it tells


def test_the_answer_is_server_sent_events_that_nobody_keeps(client):
    answer = client.get(STREAM, params={"until_caught_up": True})
    assert answer.headers["content-type"].partition(";")[0] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.text == (
        ": live signals\nid: 0\nretry: 2000\n\n"
        "event: end\n"
        'data: {"code":"caught_up","message":"these were all; the last id asks for what follows"}\nid: 0\n\n'
    )


def test_a_new_signal_and_its_end_are_told_as_they_come(client, database):
    with streamed(client) as events:
        (number,) = stored(database)
        new = next(events)
        with database.begin() as conn:
            transition(conn, number, SignalStatus.INVALIDATED, actor="cli", at=START, reason="no liquidity")
        ended = next(events)
    assert (new.kind, ended.kind) == ("signal", "signal")
    told = [json.loads(event.data) for event in (new, ended)]
    assert [change["cursor"] for change in told] == [new.id, ended.id]
    at = datetime.fromisoformat(told[0].pop("at"))
    assert abs(at - datetime.now(at.tzinfo)) < timedelta(minutes=1)
    active = {
        "signal_id": str(number),
        "symbol": "BTC/USDT",
        "signal_type": "BUY",
        "strength": 0.7,
        "confidence": 0.65,
        "source": "technical",
        "description": "SMA 20 crossed above SMA 50",
        "entry_price": 100.0,
        "created_at": "2024-01-01T00:00:00Z",
        "expires_at": "2024-01-01T01:00:00Z",
        "calibrated_confidence": None,
        "uncalibrated_because": "insufficient_outcomes(0<100)",
        "exchange": "binance",
        "profile": "house",
        "is_conflicting": False,
        "rank_score": 0.665,
        "timeframe": "1h",
    }
    assert told == [
        {"cursor": new.id, "change": "new", "reason": None, "signal": {**active, "status": "ACTIVE"}},
        {
            **{"cursor": ended.id, "change": "INVALIDATED", "at": "2024-01-01T00:00:00Z", "reason": "no liquidity"},
            "signal": {**active, "status": "INVALIDATED"},
        },
    ]


def test_a_signal_is_told_as_it_was_at_each_change_though_it_has_ended_since(client, database):
    stored(database)
    with database.begin() as conn:
        expire(conn, START + HOUR)
    assert [(c["change"], c["signal"]["status"]) for c in caught_up(client)] == [
        ("new", "ACTIVE"),
        ("EXPIRED", "EXPIRED"),
    ]


@pytest.mark.parametrize(
    ("wanted", "changes"),
    [
        ({"symbol": "ETHUSDT"}, {"symbol": "ETH/USDT"}),
        ({"signal_type": "SELL"}, {"signal_type": "SELL"}),
        ({"min_confidence": "0.9"}, {"confidence": 0.9}),
        ({"source": "ml"}, {"source": "ml_model"}),
        ({"source": "multi"}, {"source": "technical, ml_model"}),
        ({"timeframe": "4h"}, {"timeframe": "4h"}),
        ({"exchange": "kraken"}, {"exchange": "kraken"}),
    ],
)
def test_a_filter_lets_through_what_the_list_of_active_signals_would(client, database, wanted, changes):
    place = {"exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h"} | changes
    key = SeriesKey(place["exchange"], place["symbol"], Timeframe(place["timeframe"]))
    with database.begin() as conn:
        number = ensure_series(conn, [key])[key]
    stored(database)
    (one,) = store(database, [a_life(number, **changes)])
    assert [change["signal"]["signal_id"] for change in caught_up(client, **wanted)] == [str(one)]


def test_who_is_told_little_learns_where_the_stream_is_all_the_same(client, database, monkeypatch):
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.2)
    with streamed(client, symbol="ETH/USDT") as events:
        stored(database)
        until(lambda: (heartbeat := next(events)).kind == "" and heartbeat.id not in (None, "0"))


def test_a_parameter_that_is_wrong_is_named(client):
    wrong = {"symbol": "?", "min_confidence": "2", "until_caught_up": "perhaps", "limit": "5", "after": "7"}
    answer = client.get(STREAM, params=wrong, headers={"Last-Event-ID": "1-2-3"})
    assert wrong_fields(answer) == {*(f"query.{name}" for name in wrong), "header.last-event-id"}


# From where on


def test_a_stream_goes_on_behind_its_cursor_and_the_header_goes_before_the_parameter(client, database):
    numbers = stored(database, 3)
    everything = caught_up(client)
    assert [change["signal"]["signal_id"] for change in everything] == [str(number) for number in numbers]
    first, second, last = (change["cursor"] for change in everything)
    assert caught_up(client, after=first) == everything[1:]
    assert caught_up(client, after=last) == []
    with streamed(client, headers={"Last-Event-ID": second}, after=first, until_caught_up=True) as events:
        assert json.loads(next(events).data) == everything[2]


def test_a_cursor_of_another_database_is_refused_and_the_caller_told_what_to_do(
    client, database, postgres_server, migrated_template
):
    stored(database)
    with a_database(postgres_server, migrated_template) as other, an_api(other) as stranger:
        stored(other)
        foreign = newest(stranger)
    for given in ({"params": {"after": foreign}}, {"headers": {"Last-Event-ID": foreign}}):
        error = refused(client.get(STREAM, **given), 410, "unknown_cursor")
        assert "begin without a cursor" in error["message"]


def test_a_stream_without_a_cursor_begins_now(client, database):
    stored(database)
    with streamed(client) as events:
        (later,) = stored(database)
        assert json.loads(next(events).data)["signal"]["signal_id"] == str(later)


# Many clients, slow clients, bad days


def test_many_clients_are_told_the_same_over_one_connection_that_listens(client, database):
    n_clients, n_signals = 30, 40

    def follow(_: int) -> list[str]:
        with httpx.Client(base_url=client.base_url, timeout=60) as own, streamed(own) as events:
            are_there.wait()
            return [json.loads(next(events).data)["signal"]["signal_id"] for _ in range(n_signals)]

    are_there = threading.Barrier(n_clients + 1)
    with ThreadPoolExecutor(n_clients) as pool:
        told = pool.map(follow, range(n_clients))
        are_there.wait(60)
        assert "signals_api_streams 30.0" in client.get("/metrics").text
        with database.begin() as conn:
            listening = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query = 'SELECT 1')"""
            assert conn.scalar(sa.text(listening)) == 1
        numbers = [str(number) for _ in range(n_signals) for number in stored(database)]
        assert list(told) == [numbers] * n_clients


def test_there_are_only_so_many_streams(client, monkeypatch):
    monkeypatch.setattr(following, "MAX_STREAMS", 2)
    with httpx.Client(base_url=client.base_url) as other:
        with streamed(client), streamed(other):
            answer = httpx.get(f"{client.base_url}{STREAM}")
            refused(answer, 503, "try_again_later")
            assert int(answer.headers["retry-after"]) > 0
        until(lambda: httpx.get(f"{client.base_url}{STREAM}?until_caught_up=true").status_code == 200)


def test_a_client_that_reads_nothing_holds_nobody_up_and_is_left_in_the_end(client, database, monkeypatch):
    monkeypatch.setattr(stream, "SEND_TIMEOUT_S", 0.5)
    long = [a_life(stored_series(database), description="x" * 4000) for _ in range(1500)]
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((client.base_url.host, client.base_url.port))
        slow.sendall(f"GET {STREAM}?after=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        until(lambda: "signals_api_streams 1.0" in client.get("/metrics").text)
        with streamed(client) as events:
            store(database, long)
            told = [json.loads(next(events).data)["signal"]["signal_id"] for _ in long]
        assert told == [str(signal["id"]) for signal in long]
        until(lambda: "signals_api_streams 0.0" in client.get("/metrics").text)


def stored_series(database: Any) -> int:
    key = SeriesKey("binance", "BTC/USDT", Timeframe.H1)
    with database.begin() as conn:
        return ensure_series(conn, [key])[key]


def test_who_falls_behind_what_is_kept_in_memory_is_told_the_rest_from_the_database(client, database, monkeypatch):
    monkeypatch.setattr(following, "RECENT", 5)
    monkeypatch.setattr(following, "PAGE", 3)
    with streamed(client, after="0") as events:
        numbers = [str(number) for _ in range(4) for number in stored(database, 12)]
        assert [json.loads(next(events).data)["signal"]["signal_id"] for _ in numbers] == numbers


def test_a_connection_that_listens_and_is_dropped_is_made_anew(client, database):
    with streamed(client) as events:
        for _ in range(3):
            (number,) = stored(database)
            assert json.loads(next(events).data)["signal"]["signal_id"] == str(number)
            drop_connections(database)


def drop_connections(database: Any) -> None:
    with psycopg.connect(database.address.libpq, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_a_database_that_goes_back_to_a_backup_ends_the_streams_that_have_heard_more(client, database):
    stored(database)
    with streamed(client, after="0") as events:
        next(events)
        stored(database, 2)
        told = [next(events) for _ in range(2)]
        with database.begin() as conn:
            conn.execute(sa.text("DELETE FROM signal_changes WHERE change_id > 1"))
            conn.execute(sa.text("ALTER TABLE signal_changes ALTER change_id RESTART WITH 2"))
        drop_connections(database)
        end = next(events)
    assert (end.kind, json.loads(end.data)["code"]) == ("end", "database_restored")
    stored(database, 2)
    refused(client.get(STREAM, params={"after": told[-1].id}), 410, "unknown_cursor")


def test_a_bell_that_nobody_hears_delays_a_change_and_loses_none(client, database, monkeypatch):
    monkeypatch.setattr(following, "POLL_S", 0.2)
    with database.begin() as conn:
        conn.execute(sa.text("ALTER TABLE signal_changes DISABLE TRIGGER announce_signal_changes"))
    with streamed(client) as events:
        (number,) = stored(database)
        assert json.loads(next(events).data)["signal"]["signal_id"] == str(number)


def test_a_server_that_ends_says_so_and_does_not_wait_for_its_streams(database):
    def follow(url: httpx.URL) -> list[Event]:
        with httpx.Client(base_url=url, timeout=60) as own, streamed(own) as events:
            return list(events)

    with ThreadPoolExecutor(1) as pool:
        with an_api(database) as client:
            follower = pool.submit(follow, client.base_url)
            until(lambda: "signals_api_streams 1.0" in client.get("/metrics").text)
            stored(database)
            until(lambda: newest(client) != "0")
            began = time.monotonic()
        assert time.monotonic() - began < 3
        told, end = follower.result(10)
    assert (end.kind, json.loads(end.data)["code"], end.id) == ("end", "shutting_down", told.id)
