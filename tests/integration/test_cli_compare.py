"""`signals compare`: two replays of one market, told apart by strategy, with examples and reasons."""

from datetime import UTC, date, datetime

import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.replay import replay
from pipeline.settings import load_settings
from tests.support.chain import FAR_FUTURE, FILES, days, rows, store_block
from tests.support.cli import line_with, words
from tests.support.market import random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT")
BEGIN, END = datetime(2024, 2, 10, tzinfo=UTC), datetime(2024, 2, 20, tzinfo=UTC)


@pytest.fixture
def market(database, monkeypatch):
    """Two months of four symbols, which the command finds as imported files."""
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    store_block(database, random_walk(seed=11, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
    return database


def replayed(database, name, begin=BEGIN, end=END, **changes):
    settings = load_settings(FILES | {key.replace("__", "."): value for key, value in changes.items()})
    replay(database, settings, "binance", name, begin, end, FAR_FUTURE)


def counts(said, strategy, kind):
    (row,) = [each for each in said.json["by_strategy"] if (each["strategy"], each["signal_type"]) == (strategy, kind)]
    return {name: row[name] for name in ("both", "changed", "only_first", "only_second")}


def test_equal_replays_have_everything_in_common(market, signals):
    replayed(market, "one")
    replayed(market, "other")

    said = signals("compare", "one", "other", "--json").json

    stored = rows(market, "trading_signals", "scope = 'one'")
    assert sum(row["both"] for row in said["by_strategy"]) == len(stored) > 0
    assert {row[name] for row in said["by_strategy"] for name in ("changed", "only_first", "only_second")} == {0}
    assert (said["only_first"], said["only_second"]) == ([], [])


def test_what_only_one_advised_is_counted_and_shown_with_its_reason(market, signals):
    replayed(market, "usual")
    replayed(market, "without", strategies__macd_crossover__is_enabled="false")

    said = signals("compare", "usual", "without", "--json")

    lacking = rows(market, "trading_signals", "scope = 'usual' AND strategy = 'MACD_CROSSOVER' AND signal_type = 'BUY'")
    found = counts(said, "MACD_CROSSOVER", "BUY")
    assert (found["both"], found["only_second"]) == (0, 0)
    # Where the advice of another strategy stands in its place, the bar's signal has changed.
    assert found["only_first"] + found["changed"] == len(lacking) > found["changed"]
    shown = [each for each in said.json["only_first"] if each["strategy"] == "MACD_CROSSOVER"]
    assert {each["why"] for each in shown} == {"not advised"}
    assert len(shown) == 2 * 2  # two of each type


def test_what_risk_dropped_in_one_of_them_says_why(market, signals):
    replayed(market, "usual")
    replayed(market, "strict", risk__min_signal_confidence="0.69")

    said = signals("compare", "usual", "strict", "--json")

    assert {each["why"] for each in said.json["only_first"]} == {"low_confidence"}


def test_another_value_is_a_change(market, signals):
    replayed(market, "usual")
    replayed(market, "bolder", strategies__rsi__confidence="0.9")

    said = signals("compare", "usual", "bolder", "--json")

    for kind in ("BUY", "SELL"):
        name = "RSI_OVERSOLD" if kind == "BUY" else "RSI_OVERBOUGHT"
        found = counts(said, name, kind)
        assert found["changed"] > 0 == found["both"]


def test_only_days_that_both_cover_are_compared_and_may_be_chosen(market, signals):
    replayed(market, "long")
    replayed(market, "short", BEGIN, datetime(2024, 2, 15, tzinfo=UTC))

    whole = signals("compare", "long", "short")
    part = signals("compare", "long", "short", "--from", "2024-02-12", "--to", "2024-02-12", "--json").json

    assert words(line_with(whole, "all "))[-2:] == ["0", "0"]
    on_that_day = "candle_close_at >= '2024-02-12' AND candle_close_at < '2024-02-13' AND scope = 'long'"
    assert sum(row["both"] for row in part["by_strategy"]) == len(rows(market, "trading_signals", on_that_day)) > 0


def test_the_houses_own_signals_have_a_name_too(market, signals):
    assert signals("profile", "set", "alice", "is_scheduled=true").code == 0  # the same advice again, which is no other
    days(market, date(2024, 2, 10), date(2024, 2, 12))
    replayed(market, "usual")

    said = signals("compare", "backfilled", "usual", "--json").json

    assert {row[name] for row in said["by_strategy"] for name in ("changed", "only_first", "only_second")} == {0}


def test_a_name_without_signals_and_days_of_only_one_are_refused(market, signals):
    replayed(market, "usual")
    replayed(market, "later", datetime(2024, 2, 20, tzinfo=UTC), datetime(2024, 2, 25, tzinfo=UTC))

    unknown = signals("compare", "usual", "patient")
    apart = signals("compare", "usual", "later")

    assert unknown.code == apart.code == 1
    assert "of a name that has some (later, usual), was patient" in unknown.err
    assert "usual has some from 2024-02-10" in apart.err
