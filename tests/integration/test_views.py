"""The views say what plain SQL over the tables says, and look up one row per series however long its history is."""

from datetime import timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from pipeline.performance.intervals import wilson
from pipeline.performance.payload import payload
from pipeline.performance.statistics import FIGURES
from pipeline.reporting import WINDOWS, report, window_of
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.views.performance import PERIODS
from tests.support.candle_rows import START
from tests.support.chain import FILES, store_block
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, store
from tests.support.market import random_walk
from tests.support.outcomes_stored import live_reports


def ask(database: Database, query: str) -> list[dict[str, object]]:
    with database.begin() as conn:
        return [dict(row) for row in conn.execute(sa.text(query)).mappings()]


def plan(database: Database, query: str) -> str:
    """How PostgreSQL would answer, where it has seen the tables."""
    with database.begin() as conn:
        conn.execute(sa.text("ANALYZE"))
        return "\n".join(conn.scalars(sa.text(f"EXPLAIN {query}")))


def test_the_newest_candle_of_each_series_is_found_by_the_index(database):
    store_block(database, random_walk(seed=1, n_candles=2000))
    assert ask(database, "SELECT * FROM v_latest_candles ORDER BY symbol") == ask(
        database,
        "SELECT * FROM v_candles WHERE open_at = (SELECT max(open_at) FROM candles) ORDER BY symbol",
    )
    found = plan(database, "SELECT * FROM v_latest_candles")
    assert "Limit" in found
    assert "Index Scan Backward using pk_candles" in found


def test_the_newest_indicators_are_those_of_the_newest_bar_that_has_some(database):
    store_block(database, random_walk(seed=1, n_candles=50, symbols=["BTC/USDT", "ETH/USDT"]))
    with database.begin() as conn:
        conn.execute(
            sa.text(
                "INSERT INTO indicators (series_id, open_at, close_at, rsi_14) "
                "SELECT series_id, open_at, close_at, row_number() OVER (PARTITION BY series_id ORDER BY open_at) "
                "FROM candles WHERE open_at < (SELECT max(open_at) FROM candles)"
            )
        )
    assert [row["rsi_14"] for row in ask(database, "SELECT * FROM v_latest_indicators")] == [49.0, 49.0]


def test_the_net_signal_sets_active_opposites_against_each_other(database):
    number, life = a_series_of(database), around_now()
    strong = {"confidence": 0.9, "strength": 0.8}
    other = {"signal_type": "SELL", "confidence": 0.5, "strength": 0.4}
    alert = {"signal_type": "ALERT", "target_prices": None, "stop_loss_price": None}
    past = around_now(before=timedelta(hours=3), after=timedelta(hours=-1))
    changes = [strong, {}, other, alert, {"profile": "bold", **other}, {"origin": "replay"}, past]
    store(database, [a_life(number, **(life | each)) for each in changes])
    house, bold = ask(database, "SELECT * FROM v_net_signals ORDER BY profile DESC")
    buys = 0.7 * 0.9 + 0.3 * 0.8 + 0.7 * 0.65 + 0.3 * 0.7
    sells = 0.7 * 0.5 + 0.3 * 0.4
    assert (house["buys"], house["sells"], house["is_conflicting"]) == (2, 1, True)
    assert house["net_score"] == pytest.approx(buys - sells)
    assert (house["buy_score"], house["sell_score"]) == (pytest.approx(buys), pytest.approx(sells))
    assert (bold["profile"], bold["is_conflicting"], bold["buy_score"]) == ("bold", False, 0)
    assert bold["net_score"] == pytest.approx(-sells)
    assert house["next_expires_at"] == life["expires_at"]


