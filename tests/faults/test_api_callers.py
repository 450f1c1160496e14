"""Callers that the API must not serve, or not like that: without a key, by a spent one, too much, too slow."""

import json
import logging
import re
import socket
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import sqlalchemy as sa
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipeline.api import slow_clients
from pipeline.api.slow_clients import MAX_HEAD_BYTES
from pipeline.domain.access import Scope
from pipeline.storage import tables
from pipeline.storage.database import CONNECTIONS
from pipeline.storage.keys import PREFIX_LENGTH, revoke_key
from tests.support.api import KEYS, SIGNALS, a_key, an_api, refused, showing
from tests.support.database import a_database
from tests.support.lifecycle import around_now, status_of, stored
from tests.support.processes import until

PATIENCE_S = 0.4
PARSERS = {"httptools": HttpToolsProtocol, "h11": H11Protocol}
CHANGE = {"status": "EXECUTED", "price": 101.5}
ACTIVE = f"{SIGNALS}/active"
SQL = ["'; DROP TABLE api_keys; --", "' OR '1'='1", "1) UNION SELECT key_hash FROM api_keys --", "$$; SELECT 1; $$"]


@pytest.fixture(scope="module")
def public(postgres_server, migrated_template):
    """A database, and a client of a server over it that asks for keys."""
    with a_database(postgres_server, migrated_template) as database, an_api(database, settings=KEYS) as client:
        yield database, client


