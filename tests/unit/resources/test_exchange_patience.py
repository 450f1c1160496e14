"""How the live source takes refusals, breakdowns and wrong clocks, through the real ccxt client at a local exchange."""

import email.utils
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import pytest

from pipeline.domain.errors import ConfigurationError
from pipeline.domain.timeframe import Timeframe
from resources.exchange_client import DEFAULT_PAUSE, Gate, check_exchange, retry_after
from tests.support.exchange_asking import HOUR, MARKET, NOON, NOW
from tests.support.exchange_clock import ExchangeClock
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_faults import AnswerFault, Fault, closed, html, noise, refusal, reset, silent, truncated
from tests.support.exchange_fetching import Handed, a_window, handed_over, live_market
from tests.support.exchange_limits import Refusal
from tests.support.exchange_server import LocalExchange, exchange_server

WANTED = [NOON - 3 * HOUR, NOON - 2 * HOUR, NOON - HOUR]
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["binance", "kraken"])
def exchange(request: pytest.FixtureRequest) -> Iterator[LocalExchange]:
    with exchange_server(MARKET, exchange=request.param, clock=ExchangeClock(NOW, speed=0.0)) as local:
        yield local


@pytest.fixture
def binance() -> Iterator[LocalExchange]:
    with exchange_server(MARKET, clock=ExchangeClock(NOW)) as local:
        yield local


def two_symbols(local: LocalExchange, deadline: timedelta = 30 * SECOND) -> Handed:
    windows = [a_window(local, WANTED[0], NOON, symbol=symbol) for symbol in ("BTC/USDT", "ETH/USDT")]
    return handed_over(live_market(local, deadline=deadline), windows)


PASSING: dict[str, tuple[Fault, int]] = {  # and how often an HTTP client meets it before ccxt does
    "maintenance page": (html(503), 1),
    "firewall": (html(403), 1),
    "a page with status 200": (html(200), 1),
    "truncated JSON": (truncated(), 1),
    "null": (AnswerFault(lambda answer, _: replace(answer, body=b"null")), 1),
    "reset in the middle": (reset(), 1),
    "bytes that are no HTTP": (noise(), 1),
    "closed in place of an answer": (closed(), 2),
    "unavailable in its own words": (refusal(Refusal.UNAVAILABLE), 1),
}


@pytest.mark.parametrize("name", PASSING)
def test_f16_what_passes_by_itself_is_asked_again(exchange, name):
    fault, times = PASSING[name]
    candles = exchange.misbehave(fault, symbol="BTC/USDT", endpoint=Endpoint.CANDLES, times=times)
    markets = exchange.misbehave(fault, endpoint=Endpoint.MARKETS, times=times)

    handed = two_symbols(exchange)

    assert handed.opens("BTC/USDT") == handed.opens("ETH/USDT") == WANTED
    assert handed.failures == handed.ended == {}
    assert candles.seen == markets.seen == times


def test_f16_one_symbol_that_never_answers_leaves_the_others_alone(exchange):
    exchange.misbehave(silent(), symbol="BTC/USDT", endpoint=Endpoint.CANDLES)
    handed = two_symbols(exchange, deadline=2 * SECOND)
    assert handed.opens("ETH/USDT") == WANTED
    assert handed.failures == {"BTC/USDT": "deadline(2 s)"}


def test_f16_one_symbol_that_always_fails_is_given_up_after_five_attempts(binance):
    ordered = binance.misbehave(html(503), symbol="BTC/USDT", endpoint=Endpoint.CANDLES)
    handed = two_symbols(binance)
    assert ordered.seen == 5
    assert handed.opens("ETH/USDT") == WANTED
    assert handed.failures["BTC/USDT"].startswith("unavailable(binance did not answer: ")
    assert "503" in handed.failures["BTC/USDT"]


def test_f16_an_exchange_that_is_away_fails_every_series_with_the_reason(binance):
    binance.server.refuse()
    handed = two_symbols(binance)
    assert handed.frame.empty
    assert {reason.partition("(")[0] for reason in handed.failures.values()} == {"unavailable"}
    assert set(handed.failures) == {"BTC/USDT", "ETH/USDT"}


@pytest.mark.parametrize("reason", [Refusal.RATE_LIMITED, Refusal.BANNED], ids=["429", "418"])
def test_f15_after_a_refusal_nothing_is_asked_before_the_time_that_was_given(binance, reason):
    binance.misbehave(refusal(reason, retry_after_s=1), endpoint=Endpoint.CANDLES, times=1)

    handed = two_symbols(binance)

    assert handed.opens("BTC/USDT") == handed.opens("ETH/USDT") == WANTED
    asked = [seen for seen in binance.requests if seen.endpoint is Endpoint.CANDLES]
    refused = next(seen for seen in asked if seen.status != HTTPStatus.OK)
    again = next(seen for seen in asked[::-1] if seen.symbol == refused.symbol)
    assert again.at - refused.at >= SECOND


def test_f15_a_wait_beyond_the_deadline_is_not_waited_for(binance):
    ordered = binance.misbehave(refusal(Refusal.BANNED, retry_after_s=7200), endpoint=Endpoint.CANDLES)
    handed = two_symbols(binance)
    assert ordered.seen <= 2, "requests that were under way, and none after them"
    assert {reason[:41] for reason in handed.failures.values()} == {"unavailable(binance rate limit reached; r"}


