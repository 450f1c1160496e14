"""The local exchange in Kraken's format, over plain HTTP."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from pipeline.domain.timeframe import Timeframe
from tests.support.exchange_candles import EndlessMarket
from tests.support.exchange_clock import ExchangeClock, milliseconds
from tests.support.exchange_faults import Fault, changed, gap, overlapping, refusal, short_pages, times_multiplied
from tests.support.exchange_limits import Refusal
from tests.support.exchange_server import LocalExchange, exchange_server
from tests.support.real_data import real_data

HOUR = timedelta(hours=1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = NOON + HOUR / 2
MARKET = EndlessMarket(["BTC/USD", "BTC/USDT", "DOGE/USD", "SOL/EUR", "ETH/BTC"])


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    with exchange_server(MARKET, exchange="kraken", clock=ExchangeClock(NOW, speed=0.0)) as local:
        yield local


def get(local: LocalExchange, name: str, **params: object) -> dict[str, Any]:
    with urllib.request.urlopen(f"{local.url}/0/public/{name}?{urlencode(params)}", timeout=5.0) as response:
        answer = json.load(response)
    assert isinstance(answer, dict)
    return answer


def ohlc(local: LocalExchange, **params: object) -> list[list[Any]]:
    answer = get(local, "OHLC", pair="XBTUSDT", interval=60, **params)
    assert answer["error"] == []
    return list(answer["result"]["XBTUSDT"])


def hours(rows: list[list[Any]]) -> list[int]:
    """Opens in hours before or after noon."""
    return [(row[0] - milliseconds(NOON) // 1000) // 3600 for row in rows]


def test_720_closed_candles_and_the_one_that_runs_are_all_there_is(exchange):
    rows = ohlc(exchange, since=0)

    truth = MARKET.last("BTC/USDT", Timeframe.H1, milliseconds(NOW), 720 + 1)
    assert [row[0] * 1000 for row in rows] == truth.open_ms.tolist()
    assert [[float(row[place]) for place in (1, 2, 3, 4, 6)] for row in rows[:-1]] == truth.values[:-1].tolist()


def test_since_is_exclusive_but_the_candle_that_runs_is_always_there(exchange):
    assert hours(ohlc(exchange, since=milliseconds(NOON - 3 * HOUR) // 1000)) == [-2, -1, 0]
    assert hours(ohlc(exchange, since=milliseconds(NOON) // 1000)) == [0]
    assert hours(ohlc(exchange, since=milliseconds(NOON + 99 * HOUR) // 1000)) == [0]


def test_last_is_the_newest_committed_candle(exchange):
    assert get(exchange, "OHLC", pair="XBTUSDT", interval=60)["result"]["last"] == milliseconds(NOON - HOUR) // 1000


def test_a_pair_has_an_id_and_another_name(exchange):
    pairs = get(exchange, "AssetPairs")["result"]

    assert {name: pair["altname"] for name, pair in pairs.items()} == {
        "XXBTZUSD": "XBTUSD",
        "XBTUSDT": "XBTUSDT",
        "XXDGZUSD": "XDGUSD",
        "SOLEUR": "SOLEUR",
        "XETHXXBT": "ETHXBT",
    }
    assert list(get(exchange, "OHLC", pair="XBTUSD")["result"]) == ["XXBTZUSD", "last"]
    assert get(exchange, "Assets")["result"]["XXDG"]["altname"] == "XDG"


@pytest.mark.parametrize(
    ("name", "params", "error"),
    [
        ("OHLC", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("OHLC", {"pair": "XBTUSDT", "interval": 7}, "EGeneral:Invalid arguments"),
        ("OHLC", {"pair": "XBTUSDT", "interval": 120}, "EGeneral:Invalid arguments"),
        ("OHLC", {"pair": "XBTUSDT", "since": "today"}, "EGeneral:Invalid arguments"),
        ("Ticker", {"pair": "NOPE"}, "EQuery:Unknown asset pair"),
        ("Nothing", {}, "EGeneral:Unknown method"),
    ],
)
def test_errors_come_under_status_200(exchange, name, params, error):
    assert get(exchange, name, **params) == {"error": [error]}


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        (Refusal.RATE_LIMITED, "EGeneral:Too many requests"),
        (Refusal.BANNED, "EGeneral:Temporary lockout"),
        (Refusal.UNAVAILABLE, "EService:Unavailable"),
    ],
)
def test_refusals_too(exchange, reason, error):
    exchange.misbehave(refusal(reason))
    assert get(exchange, "Time") == {"error": [error]}


def test_more_than_a_request_a_second_is_too_much(exchange):
    answers = [get(exchange, "Time")["error"] for _ in range(61)]
    assert answers == [[]] * 60 + [["EGeneral:Too many requests"]]
    exchange.clock.advance(timedelta(minutes=1))
    assert get(exchange, "Time")["error"] == []


def test_a_halted_pair_is_not_online(exchange):
    exchange.halt("BTC/USDT")
    exchange.delist("SOL/EUR")
    exchange.clock.advance(5 * HOUR)

    pairs = get(exchange, "AssetPairs")["result"]
    assert (pairs["XBTUSDT"]["status"], pairs["XXBTZUSD"]["status"]) == ("cancel_only", "online")
    assert "SOLEUR" not in pairs
    assert hours(ohlc(exchange))[-1] == 0


def test_candles_have_the_same_faults_as_elsewhere(exchange):
    since = milliseconds(NOON - 4 * HOUR) // 1000
    faults: dict[Fault, Callable[[list[list[Any]]], bool]] = {
        gap(NOON - 3 * HOUR): lambda rows: hours(rows) == [-2, -1, 0],
        changed(NOON - 3 * HOUR, close=None): lambda rows: rows[0][4] is None and rows[0][6] is not None,
        changed(NOON - 3 * HOUR, volume=-1.0): lambda rows: rows[0][6] == "-1.00000000",
        overlapping(2): lambda rows: hours(rows) == [-5, -4, -3, -2, -1, 0],
        short_pages(2): lambda rows: hours(rows) == [-1, 0],
        times_multiplied(1000): lambda rows: rows[0][0] == milliseconds(NOON - 3 * HOUR),
    }
    for fault, is_seen in faults.items():
        exchange.misbehave(fault)
        assert is_seen(ohlc(exchange, since=since))
        exchange.behave()


def test_ohlc_has_the_form_of_a_recorded_answer(exchange):
    theirs = json.loads(real_data("wire", "kraken_nautilus", "http_ohlc.json").read_text(encoding="utf-8"))
    ours = get(exchange, "OHLC", pair="XBTUSDT", interval=1)

    assert theirs.keys() == ours.keys()
    assert theirs["result"].keys() == ours["result"].keys()
    assert len(theirs["result"]["XBTUSDT"]) == len(ours["result"]["XBTUSDT"])
    assert list(map(type, theirs["result"]["XBTUSDT"][3])) == list(map(type, ours["result"]["XBTUSDT"][3]))
    for rows, last in ((answer["result"]["XBTUSDT"], answer["result"]["last"]) for answer in (theirs, ours)):
        assert rows[-2][0] == last
