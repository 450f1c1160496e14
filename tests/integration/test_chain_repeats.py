"""The same inputs and settings give the same rows, whichever way a close is reached."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.generation import PRIOR_BARS
from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from tests.support.chain import CHAIN_TABLES, FILES, days, hours, rows, snapshot, store_block, store_simulated, tick
from tests.support.database import a_database
from tests.support.market import random_walk
from tests.support.model_chain import PREDICTIONS

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
EXTENDED = ("indicators", "market_conditions", "model_features")
FIRST, LAST = date(2024, 2, 10), date(2024, 2, 14)


@pytest.fixture
def market(database: Database) -> Database:
    """Two months of hourly candles of four symbols, from 2024-01-01 on."""
    store_block(database, random_walk(seed=11, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
    return database


def test_a_backfill_makes_rows_in_every_table_of_the_chain(market):
    made = days(market, FIRST, LAST)

    written = {name: numbers["rows_written"] for name, numbers in made.items()}
    assert written.pop("candles") == 0  # they were imported before
    without = (*PREDICTIONS, "ml_signals", "symbol_sentiment", "sentiment_signals")  # there are no models and no texts
    assert {written.pop(name) for name in without} == {0}
    assert all(number > 0 for number in written.values()), written


def test_the_same_backfill_again_adds_and_changes_nothing(market):
    days(market, FIRST, LAST)
    before = snapshot(market)

    again = days(market, FIRST, LAST)

    assert {name: numbers["rows_written"] for name, numbers in again.items()} == dict.fromkeys(again, 0)
    assert snapshot(market) == before


def test_day_by_day_gives_the_rows_of_the_range(market):
    for offset in range((LAST - FIRST).days + 1):
        days(market, FIRST + timedelta(days=offset), FIRST + timedelta(days=offset))
    day_by_day = snapshot(market)
    for table in CHAIN_TABLES[1:]:
        with market.begin() as conn:
            conn.exec_driver_sql(f"TRUNCATE {table} CASCADE")

    days(market, FIRST, LAST)

    assert snapshot(market) == day_by_day


def test_live_ticks_equal_their_replay_column_by_column(market):
    start, n_closes = datetime(2024, 2, 10, tzinfo=UTC), 12
    for close_at in hours(start, n_closes):
        tick(market, close_at)
    apart = ("id", "origin", "scope")
    live = {table: rows(market, table, "origin = 'live'", apart) for table in ("candidate_signals", "trading_signals")}
    settings = load_settings(FILES)

    end = start + timedelta(hours=n_closes)
    replay(market, settings, "binance", "again", start, end, as_of=datetime(2024, 3, 1, tzinfo=UTC))
    made = days(market, date(2024, 2, 10), date(2024, 2, 10))

    for scope in ("again", "default"):
        where = f"origin = 'replay' AND scope = '{scope}' AND candle_close_at < '{end}'"
        replayed = {table: rows(market, table, where, apart) for table in live}
        assert len(live["trading_signals"]) >= 10
        assert replayed == live
    assert made["trading_signals"]["drift"] == 0
    assert rows(market, "replay_drift") == []


def test_ticks_extend_stored_rows_to_those_that_a_backfill_computes(postgres_server, migrated_template):
    block = random_walk(seed=12, n_candles=40 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1)
    closes = hours(datetime(2024, 2, 6, 18, tzinfo=UTC), 12)
    derived = []
    for is_live in (True, False):
        with a_database(postgres_server, migrated_template) as database:
            store_block(database, block)
            if is_live:
                for close in closes:
                    tick(database, close)
            else:
                days(database, closes[0].date(), closes[-1].date())
            at_closes = f"close_at BETWEEN '{closes[0]}' AND '{closes[-1]}'"
            derived.append({table: rows(database, table, at_closes) for table in EXTENDED})

    ticked, backfilled = derived
    assert len(ticked["market_conditions"]) == len(closes) * len(SYMBOLS)
    assert ticked == backfilled


def test_a_tick_reads_the_stored_ratios_and_computes_them_where_one_lacks(market):
    first, second, third = hours(datetime(2024, 2, 10, tzinfo=UTC), 3)
    tick(market, first)
    with market.begin() as conn:
        conn.execute(sa.text("UPDATE market_conditions SET atr_ratio = 1"))  # no candle makes such a market
    tick(market, second)
    assert medians(market, second) == {1.0}

    with market.begin() as conn:
        conn.execute(sa.text("DELETE FROM indicators WHERE open_at = '2024-02-05'"))
    tick(market, third)
    assert max(medians(market, second) | medians(market, third)) < 0.1


def medians(database, close):
    return {row["atr_ratio_median"] for row in rows(database, "market_conditions", f"close_at = '{close}'")}


def test_a_replay_again_changes_nothing_and_other_settings_change_only_their_scope(market):
    start, end = datetime(2024, 2, 10, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC)
    now = datetime(2024, 3, 1, tzinfo=UTC)
    settings = load_settings(FILES)
    replay(market, settings, "binance", "base", start, end, now)
    base = rows(market, "trading_signals", "scope = 'base'")

    again = replay(market, settings, "binance", "base", start, end, now)
    other = load_settings({**FILES, "strategies.macd_crossover.is_enabled": "false"})
    without = replay(market, other, "binance", "no-macd", start, end, now)

    assert (again.stored.written, again.stored.removed) == (0, 0)
    assert rows(market, "trading_signals", "scope = 'base'") == base
    assert 0 < without.n_candidates < again.n_candidates


def test_a_replay_in_small_parts_equals_one_in_a_single_part(market, monkeypatch):
    start, end = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 15, tzinfo=UTC)
    now = datetime(2024, 3, 1, tzinfo=UTC)
    settings = load_settings(FILES)
    replay(market, settings, "binance", "whole", start, end, now)
    monkeypatch.setattr("pipeline.replay.BARS_AT_ONCE", 150)

    replay(market, settings, "binance", "parts", start, end, now)

    apart = ("id", "scope")
    for table in ("candidate_signals", "risk_decisions", "trading_signals"):
        whole = rows(market, table, "scope = 'whole'", apart)
        assert whole
        assert rows(market, table, "scope = 'parts'", apart) == whole


def test_a_replay_deletes_what_no_longer_fires(market):
    days(market, FIRST, LAST)
    n_before = len(rows(market, "trading_signals"))

    made = days(market, FIRST, LAST, {"strategies.macd_crossover.is_enabled": "false"})

    assert made["trading_signals"]["removed"] > 0
    assert len(rows(market, "trading_signals")) < n_before
    assert rows(market, "candidate_signals", "strategy = 'MACD_CROSSOVER'") == []


def test_several_timeframes_share_one_run(database):
    for timeframe, n_candles in ((Timeframe.H1, 60 * 24), (Timeframe.H4, 60 * 6)):
        store_block(database, random_walk(seed=5, n_candles=n_candles, symbols=SYMBOLS, timeframe=timeframe), timeframe)

    days(database, FIRST, LAST)

    found = {row["timeframe"] for row in rows(database, "trading_signals")}
    assert found == {"1h", "4h"}


def test_a_first_tick_equals_one_over_older_history(postgres_server, migrated_template):
    # On this day the oldest look-back bar stands in the middle of its segment, whose warm-up begins before its own.
    at = datetime(2024, 3, 5, tzinfo=UTC)
    changes = {"market.source": "simulated", "market.symbols": "BTC/USDT,ETH/USDT,SOL/USDT"}
    written = []
    for older_days in (0, 150):
        with a_database(postgres_server, migrated_template) as database:
            if older_days:
                store_simulated(database, changes["market.symbols"].split(","), at - timedelta(days=older_days), at)
            tick(database, at, changes)
            # On-balance volume is counted from a series' first candle, so it alone may differ.
            written.append({table: rows(database, table, ignore=("obv",)) for table in EXTENDED})

    fresh, with_older = written
    assert len(fresh["indicators"]) == 3 * (1 + PRIOR_BARS)
    assert fresh == with_older


def test_a_backfill_long_before_what_is_stored_leaves_no_gap(database):
    changes = {"market.source": "simulated", "market.symbols": "BTC/USDT"}
    tick(database, datetime(2024, 6, 1, tzinfo=UTC), changes)

    days(database, date(2024, 1, 10), date(2024, 1, 10), changes)

    assert len(rows(database, "candles", "open_at >= '2024-01-10' AND open_at < '2024-06-01'")) == 143 * 24
    assert rows(database, "candles", "is_filled") == []