@pytest.fixture(scope="module", params=["httptools", "h11"])
def impatient(request, postgres_server, migrated_template):
    """The same, by either of the two parsers that uvicorn takes, whichever is installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slow_clients, "AutoHTTPProtocol", PARSERS[request.param])
        with (
            a_database(postgres_server, migrated_template) as database,
            an_api(database, settings={**KEYS, "api.request_seconds": PATIENCE_S}) as client,
        ):
            yield database, client


# Keys


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((path, 401) for path in (ACTIVE, f"{SIGNALS}/x", "/metrics", "/docs", "/docs/files/swagger-ui.css")),
        *(("/openapi.json", 401), ("/nowhere", 401), ("/health", 200)),
    ],
)
def test_without_a_key_nothing_is_told_but_that_the_service_works(public, path, status):
    _, client = public
    answer = client.get(path)
    assert answer.status_code == status
    if status == 401:
        refused(answer, 401, "key_missing")
        assert answer.headers["www-authenticate"] == 'Bearer realm="signals"'


def test_without_a_key_a_bad_body_is_not_even_read(public):
    _, client = public
    refused(client.patch(f"{SIGNALS}/x/status", content="{"), 401, "key_missing")


def test_a_key_without_the_scope_is_told_which_it_lacks_and_changes_nothing(public):
    database, client = public
    (number,) = stored(database, **around_now())
    for scope, lacking in product(Scope, Scope):
        shown = showing(a_key(database, scope))
        if lacking is Scope.GENERATE:
            continue
        asked = {
            Scope.READ: lambda shown: client.get(ACTIVE, headers=shown),
            Scope.EXECUTE: lambda shown: client.patch(f"{SIGNALS}/{number}/status", json=CHANGE, headers=shown),
        }[lacking]
        if scope is not lacking:
            answer = asked(shown)
            assert refused(answer, 403, "scope_missing")["scope"] == lacking
            assert f'error="insufficient_scope", scope="{lacking}"' in answer.headers["www-authenticate"]
            assert status_of(database, number) == "ACTIVE"
    assert client.get("/docs", headers=showing(a_key(database, Scope.EXECUTE))).status_code == 403
    assert client.get("/docs", headers=showing(a_key(database, Scope.READ))).status_code == 200


def test_a_key_that_has_expired_or_was_revoked_is_told_so_and_opens_nothing(public):
    database, client = public
    now = datetime.now(UTC)
    expired = a_key(database, at=now - timedelta(days=31), lifetime=timedelta(days=30))
    revoked = a_key(database, name="taken-back")
    assert client.get(ACTIVE, headers=showing(revoked)).status_code == 200
    with database.begin() as conn:
        revoke_key(conn, "taken-back", now)
    for key, code in ((expired, "key_expired"), (revoked, "key_revoked")):
        answer = client.get(ACTIVE, headers=showing(key))
        refused(answer, 401, code)
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        assert key not in answer.text


def test_who_has_only_the_visible_part_of_a_key_is_not_told_what_became_of_it(public):
    database, client = public
    expired = a_key(database, at=datetime.now(UTC) - timedelta(days=31), lifetime=timedelta(days=30))
    guessed = expired[:-1] + ("A" if expired[-1] != "A" else "B")
    for key in (guessed, "signals_000000000000_" + "x" * 43, "x", "", "é" * 9, "a" * 9000, "' OR 1=1 --"):
        refused(client.get(ACTIVE, headers={"X-API-Key": key.encode()}), 401, "key_unknown")
    for value in (f"Basic {guessed}", guessed, "Bearer", "Bearer a b"):
        refused(client.get(ACTIVE, headers={"Authorization": value}), 401, "key_unknown")


def test_two_keys_at_once_are_none(public):
    database, client = public
    one, other = a_key(database), a_key(database)
    refused(client.get(ACTIVE, headers={**showing(one), "X-API-Key": other}), 401, "key_unknown")
    assert client.get(ACTIVE, headers={**showing(one), "X-API-Key": one}).status_code == 200


@pytest.mark.parametrize("name", ["api_key", "key", "token", "access_token", "apikey", "X-API-Key", "symbol", "any"])
def test_a_key_in_a_url_is_refused_whatever_it_is_called_and_no_log_has_it(public, caplog, name):
    database, client = public
    caplog.set_level(logging.DEBUG)
    key = a_key(database)
    for path, query in ((ACTIVE, {name: key}), (f"{SIGNALS}/{key}", {}), ("/health", {name: key})):
        error = refused(client.get(path, params=query, headers=showing(key)), 400, "key_in_url")
        assert "signals keys revoke" in error["message"]
        assert key not in json.dumps(error)
    logged = [r.getMessage() for r in caplog.records if not r.name.startswith("httpx")]
    assert any("status=400" in line for line in logged)
    assert [line for line in logged if key[PREFIX_LENGTH:] in line] == []


@pytest.mark.parametrize("name", ["api_key", "Token", "access-token"])
def test_a_parameter_that_is_called_like_a_key_is_refused_though_it_holds_none(public, name):
    _, client = public
    refused(client.get(ACTIVE, params={name: ""}), 400, "key_in_url")


def test_a_key_is_stored_nowhere(public):
    database, _ = public
    secret = a_key(database)[PREFIX_LENGTH:]
    with database.begin() as conn:
        rows = conn.execute(sa.text("SELECT k::text, encode(key_hash, 'escape') FROM api_keys k")).all()
    assert secret not in repr(rows)


def test_without_a_key_a_loopback_server_takes_what_is_shown_at_its_word(database):
    with an_api(database) as client:
        assert client.get(ACTIVE).status_code == 200
        refused(client.get(ACTIVE, headers=showing("x")), 401, "key_unknown")
        assert client.get(ACTIVE, headers=showing(a_key(database, Scope.READ))).status_code == 200
        refused(client.get(ACTIVE, headers=showing(a_key(database, Scope.EXECUTE))), 403, "scope_missing")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_what_a_proxy_passes_on_needs_a_key_though_it_comes_from_this_machine(database, header):
    with an_api(database) as client:
        refused(client.get(ACTIVE, headers={header: "203.0.113.7"}), 401, "key_missing")
        shown = showing(a_key(database))
        assert client.get(ACTIVE, headers={header: "203.0.113.7", **shown}).status_code == 200


def test_f60_where_no_key_can_be_looked_up_none_is_called_unknown(database, monkeypatch):
    shown = showing(a_key(database))
    with an_api(database, settings=KEYS) as client, ExitStack() as taken:
        monkeypatch.setattr(database.engine.pool, "_timeout", 0.1)
        for _ in range(CONNECTIONS):
            taken.enter_context(database.engine.connect())
        answer = client.get(ACTIVE, headers=shown)
        refused(answer, 503, "database_unavailable")
        assert int(answer.headers["retry-after"]) > 0
        refused(client.get(ACTIVE), 401, "key_missing")  # for which nobody has to be asked


# What is sent


def string_parameters(document):
    """Method, path and name of each parameter of a route that may be text, and where it stands."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for parameter in operation.get("parameters", ()):
                yield method, path, parameter["name"], parameter["in"]


