"""The candles that a local exchange can be given."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.contracts.candles import VALUES
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from resources.market import SeriesWindow
from resources.simulated import SimulatedMarket
from tests.support.exchange_candles import EndlessMarket, real_candles, simulated_symbols, stored_candles
from tests.support.exchange_clock import ExchangeClock, bar_ms, milliseconds
from tests.support.market import START, random_walk, with_filled, with_listing

HOUR = timedelta(hours=1)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


def test_stored_candles_are_those_of_the_block():
    block = random_walk(seed=1, n_candles=50)

    candles = stored_candles(block, Timeframe.H1).last("ETH/USDT", Timeframe.H1, milliseconds(START + 100 * HOUR), 100)

    assert candles.open_ms.tolist() == [milliseconds(START + hour * HOUR) for hour in range(50)]
    assert candles.values[:, 3].tolist() == block["close"]["ETH/USDT"].tolist()


def test_bars_that_a_block_has_filled_or_not_listed_are_no_candles():
    block = with_filled(with_listing(random_walk(seed=1, n_candles=50), "BTC/USDT", 10), "BTC/USDT", 20, 2)

    candles = stored_candles(block, Timeframe.H1).first("BTC/USDT", Timeframe.H1, 0, milliseconds(NEW_YEAR), 100)

    assert len(candles.open_ms) == 50 - 10 - 2
    assert np.isfinite(candles.values).all()


def test_stored_candles_can_be_moved_in_time():
    moved = stored_candles(random_walk(seed=1, n_candles=5), Timeframe.H1, shift=timedelta(days=7))

    candles = moved.first("BTC/USDT", Timeframe.H1, 0, milliseconds(NEW_YEAR), 1)

    assert candles.open_ms.tolist() == [milliseconds(START + timedelta(days=7))]


def test_ranges_are_of_opens_and_include_both_bounds():
    stored = stored_candles(random_walk(seed=1, n_candles=10), Timeframe.H1)
    second, fourth = milliseconds(START + HOUR), milliseconds(START + 3 * HOUR)

    assert len(stored.first("BTC/USDT", Timeframe.H1, second, fourth, 100).open_ms) == 3
    assert len(stored.first("BTC/USDT", Timeframe.H1, second + 1, fourth - 1, 100).open_ms) == 1
    assert stored.last("BTC/USDT", Timeframe.H1, fourth, 2).open_ms.tolist() == [fourth - bar_ms(Timeframe.H1), fourth]


def test_a_series_that_is_not_stored_is_empty():
    stored = stored_candles(random_walk(seed=1, n_candles=10), Timeframe.H1)

    assert stored.last("BTC/USDT", Timeframe.D1, milliseconds(NEW_YEAR), 10).values.shape == (0, 5)


def test_real_candles_are_named_as_ccxt_does():
    stored = real_candles("vibe4trading_binance_2025", Timeframe.H1)

    assert "BTC/USDT" in stored.symbols
    assert (stored.last("BTC/USDT", Timeframe.H1, milliseconds(NEW_YEAR), 10).values > 0.0).all()


@pytest.mark.parametrize("timeframe", [Timeframe.M5, Timeframe.H1, Timeframe.D1, Timeframe.W1])
def test_the_endless_market_is_the_simulated_one(timeframe):
    start, end = NEW_YEAR - 30 * timeframe.duration, NEW_YEAR
    series = SeriesKey("simulated", "SOL/USDT", timeframe)
    expected = SimulatedMarket(seed=3).candles([SeriesWindow(series, start, end + timeframe.duration)]).frame

    market = EndlessMarket(["SOL/USDT"], seed=3)
    candles = market.first("SOL/USDT", timeframe, milliseconds(start), milliseconds(end), 1000)

    opens = [milliseconds(at.to_pydatetime()) for at in expected["open_at"]]
    kept = [at <= milliseconds(end) for at in opens]
    assert candles.open_ms.tolist() == [at for at, keep in zip(opens, kept, strict=True) if keep]
    assert candles.values.tolist() == expected[VALUES].to_numpy()[kept].round(8).tolist()


def test_any_page_of_the_endless_market_is_a_part_of_any_longer_one():
    market = EndlessMarket(["SOL/USDT"])
    everything = market.last("SOL/USDT", Timeframe.H1, milliseconds(NEW_YEAR), 900)

    for row in (0, 1, 383, 384, 500, 899):
        page = market.first("SOL/USDT", Timeframe.H1, int(everything.open_ms[row]), milliseconds(NEW_YEAR), 7)
        assert page.open_ms.tolist() == everything.open_ms[row : row + 7].tolist()
        assert page.values.tolist() == everything.values[row : row + 7].tolist()


def test_nothing_is_older_than_the_listing():
    market = EndlessMarket(["BTC/USDT", "NEW/USDT"], listed_at={"NEW/USDT": NEW_YEAR})

    listed = market.first("NEW/USDT", Timeframe.H1, 0, milliseconds(NEW_YEAR + 9 * HOUR), 3)
    oldest = market.first("BTC/USDT", Timeframe.D1, 0, milliseconds(NEW_YEAR), 1)

    assert listed.open_ms.tolist() == [milliseconds(NEW_YEAR + hour * HOUR) for hour in range(3)]
    assert oldest.open_ms.tolist() == [milliseconds(datetime(2009, 1, 1, tzinfo=UTC))]


def test_simulated_symbols_are_as_many_as_asked_for_and_differ():
    assert simulated_symbols(2) == ["BTC/USDT", "ETH/USDT"]
    assert len(set(simulated_symbols(500))) == 500


def test_a_clock_that_stands_moves_only_when_told():
    clock = ExchangeClock(NEW_YEAR, speed=0.0)
    clock.advance(HOUR)
    assert clock.now() == NEW_YEAR + HOUR

    clock.set(NEW_YEAR)
    assert clock.now() == NEW_YEAR


def test_a_clock_can_run_faster():
    clock = ExchangeClock(NEW_YEAR, speed=1e6)
    first = clock.now()
    assert clock.now() >= first >= NEW_YEAR
    assert abs(ExchangeClock().now() - datetime.now(UTC)) < timedelta(seconds=5)
