"""A database that hangs: its processes are held still, so that it takes what it is sent and never answers."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from pipeline.api import deadlines
from pipeline.domain.errors import DatabaseUnavailableError
from pipeline.storage import patience, server
from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from tests.support.api import SIGNALS, an_api, refused
from tests.support.processes import hanging, until

NO_ID = "6e0a1f0c-3f0e-4f6b-9d55-0b1f5a3d9c11"
READINGS = ["active", "performance", NO_ID, f"{NO_ID}/explain", f"{NO_ID}/chart"]
EXECUTED = {"status": "EXECUTED", "price": 101.5}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The home of an embedded server of its own, a database on it, and a client of an API over that."""
    home = tmp_path_factory.mktemp("home")
    with server.embedded_server(home) as address:
        database = Database(address)
        migrate(database)
        with an_api(database) as client:
            yield home, database, client
        database.close()


def test_f60_health_says_within_seconds_that_a_database_hangs_however_often_it_is_asked(served):
    home, _, client = served
    assert client.get("/health").status_code == 200
    with hanging(home), ThreadPoolExecutor(20) as monitors:
        for longest_s in (deadlines.HEALTH_S + 2, 1):  # the second time it is known to hang
            began = time.monotonic()
            answers = list(monitors.map(lambda _: client.get("/health"), range(20)))
            assert time.monotonic() - began < longest_s
            for answer in answers:
                refused(answer, 503, "database_unavailable")
                assert int(answer.headers["retry-after"]) > 0
    assert until(lambda: client.get("/health").status_code == 200) < 5


def test_f60_every_request_to_a_database_that_hangs_ends_and_so_does_whatever_it_waits_for(served, monkeypatch):
    monkeypatch.setattr(deadlines, "READING_S", 4.0)
    monkeypatch.setattr(deadlines, "WORKING_S", 4.5)
    monkeypatch.setattr(patience, "WAIT_S", 3.0)
    home, _, client = served
    assert client.get(f"{SIGNALS}/active").status_code == 200
    posted = {"symbols": ["BTC/USDT"]}
    asked = [lambda path=path: client.get(f"{SIGNALS}/{path}") for path in READINGS]
    asked += [lambda: client.patch(f"{SIGNALS}/{uuid4()}/status", json=EXECUTED)]
    asked += [lambda: client.post(SIGNALS, json=posted), lambda: client.get("/api/v1/ai/positions")]
    with hanging(home), ThreadPoolExecutor(20) as callers:
        began = time.monotonic()
        for answer in callers.map(lambda ask: ask(), asked * 2):
            refused(answer, 503, "database_unavailable")
        assert time.monotonic() - began < 7
        until(lambda: client.get("/metrics").status_code == 200, 20)  # answers that it is away once it has given up
        assert "signals_database_up 0.0" in client.get("/metrics").text
    until(lambda: client.get(f"{SIGNALS}/active").status_code == 200, 10)
    assert client.get("/health").status_code == 200


def test_f60_a_connection_that_hangs_is_closed_and_never_asked_again(served, monkeypatch):
    monkeypatch.setattr(patience, "WAIT_S", 0.5)
    home, database, _ = served
    with hanging(home):
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailableError), database.begin() as conn:
            conn.exec_driver_sql("SELECT 1")
        assert time.monotonic() - began < 0.5 + patience.CONNECT_S + 2
    with database.begin() as conn:
        assert conn.exec_driver_sql("SELECT 2").scalar() == 2
