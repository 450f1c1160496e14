"""Models in the chain: whichever way a close is reached they say the same of it, and signals are made of that."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from pipeline.storage.models import retire
from tests.support.chain import FAR_FUTURE, FILES, days, hours, rows, run, store_block, tick
from tests.support.chaos_market import a_copy
from tests.support.database import a_copy_of, a_database
from tests.support.market import random_walk
from tests.support.model_chain import (
    PREDICTIONS,
    a_direction,
    a_price_range,
    health,
    publish_each_kind,
    spoken,
)
from tests.support.trained_models import HOUR

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
FIRST, LAST = date(2024, 2, 12), date(2024, 2, 13)
BEGIN, SWITCH, END = (datetime(2024, 2, day, tzinfo=UTC) for day in (12, 13, 14))  # a model begins to speak at SWITCH
NEWEST = END - HOUR  # the last close of the two days
CUT = datetime(2024, 2, 13, 5, tzinfo=UTC)
JUDGED = ("candidate_signals", "risk_decisions", "trading_signals")
WITHOUT_REFERENCE = {"market.symbols": "ETH/USDT,SOL/USDT"}


@pytest.fixture(scope="module")
def origin(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """Six weeks of hours of four symbols, and models of two weeks, the newer ones effective from `SWITCH` on."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=21, n_candles=44 * 24, symbols=SYMBOLS))
        publish_each_kind(database, 4, direction=a_direction(bias=0.5))
        publish_each_kind(database, 5, direction=a_direction(2), price_range=a_price_range(0.5))
        publish_each_kind(database, 6)  # they speak a week after the two days
        database.close()
        yield database.address


