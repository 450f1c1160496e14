"""Extra, higher and reference columns: the same to the bit from a tick, a backfill and a replay, and never too new."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline import generation, settings
from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.domain.timeframe import Timeframe
from pipeline.replay import replay
from pipeline.settings import load_settings
from pipeline.storage.intake import import_candles
from pipeline.strategies.definition import Fraction, StrategyParameters, strategy
from pipeline.strategies.registry import STRATEGIES
from tests.support.chain import FAR_FUTURE, FILES, days, hours, rows, store_block, tick
from tests.support.market import random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
EXTRAS = {
    "indicators.quick.ta": "RSIIndicator",
    "indicators.quick.window": "5",
    "indicators.flow.ta": "AccDistIndexIndicator",
}
FIRST = datetime(2024, 2, 10, 2, tzinfo=UTC)
CLOSES = hours(FIRST, 7)  # over a close of four hours
COLUMNS = ("close", "reference.close", "reference.rsi_14", "higher.sma_20", "higher.close", "extra.quick")


class ProbeParameters(StrategyParameters):
    strength: Fraction = 0.5
    confidence: Fraction = 0.9


@strategy(
    key="probe",
    buy="PROBE",
    sell="PROBE",
    parameters=ProbeParameters,
    family="probe",
    source=Source.TECHNICAL,
    columns=COLUMNS,
    lookback=2,
    describe=lambda side, inputs, parameters: "seen",
    shows_previous=True,
)
def probe(columns: Block, parameters: ProbeParameters) -> pd.DataFrame:
    """BUY and SELL by turns of anything that can be seen, so that every bar tells its inputs."""
    known = np.logical_and.reduce([columns[name].notna().to_numpy() for name in COLUMNS])
    side = np.where(columns["extra.quick"].to_numpy() > 50, 1, -1) * known
    return pd.DataFrame(side.astype(np.int8), index=columns["close"].index, columns=columns["close"].columns)


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    with_probe = {**STRATEGIES, "probe": probe}
    for module in (generation, settings):
        monkeypatch.setattr(module, "STRATEGIES", with_probe)


@pytest.fixture
def market(database):
    """Two months of hourly candles and the same market in bars of four hours."""
    block = random_walk(seed=11, n_candles=45 * 24, symbols=SYMBOLS)
    store_block(database, block)
    how = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    store_block(database, {name: block[name].resample("4h").agg(each) for name, each in how.items()}, Timeframe.H4)
    return database


def seen(database, origin, scope="default"):
    found = rows(database, "candidate_signals", f"strategy = 'PROBE' AND origin = '{origin}' AND scope = '{scope}'")
    return {(row["symbol"], row["timeframe"], row["candle_close_at"]): row["inputs"] for row in found}


def hourly(found):
    return {key: inputs for key, inputs in found.items() if key[1] == "1h" and key[2] in CLOSES}


def test_a_tick_a_backfill_and_a_replay_see_the_same(market):
    for close in CLOSES:
        tick(market, close, EXTRAS)
    days(market, FIRST.date(), FIRST.date(), EXTRAS)
    replay(
        *(market, load_settings(FILES | EXTRAS), "binance", "again", FIRST - timedelta(hours=2)),
        *(FIRST + timedelta(hours=22), datetime(2024, 3, 1, tzinfo=UTC)),
    )

    live = hourly(seen(market, "live"))
    assert len(live) == len(CLOSES) * len(SYMBOLS)
    assert live == hourly(seen(market, "replay"))
    assert live == hourly(seen(market, "replay", "again"))
    assert all(set(inputs) == {f"{p}{name}" for name in COLUMNS for p in ("", "previous_")} for inputs in live.values())


def test_the_higher_bar_is_the_newest_that_has_closed_and_the_reference_the_same_one(market):
    for close in CLOSES:
        tick(market, close, EXTRAS)

    live = seen(market, "live")
    with market.begin() as conn:
        stored = {
            (row.symbol, row.timeframe, row.close_at): row.close
            for row in conn.execute(sa.text("SELECT symbol, timeframe, close_at, close FROM v_candles"))
        }
    for (symbol, _, close), inputs in hourly(live).items():
        assert inputs["higher.close"] == stored[symbol, "4h", Timeframe.H4.floor(close)]
        assert inputs["reference.close"] == stored["BTC/USDT", "1h", close]


def test_a_higher_bar_that_is_late_is_unknown_and_not_the_one_before(market):
    four = datetime(2024, 2, 10, 4, tzinfo=UTC)
    tick(market, four - timedelta(hours=1), EXTRAS)
    with market.begin() as conn:
        conn.execute(
            sa.text(
                "DELETE FROM candles USING series s WHERE s.series_id = candles.series_id AND s.timeframe = '4h'"
                " AND close_at >= :four"
            ),
            {"four": four},
        )
    tick(market, four, EXTRAS)

    assert {close for _, _, close in hourly(seen(market, "live"))} == {four - timedelta(hours=1)}


def test_bars_that_did_not_know_their_higher_bar_are_judged_anew_when_it_comes_or_is_corrected(market):
    four = datetime(2024, 2, 10, 4, tzinfo=UTC)
    raw = """SELECT 'binance' AS exchange, symbol, timeframe, open_at, open, high, low, close, volume
