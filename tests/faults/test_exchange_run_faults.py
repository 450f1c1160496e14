"""An exchange that breaks down, refuses, drops symbols or takes candles back, while the chain runs at its closes."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from assets.reporting import clock_check
from pipeline.domain.errors import ConfigurationError, DataContractError, SourceUnavailableError
from pipeline.domain.timeframe import Timeframe
from pipeline.storage.database import Database
from tests.support.exchange_chain import CLOSE, HISTORY, HOUR, LiveChain, live_chain
from tests.support.exchange_clock import ExchangeClock
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_faults import html, refusal, reset, revised, short_pages, times_shifted, truncated
from tests.support.exchange_fetching import asked_since
from tests.support.exchange_limits import Refusal

THREE_BARS = {"expiry__bars__1h": "3"}  # for how long a signal stands
OK = ("OK", None)
INVALIDATIONS = (
    "SELECT symbol, reason FROM signal_events JOIN trading_signals ON id = signal_id WHERE to_status = 'INVALIDATED'"
)


@pytest.fixture
def live(database: Database) -> Iterator[LiveChain]:
    """The chain before its first start at an exchange that does nothing wrong yet."""
    with live_chain(database) as chain:
        yield chain


@pytest.fixture
def two_timeframes(database: Database) -> Iterator[LiveChain]:
    """The same, where 4h can be had beside 1h."""
    with live_chain(database, longer=Timeframe.H4) as chain:
        yield chain


def near_close() -> datetime:
    """A close so near that an exchange which says it has just passed is within a bar of our clock."""
    now = datetime.now(UTC)
    rounded = Timeframe.H1.floor(now + HOUR / 2)
    return rounded if rounded.date() == now.date() else Timeframe.H1.floor(now)


@contextmanager
def beside_a_close(database: Database, *, shows_open_candle: bool) -> Iterator[LiveChain]:
    """The chain at an exchange at which a candle has just closed and the next one is open."""
    close = near_close()
    clock = ExchangeClock(max(close + timedelta(seconds=6), datetime.now(UTC) - HOUR / 2))
    with live_chain(database, close=close, clock=clock, shows_open_candle=shows_open_candle) as live:
        yield live


def test_f01_a_candle_that_is_open_is_not_stored_and_once_it_has_closed_it_is(database):
    with beside_a_close(database, shows_open_candle=True) as live:
        live.tick(-1)
        assert live.candles().index[-1] == live.close - 2 * HOUR

        live.tick()

        assert live.candles().index[-1] == live.close - HOUR
        assert live.is_stored_right()
        assert live.others("") == {OK}


def test_f02_where_the_open_candle_is_not_shown_the_newest_one_is_stored(database):
    with beside_a_close(database, shows_open_candle=False) as live:
        live.tick()
        assert live.candles().index[-1] == live.close - HOUR
        assert live.is_stored_right()
        assert live.others("") == {OK}


def test_f12_a_candle_that_the_exchange_changes_is_noticed_at_the_next_close_and_its_signal_invalidated(live):
    live.tick(**THREE_BARS)
    before = live.candles().iloc[-1]
    assert live.signals() == [(CLOSE, "BUY", "MACD_CROSSOVER", "ACTIVE")]

    live.exchange.misbehave(revised(CLOSE - HOUR, 0.97), symbol="BTC/USDT")
    live.tick(1, **THREE_BARS)

    assert live.ask("SELECT open_at, close, volume FROM candle_revisions") == [
        (CLOSE - HOUR, before["close"], before["volume"])
    ]
    assert live.candles()["close"].loc[CLOSE - HOUR] == pytest.approx(0.97 * before["close"])
    assert (CLOSE, "BUY", "MACD_CROSSOVER", "INVALIDATED") in live.signals()
    assert live.ask(INVALIDATIONS) == [("BTC/USDT", "data_revision")]
    assert live.signals("SOL/USDT")[0] == (CLOSE, "BUY", "SMA_CROSSOVER", "ACTIVE")
    assert live.others("") == {OK}


def test_f14_a_clock_that_is_two_minutes_off_is_a_warning(live):
    live.exchange.skew_clock(timedelta(minutes=2))
    live.tick()
    assert live.others("") == {OK}
    assert live.is_stored_right()
    assert not clock_check(timedelta(minutes=-2)).passed


def test_f14_a_clock_that_is_more_than_a_bar_off_blocks_every_symbol_and_fails_the_run(live):
    live.exchange.skew_clock(timedelta(minutes=-90))
    with pytest.raises(DataContractError, match=r"3 of 3 are, e.g. .*: clock_skew\("):
        live.tick()
    assert live.candles().empty
    assert {(status, str(reason)[:12]) for status, reason in live.others("")} == {("BLOCKED", "clock_skew(5")}
    assert live.ask("SELECT * FROM trading_signals") == []


def test_f14_a_clock_that_is_further_off_than_any_bar_is_long_blocks_those_too_that_were_not_asked_for(two_timeframes):
    live, both = two_timeframes, {"market__timeframes": "1h,4h"}
    live.tick(**both)
    live.exchange.skew_clock(timedelta(hours=-5))
    with pytest.raises(DataContractError, match=r"clock_skew\("):
        live.tick(1, **both)
    assert {row[0] for row in live.ask("SELECT status FROM source_health")} == {"BLOCKED"}


def test_f15_a_refusal_that_says_for_how_long_is_waited_out_within_the_run(live):
    live.exchange.misbehave(refusal(Refusal.RATE_LIMITED, retry_after_s=1), endpoint=Endpoint.CANDLES, times=1)
    live.tick()
    assert live.others("") == {OK}
    assert live.is_stored_right()


def test_f15_a_ban_for_longer_than_the_run_fails_it_at_once_and_the_next_run_takes_what_is_missing(live):
    ban = live.exchange.misbehave(refusal(Refusal.BANNED, retry_after_s=7200), endpoint=Endpoint.CANDLES)
    with pytest.raises(SourceUnavailableError, match="binance rate limit reached; retry after"):
        live.tick()
    assert ban.seen <= len(live.market["close"].columns), "requests that were under way when the ban was heard"
    assert {status for status, _ in live.others("")} == {"BLOCKED"}

    live.exchange.behave()
    live.tick()

    assert live.others("") == {OK}
    assert all(live.is_stored_right(symbol) for symbol in live.market["close"].columns)


def test_f15_a_page_for_people_in_place_of_an_answer_is_asked_again(live):
    ordered = [live.exchange.misbehave(html(status), endpoint=Endpoint.CANDLES, times=1) for status in (403, 503, 200)]
    live.tick()
    assert [each.seen for each in ordered] == [1, 1, 1]
    assert live.others("") == {OK}


def test_f16_connections_that_break_in_the_middle_are_made_up_for(live):
    ordered = [live.exchange.misbehave(fault, endpoint=Endpoint.CANDLES, times=2) for fault in (reset(), truncated())]
    live.tick()
    assert [each.seen for each in ordered] == [2, 2]
    assert live.others("") == {OK}
    assert all(live.is_stored_right(symbol) for symbol in live.market["close"].columns)

    live.exchange.requests.clear()
    live.tick()

    assert live.exchange.requests == [], "there is nothing left to ask for"


def test_f16_a_symbol_that_fails_in_mid_history_keeps_its_first_page_and_goes_on_from_there(live):
    live.exchange.misbehave(short_pages(500))
    live.exchange.misbehave(html(503), symbol="ETH/USDT", endpoint=Endpoint.CANDLES, after=1)
    live.tick()
    assert len(live.candles("ETH/USDT")) == 500
    assert not live.candles("ETH/USDT")["is_filled"].any()
    status, reason = live.health("ETH/USDT")
    assert status == "BLOCKED"
    assert str(reason).startswith("unavailable(binance did not answer: ExchangeNotAvailable")
    assert live.others("ETH/USDT") == {OK}
    first_asked, newest = asked_since(live.exchange, "ETH/USDT")[0], live.candles("ETH/USDT").index[-1]

    live.exchange.behave()
    live.exchange.requests.clear()
    live.tick()

    assert sorted(asked_since(live.exchange, "ETH/USDT")) == [first_asked, newest - HOUR]
    assert asked_since(live.exchange, "BTC/USDT") == []
    assert live.is_stored_right("ETH/USDT")
    assert live.others("") == {OK}


def test_f16_an_exchange_that_cannot_be_reached_fails_the_run_and_leaves_what_is_stored(live):
    live.tick()
    stored = live.candles()
    live.exchange.server.refuse()
    with pytest.raises(SourceUnavailableError, match=r"no candle of the 3 series.*binance did not answer"):
        live.tick(1)
    assert live.candles().equals(stored)
    assert {status for status, _ in live.others("")} == {"BLOCKED"}

    live.exchange.server.accept()
    live.tick(2)

    assert live.others("") == {OK}
    assert live.candles().index[-1] == CLOSE + HOUR


@pytest.mark.parametrize("how", ["delisted", "halted"])
def test_f17_a_symbol_that_ends_takes_its_signals_with_it_and_no_others(live, how):
    live.tick(**THREE_BARS)
    assert live.signals("SOL/USDT") == [(CLOSE, "BUY", "SMA_CROSSOVER", "ACTIVE")]

    if how == "delisted":
        live.exchange.delist("SOL/USDT")
    else:
        live.exchange.halt("SOL/USDT")
    live.tick(1, **THREE_BARS)

    assert live.signals("SOL/USDT") == [(CLOSE, "BUY", "SMA_CROSSOVER", "INVALIDATED")]
    assert live.ask(INVALIDATIONS) == [("SOL/USDT", "delisted")]
    assert live.signals()[0] == (CLOSE, "BUY", "MACD_CROSSOVER", "ACTIVE")
    assert live.ask("SELECT delisted_at FROM series WHERE symbol = 'SOL/USDT'") == [(CLOSE,)]
    status, reason = live.health("SOL/USDT")
    assert status == "BLOCKED"
    assert str(reason).startswith("delisted(binance ")
    assert live.others("SOL/USDT") == {OK}
    assert live.candles().index[-1] == CLOSE


def test_f17_a_symbol_that_ends_does_so_in_timeframes_too_that_were_not_asked_for(two_timeframes):
    live, both = two_timeframes, {"market__timeframes": "1h,4h"}
    live.tick(**both)

    live.exchange.delist("SOL/USDT")
    live.tick(1, **both)  # no bar of 4h closes now

    reasons = live.ask("SELECT status, reason FROM source_health WHERE subject LIKE '% SOL/USDT %'")
    assert reasons == [("BLOCKED", "delisted(binance does not list SOL/USDT)")] * 2
    assert live.ask("SELECT count(*) FROM series WHERE delisted_at IS NOT NULL") == [(2,)]


def test_f17_the_only_symbol_that_ends_takes_its_signals_with_it_too(live):
    alone = THREE_BARS | {"market__symbols": "SOL/USDT"}
    live.tick(**alone)
    live.exchange.delist("SOL/USDT")
    live.tick(1, **alone)
    assert live.ask(INVALIDATIONS) == [("SOL/USDT", "delisted")]


def test_f17_symbols_of_which_none_is_traded_are_refused(live):
    with pytest.raises(ConfigurationError, match=r"it trades none of BAR/USDT, FOO/USDT; `signals symbols"):
        live.tick(market__symbols="FOO/USDT,BAR/USDT")


def test_f16_an_outage_between_the_closes_of_longer_bars_is_no_success(two_timeframes):
    live, both = two_timeframes, {"market__timeframes": "1h,4h"}
    live.tick(**both)
    live.exchange.server.refuse()
    with pytest.raises(SourceUnavailableError, match="no candle of the 3 series"):
        live.tick(1, **both)


def test_f17_a_symbol_that_is_there_later_is_taken_up(live):
    live.exchange.delist("SOL/USDT")
    live.tick()
    assert live.health("SOL/USDT") == ("BLOCKED", "delisted(binance does not list SOL/USDT)")
    live.exchange.behave()
    live.tick(1)
    assert live.health("SOL/USDT") == OK
    assert live.ask("SELECT delisted_at FROM series WHERE symbol = 'SOL/USDT'") == [(None,)]


def test_f20_weeks_open_on_monday_and_an_exchange_that_says_otherwise_is_refused(database):
    close = datetime(2025, 3, 31, tzinfo=UTC)
    with live_chain(database, close=close, timeframe=Timeframe.W1, history=600) as live:
        live.exchange.misbehave(times_shifted(timedelta(days=-1)), symbol="BTC/USDT")

        live.tick()

        assert {reason for _, reason in live.quarantine()} == {"off_grid"}
        assert live.candles().empty
        assert live.health() == ("BLOCKED", "off_grid(a bar opens at Sunday 00:00:00)")
        assert live.others() == {OK}
        assert live.is_stored_right("ETH/USDT")
        assert {at.weekday() for at in live.candles("ETH/USDT").index} == {0}


@pytest.mark.parametrize("close", [CLOSE, datetime(2025, 1, 5, tzinfo=UTC)], ids=["clocks changed", "year's end"])
def test_f20_the_change_of_the_clocks_and_a_year_s_end_are_hours_like_any_other(database, close):
    with live_chain(database, close=close) as live:
        live.tick()
        assert live.is_stored_right()
        assert len(live.candles()) == HISTORY
        assert live.others("") == {OK}
