"""`signals explain` over a real database: every kind of bar, the settings of the time, and rows that say otherwise."""

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Origin, SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explaining import explain_bar
from pipeline.replay import replay
from pipeline.risk.exposure import Position
from pipeline.settings import load_settings
from pipeline.storage.accounts import write_position
from tests.support.chain import FAR_FUTURE, FILES, days, hours, rows, store_block, tick
from tests.support.cli import line_with
from tests.support.market import random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
N_CANDLES = 60 * 24
FIRST, LAST = date(2024, 2, 10), date(2024, 2, 13)
BEGIN = datetime(2024, 2, 10, tzinfo=UTC)


@pytest.fixture
def market(database, monkeypatch):
    """Two months of four symbols, which the command finds as imported files."""
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    store_block(database, random_walk(seed=11, n_candles=N_CANDLES, symbols=SYMBOLS, timeframe=Timeframe.H1))
    return database


def explained(database, symbol, at, **options):
    settings = load_settings(FILES | options.pop("settings", {}))
    return explain_bar(
        database, settings, SeriesKey("binance", symbol, Timeframe.H1), as_of=FAR_FUTURE, at=at, **options
    )


def change(database, statement, **values):
    with database.begin() as conn:
        assert conn.execute(sa.text(statement), values).rowcount


def one_of(database, table, where="true"):
    return rows(database, table, where)[0]


def test_every_stored_row_of_a_backfill_is_what_is_explained(market):
    days(market, FIRST, LAST, {"risk.max_total_exposure": "0.034", "risk.max_asset_exposure": "0.033"})
    bars = {(row["symbol"], row["candle_close_at"]) for row in rows(market, "candidate_signals")}
    outcomes, reasons = set(), set()
    for symbol, close_at in sorted(bars):
        found = explained(market, symbol, close_at)
        assert found.findings.differences == (), (symbol, close_at)
        assert found.stored.candidates == len(found.findings.candidates) > 0
        assert found.settings.found == "row"
        outcomes.add(found.findings.outcome)
        reasons |= {reason for each in found.findings.candidates for reason in each.reasons}
    assert outcomes == {"signal", "dropped"}
    assert {"total_exposure", "high_volatility"} <= reasons


def test_live_rows_come_first_and_are_explained_with_what_was_held(market):
    with market.begin() as conn:
        write_position(conn, "house", Position(symbol="BTC/USDT", weight=0.19, valid_from=BEGIN - timedelta(days=9)))
    for close_at in hours(BEGIN, 12):
        tick(market, close_at)
    days(market, FIRST, FIRST)
    dropped = one_of(market, "risk_decisions", "origin = 'live' AND reasons @> '{asset_exposure}'")

    live = explained(market, dropped["symbol"], dropped["candle_close_at"])
    replayed = explained(market, dropped["symbol"], dropped["candle_close_at"], origin=Origin.REPLAY)

    assert (live.stored.origin, live.findings.differences) == ("live", ())
    assert live.stored.live_pass_at is not None
    assert live.stored.others == ("replay default",)
    assert live.findings.exposure is not None
    assert live.findings.exposure.asset_exposure == pytest.approx(0.19)
    assert [each.kind for each in live.findings.exposure.holdings][:1] == ["position"]
    assert (replayed.stored.origin, replayed.findings.differences) == ("replay", ())
    assert replayed.findings.exposure is not None
    assert replayed.findings.exposure.is_kept


def test_a_live_close_without_advice_is_told_from_one_that_nobody_processed(market):
    for close_at in hours(BEGIN, 6):
        tick(market, close_at)
    quiet = {(s, t) for s in SYMBOLS for t in hours(BEGIN, 6)} - {
        (row["symbol"], row["candle_close_at"]) for row in rows(market, "candidate_signals")
    }
    processed = explained(market, *sorted(quiet)[0])
    unprocessed = explained(market, "BTC/USDT", BEGIN + timedelta(days=2))

    assert processed.findings.outcome == "no_advice"
    assert (processed.stored.origin, processed.findings.differences) == ("live", ())
    assert processed.stored.live_pass_at is not None
    assert unprocessed.stored.live_pass_at is None
    assert any("computed from the stored candles" in remark for remark in unprocessed.remarks)


def test_a_bar_is_judged_by_the_settings_of_its_time(market, signals):
    days(market, FIRST, LAST, {"strategies.rsi.confidence": "0.51", "risk.min_signal_confidence": "0.5"})
    row = one_of(market, "candidate_signals", "strategy LIKE 'RSI%'")

    found = explained(market, row["symbol"], row["candle_close_at"], settings={"strategies.rsi.is_enabled": "false"})

    assert (found.settings.configuration_hash, found.settings.found) == (row["configuration_hash"], "row")
    rsi = next(each for each in found.findings.strategies if each.key == "rsi")
    assert rsi.verdict == row["signal_type"]
    assert rsi.confidence == 0.51
    assert found.findings.differences == ()


