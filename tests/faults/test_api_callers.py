"""Callers that the API must not serve, or not like that: without a key, by a spent one, too much."""

import json
import logging
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import sqlalchemy as sa

from pipeline.domain.access import Scope
from pipeline.storage import tables
from pipeline.storage.database import CONNECTIONS
from pipeline.storage.keys import PREFIX_LENGTH, revoke_key
from tests.support.api import KEYS, SIGNALS, a_key, an_api, refused, showing
from tests.support.connections import connected, head, said_until_closed
from tests.support.database import a_database
from tests.support.lifecycle import around_now, status_of, stored

CHANGE = {"status": "EXECUTED", "price": 101.5}
ACTIVE = f"{SIGNALS}/active"
SQL = ["'; DROP TABLE api_keys; --", "' OR '1'='1", "1) UNION SELECT key_hash FROM api_keys --", "$$; SELECT 1; $$"]


@pytest.fixture(scope="module")
def public(postgres_server, migrated_template):
    """A database, and a client of a server over it that asks for keys."""
    with a_database(postgres_server, migrated_template) as database, an_api(database, settings=KEYS) as client:
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
