"""`signals report`: how the signals of a replay did, brought up to date first; against a real PostgreSQL."""

from datetime import UTC, date, datetime

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.replay import replay
from pipeline.settings import load_settings
from tests.support.chain import FAR_FUTURE, FILES, days, store_block
from tests.support.cli import line_with, words
from tests.support.market import random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT")
BEGIN, END = datetime(2024, 2, 10, tzinfo=UTC), datetime(2024, 2, 16, tzinfo=UTC)


@pytest.fixture
def market(database, monkeypatch):
    """Two months of two symbols, six days of them replayed as `usual`."""
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    store_block(database, random_walk(seed=11, n_candles=60 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
    replay(database, load_settings(FILES), "binance", "usual", BEGIN, END, FAR_FUTURE)
    return database


def one(database, query):
    with database.begin() as conn:
        return conn.execute(sa.text(query)).one()


def test_a_replay_is_judged_and_reported_whole(market, signals):
    said = signals("report", "--scope", "usual", "--json")

    assert said.code == 0, said.err
    figures = said.json
    n, wins, mean = one(
        market,
        "SELECT count(*), count(*) FILTER (WHERE net_return > 0), avg(net_return) FROM signal_outcomes "
        "WHERE scope = 'usual' AND horizon = 'expiry' AND net_return IS NOT NULL",
    )
    (stored,) = one(market, "SELECT count(*) FROM trading_signals WHERE scope = 'usual' AND signal_type <> 'ALERT'")
    assert (figures["outcomes"], figures["pending"], figures["wins"]) == (stored, 0, wins)
    assert figures["hit_rate"] == pytest.approx(wins / n)
    assert figures["mean_return"] == pytest.approx(mean)
    assert figures["random_return"] is not None
    assert figures["started_at"] == "2024-02-10T00:00:00Z"
    assert figures["timeframe"] == "2024-02-10 to 2024-02-15"
    assert set(figures["by_source"]) == {"technical", "ml_model", "sentiment", "multi"}
    of_strategies = {row["group"]: row for row in figures["figures"]["component"]}
    assert "MACD_CROSSOVER" in of_strategies
    assert [row["p_value"] for row in figures["figures"]["exit_reason"]] == [None] * len(figures["exits"])


def test_the_text_leads_with_outcomes_and_ends_with_what_was_executed(market, signals):
    said = signals("report", "--scope", "usual")

    lines = said.out.splitlines()
    assert lines[0] == "signals of the replay usual, closes from 2024-02-10 00:00 to 2024-02-15 23:59 UTC"
    assert words(lines[2])[0] == "signals"
    assert lines[3].startswith("hit rate")
    figures = signals("report", "--scope", "usual", "--json").json
    assert words(line_with(said, "hit rate"))[2] == f"{100 * figures['hit_rate']:.1f}"
    assert words(line_with(said, "MACD_CROSSOVER"))[1] == str(
        next(row["signals"] for row in figures["figures"]["component"] if row["group"] == "MACD_CROSSOVER")
    )
    assert words(line_with(said, "technical  0."))[1] in {row["confidence"] for row in figures["reliability"]}
    assert f"nothing was executed; {figures['expired_signals']} signals have expired" in lines
    assert lines[-1].startswith("- ALERTs advise neither side")


def test_days_and_horizon_choose_what_is_counted(market, signals):
    day = signals("report", "--scope", "usual", "--from", "2024-02-12", "--to", "2024-02-12", "--json").json
    longer = signals("report", "--scope", "usual", "--horizon", "24_bars", "--json").json

    (on_that_day,) = one(
        market,
        "SELECT count(*) FROM signal_outcomes WHERE scope = 'usual' AND horizon = 'expiry' "
        "AND candle_close_at >= '2024-02-12' AND candle_close_at < '2024-02-13'",
    )
    (mean,) = one(market, "SELECT avg(net_return) FROM signal_outcomes WHERE scope = 'usual' AND horizon = '24_bars'")
    assert day["outcomes"] == on_that_day > 0
    assert longer["horizon"] == "24_bars"
    assert longer["mean_return"] == pytest.approx(mean)


def test_a_page_is_written_and_its_name_told(market, signals, tmp_path):
    said = signals("report", "--scope", "usual", "-o", "usual.html")

    assert (said.code, said.out) == (0, "usual.html\n")
    page = (tmp_path / "usual.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "MACD_CROSSOVER" in page
    assert page.count("data:image/png;base64,") == 10
    refused = signals("report", "--scope", "usual", "-o", "usual.pdf")
    assert refused.code == 2
    assert "must end in .html" in refused.err


def test_a_window_without_outcomes_has_the_full_shape_and_says_where_there_are_some(market, signals):
    empty = signals("report", "--json")
    other_days = signals("report", "--scope", "usual", "--window", "24h")
    whole = signals("report", "--scope", "usual", "--json")

    assert empty.code == 0
    assert set(empty.json) == set(whole.json)
    assert (empty.json["outcomes"], empty.json["hit_rate"], empty.json["win_rate"]) == (0, None, 0.0)
    assert "signals exist of usual: try --scope usual" in empty.err
    assert words(line_with(other_days, "hit rate"))[2] == "-"
    assert "try --from 2024-02-10 --to 2024-02-15" in other_days.err


def test_a_report_counts_the_advice_of_one_profile_where_several_are_scheduled(market, signals, tmp_path):
    assert signals("profile", "set", "alice", "is_scheduled=true").code == 0
    days(market, date(2024, 2, 10), date(2024, 2, 12))
    stored = "SELECT count(*) FROM trading_signals WHERE scope = 'default' AND signal_type <> 'ALERT'"
    (both,), (of_house,) = one(market, stored), one(market, f"{stored} AND profile = 'house'")

    house = signals("report", "--origin", "replay", "--json").json
    alice = signals("report", "--origin", "replay", "--profile", "alice", "--json").json

    assert house["outcomes"] == of_house == both / 2 > 0
    assert house["p_value"] is not None
    assert alice == house | {"profile": "alice"}
    text = signals("report", "--origin", "replay", "--profile", "alice").out
    assert text.startswith("replay signals of the profile alice, closes from 2024-02-10 00:00 to 2024-02-12 23:59 UTC")
    pages = []
    for name in ("house", "alice"):
        assert signals("report", "--origin", "replay", "--profile", name, "-o", f"{name}.html").code == 0
        pages.append((tmp_path / f"{name}.html").read_text(encoding="utf-8"))
    assert "replay signals of the profile house, closes from" in pages[0]
    assert pages[1].replace("of the profile alice", "of the profile house") == pages[0]


def test_a_profile_without_signals_says_where_there_are_some(market, signals):
    assert signals("profile", "set", "alice", "min_signal_confidence=0.6").code == 0
    assert (
        "`signals profile set alice is_scheduled=true` has runs make them"
        in signals("report", "--profile", "alice").err
    )
    assert signals("profile", "set", "alice", "is_scheduled=true").code == 0
    days(market, date(2024, 2, 10), date(2024, 2, 10))
    said = signals("report", "--profile", "alice")
    assert "signals exist of backfilled: try --origin replay --profile alice" in said.err


def test_an_empty_database_says_how_to_get_signals(database, signals):
    said = signals("report")

    assert said.code == 0
    assert "no signal is stored yet; `signals run` makes them" in said.err


def test_wrong_names_days_and_horizons_are_refused_with_what_there_is(market, signals):
    for arguments, code, message in (
        (("--scope", "patient"), 1, "the name of a replay that has signals (usual), was patient"),
        (("--horizon", "5_bars"), 2, "must be one of expiry, 4_bars, 24_bars, was '5_bars'"),
        (("--from", "2024-02-13", "--to", "2024-02-12"), 2, "must not be after --to 2024-02-12"),
        (("--window", "7d", "--from", "2024-02-13"), 2, "must not be given together with --from or --to"),
        (("--profile", "alice", "--scope", "usual"), 2, "must not be given together with --scope"),
        (("--profile", "alice"), 2, "profile must be one of house, was 'alice'"),
    ):
        said = signals("report", *arguments)
        assert said.code == code
        assert message in said.err
        assert said.out == ""