def test_a_quiet_bar_is_judged_by_the_settings_in_force_then(market):
    days(market, FIRST, LAST, {"strategies.rsi.oversold": "29"})
    spoken = {(row["symbol"], row["candle_close_at"]) for row in rows(market, "candidate_signals")}
    close_at = next(t for t in hours(BEGIN + timedelta(days=1), 24) if ("BTC/USDT", t) not in spoken)

    found = explained(market, "BTC/USDT", close_at)
    before = explained(market, "BTC/USDT", BEGIN - timedelta(days=3))

    assert found.settings.found == "in_force"
    assert next(s for s in found.findings.strategies if s.key == "rsi").parameters["oversold"] == 29
    assert before.settings.found == "current"
    assert any("those of today are used" in remark for remark in before.remarks)


def test_a_strategy_that_came_later_is_absent_and_settings_that_cannot_be_read_are_said(market):
    days(market, FIRST, FIRST)
    row = one_of(market, "candidate_signals", "strategy = 'MACD_CROSSOVER'")
    change(market, "UPDATE configurations SET settings = settings #- '{strategies,rsi}', code_version = '0.0.1'")
    found = explained(market, row["symbol"], row["candle_close_at"])
    assert next(s for s in found.findings.strategies if s.key == "rsi").verdict == "absent"
    assert any("made by version 0.0.1" in remark for remark in found.remarks)

    change(market, "UPDATE configurations SET settings = jsonb_set(settings, '{strategies,macd_crossover,gone}', '1')")
    found = explained(market, row["symbol"], row["candle_close_at"])
    assert found.settings.found == "current"
    assert any("cannot be read" in remark for remark in found.remarks)


def test_a_stored_row_that_differs_is_shown_field_by_field(market, signals):
    days(market, FIRST, LAST)
    row = one_of(market, "trading_signals", "signal_type = 'BUY'")
    change(market, "UPDATE trading_signals SET entry_price = 1.5 WHERE id = :id", id=row["id"])

    said = signals("explain", row["symbol"], "1h", "--at", row["candle_close_at"].isoformat())
    found = signals("explain", row["symbol"], "1h", "--at", row["candle_close_at"].isoformat(), "--json").json

    assert said.code == 0
    assert line_with(said, "trading_signals").split()[:4] == ["trading_signals", "BUY", "entry_price", "1.5"]
    (difference,) = found["differences"]
    assert (difference["field"], difference["stored"], difference["computed"]) == (
        "entry_price",
        1.5,
        row["entry_price"],
    )


def test_columns_of_other_series_are_read_as_the_stages_read_them(market):
    changes = {f"strategies.{key}.higher_timeframe_trend": "require" for key in ("macd_crossover", "sma_crossover")}
    days(market, FIRST, FIRST, changes)
    row = one_of(market, "candidate_signals", "strategy = 'MACD_CROSSOVER'")
    found = explained(market, row["symbol"], row["candle_close_at"])
    assert found.findings.differences == ()
    candidate = next(each for each in found.findings.candidates if each.strategy == "MACD_CROSSOVER")
    assert candidate.reasons == ("higher_timeframe_unknown",)
    assert candidate.filters[-1].found == "unknown"


def test_candles_that_changed_since_are_said(market):
    days(market, FIRST, LAST)
    row = one_of(market, "candidate_signals")
    change(market, "UPDATE series SET dirty_from = :t", t=row["candle_close_at"] - timedelta(hours=5))
    found = explained(market, row["symbol"], row["candle_close_at"])
    assert any("have changed since" in remark for remark in found.remarks)


def test_a_symbol_with_too_little_history_says_what_it_lacks(market):
    found = explained(market, "BTC/USDT", datetime(2024, 1, 2, 10, tzinfo=UTC))
    short = {each.column: each.reason for each in found.findings.short_history if not each.is_known}
    assert short["sma_200"] == "insufficient_history(34<200)"
    assert found.state.reason == "insufficient_history(34<448)"
    golden = next(each for each in found.findings.strategies if each.key == "golden_cross")
    assert (golden.verdict, golden.unknown) == ("unknown", ("sma_50", "sma_200"))


