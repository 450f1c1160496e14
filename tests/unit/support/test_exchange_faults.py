"""What the local exchange can be told to do wrong, seen over plain HTTP."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.exchange_asking import HOUR, KLINES, NOON, get, hours, klines
from tests.support.exchange_clock import milliseconds
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_faults import (
    Fault,
    changed,
    duplicated,
    gap,
    html,
    jump,
    late,
    overlapping,
    refusal,
    revised,
    short_pages,
    stale,
    times_multiplied,
    times_shifted,
    unsorted,
)
from tests.support.exchange_limits import Refusal

# Faults of candles: a row says what is ordered, and what becomes of the page [-4, -3, -2, -1] before noon.

Rows = list[list[Any]]
AT = NOON - 3 * HOUR
ROW_FAULTS: dict[str, tuple[Fault, Callable[[Rows, Rows], bool]]] = {
    "a gap is filled up with later candles": (gap(AT, 2), lambda bad, _: hours(bad) == [-4, -1, 0]),
    "a duplicate has other values": (
        duplicated(AT),
        lambda bad, good: hours(bad) == [-4, -3, -3, -2] and bad[1] == good[1] and bad[2][1:6] != good[1][1:6],
    ),
    "a low above the high": (
        changed(AT, low=9e6),
        lambda bad, good: bad[1][3] == "9000000.00000000" and [bad[0], *bad[2:]] == [good[0], *good[2:]],
    ),
    "a negative price": (changed(AT, close=-1.5), lambda bad, _: bad[1][4] == "-1.50000000"),
    "null": (changed(AT, volume=None), lambda bad, _: bad[1][5] is None),
    "a word": (changed(AT, open="abc"), lambda bad, _: bad[1][1] == "abc"),
    "a bare number": (changed(AT, open=100), lambda bad, _: bad[1][1] == 100),
    "a bare NaN": (changed(AT, open=float("nan")), lambda bad, _: bad[1][1] != bad[1][1]),
    "every row, if no bar is named": (changed(volume=0.0), lambda bad, _: {row[5] for row in bad} == {"0.00000000"}),
    "a revision": (
        revised(AT, 1.01),
        lambda bad, good: float(bad[1][4]) == pytest.approx(1.01 * float(good[1][4])) and bad[2:] == good[2:],
    ),
    "a price jump": (
        jump(AT, 0.1),
        lambda bad, good: bad[0] == good[0] and float(bad[3][2]) == pytest.approx(0.1 * float(good[3][2])),
    ),
    "a stale feed": (stale(NOON - 2 * HOUR), lambda bad, _: hours(bad) == [-4, -3]),
    "an unsorted page": (unsorted(), lambda bad, good: bad == [good[1], good[3], good[0], good[2]]),
    "a page that starts too early": (overlapping(2), lambda bad, _: hours(bad) == [-6, -5, -4, -3]),
    "a short page": (short_pages(2), lambda bad, good: bad == good[:2]),
    "an empty page": (short_pages(0), lambda bad, _: bad == []),
    "seconds": (times_multiplied(0.001), lambda bad, good: [row[0] * 1000 for row in bad] == [row[0] for row in good]),
    "local time": (times_shifted(2 * HOUR), lambda bad, _: hours(bad) == [-2, -1, 0, 1]),
}


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_fault_of_candles_is_seen_in_the_page(exchange, name):
    fault, is_seen = ROW_FAULTS[name]
    page: dict[str, Any] = {"startTime": milliseconds(NOON - 4 * HOUR), "limit": 4}
    good, others = klines(exchange, **page), klines(exchange, "ETHUSDT", **page)

    exchange.misbehave(fault, symbol="BTC/USDT")

    assert is_seen(klines(exchange, **page), good)
    assert klines(exchange, "ETHUSDT", **page) == others
    exchange.behave()
    assert klines(exchange, **page) == good


def test_a_late_candle_comes_so_long_after_its_close(exchange):
    exchange.misbehave(late(timedelta(seconds=9)))
    newest = []
    for seconds in (-1, 0, 8.9, 9, 60):
        exchange.clock.set(NOON + timedelta(seconds=seconds))
        newest.append(hours(klines(exchange, limit=1))[0])
    assert newest == [-1, -2, -2, 0, 0]


def test_a_fault_ends_after_so_many_requests_and_touches_only_what_it_is_meant_for(exchange):
    ordered = exchange.misbehave(refusal(Refusal.UNAVAILABLE), symbol="BTC/USDT", endpoint=Endpoint.CANDLES, times=2)

    def status(symbol: str) -> int:
        return get(exchange, KLINES, symbol=symbol, interval="1h", limit=1)[0]

    assert get(exchange, "/api/v3/ticker/24hr", symbol="BTCUSDT")[0] == 200
    assert [status("ETHUSDT"), status("BTCUSDT"), status("BTCUSDT"), status("BTCUSDT")] == [200, 503, 503, 200]
    assert ordered.seen == 2


def test_faults_act_together(exchange):
    exchange.misbehave(gap(NOON - 2 * HOUR))
    exchange.misbehave(short_pages(2))

    assert hours(klines(exchange, endTime=milliseconds(NOON - HOUR))) == [-3, -1]


@pytest.mark.parametrize(("reason", "status"), [(Refusal.RATE_LIMITED, 429), (Refusal.BANNED, 418)])
def test_who_is_refused_is_told_how_long_to_wait(exchange, reason, status):
    exchange.misbehave(refusal(reason, retry_after_s=17))
    answered, body, headers = get(exchange, "/api/v3/time")
    assert (answered, body["code"], headers["Retry-After"]) == (status, -1003, "17")


def test_a_firewall_answers_with_a_page(exchange):
    exchange.misbehave(html(403))
    status, body, headers = get(exchange, KLINES, symbol="BTCUSDT", interval="1h")
    assert (status, headers["Content-Type"]) == (403, "text/html")
    assert b"could not be satisfied" in body