@pytest.fixture(scope="module")
def made(origin: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """The two days, made in one run; to copy."""
    with a_copy(origin) as address:
        database = Database(address)
        days(database, FIRST, LAST)
        database.close()
        yield address


@pytest.fixture(scope="module")
def ranged(made: DatabaseAddress) -> Iterator[Database]:
    """The two days, whose own rows are only read."""
    with a_copy_of(made) as database:
        yield database


@pytest.fixture
def remade(made: DatabaseAddress) -> Iterator[Database]:
    """The two days, to make them anew."""
    with a_copy_of(made) as database:
        yield database


@pytest.fixture
def market(origin: DatabaseAddress) -> Iterator[Database]:
    """A database in which the days are still to be made."""
    with a_copy_of(origin) as database:
        yield database


def judged(database: Database, where: str = "scope = 'default'") -> dict[str, list[dict[str, Any]]]:
    """Advice, decisions and signals, but for whose and which they are."""
    return {table: rows(database, table, where, ("id", "origin", "scope", "signal_key")) for table in JUDGED}


def at_closes(first: datetime, last: datetime) -> str:
    return f"candle_close_at BETWEEN '{first}' AND '{last}' AND scope = 'default'"


def of_symbols(database: Database, *symbols: str) -> str:
    """A condition on the series of some symbols."""
    with database.begin() as conn:
        query = sa.text("SELECT series_id FROM series WHERE symbol = ANY(:symbols)")
        return f"series_id IN ({', '.join(map(str, conn.scalars(query, {'symbols': list(symbols)})))})"


def found(database: Database, statement: str) -> list[Any]:
    with database.begin() as conn:
        return list(conn.execute(sa.text(statement)).all())


# Every way to a close


def test_day_by_day_gives_the_predictions_and_signals_of_the_range(market, ranged):
    for day in (FIRST, LAST):
        days(market, day, day)

    assert spoken(market, BEGIN, NEWEST) == spoken(ranged, BEGIN, NEWEST)
    assert judged(market) == judged(ranged)


def test_the_same_days_again_predict_and_judge_nothing_new(remade):
    again = days(remade, FIRST, LAST)

    assert {name: numbers["rows_written"] for name, numbers in again.items()} == dict.fromkeys(again, 0)


def test_ticks_give_the_predictions_and_signals_of_the_range_over_a_change_of_models(market, ranged):
    closes = hours(SWITCH - 2 * HOUR, 4)
    for close_at in closes:
        tick(market, close_at)

    assert spoken(market, closes[0], closes[-1]) == spoken(ranged, closes[0], closes[-1])
    assert judged(market) == judged(ranged, at_closes(closes[0], closes[-1]))
    assert all(spoken(market, closes[0], closes[-1]).values())


def test_a_replay_under_a_name_judges_by_the_predictions_that_a_backfill_stores(ranged):
    replay(ranged, load_settings(FILES), "binance", "again", BEGIN, END, as_of=datetime(2024, 3, 1, tzinfo=UTC))

    by_days = judged(ranged)
    assert {row["strategy"] for row in by_days["candidate_signals"]} >= {"ML_PREDICTION", "MARKET_ANOMALY"}
    assert judged(ranged, "scope = 'again'") == by_days


def test_a_replay_with_models_in_small_parts_equals_one_in_a_single_part(ranged, monkeypatch):
    monkeypatch.setattr("pipeline.replay.BARS_AT_ONCE", 50)

    replay(ranged, load_settings(FILES), "binance", "parts", BEGIN, END, as_of=datetime(2024, 3, 1, tzinfo=UTC))

    assert judged(ranged, "scope = 'parts'") == judged(ranged)


@pytest.mark.parametrize("way", ["range", "tick", "replay"])
def test_symbols_without_the_reference_symbol_are_told_of_it_all_the_same(market, ranged, way):
    chosen = of_symbols(ranged, "ETH/USDT", "SOL/USDT")
    first = BEGIN
    if way == "range":
        days(market, FIRST, LAST, WITHOUT_REFERENCE)
    elif way == "tick":
        first = NEWEST
        tick(market, NEWEST, WITHOUT_REFERENCE)
    else:
        settings = load_settings({**FILES, **WITHOUT_REFERENCE})
        replay(market, settings, "binance", "again", BEGIN, END, as_of=datetime(2024, 3, 1, tzinfo=UTC))
    if way != "replay":  # which stores no predictions
        made = spoken(market, first, NEWEST)
        assert made == spoken(ranged, first, NEWEST, chosen)
        assert {row["reference_return_1"] is None for row in made["model_features"]} == {False}

    apart = ("id", "origin", "scope", "configuration_hash")
    expected = rows(ranged, "candidate_signals", f"{at_closes(first, NEWEST)} AND {chosen}", apart)
    assert rows(market, "candidate_signals", "true", apart) == expected


# What comes late, or was not so


def candles_of(database: Database, after: datetime, until: datetime, symbols: Sequence[str]) -> pd.DataFrame:
    """Stored candles as a source would hand them over."""
    query = f"""SELECT 'binance' AS exchange, symbol, timeframe, open_at, open, high, low, close, volume
FROM candles JOIN series USING (series_id)
WHERE close_at > :after AND close_at <= :until AND {of_symbols(database, *symbols)}"""
    return database.frame(sa.text(query).bindparams(after=after, until=until))


@pytest.mark.parametrize("symbols", [SYMBOLS, ["BTC/USDT"], ["ETH/USDT"]])
def test_a_bar_whose_candle_was_revised_is_predicted_anew_by_the_next_tick(market, ranged, symbols):
    close_at = SWITCH + 5 * HOUR
    right = candles_of(market, close_at - HOUR, close_at, symbols)
    wrong = right.assign(close=right["high"] * 1.05, high=right["high"] * 1.05)
    import_candles(market, wrong, FAR_FUTURE)
    tick(market, close_at)
    misled = spoken(market, close_at, close_at)
    import_candles(market, right, FAR_FUTURE)

    tick(market, close_at + HOUR)

    expected = spoken(ranged, close_at, close_at + HOUR)
    assert spoken(market, close_at, close_at + HOUR) == expected
    assert all(
        misled[table] != [row for row in rows_ if row["close_at"] == close_at] for table, rows_ in expected.items()
    )


def test_bars_that_the_reference_symbols_candles_missed_are_predicted_anew_when_they_come(market, ranged):
    first = SWITCH + 5 * HOUR
    late = candles_of(market, first - HOUR, END, ["BTC/USDT"])
    with market.begin() as conn:
        series = "SELECT series_id FROM series WHERE symbol = 'BTC/USDT'"
        conn.execute(
            sa.text(f"DELETE FROM candles WHERE series_id IN ({series}) AND close_at >= :first"), {"first": first}
        )
    for close_at in hours(first, 2):
        tick(market, close_at)
    others = of_symbols(market, *SYMBOLS[1:])
    alone = spoken(market, first, first + HOUR, others)
    import_candles(market, late, FAR_FUTURE)

    tick(market, first + 2 * HOUR)

    # The reference symbol's own bars of the time are a backfill's work, for they came when newer ones had closed.
    until = first + 2 * HOUR
    assert spoken(market, first, until, others) == spoken(ranged, first, until, others)
    assert {row["reference_return_1"] for row in alone["model_features"]} == {None}


def test_without_any_candles_of_the_reference_symbol_models_speak_of_what_they_know(market):
    unknown = {"context.reference_symbol": "DOGE/USDT"}
    tick(market, NEWEST, unknown)
    replay(
        market,
        load_settings({**FILES, **unknown}),
        *("binance", "again", NEWEST, END),
        as_of=datetime(2024, 3, 1, tzinfo=UTC),
    )

    made = spoken(market, NEWEST, NEWEST)
    assert {row["reference_return_1"] for row in made["model_features"]} == {None}
    assert [len(made[table]) for table in PREDICTIONS] == [len(SYMBOLS)] * 3
    assert judged(market, "scope = 'again'") == judged(market, "scope = 'default'")


# Who speaks, and of what it may know


def test_each_close_is_predicted_by_the_newest_models_that_are_effective_at_it(ranged):
    for table in PREDICTIONS:
        statement = f"SELECT close_at, model_id FROM {table} JOIN models USING (model_id)"
        by_side = {True: set(), False: set()}
        for close_at, model_id in found(ranged, statement):
            by_side[close_at >= SWITCH].add(model_id)
        assert [len(ids) for ids in by_side.values()] == [1, 1], table
        assert by_side[True].isdisjoint(by_side[False])
        early = f"SELECT FROM {table} JOIN models USING (model_id) WHERE close_at < effective_from"
        assert found(ranged, early) == []


def test_before_the_first_model_is_effective_none_speaks(market):
    tick(market, datetime(2024, 2, 5, 12, tzinfo=UTC))

    assert [rows(market, table) for table in PREDICTIONS] == [[], [], []]
    assert health(market) == {kind.value: "unavailable(no_model)" for kind in ModelKind}


def test_candles_after_a_close_never_change_what_was_said_of_it(market, ranged):
    with market.begin() as conn:
        conn.execute(sa.text("DELETE FROM candles WHERE close_at > :cut"), {"cut": CUT})
    run(market, {"signals/as_of": CUT.isoformat()}, f"{LAST}")

    assert spoken(market, SWITCH, NEWEST) == spoken(ranged, SWITCH, CUT)
    assert judged(market) == judged(ranged, at_closes(SWITCH, CUT))


def test_after_a_withdrawal_the_model_before_speaks_where_the_days_are_made_again(remade):
    (newest,) = {row["model_id"] for row in rows(remade, "direction_predictions", f"close_at >= '{SWITCH}'")}
    with remade.begin() as conn:
        retire(conn, newest, "it says too much")

    again = days(remade, LAST, LAST)

    assert again["direction_predictions"]["rows_written"] == 24 * len(SYMBOLS)
    assert again["price_range_predictions"]["rows_written"] == 0
    assert len({row["model_id"] for row in rows(remade, "direction_predictions")} - {newest}) == 1
    assert rows(remade, "direction_predictions", f"model_id = '{newest}'") == []


# What becomes of it


def test_an_anomaly_counts_as_high_volatility_and_its_alert_passes(market, ranged):
    flagged = """SELECT d.strategy, d.signal_type, d.reasons FROM risk_decisions d JOIN series e USING (series_id)
JOIN market_conditions m ON m.series_id = d.series_id AND m.close_at = d.candle_close_at
JOIN anomaly_scores a ON a.series_id = d.series_id AND a.close_at = d.candle_close_at
WHERE a.is_anomaly AND NOT m.is_volatile AND d.scope = 'default'"""
    decisions = found(ranged, flagged)
    alerts = [each for each in decisions if each.strategy == "MARKET_ANOMALY"]
    buys = [each for each in decisions if each.signal_type == "BUY"]
    assert alerts
    assert {tuple(each.reasons) for each in alerts} == {()}
    assert buys
    assert all("high_volatility" in each.reasons for each in buys)
    assert rows(ranged, "trading_signals", "strategy = 'MARKET_ANOMALY' AND signal_type = 'ALERT'")

    for (model_id,) in found(market, "SELECT model_id FROM models WHERE kind = 'anomaly'"):
        with market.begin() as conn:
            retire(conn, model_id, "to see what it changes")
    days(market, LAST, LAST)
    calm = """SELECT FROM risk_decisions d
JOIN market_conditions m ON m.series_id = d.series_id AND m.close_at = d.candle_close_at
WHERE NOT m.is_volatile AND 'high_volatility' = ANY(d.reasons)"""
    assert found(market, calm) == []


def test_an_alert_says_by_how_much_its_bar_was_unusual_and_what_made_it_so(ranged):
    query = """SELECT a.score, a.drivers, x.description, x.strength, x.source
FROM candidate_signals x JOIN anomaly_scores a ON a.series_id = x.series_id AND a.close_at = x.candle_close_at
WHERE x.strategy = 'MARKET_ANOMALY' AND x.scope = 'default'"""
    alerts = found(ranged, query)
    assert alerts
    for alert in alerts:
        assert "score 0.80" in alert.description
        assert [driver["feature"] for driver in alert.drivers] == ["return_1"]
        assert (alert.strength, alert.source) == (0.6, "ml_model")


def test_advice_of_a_prediction_has_its_probability_as_confidence(ranged):
    query = """SELECT x.signal_type, x.confidence, x.strength, d.probability
FROM candidate_signals x JOIN direction_predictions d ON d.series_id = x.series_id AND d.close_at = x.candle_close_at
WHERE x.strategy = 'ML_PREDICTION' AND x.scope = 'default'"""
    advice = found(ranged, query)
    assert {each.signal_type for each in advice} == {"BUY", "SELL"}
    for each in advice:
        right = each.probability if each.signal_type == "BUY" else 1.0 - each.probability
        assert right > 0.6
        assert (each.confidence, each.strength) == (right, min(1.2 * right, 1.0))


def test_a_signal_keeps_what_models_said_of_its_bar(ranged):
    query = """SELECT t.metadata -> 'raw_data' AS raw, d.probability, to_jsonb(p) AS said
FROM trading_signals t JOIN direction_predictions d ON d.series_id = t.series_id AND d.close_at = t.candle_close_at
JOIN price_range_predictions p ON p.series_id = t.series_id AND p.close_at = t.candle_close_at
WHERE t.scope = 'default'"""
    signals = found(ranged, query)
    assert len(signals) == len(rows(ranged, "trading_signals", "scope = 'default'")) > 0
    for signal in signals:
        assert signal.raw["ml_prediction"] == signal.probability
        assert len(signal.raw["price_range"]) == 6
        assert signal.raw["price_range"].items() <= signal.said.items()


def test_targets_are_no_further_than_the_predicted_range_where_the_settings_say_so(market, ranged):
    days(market, FIRST, LAST, {"models.tighten_targets": "true"})

    query = """SELECT t.candle_close_at, t.series_id, t.signal_type, t.entry_price, t.stop_loss_price,
  t.target_prices, p.high_q90, p.low_q10
FROM trading_signals t JOIN price_range_predictions p
  ON p.series_id = t.series_id AND p.close_at = t.candle_close_at
WHERE t.signal_type <> 'ALERT' AND t.scope = 'default'
ORDER BY t.candle_close_at, t.series_id, t.signal_type, t.strategy"""
    tight, wide = found(market, query), found(ranged, query)
    assert len(tight) == len(wide) > 0
    n_nearer = 0
    for near, far in zip(tight, wide, strict=True):
        assert near.stop_loss_price == far.stop_loss_price
        reach = (near.high_q90 if near.signal_type == "BUY" else -near.low_q10) * near.entry_price
        risk = abs(near.entry_price - near.stop_loss_price)
        distances = [abs(near.target_prices[name] - near.entry_price) for name in ("tp1", "tp2", "tp3")]
        assert distances == pytest.approx([times * min(risk, reach) for times in (1, 2, 3)], rel=1e-9)
        n_nearer += near.target_prices != far.target_prices
    assert n_nearer > 0


def test_models_that_are_switched_off_say_nothing_and_the_rest_goes_on(remade, ranged):
    days(remade, LAST, LAST, {"models.is_enabled": "false"})

    assert [rows(remade, table, f"close_at >= '{SWITCH}'") for table in PREDICTIONS] == [[], [], []]
    assert health(remade) == {kind.value: "unavailable(switched_off)" for kind in ModelKind}
    drop = ("id", "configuration_hash")
    technical = f"{at_closes(SWITCH, NEWEST)} AND source = 'technical'"
    assert rows(remade, "candidate_signals", at_closes(SWITCH, NEWEST), drop) == rows(
        ranged, "candidate_signals", technical, drop
    )


def test_the_days_of_a_timeframe_are_those_of_its_closes(ranged):
    closes = {row["close_at"] for row in rows(ranged, "direction_predictions")}
    assert (min(closes), max(closes)) == (BEGIN, NEWEST)
    assert len(closes) == (NEWEST - BEGIN) // timedelta(hours=1) + 1