def test_f15_kraken_that_refuses_with_status_200_is_heard():
    with exchange_server(MARKET, exchange="kraken", clock=ExchangeClock(NOW)) as kraken:
        kraken.misbehave(refusal(Refusal.RATE_LIMITED), endpoint=Endpoint.CANDLES, times=1)
        handed = two_symbols(kraken, deadline=3 * SECOND)
    assert set(handed.failures) <= {"BTC/USDT", "ETH/USDT"}
    assert any("rate limit reached" in reason for reason in handed.failures.values())


def test_f15_retry_after_is_seconds_or_a_date():
    soon = datetime.now(UTC) + timedelta(hours=1)
    assert retry_after("120") == timedelta(seconds=120)
    assert timedelta(minutes=59) < (retry_after(email.utils.format_datetime(soon)) or HOUR * 0) <= HOUR
    assert retry_after("Thu, 01 Jan 2026 00:00:00 GMT") == timedelta(0)
    assert retry_after("soon") is None
    assert retry_after(None) is None


@pytest.mark.parametrize(
    ("status", "headers", "at_most"),
    [
        (429, {"Retry-After": "3600"}, HOUR),
        (418, {"retry-after": "3600"}, HOUR),
        (503, {"Retry-After": "3600"}, HOUR),
        (429, {}, DEFAULT_PAUSE),
        (418, {"Retry-After": "whenever"}, DEFAULT_PAUSE),
    ],
)
def test_f15_the_gate_stays_shut_as_long_as_was_asked(status, headers, at_most):
    gate = Gate()
    gate.heard(status, headers)
    assert at_most - 2 * SECOND < gate.pause <= at_most


def test_the_gate_stays_open_after_any_other_answer():
    gate = Gate()
    for status in (200, 400, 403, 500, 503):
        gate.heard(status, {"X-MBX-USED-WEIGHT-1M": "17"})
    assert not gate.pause
    assert (gate.requests, gate.used_weight) == (5, 17)


def test_a_shorter_pause_does_not_end_a_longer_one():
    gate = Gate()
    gate.shut_for(HOUR)
    gate.shut_for(SECOND)
    assert gate.pause > timedelta(minutes=59)


def test_f17_a_symbol_that_is_gone_or_halted_has_ended_and_others_go_on(exchange):
    exchange.delist("BTC/USDT")
    exchange.halt("NEW/USDT")
    windows = [a_window(exchange, WANTED[0], NOON, symbol=symbol) for symbol in MARKET.symbols]

    handed = handed_over(live_market(exchange), windows)

    name = exchange.dialect.name
    assert handed.ended == {
        "BTC/USDT": f"{name} does not list BTC/USDT",
        "NEW/USDT": f"{name} has halted NEW/USDT",
    }
    assert handed.opens("ETH/USDT") == WANTED
    assert handed.failures == {}


def test_f17_a_symbol_that_is_listed_and_unknown_has_ended_too(exchange):
    ordered = exchange.misbehave(refusal(Refusal.UNKNOWN_SYMBOL), symbol="BTC/USDT", endpoint=Endpoint.CANDLES)
    handed = two_symbols(exchange)
    assert ordered.seen == 1
    assert handed.ended["BTC/USDT"].startswith(f"{exchange.dialect.name} does not trade it")
    assert handed.opens("ETH/USDT") == WANTED


def test_f17_an_exchange_that_lists_nothing_has_ended_no_symbol(exchange):
    for symbol in MARKET.symbols:
        exchange.delist(symbol)
    handed = two_symbols(exchange)
    assert handed.ended == {}
    assert {reason.partition(" ")[2] for reason in handed.failures.values()} == {"lists no symbols at all)"}


def test_f14_the_exchange_s_clock_decides_what_has_closed(exchange):
    exchange.skew_clock(timedelta(minutes=-40))  # it says 11:50, when the bar of 11:00 is open

    handed = two_symbols(exchange)

    assert handed.last is not None
    assert handed.last.clock_skew == timedelta(minutes=40)
    assert handed.opens() == WANTED[:-1]


@pytest.mark.parametrize("by", [timedelta(hours=-2), timedelta(hours=2)])
def test_f14_clocks_a_bar_apart_fail_the_series(exchange, by):
    exchange.skew_clock(by)
    handed = two_symbols(exchange)
    assert handed.frame.empty
    assert handed.failures == dict.fromkeys(("BTC/USDT", "ETH/USDT"), f"clock_skew({-by.total_seconds():.0f} s)")


def test_f18_timeframes_that_the_exchange_does_not_offer_are_refused_with_those_that_it_does():
    check_exchange("binance", list(Timeframe))
    offered = [tf for tf in Timeframe if tf not in (Timeframe.M3, Timeframe.H2, Timeframe.H6, Timeframe.H12)]
    check_exchange("kraken", offered)
    with pytest.raises(ConfigurationError, match=r"kraken \(1m 5m 15m 30m 1h 4h 1d 1w\), 2h, 6h is not"):
        check_exchange("kraken", [Timeframe.H1, Timeframe.H2, Timeframe.H6])


def test_f18_an_exchange_that_nobody_knows_is_refused(binance):
    with pytest.raises(ConfigurationError, match="such as binance or kraken, was 'binnance'"):
        check_exchange("binnance", [])
    with pytest.raises(ConfigurationError, match="was 'binnance'"):
        list(live_market(binance, exchange="binnance").portions([a_window(binance, WANTED[0], NOON)]))
