"""The service itself: health, metrics, who may ask, how much they may send, and what the document says of it."""

import re
import socket
from datetime import timedelta

import pytest

from pipeline import __version__
from pipeline.api.guards import MAX_BODY_BYTES
from pipeline.api.slow_clients import MAX_HEAD_BYTES
from pipeline.storage.schema import alembic_config
from tests.support.api import SIGNALS, an_api, refused
from tests.support.candle_rows import START
from tests.support.chain import store_block
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, store
from tests.support.market import random_walk

HOUR = timedelta(hours=1)
NEWEST = START + 100 * HOUR
ROUTES = {
    ("get", f"{SIGNALS}/active"),
    ("get", f"{SIGNALS}/performance"),
    ("get", f"{SIGNALS}/stream"),
    ("post", SIGNALS),
    ("get", f"{SIGNALS}/{{signal_id}}"),
    ("get", f"{SIGNALS}/{{signal_id}}/explain"),
    ("get", f"{SIGNALS}/{{signal_id}}/chart"),
    ("patch", f"{SIGNALS}/{{signal_id}}/status"),
    ("get", "/api/v1/ai/risk-profile"),
    ("put", "/api/v1/ai/risk-profile"),
    ("get", "/api/v1/ai/positions"),
    ("put", "/api/v1/ai/positions"),
    ("get", "/health"),
    ("get", "/metrics"),
}


@pytest.fixture
def market(database):
    store_block(database, random_walk(3, 100, symbols=("BTC/USDT", "ETH/USDT")))
    return database


@pytest.mark.parametrize(("later", "missing", "is_stale"), [(0, 0, False), (1, 1, False), (5, 5, True)])
def test_health_tells_how_new_the_newest_candles_are(market, later, missing, is_stale):
    from alembic.script import ScriptDirectory

    with an_api(market, at=NEWEST + later * HOUR) as client:
        answer = client.get("/health")
    found = answer.json()
    assert (answer.status_code, found["status"], found["version"]) == (200, "ok", __version__)
    head = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert found["database"]["schema_revision"] == head
    assert found["newest_closes"] == [
        {
            "exchange": "binance",
            "timeframe": "1h",
            "newest_close_at": NEWEST.isoformat().replace("+00:00", "Z"),
            "age_seconds": later * 3600.0,
            "missing_bars": missing,
            "is_stale": is_stale,
        }
    ]


def test_health_of_an_empty_database_has_no_candles(database):
    with an_api(database) as client:
        assert client.get("/health").json()["newest_closes"] == []


def sample(text: str, name: str) -> float:
    """The value of one line of Prometheus' format."""
    (line,) = (line for line in text.splitlines() if line.startswith(f"{name} "))
    return float(line.rpartition(" ")[2])


def test_metrics_count_requests_by_route_and_tell_what_is_stored(market):
    number = a_series_of(market)
    life = {"created_at": NEWEST, "expires_at": NEWEST + HOUR}
    store(market, [a_life(number, **life), a_life(number, **life), a_life(number, signal_type="SELL", **life)])
    with an_api(market, at=NEWEST + HOUR / 2) as client:
        for path in ("active", "active?limit=0", "no-uuid", "../../nowhere"):
            client.get(f"{SIGNALS}/{path}")
        client.request("BREW", "/health")
        answer = client.get("/metrics")
    text = answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    request = "signals_api_requests_total"
    assert sample(text, f'{request}{{method="GET",route="{SIGNALS}/active",status="200"}}') == 1
    assert sample(text, f'{request}{{method="GET",route="{SIGNALS}/active",status="422"}}') == 1
    assert sample(text, f'{request}{{method="GET",route="{SIGNALS}/{{signal_id}}",status="422"}}') == 1
    assert sample(text, f'{request}{{method="GET",route="none",status="404"}}') == 1
    assert "BREW" not in text
    assert sample(text, f'signals_api_request_seconds_count{{method="GET",route="{SIGNALS}/active"}}') == 2
    assert sample(text, 'signals_active{exchange="binance",signal_type="BUY"}') == 2
    assert sample(text, 'signals_active{exchange="binance",signal_type="SELL"}') == 1
    assert sample(text, 'signals_active{exchange="binance",signal_type="ALERT"}') == 0
    assert sample(text, 'signals_newest_close_age_seconds{exchange="binance",timeframe="1h"}') == 1800
    assert sample(text, "signals_database_up") == 1


# Who may ask


