"""What comes over a connection to the API too slowly, too much at once, or in pieces that nobody expects."""

import json
import logging
import re
import socket
import time
from contextlib import suppress

import pytest
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.api import slow_clients
from pipeline.api.guards import MAX_BODY_BYTES
from pipeline.api.slow_clients import MAX_HEAD_BYTES
from tests.support.api import KEYS, a_key, an_api, showing
from tests.support.connections import connected, head, said_until_closed
from tests.support.database import a_database
from tests.support.processes import until

PATIENCE_S = 0.4
PARSERS = {"httptools": HttpToolsProtocol, "h11": H11Protocol}


@pytest.fixture(scope="module", params=["httptools", "h11"])
def impatient(request, postgres_server, migrated_template):
    """A database, and a client of a server over it without patience, by either parser that uvicorn may take."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow_clients, "AutoHTTPProtocol", PARSERS[request.param])
        with (
            a_database(postgres_server, migrated_template) as database,
            an_api(database, settings={**KEYS, "api.request_seconds": PATIENCE_S}) as client,
        ):
            yield database, client


@pytest.mark.parametrize("first", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
def test_a_client_that_sends_its_head_slowly_is_closed_in_time_however_busy_it_seems(impatient, first):
    _, client = impatient
    with connected(client) as connection:
        began = time.monotonic()
        connection.sendall(first)
        connection.settimeout(0.05)
        answer = b""
        while time.monotonic() - began < 10:  # a byte at a time keeps a timeout of silence from ever being reached
            try:
                if not (part := connection.recv(4096)):
                    break
                answer += part
            except TimeoutError:
                connection.sendall(b"a" if first else b"")
            except ConnectionError:
                break
        assert PATIENCE_S * 0.9 < time.monotonic() - began < PATIENCE_S + 3
    assert (b"408 Request Timeout" in answer, b'"code":"request_too_slow"' in answer) == ((bool(first),) * 2)


def test_a_client_that_sends_its_body_slowly_is_closed_in_time(impatient, caplog):
    database, client = impatient
    caplog.set_level(logging.INFO, "pipeline.api")
    with connected(client) as connection:
        began = time.monotonic()
        connection.sendall(head(client, showing(a_key(database)), 100) + b'\r\n\r\n{"positions"')
        answer = said_until_closed(connection)
        assert PATIENCE_S * 0.9 < time.monotonic() - began < PATIENCE_S + 3
    assert answer.startswith("HTTP/1.1 408 Request Timeout\r\n")
    body = json.loads(answer.partition("\r\n\r\n")[2])
    assert (body["success"], body["error"]["code"]) == (False, "request_too_slow")
    assert any("slow_client" in record.getMessage() for record in caplog.records)


def test_f55_a_body_that_is_too_large_is_called_so_though_it_comes_as_fast_as_its_head(impatient):
    database, client = impatient
    shown, body = showing(a_key(database)), b" " * (MAX_BODY_BYTES + 10_000)
    found = {client.put("/api/v1/ai/positions", content=body, headers=shown).status_code for _ in range(30)}
    assert found == {413}


@pytest.mark.parametrize("size", [MAX_HEAD_BYTES // 2, 3 * MAX_HEAD_BYTES])
def test_the_rest_of_a_body_behind_an_answer_is_not_answered_again(impatient, size):
    _, client = impatient
    with connected(client) as connection:
        connection.sendall(head(client, length=2 * size) + b"\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 401 ")
        with suppress(ConnectionError):
            connection.sendall(b" " * size)
            assert said_until_closed(connection) == ""


def test_a_body_that_does_not_come_is_counted_as_what_it_was_answered(impatient):
    database, client = impatient
    shown = showing(a_key(database))
    with connected(client) as connection:
        connection.sendall(head(client, shown, 100) + b'\r\n\r\n{"positions"')
        assert "408 Request Timeout" in said_until_closed(connection)
    counted = 'signals_api_requests_total{method="PUT",route="/api/v1/ai/positions",status="%d"}'
    until(lambda: counted % 408 in client.get("/metrics", headers=shown).text, 10)
    assert counted % 422 not in client.get("/metrics", headers=shown).text


def test_a_second_request_on_a_connection_is_no_excuse_to_be_slow(impatient):
    _, client = impatient
    request = f"GET /health HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}\r\n\r\n".encode()
    with connected(client) as connection:
        connection.sendall(request)
        assert b"200 OK" in connection.recv(65536)
        began = time.monotonic()
        connection.sendall(request[:20])
        assert "408 Request Timeout" in said_until_closed(connection)
        assert time.monotonic() - began < PATIENCE_S + 3


def test_a_client_that_never_ends_its_head_is_closed_before_it_fills_the_memory(impatient):
    _, client = impatient
    with connected(client) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        sent, line = 0, b"X-More: " + b"a" * 4000 + b"\r\n"
        try:
            while sent < 50 * MAX_HEAD_BYTES:
                connection.sendall(line)
                sent += len(line)
        except ConnectionError:
            pass
        assert sent < 50 * MAX_HEAD_BYTES


def test_a_client_that_never_reads_its_answers_is_let_go(impatient, caplog):
    database, client = impatient
    caplog.set_level(logging.INFO, "pipeline.api")
    lines = f"GET /docs/files/swagger-ui-bundle.js HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {a_key(database)}\r\n\r\n"
    with connected(client) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(lines.encode() * 8)  # of 1.5 MB each, more than the kernel keeps for anybody
        until = time.monotonic() + 15
        while time.monotonic() < until:
            if any("for=answer" in record.getMessage() for record in caplog.records):
                break
            time.sleep(0.05)
        else:
            pytest.fail("the client was waited for")


def test_while_some_are_slow_others_are_served(impatient):
    _, client = impatient
    slow = [connected(client) for _ in range(50)]
    try:
        for connection in slow:
            connection.sendall(b"GET /hea")
        began = time.monotonic()
        assert client.get("/health").status_code == 200
        assert time.monotonic() - began < 2
    finally:
        for connection in slow:
            connection.close()


def test_a_request_that_takes_its_time_but_comes_whole_is_answered(impatient):
    database, client = impatient
    body = json.dumps({"positions": []}).encode()
    with connected(client) as connection:
        connection.sendall(head(client, showing(a_key(database)), len(body)) + b"\r\n\r\n" + body[:5])
        time.sleep(PATIENCE_S / 3)
        connection.sendall(body[5:])
        assert re.match(r"HTTP/1.1 200 ", connection.recv(65536).decode())


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00\x01\x00", b"hello\r\n\r\n", b"GET\x00/ HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_is_refused_in_the_shape_of_every_error(impatient, nonsense):
    _, client = impatient
    with connected(client) as connection:
        connection.sendall(nonsense)
        answer = said_until_closed(connection)
    assert answer.startswith("HTTP/1.1 400 Bad Request\r\n")
    assert json.loads(answer.partition("\r\n\r\n")[2])["error"]["code"] == "invalid_http"