def test_every_signal_is_shown_with_how_it_ended(database):
    number, life = a_series_of(database), around_now()
    standing, ended = store(database, [a_life(number, **life), a_life(number, **life)])
    with database.begin() as conn:
        conn.execute(sa.text("SELECT FROM invalidate_signal(:id, 'a test')"), {"id": ended})
    found = {row["id"]: row for row in ask(database, "SELECT * FROM v_signals")}
    assert (found[standing]["status"], found[standing]["ended_at"]) == ("ACTIVE", None)
    assert (found[ended]["status"], found[ended]["end_reason"]) == ("INVALIDATED", "a test")
    assert str(found[ended]["ended_by"]).startswith("sql:")


def test_the_state_of_a_series_has_its_names_and_that_of_a_feed_none(database):
    number = a_series_of(database)
    rows = [
        {"source": "candles", "subject": "binance BTC/USDT 1h", "series_id": number, "status": "OK", "reason": None},
        {"source": "news", "subject": "https://x.example", "series_id": None, "status": "BLOCKED", "reason": "gone"},
    ]
    with database.begin() as conn:
        conn.execute(sa.insert(tables.source_health).values([row | {"as_of": START} for row in rows]))
    series, feed = ask(database, "SELECT * FROM v_source_health ORDER BY source")
    assert (series["exchange"], series["symbol"], series["timeframe"]) == ("binance", "BTC/USDT", "1h")
    assert (feed["symbol"], feed["reason"]) == (None, "gone")


def test_the_performance_of_strategies_is_that_of_the_newest_report(database):
    live_reports(database, START)
    window = window_of("7d", START + timedelta(hours=62), exchange="binance")
    expected = {
        row["group"]: row for row in payload(report(database, load_settings(FILES), window))["figures"]["component"]
    }
    found = {row["strategy"]: row for row in ask(database, "SELECT * FROM v_strategy_performance WHERE period = '7d'")}
    assert set(found) == set(expected) == {"RSI_OVERSOLD", "SMA_CROSSOVER"}
    for strategy, row in found.items():
        assert row["as_of"] == window.end
        for name in ("signals", "entered", "wins", *FIGURES):
            assert row[name] == expected[strategy][name], name
    assert {row["period"] for row in ask(database, "SELECT period FROM v_strategy_performance")} == set(WINDOWS)


def test_the_periods_are_those_of_the_reports():
    assert tuple(WINDOWS) == PERIODS


def test_reliability_is_of_the_newest_live_fit_with_wilsons_interval(database):
    row = {
        "origin": "live",
        "scope": "default",
        "exchange": "binance",
        "timeframe": "1h",
        "profile": "house",
        "source_group": "technical",
        "strategy": "SMA_CROSSOVER",
        "confidence_class": 13,
        "outcomes": 240,
        "wins": 84,
        "kind_outcomes": 300,
        "stated": 0.65,
        "calibrated": 0.36,
        "fitted_as_of": START,
    }
    changes = [
        {},
        {"confidence_class": 19, "outcomes": 5, "wins": 5},
        {"fitted_as_of": START - timedelta(days=1), "wins": 1},
        {"origin": "replay", "fitted_as_of": START + timedelta(days=1)},
    ]
    with database.begin() as conn:
        conn.execute(sa.insert(tables.confidence_calibrations).values([row | each for each in changes]))
    found = ask(database, "SELECT * FROM v_confidence_reliability ORDER BY confidence_from")
    assert [(each["confidence_from"], each["confidence_to"], each["wins"]) for each in found] == [
        (0.65, 0.7, 84),
        (0.95, 1.0, 5),
    ]
    low, high = wilson(np.array([84.0, 5.0]), np.array([240.0, 5.0]))
    for each, lower, upper, share in zip(found, low, high, (0.35, 1.0), strict=True):
        assert each["realised"] == pytest.approx(share)
        assert (each["realised_low"], each["realised_high"]) == (pytest.approx(lower), pytest.approx(upper))


def test_no_view_adds_up_outcomes_or_signals(database):
    for view in ("v_source_performance", "v_strategy_performance", "v_confidence_reliability"):
        found = plan(database, f"SELECT * FROM {view}")
        assert "signal_outcomes" not in found
        assert "trading_signals" not in found