@pytest.fixture(scope="module")
def client(postgres_server, migrated_template):
    """A client for what changes nothing, over an empty database that such tests share."""
    with a_database(postgres_server, migrated_template) as shared, an_api(shared) as client:
        yield client


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "LOCALHOST:3001", "[::1]:80", "127.8.9.1"])
def test_every_name_of_this_machine_is_answered(client, host):
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil:80", "", "[", "10.1.1.1"])
def test_a_name_that_somebody_lets_resolve_to_this_machine_is_refused(client, host):
    refused(client.get("/health", headers={"Host": host}), 403, "foreign_host")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000", "", "http://[", "file://"])
def test_a_page_of_another_origin_is_refused_before_anything_happens(client, origin):
    refused(client.get(f"{SIGNALS}/active", headers={"Origin": origin}), 403, "foreign_origin")
    refused(client.patch(f"{SIGNALS}/x/status", headers={"Origin": origin}), 403, "foreign_origin")
    preflight = client.options(f"{SIGNALS}/x/status", headers={"Origin": origin})
    refused(preflight, 403, "foreign_origin")
    assert not [name for name in preflight.headers if name.startswith("access-control")]


def test_the_pages_of_this_server_may_ask_it(client):
    origin = str(client.base_url).rstrip("/")
    assert client.get(f"{SIGNALS}/active", headers={"Origin": origin}).status_code == 200


def test_no_answer_may_be_framed_sniffed_or_shown_elsewhere(client):
    for path in ("/health", "/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers


# How much they may send


def test_a_body_that_is_too_large_is_refused_announced_or_not(client):
    def in_parts():
        for _ in range(200):
            yield b" " * 1024

    path, json_type = f"{SIGNALS}/0b0e7f6e-0000-4000-8000-000000000000/status", {"Content-Type": "application/json"}
    refused(client.patch(path, content=b" " * (MAX_BODY_BYTES + 1), headers=json_type), 413, "body_too_large")
    refused(client.patch(path, content=in_parts(), headers=json_type), 413, "body_too_large")
    refused(client.patch(path, content=b" " * MAX_BODY_BYTES, headers=json_type), 422, "invalid_request")


def test_ten_megabytes_are_refused_before_they_are_read(client):
    head = f"PATCH {SIGNALS}/x/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()  # to its end: the server does not wait for the rest
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body_too_large"' in answer


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", f"{SIGNALS}/active/", 404, "not_found"),
        ("DELETE", f"{SIGNALS}/active", 405, "method_not_allowed"),
        ("PUT", "/health", 405, "method_not_allowed"),
    ],
)
def test_what_is_not_there_has_the_shape_of_every_error(client, method, path, status, code):
    refused(client.request(method, path), status, code)


# What the document says


def test_the_document_tells_every_route_with_its_answers(client):
    document = client.get("/openapi.json").json()
    assert {(method, path) for path, item in document["paths"].items() for method in item} == ROUTES
    for path, item in document["paths"].items():
        for operation in item.values():
            answers = operation["responses"]
            assert {"200", "400", "403", "422", "429", "500", "503"} <= set(answers)
            assert ("401" in answers) == (path != "/health")
            assert ("404" in answers) == ("{signal_id}" in path)
            assert ("409" in answers) == (path in (SIGNALS, f"{SIGNALS}/{{signal_id}}/status"))
            for status, answer in answers.items():
                if status != "200":
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}


def test_operations_have_names_that_a_generated_client_can_use(client):
    operations = [each for item in client.get("/openapi.json").json()["paths"].values() for each in item.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    assert {"active_signals", "signal_detail", "generate_signals", "change_status", "health"} <= set(names)
    assert all(re.fullmatch("[a-z_]+", name) for name in names)


def test_the_document_tells_when_to_ask_again(client):
    paths = client.get("/openapi.json").json()["paths"]
    told = [item["responses"]["503"] for operations in paths.values() for item in operations.values()]
    told += [paths[SIGNALS]["post"]["responses"][status] for status in ("409", "429")]
    assert all("Retry-After" in answer["headers"] for answer in told)


def test_the_root_leads_to_the_page(client):
    answer = client.get("/")
    assert (answer.is_redirect, answer.headers["location"]) == (True, "/docs")


def test_two_hosts_are_none(client):
    head = "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"invalid_http"' in answer


@pytest.mark.parametrize("n_bytes", [MAX_HEAD_BYTES + 1, 100_000])
def test_a_head_that_is_too_large_is_refused_though_it_comes_at_a_stroke(client, n_bytes):
    refused(client.get("/health", headers={"X-More": "a" * n_bytes}), 431, "head_too_large")
    assert client.get("/health", headers={"X-More": "a" * (MAX_HEAD_BYTES - 1000)}).status_code == 200


def test_the_page_of_the_document_is_there(client):
    answer = client.get("/docs")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    files = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert len(files) == 3
    assert all(file.startswith("/docs/files/") for file in files)  # nothing comes from elsewhere
    assert [client.get(file).status_code for file in files] == [200, 200, 200]


@pytest.mark.parametrize("path", ["/docs/files/", "/docs/files/../__init__.py", "/docs/files/%2e%2e/core.py", "/redoc"])
def test_no_other_file_is_served(client, path):
    refused(client.get(path), 404, "not_found")
