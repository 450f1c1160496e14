"""The real ccxt client at the local exchange: what it asks for works, and what it makes of each fault.

The second part is as much about ccxt as about the server: our exchange resource relies on it.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.domain.timeframe import Timeframe
from tests.support.exchange_candles import EndlessMarket
from tests.support.exchange_client import ccxt_client
from tests.support.exchange_clock import ExchangeClock, milliseconds
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_faults import (
    Fault,
    changed,
    closed,
    html,
    noise,
    refusal,
    reset,
    silent,
    slow,
    times_multiplied,
    truncated,
)
from tests.support.exchange_limits import Refusal
from tests.support.exchange_server import LocalExchange, exchange_server

HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MARKET = EndlessMarket(["BTC/USDT", "ETH/USDT", "DOGE/USDT"])
START = NOON - 700 * HOUR

Work = Callable[[Any], Awaitable[Any]]


@pytest.fixture(params=["binance", "kraken"])
def exchange(request: pytest.FixtureRequest) -> Iterator[LocalExchange]:
    clock = ExchangeClock(NOON + HOUR / 2, speed=0.0)
    with exchange_server(MARKET, exchange=request.param, clock=clock) as local:
        yield local


def run(local: LocalExchange, work: Work) -> Any:
    """What ``work`` makes of a client of ``local``."""

    async def session() -> Any:
        async with ccxt_client(local) as client:
            return await work(client)

    return asyncio.run(session())


def candles(client: Any) -> Awaitable[list[list[Any]]]:
    answer: Awaitable[list[list[Any]]] = client.fetch_ohlcv("BTC/USDT", "1h", since=milliseconds(START), limit=5)
    return answer


def candles_within(timeout_s: float) -> Work:
    """The same, if they come in time; the markets may take longer."""

    async def ask(client: Any) -> list[list[Any]]:
        await client.load_markets()
        client.timeout = timeout_s * 1000
        return await candles(client)

    return ask


def test_markets_are_loaded(exchange):
    markets = run(exchange, lambda client: client.load_markets())

    assert list(markets) == ["BTC/USDT", "ETH/USDT", "DOGE/USDT"]
    assert {(market["type"], market["active"]) for market in markets.values()} == {("spot", True)}


def test_pages_one_after_the_other_are_the_providers_candles(exchange):
    async def pages(client: Any) -> list[list[Any]]:
        rows: list[list[Any]] = []
        since = milliseconds(START)
        while page := await client.fetch_ohlcv("DOGE/USDT", "1h", since=since, limit=300):
            rows.extend(page)
            since = page[-1][0] + 1
            if len(page) < 300:
                break
        return rows

    rows = run(exchange, pages)

    truth = MARKET.first("DOGE/USDT", Timeframe.H1, milliseconds(START), milliseconds(NOON), 1000)
    assert [row[0] for row in rows] == truth.open_ms.tolist()
    assert [row[1:] for row in rows[:-1]] == truth.values[:-1].tolist()
    assert rows[-1][1] == truth.values[-1, 0]


def test_the_time_is_asked_for(exchange):
    exchange.skew_clock(timedelta(minutes=2))
    assert run(exchange, lambda client: client.fetch_time()) == milliseconds(NOON + HOUR / 2 + timedelta(minutes=2))


def test_tickers_tell_which_symbols_trade_most(exchange):
    tickers = run(exchange, lambda client: client.fetch_tickers())

    assert max(tickers, key=lambda symbol: float(tickers[symbol]["quoteVolume"])) == "BTC/USDT"
    assert set(tickers) == set(MARKET.symbols)


def test_halted_and_delisted_symbols_are_seen_when_markets_are_loaded_again(exchange):
    exchange.halt("BTC/USDT")
    exchange.delist("ETH/USDT")

    markets = run(exchange, lambda client: client.load_markets())

    assert {symbol: market["active"] for symbol, market in markets.items()} == {"BTC/USDT": False, "DOGE/USDT": True}


# fault -> the error on Binance, and that on Kraken where it is another one.
ERRORS: dict[str, tuple[Fault, str, str]] = {
    "rate limit": (refusal(Refusal.RATE_LIMITED), "DDoSProtection", "DDoSProtection"),
    "ban": (refusal(Refusal.BANNED), "DDoSProtection", "DDoSProtection"),
    "rate limit as a page": (html(429), "DDoSProtection", "RateLimitExceeded"),
    "firewall": (html(403), "ExchangeNotAvailable", "ExchangeNotAvailable"),
    "maintenance page": (html(503), "ExchangeNotAvailable", "ExchangeNotAvailable"),
    "bad gateway": (html(502), "ExchangeNotAvailable", "ExchangeNotAvailable"),
    "unavailable": (refusal(Refusal.UNAVAILABLE), "OperationFailed", "ExchangeNotAvailable"),
    "unknown symbol": (refusal(Refusal.UNKNOWN_SYMBOL), "BadSymbol", "ExchangeError"),
    "silence": (silent(), "RequestTimeout", "RequestTimeout"),
    "too slow": (slow(timedelta(seconds=20)), "RequestTimeout", "RequestTimeout"),
    "reset in the middle": (reset(), "ExchangeError", "ExchangeError"),
    "bytes that are no HTTP": (noise(), "ExchangeError", "ExchangeError"),
}
NEVER_ANSWERED = ("silence", "too slow")


@pytest.mark.parametrize("name", ERRORS)
def test_a_fault_is_an_error_of_ccxt(exchange, name):
    fault, on_binance, on_kraken = ERRORS[name]
    ordered = exchange.misbehave(fault, symbol="BTC/USDT", endpoint=Endpoint.CANDLES)
    vendor = importlib.import_module("ccxt.async_support")

    with pytest.raises(vendor.BaseError) as raised:
        run(exchange, candles_within(0.2 if name in NEVER_ANSWERED else 10.0))

    assert type(raised.value).__name__ == (on_binance if exchange.dialect.name == "binance" else on_kraken)
    assert ordered.seen == 1


def test_a_connection_that_is_closed_is_tried_once_more_before_ccxt_hears_of_it(exchange):
    ordered = exchange.misbehave(closed(), endpoint=Endpoint.CANDLES)
    vendor = importlib.import_module("ccxt.async_support")

    with pytest.raises(vendor.ExchangeNotAvailable):
        run(exchange, candles)

    assert ordered.seen == 2


def test_what_breaks_the_connection_is_told_by_the_cause_alone(exchange):
    aiohttp = importlib.import_module("aiohttp")
    vendor = importlib.import_module("ccxt.async_support")
    for fault in (reset(), noise()):
        exchange.misbehave(fault, endpoint=Endpoint.CANDLES)
        with pytest.raises(vendor.ExchangeError) as raised:
            run(exchange, candles)
        assert isinstance(raised.value.__cause__, aiohttp.ClientError)
        exchange.behave()


@pytest.mark.parametrize(
    "fault",
    [html(200), truncated(), changed(START, close=float("nan")), times_multiplied(0.001)],
    ids=["a page with status 200", "truncated JSON", "a bare NaN", "seconds instead of milliseconds"],
)
def test_ccxt_takes_some_faults_for_no_candles_at_all(exchange, fault):
    exchange.misbehave(fault, endpoint=Endpoint.CANDLES)
    assert run(exchange, candles) == []


def test_ccxt_takes_a_page_with_status_200_for_an_exchange_without_markets(exchange):
    exchange.misbehave(html(200))
    assert run(exchange, lambda client: client.load_markets()) == {}


def test_a_refused_connection_is_an_error_until_the_server_is_back(exchange):
    vendor = importlib.import_module("ccxt.async_support")

    async def there_and_back(client: Any) -> int:
        assert await client.fetch_time() > 0
        exchange.server.refuse()
        with pytest.raises(vendor.NetworkError):
            await client.fetch_time()
        exchange.server.accept()
        answered: int = await client.fetch_time()
        return answered

    assert run(exchange, there_and_back) == milliseconds(NOON + HOUR / 2)


def test_tls_that_fails_is_an_error(exchange):
    vendor = importlib.import_module("ccxt.async_support")

    async def secured(client: Any) -> None:
        client.urls["api"] = {name: url.replace("http:", "https:") for name, url in client.urls["api"].items()}
        with pytest.raises(vendor.ExchangeNotAvailable):
            await client.fetch_time()

    run(exchange, secured)


def test_a_fault_that_passes_lets_the_next_attempt_through(exchange):
    exchange.misbehave(reset(), endpoint=Endpoint.CANDLES, times=1)
    vendor = importlib.import_module("ccxt.async_support")

    async def twice(client: Any) -> list[list[Any]]:
        with pytest.raises(vendor.BaseError):
            await candles(client)
        return await candles(client)

    assert [row[0] for row in run(exchange, twice)] == [milliseconds(START + hour * HOUR) for hour in range(5)]
