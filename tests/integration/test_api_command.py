"""`signals api` as a person runs it: up, answering, taken ports, foreign addresses, and down in order."""

import os
import re
import signal
import socket
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from pipeline.storage import server
from pipeline.storage.keys import PREFIX_LENGTH
from tests.support.api import SIGNALS, a_key, showing
from tests.support.commands import environment, signals, signals_started
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, store
from tests.support.processes import until


@pytest.fixture
def served(database, tmp_path):
    """The settings of a command over the test's database."""
    url = database.address.libpq
    return environment(tmp_path / "home", SIGNALS_DATABASE_URL=url, SIGNALS_MARKET__SOURCE="files")


def a_free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_answers_until_it_is_told_to_stop_and_then_ends_well(database, served, tmp_path, stop):
    (number,) = store(database, [a_life(a_series_of(database), **around_now())])
    port = a_free_port()
    process = signals_started("api", "--port", port, env=served, folder=tmp_path)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert lines == [
            f"REST API    http://127.0.0.1:{port}\n",
            f"docs        http://127.0.0.1:{port}/docs\n",
            "stop with   Ctrl-C\n",
        ]
        found = httpx.get(f"http://127.0.0.1:{port}{SIGNALS}/active").json()
        assert [each["signal_id"] for each in found["signals"]] == [str(number)]

        process.send_signal(stop)

        said = process.communicate(timeout=60)[0]
        assert process.returncode == 0, said
        assert re.search(rf"INFO pipeline.api request method=GET route={SIGNALS}/active status=200 ms=", said)
        assert "Traceback" not in said
    finally:
        process.kill()


def test_a_port_that_is_taken_is_said_so(served, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = signals("api", "--port", port, env=served, folder=tmp_path)
    assert said.returncode == 1
    assert said.stderr == (
        f"error: port {port} of 127.0.0.1 cannot be used: Address already in use; --port takes another\n"
    )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_an_address_that_others_reach_is_refused_as_long_as_no_key_opens_anything(database, served, tmp_path, host):
    a_key(database, at=datetime.now(UTC) - timedelta(days=9), lifetime=timedelta(days=8))
    said = signals("api", "--host", host, env=served, folder=tmp_path)
    assert said.returncode == 2
    assert said.stderr == (
        f"error: a server on host '{host}' must have a key, as others than this machine can reach it: "
        "`signals users add NAME`, then `signals keys add NAME --scope read` prints one\n"
    )


def test_an_address_that_is_not_this_machines_is_refused_once_there_is_a_key(database, served, tmp_path):
    a_key(database)
    said = signals("api", "--host", "192.0.2.1", env=served, folder=tmp_path)  # of documentation, and of nobody
    assert (said.returncode, said.stderr.partition(" cannot be used")[0]) == (1, "error: port 3001 of 192.0.2.1")


@pytest.mark.parametrize("setting", ["SIGNALS_API__REQUIRE_KEYS=true", "SIGNALS_API__PUBLIC_HOSTS=signals.example.com"])
def test_settings_can_ask_for_a_key_on_a_loopback_address_too(served, tmp_path, setting):
    name, _, value = setting.partition("=")
    said = signals("api", env={**served, name: value}, folder=tmp_path)
    assert said.returncode == 2
    assert "a server on host '127.0.0.1' must have a key, as its settings ask for one" in said.stderr


def test_a_server_that_asks_for_keys_takes_one_and_logs_none(database, served, tmp_path):
    key, port = a_key(database), a_free_port()
    process = signals_started(
        "api", "--port", port, env={**served, "SIGNALS_API__REQUIRE_KEYS": "true"}, folder=tmp_path
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"REST API    http://127.0.0.1:{port}\n"
        active = f"http://127.0.0.1:{port}{SIGNALS}/active"
        asked = [httpx.get(active), httpx.get(active, headers=showing(key)), httpx.get(active, params={"key": key})]
        assert [answer.status_code for answer in asked] == [401, 200, 400]
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
        assert said.count(" INFO pipeline.api request ") == 3
        assert key[PREFIX_LENGTH:] not in said
    finally:
        process.kill()


def test_it_starts_and_stops_the_embedded_database_itself(tmp_path):
    env = environment(tmp_path / "home", SIGNALS_MARKET__SOURCE="simulated")
    port = a_free_port()
    process = signals_started("api", "--port", port, env=env, folder=tmp_path)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("REST API")
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
        assert server.status(tmp_path / "home").running
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.communicate(timeout=60)[0]
        assert process.returncode == 0
    finally:
        process.kill()
    assert not server.status(tmp_path / "home").running


def test_alone_it_brings_an_embedded_database_back_that_has_ended_but_none_that_was_stopped(tmp_path):
    home, port = tmp_path / "home", a_free_port()
    env = environment(home, SIGNALS_MARKET__SOURCE="simulated")
    process = signals_started("api", "--port", port, env=env, folder=tmp_path)

    def status() -> int:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=30).status_code

    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("REST API")
        for number in (signal.SIGINT, signal.SIGKILL):
            before = server.status(home).pid
            assert status() == 200
            os.kill(before, number)
            until(lambda before=before: server.status(home).pid not in (None, before), 20)
            until(lambda: status() == 200, 10)

        assert signals("down", env=env, folder=tmp_path).stdout == "stopped the database\n"

        time.sleep(2)
        assert (server.status(home).running, status()) == (False, 503)
        assert signals("sql", "SELECT 1", env=env, folder=tmp_path).returncode == 0  # which starts it again
        assert status() == 200
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=60)[0]
        assert (process.returncode, "Traceback" in said) == (0, False)
        assert said.count("WARNING pipeline.api database_restarted") == 2
    finally:
        process.kill()
    assert not server.status(home).running
