"""Judging of stored advice: every row is what the slow reference says of the stored candles."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.domain.signal import Origin, SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.judging import judge_live, judge_replayed
from pipeline.outcomes.rules import OutcomeRules
from pipeline.pricing import prices
from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.outcomes import store_outcomes
from pipeline.storage.transitions import expire
from tests.support.candle_rows import START
from tests.support.chain import FILES, days, store_block
from tests.support.database import a_series_of, a_stored_signal
from tests.support.judged import (
    as_table,
    assert_equal,
    expected_of_signals,
    horizons,
    slow,
    stored_bars,
    stored_outcomes,
    values,
)
from tests.support.market import random_walk
from tests.support.slow_outcomes import BUY, SELL, Advice

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
RULES = OutcomeRules()
HOUR = timedelta(hours=1)
FIRST, LAST = datetime(2024, 2, 10, tzinfo=UTC), datetime(2024, 2, 17, tzinfo=UTC)
END = START + timedelta(days=50)  # of the candles
HOURLY = load_settings({**FILES, "market.timeframes": "1h"})
SCOPE = "scope = 'again'"


def replayed(database: Database) -> None:
    """Signals of a week under the name `again`."""
    replay(database, HOURLY, "binance", "again", FIRST, LAST, as_of=END)


def judged(database: Database, as_of: datetime = END, **more):
    return judge_replayed(database, RULES, "again", FIRST - HOUR, LAST, as_of, **more)


@pytest.fixture
def market(database: Database) -> Database:
    """Fifty days of hourly candles, some wild, with a hole in one symbol, and a replayed week."""
    block = random_walk(seed=11, n_candles=50 * 24, symbols=SYMBOLS)
    block["high"].iloc[::7] *= 1.05
    block["low"].iloc[::7] *= 0.95
    hole = slice(FIRST + 30 * HOUR, FIRST + 34 * HOUR)
    for frame in block.values():
        frame.loc[hole, "ETH/USDT"] = float("nan")
    store_block(database, block)
    replayed(database)
    return database


def written_at(database: Database, table: str) -> dict:
    """When each row was written."""
    key = "signal_id" if table == "signal_outcomes" else "series_id, candle_close_at, signal_type"
    with database.begin() as conn:
        return {
            tuple(row[:-1]): row[-1]
            for row in conn.execute(sa.text(f"SELECT {key}, horizon, recorded_at FROM {table}"))
        }


def test_every_horizon_of_every_signal_is_what_the_slow_reference_says(market):
    told = judged(market)

    found = stored_outcomes(market, SCOPE)
    assert_equal(found, expected_of_signals(market, RULES, END, SCOPE))
    assert told.signals > 100
    assert len(found) == 3 * told.signals
    assert set(found["exit_reason"]) >= {"stop", "target", "horizon"}
    assert told.waiting == 0
    expiry = found.xs("expiry", level="horizon")["exit_reason"]
    assert dict(told.exits) == expiry.value_counts().to_dict()


def test_judging_again_writes_nothing(market):
    first = judged(market)
    before = written_at(market, "signal_outcomes"), written_at(market, "dropped_outcomes")

    assert first.written == len(before[0]) + len(before[1]) > 0
    assert judged(market).written == 0
    assert judged(market, is_all=True).written == 0
    assert (written_at(market, "signal_outcomes"), written_at(market, "dropped_outcomes")) == before


def test_what_waits_comes_later_and_nothing_that_is_stored_changes(market):
    early = LAST - timedelta(days=3)
    first = judged(market, early)
    assert first.waiting > 0
    assert_equal(stored_outcomes(market, SCOPE), expected_of_signals(market, RULES, early, SCOPE))
    before = written_at(market, "signal_outcomes"), written_at(market, "dropped_outcomes")

    for hours in (1, 5, 30):
        judged(market, early + hours * HOUR)
    judged(market)

    after = written_at(market, "signal_outcomes"), written_at(market, "dropped_outcomes")
    for old, new in zip(before, after, strict=True):
        assert 0 < len(old) < len(new)
        assert {key: new[key] for key in old} == old
    assert_equal(stored_outcomes(market, SCOPE), expected_of_signals(market, RULES, END, SCOPE))


def test_a_shorter_timeframe_decides_where_it_is_stored(market):
    judged(market)
    alone = stored_outcomes(market, SCOPE)
    assert alone["is_ambiguous"].sum() > 0
    bars = stored_bars(market)
    for symbol in SYMBOLS[:2]:
        store_block(market, quarters_of(bars[symbol, "1h"].values(), symbol), Timeframe.M15)

    judged(market, is_all=True)

    found = stored_outcomes(market, SCOPE)
    assert_equal(found, expected_of_signals(market, RULES, END, SCOPE))
    assert 0 < found["is_ambiguous"].sum() < alone["is_ambiguous"].sum()
    assert not found["exit_at"].equals(alone["exit_at"])


def quarters_of(hours, symbol):
    """Quarters of each bar from its open over its high and its low to its close: every hour is told of."""
    rows = {}
    for bar in hours:
        if not bar.is_filled:
            turns = [bar.open, bar.high, (bar.high + bar.low) / 2, bar.low, bar.close]
            for n, (begin, end) in enumerate(pairwise(turns)):
                rows[bar.open_at + n * HOUR / 4] = (begin, max(begin, end), min(begin, end), end, 1.0)
    names = ("open", "high", "low", "close", "volume")
    wide = pd.DataFrame.from_dict(rows, orient="index", columns=names)
    wide.index = pd.DatetimeIndex(wide.index, name="open_at").as_unit("us")
    return {name: wide[[name]].set_axis(pd.Index([symbol], name="symbol"), axis=1) for name in names}


def dropped_rows(database: Database):
    """What is stored of dropped advice, by symbol, close, side and horizon."""
    query = "SELECT o.*, s.symbol FROM dropped_outcomes o JOIN series s USING (series_id)"
    with database.begin() as conn:
        told = [dict(row) for row in conn.execute(sa.text(query)).mappings()]
    return as_table(told, ["symbol", "candle_close_at", "signal_type", "horizon"])


def expected_of_dropped(database: Database, scope: str, ranges: dict):
    """The slow reference of each bar and side of which nothing was kept, with the prices of a signal."""
    query = """SELECT s.symbol, d.candle_close_at, d.signal_type::text, bool_or(d.is_kept) AS is_kept
