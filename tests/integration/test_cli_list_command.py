"""`signals list`: stored signals out; against a real PostgreSQL."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.accounts import write_profile
from pipeline.storage.candles import ensure_series
from pipeline.storage.database import Database
from tests.support.candle_rows import START
from tests.support.cli import Signals, words
from tests.support.database import a_series_of, a_stored_signal

HOUR = timedelta(hours=1)


def put_signals(database: Database, *changes: dict[str, Any]) -> None:
    """Store signals, of the simulated exchange unless they say otherwise: that of the default settings."""
    number = a_series_of(database)
    with database.begin() as conn:
        for change in changes:
            row = a_stored_signal(number, **{"exchange": "simulated"} | change)
            conn.execute(sa.insert(tables.trading_signals).values(row))


def active(**changes: Any) -> dict[str, Any]:
    """A live signal of the bar that closed last."""
    close = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    return {"created_at": close, "expires_at": close + 2 * HOUR} | changes


def test_active_signals_are_listed_best_first_as_the_apis_detail_objects(signals, database):
    put_signals(
        database,
        active(symbol="BTC/USDT", rank_score=0.5),
        active(symbol="ETH/USDT", rank_score=0.9, signal_type="ALERT", target_prices=None, stop_loss_price=None),
        active(symbol="SOL/USDT", rank_score=0.7),
    )

    found = signals("list", "--json").json

    assert [signal["symbol"] for signal in found] == ["ETH/USDT", "SOL/USDT", "BTC/USDT"]
    assert list(found[0]) == [
        *("signal_id", "symbol", "signal_type", "strength", "confidence", "source", "strategy", "description"),
        *("entry_price", "target_prices", "stop_loss_price", "timeframe", "created_at", "expires_at", "status"),
        *("executed_at", "execution_price", "profit_loss", "metadata"),
        *("calibrated_confidence", "uncalibrated_because"),
        *("exchange", "profile", "is_conflicting", "rank_score"),
    ]
    assert {each["uncalibrated_because"] for each in found} == {"insufficient_outcomes(0<100)"}
    assert found[0]["metadata"] == {"component_signals": 1, "sources": ["technical"], "raw_data": {}}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", found[0]["created_at"])
    assert (found[0]["target_prices"], found[1]["target_prices"]["tp1"]) == (None, 102.0)


@pytest.mark.parametrize(
    ("is_by_calibrated", "symbols"),
    [("false", ["NONE/USDT", "LOW/USDT", "HIGH/USDT"]), ("true", ["HIGH/USDT", "LOW/USDT", "NONE/USDT"])],
)
def test_by_setting_what_came_true_most_often_is_listed_first(
    signals, database, monkeypatch, is_by_calibrated, symbols
):
    def won(share: float, **changes: Any) -> dict[str, Any]:
        return active(calibrated_confidence=share, uncalibrated_because=None, **changes)

    put_signals(
        database,
        won(0.3, symbol="LOW/USDT", rank_score=0.6),
        active(symbol="NONE/USDT", rank_score=0.9),
        won(0.6, symbol="HIGH/USDT", rank_score=0.5),
    )
    monkeypatch.setenv("SIGNALS_CALIBRATION__RANKS_SIGNALS", is_by_calibrated)

    assert [each["symbol"] for each in signals("list", "--json").json] == symbols
    assert [words(line)[1] for line in signals("list").out.splitlines()[1:]] == symbols


def test_active_means_between_close_and_expiry_and_status_active_and_live(signals, database):
    put_signals(
        database,
        active(symbol="NOW/USDT"),
        {"symbol": "PAST/USDT"},
        active(symbol="COMING/USDT", created_at=datetime.now(UTC) + HOUR, expires_at=datetime.now(UTC) + 2 * HOUR),
        active(symbol="VOID/USDT", status="INVALIDATED"),
        active(symbol="TOLD/USDT", origin="replay"),
        active(symbol="NAMED/USDT", scope="fast"),
    )
    assert [signal["symbol"] for signal in signals("list", "--json").json] == ["NOW/USDT"]


def test_all_adds_the_ended_ones_newest_first(signals, database):
    put_signals(
        database,
        {"symbol": "OLD/USDT", "rank_score": 0.9},
        {"symbol": "LOW/USDT", "rank_score": 0.1, "created_at": START + HOUR, "expires_at": START + 2 * HOUR},
        {"symbol": "TOP/USDT", "rank_score": 0.8, "created_at": START + HOUR, "expires_at": START + 2 * HOUR},
    )
    lines = signals("list", "--all").out.splitlines()
    assert [words(line)[1] for line in lines[1:]] == ["TOP/USDT", "LOW/USDT", "OLD/USDT"]
    assert "ACTIVE" in lines[1]
    assert [s["symbol"] for s in signals("list", "--all", "--json").json] == ["OLD/USDT", "TOP/USDT", "LOW/USDT"]


def test_signals_are_found_by_symbol_in_any_spelling_and_by_the_name_of_their_replay(signals, database):
    put_signals(
        database,
        active(symbol="ETH/USDT"),
        active(),
        {"symbol": "SOL/USDT", "origin": "replay", "scope": "fast-sma"},
    )
    assert [s["symbol"] for s in signals("list", "--symbol", "ethusdt", "--json").json] == ["ETH/USDT"]
    assert [s["symbol"] for s in signals("list", "--scope", "fast-sma", "--all", "--json").json] == ["SOL/USDT"]


@pytest.fixture
def two_markets(database: Database) -> None:
    """The same moment on binance, which was imported, and on the simulated market."""
    put_signals(database, active(description="-"), active(exchange="binance", symbol="ETH/USDT", description="-"))


def exchanges_of(signals: Signals, *arguments: str) -> list[str]:
    """The exchanges of the signals that a list prints."""
    rows = signals("list", *arguments).out.splitlines()[1:]
    return sorted(word for row in rows for word in words(row) if word in {"binance", "kraken", "simulated"})


@pytest.mark.parametrize(
    ("settings", "arguments", "exchanges"),
    [
        ({}, (), ["simulated"]),
        ({"SOURCE": "files"}, (), ["binance"]),
        ({"SOURCE": "files", "EXCHANGE": "binance"}, (), ["binance"]),
        ({"SOURCE": "files"}, ("--exchange", "simulated"), ["simulated"]),
        ({}, ("--exchange", "binance"), ["binance"]),
        ({}, ("--exchange", "all"), ["binance", "simulated"]),
    ],
    ids=str,
)
def test_signals_are_listed_of_the_exchange_that_the_settings_mean_or_the_one_that_is_named(
    signals, two_markets, monkeypatch, settings, arguments, exchanges
):
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGNALS_MARKET__{name}", value)
    assert exchanges_of(signals, *arguments) == exchanges
    assert len(signals("list", *arguments, "--json").json) == len(exchanges)


def test_a_named_replay_is_found_whatever_exchange_it_was_made_of(signals, database):
    put_signals(database, {"exchange": "binance", "origin": "replay", "scope": "fast"})
    assert len(signals("list", "--scope", "fast", "--all", "--json").json) == 1
    assert signals("list", "--scope", "fast", "--exchange", "simulated", "--all", "--json").json == []


def test_where_no_exchange_is_chosen_every_imported_one_is_listed_but_never_the_simulated_one(
    signals, two_markets, database, monkeypatch
):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    with database.begin() as conn:
        ensure_series(conn, [SeriesKey("kraken", "BTC/USDT", Timeframe.H1)])
    put_signals(database, active(exchange="kraken", description="-"))

    said = signals("list")

    assert exchanges_of(signals) == ["binance", "kraken"]
    assert "because several were imported: binance, kraken; signals of each are shown" in said.err


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"SOURCE": "files"}, "market.exchange must be set, because no candles were imported yet"),
        ({"SOURCE": "files", "EXCHANGE": "kraken"}, "market.exchange must be one that was imported (none), was kraken"),
    ],
    ids=str,
)
def test_settings_that_mean_no_stored_exchange_list_nothing_and_say_why(signals, database, monkeypatch, settings, why):
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGNALS_MARKET__{name}", value)
    with database.begin() as conn:
        number = ensure_series(conn, [SeriesKey("simulated", "BTC/USDT", Timeframe.H1)]).popitem()[1]
        conn.execute(sa.insert(tables.trading_signals).values(a_stored_signal(number, **active(exchange="simulated"))))

    said = signals("list")

    assert (said.code, said.out) == (0, "")
    assert said.err.startswith(why)
    assert "1 live signals" in said.err
    assert "exist: try --exchange simulated --all" in said.err


def test_a_limit_keeps_the_best_and_says_how_many_there_are(signals, database):
    put_signals(database, *(active(rank_score=score / 10) for score in range(1, 6)))
    said = signals("list", "--limit", "2")
    assert [words(line)[0] for line in said.out.splitlines()[1:]] == ["0.500", "0.400"]
    assert "2 of 5 signals" in said.err


@pytest.mark.parametrize(
    ("stored", "arguments", "why"),
    [
        ([], (), "no signal is stored yet"),
        ([{}], (), "no live signal on simulated is active now; 1 have ended or not begun: --all shows them\n"),
        ([{"origin": "replay"}], (), "1 replay signals up to 2024-01-01 exist: try --origin replay --all\n"),
        ([{"origin": "replay", "scope": "fast"}], (), "exist: try --scope fast --origin replay --all\n"),
        (
            [{}, {"origin": "replay"}],
            ("--symbol", "ETH/USDT"),
            "no live signal of ETH/USDT on simulated is active now; "
            "none of ETH/USDT is stored, other symbols have some\n",
        ),
        (
            [{"origin": "replay", "symbol": "ETH/USDT"}, {"origin": "replay"}, {"exchange": "binance"}],
            ("--symbol", "ETH/USDT"),
            "active now; 1 replay signals up to 2024-01-01 exist: try --origin replay --all\n",
        ),
        (
            [{"exchange": "binance", "origin": "replay"}, {"exchange": "binance", "symbol": "ETH/USDT"}],
            ("--symbol", "BTC/USDT", "--all"),
            "no live signal of BTC/USDT on simulated is stored; "
            "1 replay signals up to 2024-01-01 exist: try --exchange binance --origin replay --all\n",
        ),
        (
            [{"origin": "replay"}],
            ("--scope", "nope"),
            "no 'nope' signal is active now; "
            "1 replay signals up to 2024-01-01 exist: try --scope default --origin replay --all\n",
        ),
        ([{}], ("--exchange", "kraken"), "on kraken is active now; 1 live signals up to 2024-01-01 exist: try --exch"),
    ],
    ids=str,
)
def test_an_empty_list_says_why_it_is_empty(signals, database, stored, arguments, why):
    put_signals(database, *stored)
    said = signals("list", *arguments)
    assert (said.code, said.out) == (0, "")
    assert why in said.err
    assert signals("list", *arguments, "--json").json == []


def test_the_signals_are_the_houses_unless_another_profile_is_asked_for(signals, database):
    put_signals(database, active(symbol="BTC/USDT"), active(symbol="ETH/USDT", profile="alice"))
    with database.begin() as conn:
        write_profile(conn, load_settings().risk, "alice", {"is_scheduled": True})

    def listed(*arguments: str) -> list[tuple[str, str]]:
        return [(each["symbol"], each["profile"]) for each in signals("list", "--json", *arguments).json]

    assert listed() == [("BTC/USDT", "house")]
    assert listed("--profile", "alice") == [("ETH/USDT", "alice")]
    assert sorted(listed("--profile", "all")) == [("BTC/USDT", "house"), ("ETH/USDT", "alice")]
    assert "profile must be one of house, alice, or all, was 'bob'" in signals("list", "--profile", "bob").err
    table = signals("list", "--profile", "all").out
    assert "profile" in table
    assert "alice" in table