@pytest.mark.parametrize("text", SQL)
def test_f62_sql_in_every_parameter_of_every_route_is_only_text(public, text):
    database, client = public
    shown = showing(a_key(database))
    (number,) = stored(database, **around_now())
    keys = sa.select(*(c for c in tables.api_keys.c if c.name != "last_used_at")).order_by("key_id")
    with database.begin() as conn:
        before = conn.execute(keys).mappings().all()
    found = list(string_parameters(client.get("/openapi.json", headers=shown).json()))
    assert len(found) > 12
    for method, path, name, place in found:
        known = {} if place == "path" else {name: text}
        asked = path.replace("{signal_id}", text.replace("/", "%2F") if place == "path" else str(number))
        answer = client.request(method, asked, params=known, headers=shown)
        assert answer.status_code in (404, 422), (asked, name, answer.text)
    bodies = [
        ("PATCH", f"{SIGNALS}/{number}/status", {"status": text}),
        ("PATCH", f"{SIGNALS}/{number}/status", {"status": "EXECUTED", "price": text}),
        ("PATCH", f"{SIGNALS}/{number}/status", {"status": "EXECUTED", "price": 1.0, "at": text}),
        ("PATCH", f"{SIGNALS}/{number}/status", {"status": "INVALIDATED", "reason": "why", text: text}),
        ("PUT", "/api/v1/ai/positions", {"positions": [{"symbol": text, "weight": 0.1}]}),
        ("PUT", "/api/v1/ai/positions", {"positions": text}),
        ("PUT", "/api/v1/ai/risk-profile", {"min_signal_confidence": text}),
        ("PUT", "/api/v1/ai/risk-profile", {text: 1}),
    ]
    for method, path, body in bodies:
        refused(client.request(method, path, json=body, headers=shown), 422, "invalid_request")
    for header in ("X-API-Key", "Authorization"):
        refused(client.get(ACTIVE, headers={header: text}), 401, "key_unknown")
    with database.begin() as conn:
        assert conn.execute(keys).mappings().all() == before
    assert status_of(database, number) == "ACTIVE"


def connected(client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=20)


def said_until_closed(connection: socket.socket) -> str:
    found = b""
    while part := connection.recv(65536):
        found += part
    return found.decode()


def head(client, shown=(), length: int | None = None) -> bytes:
    lines = [f"PUT /api/v1/ai/positions HTTP/1.1\r\nHost: {client.base_url.netloc.decode()}"]
    lines += [f"{name}: {value}" for name, value in dict(shown).items()]
    lines += ["Content-Type: application/json", *(() if length is None else (f"Content-Length: {length}",))]
    return "\r\n".join(lines).encode()


def test_f55_a_body_of_ten_megabytes_is_refused_before_it_is_read_and_in_parts_as_soon_as_it_is_too_large(public):
    database, client = public
    shown = showing(a_key(database))
    with connected(client) as connection:
        connection.sendall(head(client, shown, 10_000_000) + b"\r\n\r\n")
        answer = said_until_closed(connection)  # without a byte of the body having been sent
    assert answer.startswith("HTTP/1.1 413 ")
    assert '"code":"body_too_large"' in answer

    def parts():
        for _ in range(10):
            yield b" " * 1_000_000

    refused(client.put("/api/v1/ai/positions", content=parts(), headers=shown), 413, "body_too_large")


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


def test_a_body_that_does_not_come_is_counted_as_what_it_was_answered(impatient):
    database, client = impatient
    shown = showing(a_key(database))
    with connected(client) as connection:
        connection.sendall(head(client, shown, 100) + b'\r\n\r\n{"positions"')
        assert "408 Request Timeout" in said_until_closed(connection)
    counted = 'signals_api_requests_total{method="PUT",route="/api/v1/ai/positions",status="%d"}'
    until(lambda: counted % 408 in client.get("/metrics", headers=shown).text, 10)
    assert counted % 422 not in client.get("/metrics", headers=shown).text


def test_who_is_not_let_in_is_counted_under_the_route_that_was_asked(public):
    database, client = public
    read = showing(a_key(database, Scope.READ))
    client.get(f"{SIGNALS}/x/explain")
    client.put("/api/v1/ai/positions", json={"positions": []}, headers=read)
    client.get("/health", headers={"Host": "evil.example"})
    text = client.get("/metrics", headers=read).text
    for method, route, status in (
        ("GET", f"{SIGNALS}/{{signal_id}}/explain", 401),
        ("PUT", "/api/v1/ai/positions", 403),
        ("GET", "/health", 403),
    ):
        assert f'signals_api_requests_total{{method="{method}",route="{route}",status="{status}"}}' in text


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
