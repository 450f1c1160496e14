"""What a URL asks for is done or refused, and never passed over; names of what is not there are told from silence."""

import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage.candles import ensure_series
from tests.support.api import SIGNALS, an_api, refused, wrong_fields
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, store, stored

ACTIVE, STREAM, NO_ID = f"{SIGNALS}/active", f"{SIGNALS}/stream", "6e0a1f0c-3f0e-4f6b-9d55-0b1f5a3d9c11"
SERIES = [
    SeriesKey("binance", "BTC/USDT", Timeframe.H1),
    SeriesKey("binance", "ETH/USDT", Timeframe.H4),
    SeriesKey("simulated", "BTC/USDT", Timeframe.H1),
]


@pytest.fixture
def client(database):
    with an_api(database) as client:
        yield client


@pytest.fixture
def market(database):
    """Series without a signal."""
    with database.begin() as conn:
        ensure_series(conn, SERIES)
    return database


# Parameters


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/active?symbol=BTCUSDT&symbol=ETHUSDT", {"query.symbol"}),
        ("/active?limit=abc&limit=1", {"query.limit"}),
        ("/performance?timeframe=7d&timeframe=24h", {"query.timeframe"}),
        ("/stream?until_caught_up=true&until_caught_up=false", {"query.until_caught_up"}),
        (f"/{NO_ID}?foo=1", {"query.foo"}),
        (f"/{NO_ID}/explain?symbol=BTCUSDT&foo=", {"query.symbol", "query.foo"}),
        (f"/{NO_ID}/chart?width=900", {"query.width"}),
    ],
)
def test_a_parameter_that_would_be_passed_over_is_refused_by_name(client, path, wrong):
    assert wrong_fields(client.get(f"{SIGNALS}{path}")) == wrong


@pytest.mark.parametrize("path", ["/health", "/metrics", "/api/v1/ai/positions", "/api/v1/ai/risk-profile"])
def test_a_route_without_parameters_takes_none(client, path):
    assert wrong_fields(client.get(path, params={"x": "1"})) == {"query.x"}
    assert client.get(path).status_code == 200


def test_what_is_refused_for_its_parameters_changes_nothing(client, database):
    (number,) = stored(database, **around_now())
    change = {"status": "EXECUTED", "price": 101.5}
    assert wrong_fields(client.patch(f"{SIGNALS}/{number}/status?dry_run=true", json=change)) == {"query.dry_run"}
    assert wrong_fields(client.post(f"{SIGNALS}?x=1", json={"symbols": ["BTC/USDT"]})) == {"query.x"}
    assert wrong_fields(client.put("/api/v1/ai/positions?x=1", json={"positions": []})) == {"query.x"}
    assert client.get(f"{SIGNALS}/{number}").json()["signal"]["status"] == "ACTIVE"


@pytest.mark.parametrize("count", ["1796101200", "1796101200000", "202406011200"])
def test_a_count_of_seconds_is_no_instant_of_another_century(client, database, count):
    (number,) = stored(database, **around_now())
    assert wrong_fields(client.get(ACTIVE, params={"since": count})) == {"query.since"}
    change = {"status": "EXECUTED", "price": 101.5, "at": count}
    assert wrong_fields(client.patch(f"{SIGNALS}/{number}/status", json=change)) == {"body.at"}
    assert client.get(ACTIVE, params={"since": "20240601"}).json()["count"] == 1


# Names


def test_all_is_every_exchange_the_simulated_one_too(database):
    stored(database, **around_now())
    with database.begin() as conn:
        number = ensure_series(conn, SERIES)[SERIES[2]]
    store(database, [a_life(number, exchange="simulated", **around_now())])
    with an_api(database, settings={"market.exchange": "binance"}) as client:
        assert client.get(ACTIVE).json()["count"] == 1
        assert client.get(ACTIVE, params={"exchange": "all"}).json()["count"] == 2
        told = client.get(STREAM, params={"exchange": "all", "after": "0", "until_caught_up": "true"}).text
        assert told.count("event: signal") == 2
        assert wrong_fields(client.get(f"{SIGNALS}/performance", params={"exchange": "all"})) == {"query.exchange"}


