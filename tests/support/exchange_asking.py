"""A small exchange in Binance's format whose clock stands at half past noon, and questions put to it plainly."""

import http.client
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.exchange_candles import EndlessMarket
from tests.support.exchange_clock import ExchangeClock, milliseconds
from tests.support.exchange_server import LocalExchange, exchange_server

HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = NOON + HOUR / 2
MARKET = EndlessMarket(["BTC/USDT", "ETH/USDT", "NEW/USDT"], listed_at={"NEW/USDT": NOON - 5 * HOUR})
KLINES = "/api/v3/klines"


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    """The exchange, at half past noon."""
    with exchange_server(MARKET, clock=ExchangeClock(NOW, speed=0.0)) as local:
        yield local


def get(local: LocalExchange, path: str, **params: object) -> tuple[int, Any, http.client.HTTPMessage]:
    """Status, body (decoded if it is JSON) and headers of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", local.server.port, timeout=5.0)
    try:
        connection.request("GET", path + "?" + "&".join(f"{name}={value}" for name, value in params.items()))
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body.startswith((b"{", b"[")) else body, response.headers
    finally:
        connection.close()


def klines(local: LocalExchange, symbol: str = "BTCUSDT", **params: object) -> list[list[Any]]:
    """A page of hours."""
    status, rows, _ = get(local, KLINES, symbol=symbol, interval="1h", **params)
    assert status == 200
    return list(rows)


def hours(rows: list[list[Any]]) -> list[int]:
    """Opens in hours before or after noon."""
    return [(row[0] - milliseconds(NOON)) // 3_600_000 for row in rows]
