"""Which candles the live source asks for and hands over, through the real ccxt client at a local exchange."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from pipeline.contracts.candles import VALUES
from pipeline.domain.timeframe import FIRST_MONDAY, Timeframe
from resources.exchange_client import Gate
from tests.support.exchange_asking import HOUR, MARKET, NOON, NOW
from tests.support.exchange_clock import ExchangeClock, milliseconds
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_faults import (
    changed,
    late,
    overlapping,
    short_pages,
    times_multiplied,
    times_shifted,
    unsorted,
    windowed,
)
from tests.support.exchange_fetching import a_window, asked_since, handed_over, live_market
from tests.support.exchange_server import LocalExchange, exchange_server

START = NOON - 2500 * HOUR
MARKETS_AND_TIME = 21  # their weight
PAGE = 2  # the weight of a page


@pytest.fixture
def exchange() -> Iterator[LocalExchange]:
    with exchange_server(MARKET, clock=ExchangeClock(NOW, speed=0.0)) as local:
        yield local


@pytest.fixture
def kraken() -> Iterator[LocalExchange]:
    with exchange_server(MARKET, exchange="kraken", clock=ExchangeClock(NOW, speed=0.0)) as local:
        yield local


def hours_between(start: datetime, end: datetime) -> list[datetime]:
    return [start + number * HOUR for number in range((end - start) // HOUR)]


def test_a_window_comes_in_pages_one_after_the_other(exchange):
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON)])

    truth = MARKET.first("BTC/USDT", Timeframe.H1, milliseconds(START), milliseconds(NOON) - 1, 5000)
    assert handed.opens() == hours_between(START, NOON)
    assert handed.frame[VALUES].to_numpy().tolist() == truth.values.tolist()
    assert asked_since(exchange) == [START, START + 1000 * HOUR, START + 2000 * HOUR]
    assert handed.failures == handed.ended == {}


def test_pages_that_are_shorter_than_asked_for_leave_no_hole(exchange):
    exchange.misbehave(short_pages(300))
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON)])
    assert handed.opens() == hours_between(START, NOON)


@pytest.mark.parametrize("fault", [unsorted(), overlapping(5)], ids=["unsorted", "overlapping"])
def test_f05_pages_in_any_order_or_overlapping_are_one_row_for_each_bar(exchange, fault):
    exchange.misbehave(fault)
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON)])
    assert sorted(handed.opens()) == hours_between(START, NOON)


@pytest.mark.parametrize("shows_open_candle", [True, False])
def test_f01_f02_the_open_candle_is_left_out_whether_the_exchange_shows_it_or_not(shows_open_candle):
    clock = ExchangeClock(NOW, speed=0.0)
    with exchange_server(MARKET, clock=clock, shows_open_candle=shows_open_candle) as exchange:
        handed = handed_over(live_market(exchange), [a_window(exchange, NOON - 3 * HOUR, NOW)])
    assert handed.opens() == hours_between(NOON - 3 * HOUR, NOON)


def test_history_before_the_listing_is_what_there_is_of_it(exchange):
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON, symbol="NEW/USDT")])
    assert handed.opens("NEW/USDT") == hours_between(NOON - 5 * HOUR, NOON)
    assert handed.failures == {}


def test_f19_an_exchange_that_has_nothing_is_asked_once_for_each_page(exchange):
    exchange.misbehave(short_pages(0))
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON)])
    assert handed.frame.empty
    assert handed.failures == {}
    assert asked_since(exchange) == [START, START + 1000 * HOUR, START + 2000 * HOUR]


def test_a_listing_is_found_where_pages_never_reach_beyond_their_window(exchange):
    exchange.misbehave(windowed())
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON, symbol="NEW/USDT")])
    assert handed.opens("NEW/USDT") == hours_between(NOON - 5 * HOUR, NOON)


def test_older_history_comes_newest_first(exchange):
    handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON, is_backward=True)])
    assert sorted(handed.opens()) == hours_between(START, NOON)
    assert asked_since(exchange) == [NOON - 1000 * HOUR, NOON - 2000 * HOUR, START]


def test_older_history_ends_where_the_symbol_was_listed(exchange):
    window = a_window(exchange, START, NOON, symbol="NEW/USDT", is_backward=True)
    handed = handed_over(live_market(exchange), [window])
    assert handed.opens("NEW/USDT") == hours_between(NOON - 5 * HOUR, NOON)
    assert asked_since(exchange, "NEW/USDT") == [NOON - 1000 * HOUR, NOON - 2000 * HOUR]


def test_f16_what_came_before_an_interruption_is_kept_and_the_next_fetch_asks_for_the_rest_alone():
    clock = ExchangeClock(NOW, speed=0.0)
    with exchange_server(MARKET, clock=clock, weight_limit=MARKETS_AND_TIME + 2 * PAGE) as exchange:
        handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON)])
        assert handed.opens() == hours_between(START, START + 2000 * HOUR)
        assert "rate limit reached" in handed.failures["BTC/USDT"]

        clock.advance(timedelta(minutes=1))
        exchange.requests.clear()
        rest = handed_over(live_market(exchange), [a_window(exchange, START + 2000 * HOUR, NOON)])

        assert rest.opens() == hours_between(START + 2000 * HOUR, NOON)
        assert asked_since(exchange) == [START + 2000 * HOUR]


def test_f16_older_history_that_is_interrupted_touches_what_is_newer():
    clock = ExchangeClock(NOW, speed=0.0)
    with exchange_server(MARKET, clock=clock, weight_limit=MARKETS_AND_TIME + 5 * PAGE) as exchange:
        exchange.misbehave(short_pages(400))  # three requests for a thousand bars
        handed = handed_over(live_market(exchange), [a_window(exchange, START, NOON, is_backward=True)])

    assert handed.opens() == hours_between(NOON - 1000 * HOUR, NOON)
    assert set(handed.failures) == {"BTC/USDT"}


def test_several_series_come_side_by_side_with_what_the_exchange_counted(exchange):
    windows = [a_window(exchange, NOON - 10 * HOUR, NOON, symbol=symbol) for symbol in MARKET.symbols]
    seen: list[tuple[int, int]] = []

    parts = list(live_market(exchange).portions(windows, lambda done, total: seen.append((done, total))))

    assert sum(len(part.frame) for part in parts) == 25
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert parts[-1].requests == len(exchange.requests) == 5
    assert parts[-1].used_weight == exchange.weight_used == MARKETS_AND_TIME + 3 * PAGE
    assert parts[-1].clock_skew == timedelta(0)


def test_nothing_wanted_is_nothing_asked(exchange):
    assert list(live_market(exchange).portions([])) == []
    assert exchange.requests == []


def test_a_run_waits_for_a_close_that_is_near():
    clock = ExchangeClock(NOON + timedelta(seconds=4.5))
    with exchange_server(MARKET, clock=clock) as exchange:
        handed = handed_over(live_market(exchange), [a_window(exchange, NOON - 3 * HOUR, NOON)])
        asked = [seen.at for seen in exchange.requests if seen.endpoint is Endpoint.CANDLES]

    assert handed.opens() == hours_between(NOON - 3 * HOUR, NOON)
    assert min(asked) >= NOON + timedelta(seconds=5)


def test_a_candle_that_is_late_is_waited_for_up_to_the_limit():
    clock = ExchangeClock(NOON + timedelta(seconds=6), speed=20.0)
    with exchange_server(MARKET, clock=clock) as exchange:
        exchange.misbehave(late(timedelta(seconds=15)))
        patient = live_market(exchange, straggler_limit=timedelta(minutes=2))
        assert handed_over(patient, [a_window(exchange, NOON - 3 * HOUR, NOON)]).opens() == hours_between(
            NOON - 3 * HOUR, NOON
        )
        assert set(asked_since(exchange)[1:]) == {NOON - HOUR}

        exchange.misbehave(late(timedelta(hours=1)))
        handed = handed_over(live_market(exchange), [a_window(exchange, NOON - 3 * HOUR, NOON)])
        assert handed.opens() == hours_between(NOON - 3 * HOUR, NOON - HOUR)
        assert handed.failures == {}


@pytest.mark.parametrize("factor", [0.001, 1000.0], ids=["seconds", "microseconds"])
def test_f13_times_in_another_unit_are_handed_over_as_they_came_and_fail_the_series(exchange, factor):
    exchange.misbehave(times_multiplied(factor), symbol="BTC/USDT")
    windows = [a_window(exchange, NOON - 3 * HOUR, NOON, symbol=symbol) for symbol in ("BTC/USDT", "ETH/USDT")]

    handed = handed_over(live_market(exchange), windows)

    bitcoin = handed.frame[handed.frame["symbol"] == "BTC/USDT"]
    assert bitcoin["open_at"].iloc[0] == int(milliseconds(NOON - 3 * HOUR) * factor)
    assert handed.failures["BTC/USDT"].startswith("time_out_of_range(")
    assert handed.opens("ETH/USDT") == hours_between(NOON - 3 * HOUR, NOON)


def test_f13_a_local_time_ahead_of_utc_fails_the_series_though_each_bar_is_on_the_grid(exchange):
    exchange.misbehave(times_shifted(2 * HOUR))
    handed = handed_over(live_market(exchange), [a_window(exchange, NOON - 3 * HOUR, NOON)])
    assert handed.failures == {"BTC/USDT": "time_out_of_range(1 of 4 bars are in the future)"}
    assert handed.opens() == [NOON + 2 * HOUR]


def test_f20_weeks_that_open_on_another_day_fail_the_series(exchange):
    exchange.misbehave(times_shifted(timedelta(days=-1)))
    monday = FIRST_MONDAY + (NOON - FIRST_MONDAY) // timedelta(weeks=1) * timedelta(weeks=1)
    window = a_window(exchange, monday - timedelta(weeks=4), NOON, timeframe=Timeframe.W1)

    handed = handed_over(live_market(exchange), [window])

    assert handed.failures == {"BTC/USDT": "off_grid(a bar opens at Sunday 00:00:00)"}
    assert len(handed.frame) == 4, "the week that is open was not asked for"


def test_f20_weeks_open_on_monday(exchange):
    start = FIRST_MONDAY + timedelta(weeks=2900)
    window = a_window(exchange, start - HOUR, start + timedelta(weeks=5), timeframe=Timeframe.W1)
    assert handed_over(live_market(exchange), [window]).opens() == [start + n * timedelta(weeks=1) for n in range(5)]


def test_f07_a_bare_nan_spoils_its_bar_and_no_other(exchange):
    exchange.misbehave(changed(NOON - 2 * HOUR, close=float("nan")))
    handed = handed_over(live_market(exchange), [a_window(exchange, NOON - 3 * HOUR, NOON)])
    assert handed.opens() == hours_between(NOON - 3 * HOUR, NOON)
    assert handed.frame["close"].isna().tolist() == [False, True, False]


def test_kraken_gives_its_720_candles_and_has_no_older_ones(kraken):
    handed = handed_over(live_market(kraken), [a_window(kraken, START, NOON)])
    assert handed.opens() == hours_between(NOON - 720 * HOUR, NOON)

    older = handed_over(live_market(kraken), [a_window(kraken, START, NOON - 720 * HOUR, is_backward=True)])
    assert older.frame.empty
    assert older.failures == {}


def test_kraken_gives_what_is_new(kraken):
    handed = handed_over(live_market(kraken), [a_window(kraken, NOON - 2 * HOUR, NOON)])
    assert handed.opens() == hours_between(NOON - 2 * HOUR, NOON)
    assert handed.last is not None
    assert handed.last.used_weight is None


def test_a_gate_that_nobody_shut_is_open():
    assert not Gate().pause
    assert not Gate().is_shut
