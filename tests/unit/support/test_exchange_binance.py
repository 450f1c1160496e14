"""What the local exchange answers in Binance's format, over plain HTTP."""

import json
from datetime import timedelta
from typing import Any

import pytest

from pipeline.domain.timeframe import Timeframe
from tests.support.exchange_asking import HOUR, KLINES, MARKET, NOON, NOW, get, hours, klines
from tests.support.exchange_candles import stored_candles
from tests.support.exchange_clock import ExchangeClock, milliseconds
from tests.support.exchange_server import exchange_server
from tests.support.market import random_walk
from tests.support.real_data import real_data


def test_closed_candles_are_the_providers(exchange):
    rows = klines(exchange, limit=4)

    truth = MARKET.last("BTC/USDT", Timeframe.H1, milliseconds(NOW), 4)
    assert hours(rows) == [-3, -2, -1, 0]
    assert [[float(value) for value in row[1:6]] for row in rows[:3]] == truth.values[:3].tolist()
    assert all(row[6] == row[0] + 3_599_999 for row in rows)


def test_the_newest_candle_is_still_open_and_shows_what_has_happened_so_far(exchange):
    so_far = [float(value) for value in klines(exchange, limit=1)[0][1:6]]
    exchange.clock.set(NOON + HOUR)
    first, high, low, close, volume = [float(value) for value in klines(exchange, limit=2)[0][1:6]]

    assert so_far[0] == first
    assert so_far[3] == pytest.approx((first + close) / 2.0, abs=1e-8)
    assert so_far[4] == pytest.approx(volume / 2.0, abs=1e-8)
    assert low <= so_far[2] <= min(so_far[0], so_far[3]) <= max(so_far[0], so_far[3]) <= so_far[1] <= high


def test_an_exchange_may_leave_out_the_open_candle():
    with exchange_server(MARKET, clock=ExchangeClock(NOW, speed=0.0), shows_open_candle=False) as local:
        assert hours(klines(local, limit=2)) == [-2, -1]


def test_a_start_before_the_listing_gives_the_first_candles(exchange):
    assert hours(klines(exchange, "NEWUSDT", startTime=0, limit=3)) == [-5, -4, -3]


def test_a_page_goes_from_its_start_to_its_end_or_limit(exchange):
    start, end = milliseconds(NOON - 9 * HOUR), milliseconds(NOON - 6 * HOUR)

    assert hours(klines(exchange, startTime=start, endTime=end)) == [-9, -8, -7, -6]
    assert hours(klines(exchange, startTime=start + 1, limit=2)) == [-8, -7]
    assert hours(klines(exchange, endTime=end, limit=2)) == [-7, -6]
    assert klines(exchange, startTime=milliseconds(NOW) + 1) == []


def test_a_page_holds_500_candles_and_never_more_than_1000(exchange):
    assert len(klines(exchange)) == 500
    assert len(klines(exchange, limit=5000)) == 1000


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        (KLINES, {"symbol": "NOPE", "interval": "1h"}, 400, -1121),
        (KLINES, {"symbol": "BTCUSDT", "interval": "7m"}, 400, -1120),
        (KLINES, {"symbol": "BTCUSDT"}, 400, -1102),
        (KLINES, {"interval": "1h"}, 400, -1102),
        (KLINES, {"symbol": "BTCUSDT", "interval": "1h", "limit": "many"}, 400, -1100),
        ("/api/v3/ticker/24hr", {"symbol": "NOPE"}, 400, -1121),
    ],
)
def test_a_wrong_question_is_answered_with_a_code(exchange, path, params, status, code):
    answered, body, _ = get(exchange, path, **params)
    assert (answered, body["code"]) == (status, code)


def test_an_unknown_path_is_a_page_for_people(exchange):
    status, body, headers = get(exchange, "/api/v3/nothing")
    assert (status, headers["Content-Type"]) == (404, "text/html")
    assert body.startswith(b"<html>")


def test_tickers_sum_up_the_last_day(exchange):
    rows = klines(exchange, startTime=milliseconds(NOW - timedelta(days=1)))
    _, tickers, _ = get(exchange, "/api/v3/ticker/24hr")

    ticker = tickers[0]
    assert [each["symbol"] for each in tickers] == ["BTCUSDT", "ETHUSDT", "NEWUSDT"]
    assert float(ticker["volume"]) == pytest.approx(sum(float(row[5]) for row in rows))
    assert float(ticker["highPrice"]) == max(float(row[2]) for row in rows)
    assert ticker["lastPrice"] == rows[-1][4]


def test_stored_candles_are_served_as_well():
    stored = stored_candles(random_walk(seed=5, n_candles=30, start=NOON - 24 * HOUR), Timeframe.H1)
    with exchange_server(stored, clock=ExchangeClock(NOW, speed=0.0)) as local:
        assert hours(klines(local, limit=2)) == [-1, 0]
        assert klines(local, "ETHUSDT", startTime=0)[0][0] == milliseconds(NOON - 24 * HOUR)
        assert get(local, KLINES, symbol="BTCUSDT", interval="1d")[1] == []


# Recorded answers.


def recorded(name: str) -> Any:
    return json.loads(real_data("wire", "binance_nautilus", name).read_text(encoding="utf-8"))


def test_klines_have_the_form_of_recorded_ones(exchange):
    theirs = recorded("http_spot_market_klines.json")
    for row in klines(exchange, limit=10):
        assert list(map(type, row)) == list(map(type, theirs[0]))
        assert all(len(value.partition(".")[2]) == 8 for value in row[1:6])


def test_exchange_info_has_the_form_of_a_recorded_one(exchange):
    theirs = recorded("http_spot_market_exchange_info.json")
    ours = get(exchange, "/api/v3/exchangeInfo")[1]
    assert theirs.keys() == ours.keys()
    assert theirs["symbols"][0].keys() == ours["symbols"][0].keys()
    assert theirs["rateLimits"][0].keys() == ours["rateLimits"][0].keys()


def test_time_and_ping_have_the_form_of_recorded_ones(exchange):
    assert recorded("http_spot_market_time.json").keys() == get(exchange, "/api/v3/time")[1].keys()
    assert recorded("http_spot_market_ping.json") == get(exchange, "/api/v3/ping")[1]


def test_tickers_have_the_form_of_a_recorded_one(exchange):
    excerpt = json.loads(real_data("wire", "binance_ccxt_binanceus_excerpt.json").read_text(encoding="utf-8"))
    ours = get(exchange, "/api/v3/ticker/24hr", symbol="BTCUSDT")[1]
    assert excerpt["fetchTicker"]["httpResponse"].keys() == ours.keys()
