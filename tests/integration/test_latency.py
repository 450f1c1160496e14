"""How late a live run was: a row for each series, whether a signal came of it or not, and a check that warns."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from assets.reporting import LATE_SHARE, latency_check
from pipeline.domain.timeframe import Timeframe
from pipeline.storage.passes import Latency, latency_of
from tests.support.chain import days, rows, store_block, tick
from tests.support.market import random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT")


def test_a_tick_notes_each_series_and_a_backfill_none(database):
    store_block(database, random_walk(seed=3, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
    at = datetime(2024, 2, 12, 7, tzinfo=UTC)

    days(database, at.date(), at.date())
    assert rows(database, "v_signal_latency") == []
    tick(database, at)
    tick(database, at + timedelta(hours=3))

    found = rows(database, "v_signal_latency")
    assert {(row["symbol"], row["candle_close_at"], row["closes"]) for row in found} == {
        (symbol, close_at, closes) for symbol in SYMBOLS for close_at, closes in ((at, 1), (at + timedelta(hours=3), 3))
    }
    assert all(row["latency_seconds"] > 0 and row["candle_seen_at"] <= row["stored_at"] for row in found)
    with database.begin() as conn:
        assert {latency_of(conn, row["run_id"]).series for row in found} == {2}
        assert latency_of(conn, "no-such-run") is None


def test_closes_that_are_processed_once_more_are_no_pass(database):
    store_block(database, random_walk(seed=3, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
    at = datetime(2024, 2, 12, 7, tzinfo=UTC)
    tick(database, at)
    with database.begin() as conn:  # what a revision of the last five bars does
        conn.execute(sa.text("UPDATE watermarks SET processed_to = processed_to - interval '5 hours'"))

    tick(database, at)
    tick(database, at + timedelta(hours=1))

    found = {(row["candle_close_at"], row["closes"]) for row in rows(database, "v_signal_latency")}
    assert found == {(at, 1), (at + timedelta(hours=1), 1)}


def test_the_check_warns_of_a_series_that_was_stored_too_late():
    late = Latency(series=2, median_s=5.0, p95_s=9.0, worst_s=1_000.0, worst_share=LATE_SHARE + 0.01)

    assert latency_check(None).passed
    assert latency_check(late._replace(worst_share=LATE_SHARE)).passed
    assert not latency_check(late).passed
    assert latency_check(late).metadata["worst_s"].value == 1_000.0
