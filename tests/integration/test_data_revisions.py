"""Revised candles: what they do to live signals, and to what was derived (F12)."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from tests.support.chain import FAR_FUTURE, days, hours, raw_rows, rows, store_block, tick
from tests.support.market import random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT", "DOT/USDT")
START = datetime(2024, 2, 10, tzinfo=UTC)
EXPIRY_3_BARS = {"expiry.bars.1h": "3"}
# Of the strategies only those of which a bar that goes the other way makes every signal void.
ONLY_CROSSES = EXPIRY_3_BARS | {
    f"strategies.{key}.is_enabled": "false"
    for key in ("rsi", "bollinger_breakout", "chart_pattern_completion", "support_resistance_break")
}


@pytest.fixture
def market(database: Database) -> Database:
    store_block(database, random_walk(seed=3, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
    return database


def _first_close_with_a_signal(market: Database) -> datetime:
    """A crossover's, which a bar that goes the other way makes void."""
    days(market, START.date(), START.date() + timedelta(days=1))
    return min(row["candle_close_at"] for row in rows(market, "trading_signals", "strategy LIKE '%_CROSSOVER'"))


def _revise(market: Database, symbol: str, close_at: datetime, change: float = 0.0) -> None:
    """Revise a bar so that it ends ``change`` away from where the bar before ended."""
    block = random_walk(seed=3, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1)
    raw = raw_rows(block, "binance", Timeframe.H1)
    bars = raw[(raw["symbol"] == symbol)].sort_values("open_at")
    wanted = bars["open_at"] == close_at - timedelta(hours=1)
    before = float(bars["close"].shift(1)[wanted].iloc[0])
    revised = bars[wanted].assign(
        open=before, high=before * (1 + max(change, 0)), low=before * (1 + min(change, 0)), close=before * (1 + change)
    )
    import_candles(market, revised, FAR_FUTURE)


def _status(market: Database) -> dict[str, str]:
    with market.begin() as conn:
        query = "SELECT symbol || ' ' || signal_type AS name, status FROM trading_signals WHERE origin = 'live'"
        return {row.name: row.status for row in conn.execute(sa.text(query))}


def test_f12_a_live_signal_that_no_longer_fires_is_invalidated_for_good(market):
    close_at = _first_close_with_a_signal(market)
    tick(market, close_at - timedelta(hours=1))
    tick(market, close_at, ONLY_CROSSES)
    fired = [row for row in rows(market, "trading_signals", "origin = 'live'") if row["candle_close_at"] == close_at]
    victim = fired[0]
    against = 0.03 if victim["signal_type"] == "SELL" else -0.03
    _revise(market, victim["symbol"], close_at, against)

    made = tick(market, close_at + timedelta(hours=1), ONLY_CROSSES)

    status = _status(market)[f"{victim['symbol']} {victim['signal_type']}"]
    events = rows(market, "signal_events", f"signal_id = '{victim['id']}'")
    assert made["trading_signals"]["invalidated"] >= 1
    assert status == "INVALIDATED"
    assert [(event["to_status"], event["reason"], event["actor"]) for event in events] == [
        ("INVALIDATED", "data_revision", "pipeline")
    ]
    void = rows(market, "candidate_signals", f"origin = 'live' AND symbol = '{victim['symbol']}'")
    assert any(row["superseded_at"] is not None for row in void)

    again = tick(market, close_at + timedelta(hours=1), ONLY_CROSSES)

    assert again["trading_signals"]["invalidated"] == 0


def test_f12_other_series_keep_their_signals(market):
    close_at = _first_close_with_a_signal(market)
    tick(market, close_at - timedelta(hours=1))
    tick(market, close_at, EXPIRY_3_BARS)
    before = _status(market)
    quiet = next(s for s in SYMBOLS if not any(name.startswith(s) for name in before))
    _revise(market, quiet, close_at - timedelta(hours=5))

    tick(market, close_at + timedelta(hours=1), EXPIRY_3_BARS)

    after = _status(market)
    assert {name: after[name] for name in before} == before


def test_f12_derived_rows_after_a_revision_equal_those_computed_from_the_revised_candles(market):
    days(market, START.date(), START.date() + timedelta(days=2))
    _revise(market, "BTC/USDT", START + timedelta(hours=7))
    assert [row["dirty_from"] for row in rows(market, "series", "symbol = 'BTC/USDT'")] == [START + timedelta(hours=6)]

    days(market, START.date() + timedelta(days=2), START.date() + timedelta(days=2))
    repaired = rows(market, "indicators")
    with market.begin() as conn:
        conn.exec_driver_sql("TRUNCATE indicators")
    days(market, START.date(), START.date() + timedelta(days=2))

    assert repaired == rows(market, "indicators")
    assert [row["dirty_from"] for row in rows(market, "series", "symbol = 'BTC/USDT'")] == [None]


def test_live_rows_are_untouched_by_a_backfill_and_differences_are_drift(market):
    for close_at in hours(START, 12):
        tick(market, close_at)
    live = rows(market, "trading_signals", "origin = 'live'")

    days(market, START.date(), date(2024, 2, 10), {"strategies.macd_crossover.is_enabled": "false"})

    assert rows(market, "trading_signals", "origin = 'live'") == live
    drift = rows(market, "replay_drift")
    assert {row["kind"] for row in drift} <= {"only_live", "different"}
    assert any(row["kind"] == "only_live" for row in drift)


def test_what_is_past_at_insertion_is_stored_expired_with_its_event(market):
    tick(market, START)

    made = tick(market, START + timedelta(hours=10))  # the ticks between were missed

    expired = rows(market, "signal_events", "reason = 'past_at_insertion'")
    assert len(expired) == made["trading_signals"]["expired"] > 0
    with market.begin() as conn:
        active = conn.execute(
            sa.text("SELECT min(expires_at) FROM trading_signals WHERE status = 'ACTIVE' AND candle_close_at > :at"),
            {"at": START},
        ).scalar()
    assert active is None or active > START + timedelta(hours=10)