FROM risk_decisions d JOIN series s USING (series_id) WHERE d.scope = :scope AND d.signal_type <> 'ALERT'
GROUP BY 1, 2, 3"""
    with database.begin() as conn:
        decisions = conn.execute(sa.text(query), {"scope": scope}).all()
    bars, told = stored_bars(database), []
    for symbol, close_at, kind, is_kept in decisions:
        if is_kept:
            continue
        close = bars[symbol, "1h"][close_at - HOUR].close
        priced = prices(SignalType(kind), close, ranges[symbol, close_at], HOURLY.risk.stop_atr_multiple)
        targets = tuple(priced.target_prices[name] for name in ("tp1", "tp2", "tp3"))
        advice = Advice(BUY if kind == "BUY" else SELL, close_at, close, priced.stop_loss_price, targets)
        for horizon, n_bars in horizons(RULES, 1).items():
            found = slow(bars, symbol, Timeframe.H1, advice, n_bars, RULES, END)
            key = {"symbol": symbol, "candle_close_at": close_at, "signal_type": kind, "horizon": horizon}
            told.append(key | values(found))
    return as_table(told, list(key))


def stored_ranges(database: Database):
    """ATR 14 by symbol and close."""
    query = "SELECT symbol, close_at, atr_14 FROM indicators JOIN series USING (series_id)"
    with database.begin() as conn:
        return {(symbol, at): value for symbol, at, value in conn.execute(sa.text(query))}


def test_dropped_advice_is_priced_as_its_signal_would_have_been(market):
    days(market, FIRST.date(), LAST.date())  # which stores indicators
    told = judge_replayed(market, RULES, "default", FIRST - HOUR, LAST, END)

    expected = expected_of_dropped(market, "default", stored_ranges(market))
    expected = expected[expected.index.get_level_values("candle_close_at") <= LAST]
    assert_equal(dropped_rows(market), expected)
    assert len(expected) == 3 * told.dropped > 30


def test_the_same_week_has_the_same_outcomes_of_dropped_advice_replayed_and_backfilled(market):
    judged(market)
    in_memory = dropped_rows(market)
    with market.begin() as conn:
        conn.execute(sa.text("TRUNCATE dropped_outcomes"))
    days(market, FIRST.date(), LAST.date())
    judge_replayed(market, RULES, "default", FIRST - HOUR, LAST - HOUR, END)
    assert_equal(in_memory, dropped_rows(market))


def a_live_signal(database: Database, at: datetime, **changes) -> None:
    """A BUY of BTC/USDT at the close that is stored, live."""
    close = stored_bars(database)["BTC/USDT", "1h"][at - HOUR].close
    priced = {
        "entry_price": close,
        "stop_loss_price": close * 0.98,
        "target_prices": {f"tp{n}": close * (1 + 0.02 * n) for n in (1, 2, 3)},
    }
    row = a_stored_signal(a_series_of(database), created_at=at, expires_at=at + HOUR, **(priced | changes))
    with database.begin() as conn:
        conn.execute(sa.insert(tables.trading_signals).values(row))


def live(database: Database, as_of: datetime):
    return judge_live(database, RULES, "default", as_of)


@pytest.fixture
def hourly(database: Database) -> Database:
    """Five days of one symbol, and a live BUY at each close of the third."""
    store_block(database, random_walk(seed=3, n_candles=5 * 24, symbols=("BTC/USDT",)))
    for hour in range(24):
        a_live_signal(database, START + timedelta(days=2, hours=hour))
    return database


def test_live_advice_is_judged_as_candles_come_and_equals_what_is_judged_at_once(hourly):
    written = 0
    for hour in (*range(2 * 24 + 1, 4 * 24, 5), 4 * 24):
        written += live(hourly, START + hour * HOUR).written
        found = stored_outcomes(hourly, "origin = 'live'")
        assert len(found) == written
    assert written == 3 * 24
    assert_equal(found, expected_of_signals(hourly, RULES, START + timedelta(days=4), "true"))


def fall_deeper(database: Database) -> None:
    """Revise every candle."""
    with database.begin() as conn:
        conn.execute(sa.text("UPDATE candles SET low = low * 0.9"))


def test_live_outcomes_stay_when_candles_are_revised(hourly):
    early = START + timedelta(days=3)
    live(hourly, early)
    before = stored_outcomes(hourly, "true")
    fall_deeper(hourly)

    live(hourly, END)

    after = stored_outcomes(hourly, "true")
    assert 0 < len(before) < len(after) == 3 * 24
    assert_equal(after.loc[before.index], before)
    come_later = after.drop(before.index)
    assert_equal(come_later, expected_of_signals(hourly, RULES, END, "true").loc[come_later.index])


def test_outcomes_of_a_replay_follow_the_candles_when_all_are_asked_anew(market):
    judged(market)
    before = stored_outcomes(market, SCOPE)
    fall_deeper(market)

    assert judged(market).written == 0
    assert judged(market, is_all=True).written > 0

    after = stored_outcomes(market, SCOPE)
    assert_equal(after, expected_of_signals(market, RULES, END, SCOPE))
    assert not after["net_return"].equals(before["net_return"])


@pytest.mark.parametrize(
    ("statement", "n_kept"),
    [("DELETE FROM trading_signals WHERE created_at <= :until", 12), ("TRUNCATE trading_signals, signal_charts", 0)],
)
def test_outcomes_and_events_go_with_their_signals(hourly, statement, n_kept):
    until = START + timedelta(days=2, hours=11)
    live(hourly, END)
    with hourly.begin() as conn:
        expire(conn, END)
        conn.execute(sa.text(statement), {"until": until} if ":until" in statement else {})
        events = conn.scalar(sa.text("SELECT count(*) FROM signal_events"))

    assert (events, len(stored_outcomes(hourly, "true"))) == (n_kept, 3 * n_kept)


def test_outcomes_of_signals_that_a_replay_has_deleted_meanwhile_are_not_stored(market):
    judged(market)
    columns = ", ".join(c.name for c in tables.signal_outcomes.c if c.name not in ("signal_id", "recorded_at"))
    computed = market.frame(sa.text(f"SELECT signal_id::text, {columns} FROM signal_outcomes WHERE {SCOPE}"))
    with market.begin() as conn:
        conn.execute(sa.text(f"DELETE FROM trading_signals WHERE {SCOPE} AND signal_type = 'BUY'"))

        written = store_outcomes(conn, tables.signal_outcomes, computed, Origin.REPLAY)

    assert written == 0
    assert 0 < len(stored_outcomes(market, SCOPE)) == (computed["signal_type"] == "SELL").sum()


def test_a_delisted_series_ends_what_is_held(hourly):
    last, noticed = START + timedelta(days=2, hours=12), START + timedelta(days=3)
    with hourly.begin() as conn:
        conn.execute(sa.text("DELETE FROM candles WHERE close_at > :at"), {"at": last})
        conn.execute(sa.text("DELETE FROM trading_signals WHERE created_at > :at"), {"at": last})
    far = {f"tp{n}": 1e6 * n for n in (1, 2, 3)}
    a_live_signal(hourly, last - HOUR, strategy="MACD_CROSSOVER", stop_loss_price=1.0, target_prices=far)
    assert live(hourly, END).waiting > 0
    with hourly.begin() as conn:
        conn.execute(sa.text("UPDATE series SET delisted_at = :at"), {"at": noticed})

    live(hourly, END)

    found = stored_outcomes(hourly, "true")
    assert_equal(found, expected_of_signals(hourly, RULES, END, "true", {"BTC/USDT": noticed}))
    assert {"delisted", "no_entry"} <= set(found["exit_reason"])
    assert len(found) == 3 * 14


def test_a_signal_that_is_stored_after_its_candle_was_judged_has_its_outcomes_all_the_same(hourly):
    at = START + timedelta(days=4)
    assert live(hourly, at).waiting == 0  # the hourly run, before the chain of the same close has stored its signals
    a_live_signal(hourly, at)

    live(hourly, END)

    assert_equal(stored_outcomes(hourly, "true"), expected_of_signals(hourly, RULES, END, "true"))