def test_a_stale_series_says_since_when_and_explains_its_last_bar(market):
    last_close = datetime(2024, 1, 1, tzinfo=UTC) + N_CANDLES * timedelta(hours=1)
    found = explained(market, "BTC/USDT", None)
    assert found.findings.bar.close_at == last_close
    assert found.state.status == "BLOCKED"
    assert found.remarks[0].endswith(f"stale(newest close {last_close:%Y-%m-%d %H:%M})")


def test_a_jumped_series_and_a_filled_bar_are_silent_and_say_why(database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    block = random_walk(seed=11, n_candles=N_CANDLES, symbols=SYMBOLS, timeframe=Timeframe.H1)
    position = block["close"].index.get_loc(BEGIN)
    for name in ("open", "high", "low", "close"):
        block[name].iloc[position:, 0] *= 1.5
    for frame in block.values():
        frame.iloc[position + 3, 1] = float("nan")
    store_block(database, block)
    days(database, FIRST, FIRST)

    jumped = explained(database, "BTC/USDT", BEGIN + timedelta(hours=1))
    filled = explained(database, "ETH/USDT", BEGIN + timedelta(hours=4))

    assert (jumped.findings.outcome, jumped.findings.bar.silenced_by) == ("silenced", "blocked:price_jump")
    assert jumped.state.reason == "price_jump"
    assert (filled.findings.outcome, filled.findings.bar.silenced_by) == ("silenced", "filled_bar")


def test_a_named_replay_is_explained_though_its_indicators_are_not_stored(market):
    changes = {"strategies.rsi.confidence": "0.9"}
    replay(market, load_settings(FILES | changes), "binance", "bold", BEGIN, BEGIN + timedelta(days=2), FAR_FUTURE)
    for row in rows(market, "candidate_signals", "strategy LIKE 'RSI%'"):
        found = explained(market, row["symbol"], row["candle_close_at"], scope="bold")
        rsi = next(each for each in found.findings.candidates if each.strategy == row["strategy"])
        assert rsi.confidence == 0.9
        assert (found.stored.origin, found.stored.scope) == ("replay", "bold")
        assert not [d for d in found.findings.differences if d.table == "candidate_signals"]
    with pytest.raises(DataContractError, match=r"scope must be one that has rows \(bold\), was timid"):
        explained(market, "BTC/USDT", BEGIN, scope="timid")


def test_what_is_not_stored_is_refused_with_what_is(market, signals):
    def refused(*words):
        said = signals("explain", *words)
        assert said.code == 1
        return said.err

    assert "of BTC/USDT there are 1h on binance" in refused("BTC/USDT", "4h")
    assert "did you mean BTC/USDT?" in refused("BTC/USDC", "1h")
    assert "there are BTC/USDT, ETH/USDT, SOL/USDT, XRP/USDT" in refused("FOO/BAR", "1h")
    assert "first close of binance BTC/USDT 1h, 2024-01-01 01:00, was 2023-12-31" in refused(
        "BTC/USDT", "1h", "--at", "2023-12-31"
    )
    assert signals("explain", "BTC/USDT", "7h").code == 2


def test_the_page_has_each_section_and_json_has_all_of_it(market, signals):
    days(market, FIRST, LAST)
    row = one_of(market, "trading_signals", "signal_type = 'BUY'")
    words = ("explain", "btcusdt" if row["symbol"] == "BTC/USDT" else row["symbol"], "1h")
    at = (row["candle_close_at"] + timedelta(minutes=30)).isoformat()

    said = signals(*words, "--at", at)
    found = signals(*words, "--at", at, "--json").json

    titles = ["Bar", "Strategies", "Risk", "Exposure", "Aggregation", "Prices", "Stored"]
    assert [line for line in said.out.splitlines() if line in titles] == titles
    assert line_with(said, "differences").split() == ["differences", "none"]
    assert found["bar"]["close_at"] == row["candle_close_at"].isoformat().replace("+00:00", "Z")
    (price,) = (each for each in found["prices"] if each["signal_type"] == SignalType.BUY)
    assert price["stop_loss_price"] == row["stop_loss_price"]
    assert found["stored"]["signals"][0]["id"] == str(row["id"])
    assert {each["key"] for each in found["strategies"]} >= {"rsi", "macd_crossover"}


def test_the_only_exchange_that_has_the_series_needs_not_be_named(market, signals):
    store_block(market, random_walk(seed=3, n_candles=50, symbols=("ADA/USDT",), timeframe=Timeframe.H1))
    change(market, "UPDATE series SET exchange = 'kraken' WHERE symbol = 'ADA/USDT'")
    said = signals("explain", "ADA/USDT", "1h")
    assert said.out.startswith("ADA/USDT 1h on kraken")
