"""Outcomes and reports as assets: after each close, over past days, and after days off in one run."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.jobs import AFTERWARDS, CHAIN
from pipeline.judging import judge_live
from pipeline.outcomes.rules import OutcomeRules
from pipeline.run_tags import pass_tags, range_tags
from pipeline.storage.database import Database
from tests.support.chain import days, hours, rows, run, store_block, tick
from tests.support.market import START, random_walk

SYMBOLS = ("AAA/USDT", "BBB/USDT", "CCC/USDT")
HISTORY = 30  # days
OFF = 3
BEGAN = START + timedelta(days=HISTORY, hours=6)
BACK = BEGAN + timedelta(days=OFF, hours=2)


def judged(database: Database, at: datetime) -> dict[str, object]:
    return run(database, pass_tags(at, Origin.LIVE), f"{at:%Y-%m-%d}", assets=AFTERWARDS)


def told(database: Database) -> list[dict[str, object]]:
    return rows(database, "signal_outcomes")


@pytest.fixture(name="market")
def stored_market(database: Database) -> Database:
    n_hours = (HISTORY + OFF + 2) * 24
    store_block(database, random_walk(seed=21, n_candles=n_hours, symbols=SYMBOLS, timeframe=Timeframe.H1))
    return database


def test_after_three_days_off_one_run_brings_signals_outcomes_and_reports_up_to_date(market: Database) -> None:
    tick(market, BEGAN)
    judged(market, BEGAN)

    made = run(market, pass_tags(BACK, Origin.LIVE) | range_tags(BEGAN, BACK), assets=(*CHAIN, *AFTERWARDS))

    with market.begin() as conn:
        closes, past, statuses = conn.execute(
            sa.text(
                """SELECT count(DISTINCT candle_close_at), count(*) FILTER (WHERE status = 'EXPIRED'),
  array_agg(DISTINCT status::text ORDER BY status::text) FILTER (WHERE expires_at <= :back)
FROM trading_signals WHERE origin = 'live' AND created_at > :began"""
            ),
            {"began": BEGAN, "back": BACK},
        ).one()
        lacking = conn.scalar(
            sa.text(
                """SELECT count(*) FROM trading_signals t WHERE signal_type <> 'ALERT' AND expires_at <= :back
AND NOT EXISTS (SELECT FROM signal_outcomes o WHERE o.signal_id = t.id AND o.horizon = 'expiry')"""
            ),
            {"back": BACK},
        )
        reports = conn.execute(
            sa.text("SELECT timeframe, total_signals, outcomes FROM signal_performance WHERE as_of = :back"),
            {"back": BACK},
        ).all()
    assert closes > 30
    assert past > 30
    assert statuses == ["EXPIRED"]
    assert lacking == 0
    assert {label for label, _, _ in reports} == {"24h", "7d", "30d"}
    assert all(total > 0 and outcomes > 0 for _, total, outcomes in reports)
    assert made["signal_outcomes"]["rows_written"] > 100
    assert (
        run(market, pass_tags(BACK, Origin.LIVE) | range_tags(BEGAN, BACK), assets=AFTERWARDS)["signal_outcomes"][
            "rows_written"
        ]
        == 0
    )


def test_hour_by_hour_and_in_one_run_the_outcomes_are_the_same(market: Database) -> None:
    closes = hours(BEGAN, 8)
    for close in closes:
        tick(market, close)
        judge_live(market, OutcomeRules(), "default", close)
    late = closes[-1] + timedelta(hours=26)
    judge_live(market, OutcomeRules(), "default", late)
    bit_by_bit = told(market)
    with market.begin() as conn:
        conn.execute(sa.text("DELETE FROM signal_outcomes"))
        conn.execute(sa.text("DELETE FROM watermarks WHERE asset = 'signal_outcomes'"))
    judge_live(market, OutcomeRules(), "default", late)

    assert len(bit_by_bit) > 10
    assert told(market) == bit_by_bit


def test_no_outcome_is_told_before_its_horizon_is_over(market: Database) -> None:
    for close in hours(BEGAN, 6):
        tick(market, close)
        judge_live(market, OutcomeRules(), "default", close)
        with market.begin() as conn:
            early = conn.scalar(sa.text("SELECT count(*) FROM signal_outcomes WHERE resolved_at > :at"), {"at": close})
        assert early == 0


def test_a_backfilled_day_has_the_outcomes_of_its_replayed_signals(market: Database) -> None:
    first, last = (START + timedelta(days=number) for number in (20, 22))
    days(market, first, last)
    made = run(market, range_tags(first, last), assets=("signal_outcomes",))
    again = run(market, range_tags(first, last), assets=("signal_outcomes",))

    with market.begin() as conn:
        signals, outcomes = conn.execute(
            sa.text(
                """SELECT (SELECT count(*) FROM trading_signals WHERE signal_type <> 'ALERT'),
  (SELECT count(*) FROM signal_outcomes WHERE origin = 'replay')"""
            )
        ).one()
    assert outcomes == 3 * signals > 0
    assert made["signal_outcomes"]["rows_written"] >= outcomes
    assert again["signal_outcomes"]["rows_written"] == 0
