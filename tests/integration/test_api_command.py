"""`signals api` as a person runs it: up, answering, taken ports, foreign addresses, and down in order."""

import re
import signal
import socket

import httpx
import pytest

from pipeline.storage import server
from tests.support.api import SIGNALS
from tests.support.commands import environment, signals, signals_started
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, store


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
def test_an_address_that_others_reach_is_refused_as_long_as_there_are_no_keys(served, tmp_path, host):
    said = signals("api", "--host", host, env=served, folder=tmp_path)
    assert said.returncode == 2
    assert (
        f"host must be a loopback address such as 127.0.0.1 as long as the API has no keys, was '{host}'" in said.stderr
    )


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
