"""The local exchange as a server: its connections, its limits, its states, its program."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.support.exchange_asking import HOUR, KLINES, MARKET, NOW, get, hours, klines
from tests.support.exchange_clock import ExchangeClock, milliseconds
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_server import exchange_process, exchange_server
from tests.support.http_server import HttpServer


def test_the_server_keeps_connections(exchange):
    connection = http.client.HTTPConnection("127.0.0.1", exchange.server.port, timeout=5.0)
    ports = []
    for _ in range(3):
        connection.request("GET", "/api/v3/ping")
        assert connection.getresponse().read() == b"{}"
        ports.append(connection.sock.getsockname()[1])
    connection.close()
    assert len(set(ports)) == 1


def test_weights_are_binances_and_stand_in_every_answer(exchange):
    used = []
    for path, params in [
        ("/api/v3/ping", {}),
        ("/api/v3/time", {}),
        ("/api/v3/exchangeInfo", {}),
        (KLINES, {"symbol": "BTCUSDT", "interval": "1h"}),
        ("/api/v3/ticker/24hr", {}),
        ("/api/v3/ticker/24hr", {"symbol": "BTCUSDT"}),
        ("/api/v3/ticker/24hr", {"symbols": '["BTCUSDT","ETHUSDT"]'}),
        (KLINES, {"symbol": "NOPE", "interval": "1h"}),
    ]:
        used.append(int(get(exchange, path, **params)[2]["X-MBX-USED-WEIGHT-1M"]))

    assert np.diff([0, *used]).tolist() == [1, 1, 20, 2, 80, 2, 2, 2]
    assert exchange.weight_used == used[-1]


def test_who_asks_too_much_waits_for_the_next_minute_or_is_banned():
    clock = ExchangeClock(NOW + timedelta(seconds=18), speed=0.0)
    with exchange_server(MARKET, clock=clock, weight_limit=5) as local:
        statuses = [get(local, KLINES, symbol="BTCUSDT", interval="1h", limit=1)[0] for _ in range(3)]
        assert statuses == [200, 200, 429]
        status, body, headers = get(local, "/api/v3/ping")
        assert (status, body["code"], headers["Retry-After"]) == (429, -1003, "42")

        clock.advance(timedelta(seconds=42))
        assert get(local, "/api/v3/ping")[0] == 200
        statuses = [get(local, "/api/v3/ping")[0] for _ in range(16)]
        assert statuses == [200] * 4 + [429] * 10 + [418] * 2
        clock.advance(timedelta(seconds=100))
        status, body, headers = get(local, "/api/v3/ping")
        assert (status, headers["Retry-After"]) == (418, "20")
        assert body["msg"].startswith(
            f"Way too much request weight used; IP banned until {milliseconds(local.clock.now()) + 20_000}."
        )
        clock.advance(timedelta(seconds=20))
        assert get(local, "/api/v3/ping")[0] == 200


def test_every_request_is_remembered(exchange):
    klines(exchange, "ETHUSDT", limit=1)
    get(exchange, "/api/v3/nothing")

    first, second = exchange.requests
    assert (first.at, first.endpoint, first.symbol, first.weight, first.status) == (NOW, "candles", "ETH/USDT", 2, 200)
    assert first.params == {"symbol": "ETHUSDT", "interval": "1h", "limit": "1"}
    assert (second.endpoint, second.symbol, second.status) == (Endpoint.OTHER, None, 404)
    assert exchange.statistics()["statuses"] == {"200": 1, "404": 1}


# States of the exchange and of its listings.


def test_a_halted_symbol_is_listed_as_such_and_has_no_newer_trades(exchange):
    exchange.halt("BTC/USDT")
    last = klines(exchange, limit=2)
    exchange.clock.advance(5 * HOUR)

    _, info, _ = get(exchange, "/api/v3/exchangeInfo")
    assert [market["status"] for market in info["symbols"]] == ["BREAK", "TRADING", "TRADING"]
    assert klines(exchange, limit=2) == last
    assert hours(klines(exchange, "ETHUSDT", limit=1)) == [5]


def test_a_delisted_symbol_is_unknown(exchange):
    exchange.delist("BTC/USDT")

    _, info, _ = get(exchange, "/api/v3/exchangeInfo")
    assert [market["symbol"] for market in info["symbols"]] == ["ETHUSDT", "NEWUSDT"]
    assert get(exchange, KLINES, symbol="BTCUSDT", interval="1h")[1] == {"code": -1121, "msg": "Invalid symbol."}


def test_the_time_that_is_told_may_be_wrong(exchange):
    exchange.skew_clock(timedelta(seconds=-90))
    assert get(exchange, "/api/v3/time")[1] == {"serverTime": milliseconds(NOW) - 90_000}
    assert hours(klines(exchange, limit=1)) == [0]


def test_what_is_no_http_is_sent_away(exchange):
    for sent in (b"\x16\x03\x01", b"BREW /pot HTCPCP/1.0\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", exchange.server.port), timeout=5.0) as connection:
            connection.sendall(sent)
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")


def test_a_mistake_of_the_server_itself_does_not_pass_for_a_fault():
    def handle(_: object) -> Any:
        raise ZeroDivisionError

    server = HttpServer(handle)
    server.start()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(server.url, timeout=5.0)
    refused.value.close()
    with pytest.raises(ExceptionGroup):
        server.stop()


def test_it_runs_as_a_program_as_well():
    arguments = "--symbols 3 --start 2026-01-01T12:30Z --speed 0 --prepare 1h:10 --weight-limit 70"
    with exchange_process(*arguments.split()) as url:
        with urllib.request.urlopen(f"{url}{KLINES}?symbol=BNBUSDT&interval=1h&limit=3", timeout=5.0) as response:
            assert hours(json.load(response)) == [-2, -1, 0]
        with urllib.request.urlopen(f"{url}/statistics", timeout=5.0) as response:
            statistics = json.load(response)

    assert {name: statistics[name] for name in ("requests", "weight_used", "weight_limit")} == {
        "requests": 1,
        "weight_used": 2,
        "weight_limit": 70,
    }
    with pytest.raises(urllib.error.URLError, match="refused"):
        urllib.request.urlopen(url, timeout=5.0)