@pytest.mark.parametrize("path", [ACTIVE, STREAM])
@pytest.mark.parametrize(
    ("asked", "field", "hint"),
    [
        ({"exchange": "kraken"}, "query.exchange", "must be one of binance, simulated, or all, was kraken"),
        ({"symbol": "BTCUSD"}, "query.symbol", "was BTC/USD: did you mean BTC/USDT?"),
        ({"timeframe": "5m"}, "query.timeframe", "was 5m: there are 1h, 4h"),
        ({"symbol": "ETHUSDT", "timeframe": "1h"}, "query.symbol", "of ETH/USDT there are 4h on binance"),
    ],
)
def test_what_no_stored_series_has_is_refused_with_what_may_be_meant(market, path, asked, field, hint):
    with an_api(market) as client:
        answer = client.get(path, params={**asked, **({"until_caught_up": "true"} if path == STREAM else {})})
    (found,) = refused(answer, 422, "invalid_request")["fields"]
    assert (found["field"], hint in found["message"]) == (field, True), found


@pytest.mark.parametrize(
    "asked",
    [{}, {"symbol": "BTCUSDT"}, {"symbol": "ETHUSDT", "timeframe": "4h", "exchange": "binance"}, {"exchange": "all"}],
)
def test_a_series_that_is_there_without_a_signal_is_answered_with_none(market, asked):
    with an_api(market) as client:
        assert client.get(ACTIVE, params=asked).json()["signals"] == []


def test_before_anything_is_stored_no_name_is_wrong(client):
    assert client.get(ACTIVE, params={"symbol": "BTCUSDT", "exchange": "kraken"}).json()["signals"] == []


def test_performance_of_an_exchange_that_no_stored_series_has_is_refused(market):
    with an_api(market) as client:
        answer = client.get(f"{SIGNALS}/performance", params={"exchange": "kraken"})
        (found,) = refused(answer, 422, "invalid_request")["fields"]
        assert found == {"field": "query.exchange", "message": "must be one of binance, simulated, was kraken"}
        there = client.get(f"{SIGNALS}/performance", params={"exchange": "simulated"}).json()["performance"]
        assert there["total_signals"] == 0


def test_before_anything_is_stored_any_exchange_has_performed_nothing(client):
    assert client.get(f"{SIGNALS}/performance", params={"exchange": "kraken"}).status_code == 200


def test_a_series_is_known_as_soon_as_it_is_stored(market):
    with an_api(market) as client:
        refused(client.get(ACTIVE, params={"symbol": "SOLUSDT"}), 422, "invalid_request")
        a_series_of(market, "SOL/USDT")
        assert client.get(ACTIVE, params={"symbol": "SOLUSDT"}).status_code == 200


# HEAD


@pytest.mark.parametrize("path", ["/health", ACTIVE, "/docs", "/openapi.json"])
def test_head_is_answered_as_get_without_the_body(client, path):
    got, asked = client.get(path), client.head(path)
    assert (asked.status_code, asked.content) == (200, b"")
    assert asked.headers["content-type"] == got.headers["content-type"]
    route = f'route="{path}"'
    counted = [line for line in client.get("/metrics").text.splitlines() if 'method="HEAD"' in line and route in line]
    assert counted or path == "/openapi.json"


def test_head_of_what_is_wrong_has_its_status(client):
    assert client.head(f"{SIGNALS}/{NO_ID}").status_code == 404
    assert client.head(ACTIVE, params={"limit": "0"}).status_code == 422
    assert client.head(STREAM).status_code == 405
    assert client.head(f"{SIGNALS}/{NO_ID}/status").status_code == 405