FROM v_candles WHERE timeframe = '4h' AND close_at >= :four"""
    right = market.frame(sa.text(raw).bindparams(four=four))
    with market.begin() as conn:
        of_four_hours = "SELECT series_id FROM series WHERE timeframe = '4h'"
        conn.execute(
            sa.text(f"DELETE FROM candles WHERE series_id IN ({of_four_hours}) AND close_at >= :four"), {"four": four}
        )
    tick(market, four, EXTRAS)
    unknowing = seen(market, "live")
    import_candles(market, right.assign(close=right["low"]), FAR_FUTURE)
    tick(market, four + timedelta(hours=1), EXTRAS)
    misled = hourly(seen(market, "live"))
    import_candles(market, right, FAR_FUTURE)

    tick(market, four + timedelta(hours=2), EXTRAS)

    closes = hours(four, 3)
    stands = "superseded_at IS NULL AND strategy = 'PROBE' AND timeframe = '1h'"
    found = rows(market, "candidate_signals", stands)
    live = {(row["symbol"], row["candle_close_at"]): row["inputs"]["higher.close"] for row in found}
    of_series = right[right["open_at"] == four - timedelta(hours=4)].set_index("symbol")["close"]
    assert not unknowing
    assert {(symbol, close) for symbol, _, close in misled} == {(s, close) for s in SYMBOLS for close in closes[:2]}
    assert live == {(symbol, close): of_series[symbol] for symbol in SYMBOLS for close in closes}


def test_advice_against_the_higher_trend_is_dropped_with_its_reason(market):
    required = {"strategies.macd_crossover.higher_timeframe_trend": "require"}
    days(market, FIRST.date(), FIRST.date() + timedelta(days=3), EXTRAS | required)

    decisions = rows(market, "risk_decisions", "strategy = 'MACD_CROSSOVER' AND timeframe = '1h'")
    inputs = {
        (row["series_id"], row["candle_close_at"], row["signal_type"]): row["inputs"]["higher.trend_state"]
        for row in rows(market, "candidate_signals", "strategy = 'MACD_CROSSOVER' AND timeframe = '1h'")
    }
    said = []
    for row in decisions:
        trend = inputs[row["series_id"], row["candle_close_at"], row["signal_type"]]
        side = 1 if row["signal_type"] == "BUY" else -1
        wanted = [] if trend == side else ["higher_timeframe_unknown" if trend is None else "against_higher_timeframe"]
        assert [reason for reason in row["reasons"] if "higher" in reason] == wanted
        said += wanted
    assert "against_higher_timeframe" in said
    assert len(said) < len(decisions)


def test_a_warning_stands_in_the_description_and_drops_nothing(market):
    warned = {"strategies.macd_crossover.higher_timeframe_trend": "warn"}
    days(market, FIRST.date(), FIRST.date() + timedelta(days=3), EXTRAS | warned)

    found = rows(market, "candidate_signals", "strategy = 'MACD_CROSSOVER' AND timeframe = '1h'")
    for row in found:
        against = row["inputs"]["higher.trend_state"] == (-1 if row["signal_type"] == "BUY" else 1)
        assert row["description"].endswith(", against the trend of the higher timeframe") is against
    assert not [row for row in rows(market, "risk_decisions") if any("higher" in why for why in row["reasons"])]


def test_extra_columns_of_the_old_settings_are_computed_anew_where_a_strategy_looks_back(market):
    tick(market, CLOSES[0], EXTRAS)
    tick(market, CLOSES[1], EXTRAS | {"indicators.quick.window": "9"})
    days(market, FIRST.date(), FIRST.date(), EXTRAS | {"indicators.quick.window": "9"})

    key = ("BTC/USDT", "1h", CLOSES[1])
    assert seen(market, "live")[key] == seen(market, "replay")[key]
