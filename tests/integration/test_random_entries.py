"""Entries at random: every bar, both ways, as the slow reference follows them one by one."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from ta.volatility import AverageTrueRange

from pipeline.domain.signal import SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.pricing import prices
from pipeline.random_entries import refresh_random_entries
from pipeline.settings import Settings, load_settings
from pipeline.storage.database import Database
from pipeline.storage.random_entries import read_random_means
from pipeline.storage.universe import universe
from tests.support.candle_rows import START
from tests.support.chain import FILES, store_block
from tests.support.database import a_database
from tests.support.judged import horizons, slow, stored_bars
from tests.support.market import random_walk, with_listing
from tests.support.slow_outcomes import BUY, SELL, Advice, Bar

SYMBOLS = ("BTC/USDT", "ETH/USDT")
MULTIPLE = 1.5
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FIRST, LAST = START + 20 * DAY, START + 23 * DAY  # of the days that are computed
END = START + 26 * DAY  # of the candles
SETTINGS = load_settings(FILES)
KEY = ["symbol", "day_at", "signal_type", "horizon"]
NUMBERS = ["n_entries", "n_wins", "net_return", "long_return"]
WARM_UP = 350  # bars of the average true range


@pytest.fixture(scope="module")
def origin(postgres_server, migrated_template):
    """Hourly candles of two symbols with a hole; nobody is connected to it."""
    with a_database(postgres_server, migrated_template) as made:
        block = random_walk(seed=5, n_candles=26 * 24, symbols=SYMBOLS)
        for frame in block.values():
            frame.loc[FIRST + 6 * HOUR : FIRST + 9 * HOUR, "BTC/USDT"] = np.nan
        store_block(made, block)
        made.close()
        yield made.address


@pytest.fixture
def market(postgres_server, origin):
    with a_database(postgres_server, origin) as copy:
        yield copy


def refresh(database: Database, as_of: datetime, settings: Settings = SETTINGS) -> int:
    with database.begin() as conn:
        series = universe(conn, "binance")
    return refresh_random_entries(database, settings, MULTIPLE, series, FIRST, LAST + 23 * HOUR, as_of)


def stored(database: Database) -> pd.DataFrame:
    query = f"SELECT {', '.join([*KEY, *NUMBERS])} FROM random_entries JOIN series USING (series_id)"
    with database.begin() as conn:
        rows = conn.execute(sa.text(query)).mappings().all()
    return pd.DataFrame([dict(row) for row in rows]).set_index(KEY).sort_index()


def average_true_ranges(bars: Iterable[Bar]) -> dict[datetime, float | None]:
    """ATR 14 of each close as `ta` has it, from the first bar on; unknown before it is trusted."""
    table = pd.DataFrame([[bar.close_at, bar.high, bar.low, bar.close] for bar in bars])
    values = AverageTrueRange(table[1], table[2], table[3], window=14).average_true_range()
    is_trusted = np.arange(len(table)) >= WARM_UP
    return dict(zip(table[0], values.where(is_trusted, None).astype(object), strict=True))


def in_a_loop(database: Database, as_of: datetime, settings: Settings = SETTINGS) -> pd.DataFrame:
    """Each bar of each day, both ways, to each horizon."""
    rules, bars = settings.outcomes.rules, stored_bars(database)
    told = []
    for symbol in SYMBOLS:
        ranges = average_true_ranges(bars[symbol, "1h"].values())
        for bar in bars[symbol, "1h"].values():
            at = bar.close_at
            if bar.is_filled or not FIRST <= at < LAST + DAY or at > as_of:
                continue
            for side, kind in ((BUY, SignalType.BUY), (SELL, SignalType.SELL)):
                priced = prices(kind, bar.close, ranges[at], MULTIPLE)
                targets = tuple(priced.target_prices.values())
                advice = Advice(side, at, bar.close, priced.stop_loss_price, targets)
                for horizon, n_bars in horizons(rules, 1).items():
                    found = slow(bars, symbol, Timeframe.H1, advice, n_bars, rules, as_of, is_shorter_asked=False)
                    if found is not None and found.net_return is not None:
                        day_at = at.replace(hour=0)
                        told.append([symbol, day_at, kind.value, horizon, found.net_return, found.long_return])
    table = pd.DataFrame(told, columns=[*KEY, "net_return", "long_return"])
    by = table.assign(is_win=table["net_return"] > 0).groupby(KEY)
    return by.agg(
        n_entries=("is_win", "size"),
        n_wins=("is_win", "sum"),
        net_return=("net_return", "mean"),
        long_return=("long_return", "mean"),
    )


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-14)


def test_every_day_is_what_a_loop_over_its_bars_says(market):
    written = refresh(market, END)

    found = stored(market)
    assert_equal(found, in_a_loop(market, END))
    assert written == len(found) == 2 * 4 * 2 * 3  # symbols, days, sides, horizons
    assert found["n_entries"].max() == 24
    assert found["n_entries"].min() < 24  # the hole


def test_nothing_is_written_again(market):
    refresh(market, END)
    assert refresh(market, END) == 0
    assert refresh(market, END + 30 * DAY) == 0


def test_a_day_that_is_not_over_is_counted_again_and_ends_as_if_counted_at_once(market):
    for as_of in (LAST - 7 * HOUR, LAST + HOUR / 2, LAST + 5 * HOUR, LAST + 30 * HOUR):
        refresh(market, as_of)
        assert_equal(stored(market), in_a_loop(market, as_of))

    refresh(market, END)

    assert_equal(stored(market), in_a_loop(market, END))


def test_a_day_has_the_closes_from_midnight_to_before_the_next(market):
    refresh(market, FIRST + 2 * HOUR)  # the closes of 00:00, 01:00 and 02:00, of which the first two are told
    found = stored(market).xs("expiry", level="horizon")
    assert found["n_entries"].tolist() == [2] * 4
    assert set(found.index.get_level_values("day_at")) == {FIRST}


def test_the_rules_of_an_entry_at_the_close_stand_beside_the_others(market):
    at_close = load_settings({**FILES, "outcomes.entry": "signal_close", "outcomes.fee_bps": "0"})
    refresh(market, END)
    before = stored(market)

    refresh(market, END, at_close)

    with market.begin() as conn:
        rules = conn.scalars(sa.text("SELECT DISTINCT rules FROM random_entries ORDER BY 1")).all()
        conn.execute(sa.text("DELETE FROM random_entries WHERE rules = :rules"), {"rules": rules[0]})
    assert rules == ["next_open fee=10bp slippage=2bp stop=1.5atr", "signal_close fee=0bp slippage=2bp stop=1.5atr"]
    assert_equal(stored(market), in_a_loop(market, END, at_close))
    assert not stored(market)["net_return"].equals(before["net_return"])


def test_a_window_weighs_its_days_by_their_entries(market):
    refresh(market, END)
    found = read_random_means(market, "next_open fee=10bp slippage=2bp stop=1.5atr", "4_bars", FIRST + 5 * HOUR, LAST)
    table = stored(market).reset_index().query("horizon == '4_bars' and day_at <= @LAST")
    for (_, kind), of_side in table.groupby(["symbol", "signal_type"]):
        mean = np.average(of_side["net_return"], weights=of_side["n_entries"])
        assert ((found["is_buy"] == (kind == "BUY")) & np.isclose(found["net_return"], mean, rtol=1e-12)).sum() == 1
    assert len(found) == 4
    assert found["n_entries"].sum() == table["n_entries"].sum()


def test_a_day_whose_candles_come_late_is_counted_again(database):
    block = random_walk(seed=5, n_candles=26 * 24, symbols=SYMBOLS)
    store_block(database, {field: frame.loc[: LAST - 3 * HOUR] for field, frame in block.items()})
    refresh(database, END + 10 * DAY)
    store_block(database, block)

    refresh(database, END + 11 * DAY)

    assert_equal(stored(database), in_a_loop(database, END))


def test_a_symbol_that_is_listed_later_lets_the_others_be(database):
    block = random_walk(seed=5, n_candles=26 * 24, symbols=SYMBOLS)
    store_block(database, with_listing(block, "ETH/USDT", FIRST + 2 * DAY))
    refresh(database, END)

    assert refresh(database, END + DAY) == 0
