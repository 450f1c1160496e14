"""`signals import` and `signals list`: files in, signals out; against a real PostgreSQL and real files."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables
from pipeline.storage.candles import ensure_series
from pipeline.storage.database import Database
from tests.support.candle_rows import START, csv_lines, raw_rows
from tests.support.cli import Signals, line_with, words
from tests.support.database import a_series_of, a_stored_signal

HOUR = timedelta(hours=1)


def write_csv(folder: Path, name: str, n_rows: int = 24, **given: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(csv_lines(n_rows, **given)) + "\n", encoding="utf-8")
    return path


# The import


def test_a_folder_of_files_becomes_series_and_the_summary_says_what_to_do_next(signals, tmp_path):
    write_csv(tmp_path, "candles/BTCUSDT-1h.csv")
    raw_rows(24, symbol="ETH/USDT").drop(columns=["exchange", "symbol", "timeframe"]).to_parquet(
        tmp_path / "candles" / "ETH_USDT-1h.parquet"
    )

    said = signals("import", "candles", "candles", "--exchange", "binance")

    assert said.code == 0, said.err
    assert words(line_with(said, "files read"))[2] == "2"
    assert "2  of binance, closes from 2024-01-01 to 2024-01-02" in line_with(said, "series")
    assert words(line_with(said, "new")) == ["new", "48"]
    assert 'exchange = "binance"' in said.out
    assert "SIGNALS_MARKET__SOURCE=files SIGNALS_MARKET__EXCHANGE=binance" in said.out
    assert said.out.endswith("  signals backfill --from 2024-01-01 --to 2024-01-02\n")


def test_settings_that_use_the_candles_already_are_not_said_again(signals, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    said = signals("import", "candles", "BTCUSDT-1h.csv", "--exchange", "binance")
    assert "signals.toml" not in said.out
    assert "signals backfill" in said.out


def test_f51_importing_the_same_files_again_counts_every_row_as_a_duplicate(signals, tmp_path):
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    arguments = ("import", "candles", "BTCUSDT-1h.csv", "--exchange", "binance", "--json")

    first, again = signals(*arguments).json, signals(*arguments).json

    assert (first["rows_new"], first["rows_duplicate"]) == (24, 0)
    assert (again["rows_new"], again["rows_changed"], again["rows_duplicate"]) == (0, 0, 24)


def test_a_bad_file_is_named_last_and_does_not_stop_the_others(signals, tmp_path):
    write_csv(tmp_path, "c/BTCUSDT-1h.csv")
    (tmp_path / "c" / "ETHUSDT-1h.csv").write_text("once upon a time\n", encoding="utf-8")
    (tmp_path / "c" / "SOLUSDT-1h.parquet").write_bytes(b"PAR1 and then nothing")

    said = signals("import", "candles", "c", "missing.csv", "--exchange", "binance")

    assert said.code == 1
    assert "3 failed, see below" in line_with(said, "files read")
    assert words(line_with(said, "new"))[1] == "24"
    failures = said.err.splitlines()
    assert [re.search(r"missing|ETHUSDT|SOLUSDT", line)[0] for line in failures] == ["missing", "ETHUSDT", "SOLUSDT"]
    assert all(line.startswith("failed: ") for line in failures)


def test_as_json_the_failures_stand_beside_what_was_imported(signals, tmp_path):
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    said = signals("import", "candles", "BTCUSDT-1h.csv", "missing.csv", "--exchange", "binance", "--json")
    assert said.code == 1
    assert said.json["files"] == 1
    assert [failure["path"] for failure in said.json["failed"]] == ["missing.csv"]


def test_rows_that_are_refused_gaps_and_jumps_are_counted(signals, tmp_path):
    lines = csv_lines(24)
    lines[5] = lines[5].replace(",", ",-", 1)
    lines[20:] = [re.sub(r",[\d.]+", lambda value: f",{float(value[0][1:]) * 10}", line) for line in lines[20:]]
    (tmp_path / "BTCUSDT-1h.csv").write_text("\n".join(lines), encoding="utf-8")

    said = signals("import", "candles", "BTCUSDT-1h.csv", "--exchange", "binance")

    assert said.code == 0
    assert "1  1 non_positive_price" in line_with(said, "refused")
    assert words(line_with(said, "bars filled"))[2] == "1"
    assert words(line_with(said, "price jumps"))[2] == "1"


def test_two_files_that_tell_of_the_same_bars_are_read_in_order_and_the_later_one_counts(signals, tmp_path, database):
    write_csv(tmp_path, "c/2024-01/BTCUSDT-1h.csv")
    later = raw_rows(24).assign(high=500.0)
    later.drop(columns=["exchange", "symbol", "timeframe"]).to_parquet(tmp_path / "c" / "BTCUSDT-1h.parquet")

    said = signals("import", "candles", "c/2024-01", "c/BTCUSDT-1h.parquet", "--exchange", "binance", "--json")

    assert said.code == 0, said.err
    assert (said.json["rows_new"], said.json["rows_changed"]) == (24, 24)
    with database.begin() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM candles WHERE high = 500")) == 24


def test_symbol_and_timeframe_may_be_said_for_files_that_do_not_tell(signals, tmp_path):
    write_csv(tmp_path, "export.csv")
    silent = signals("import", "candles", "export.csv", "--exchange", "kraken")
    told = signals(
        *("import", "candles", "export.csv", "--exchange", "kraken", "--symbol", "btcusdt", "--timeframe", "1h")
    )
    assert (silent.code, told.code) == (1, 0)
    assert "symbol" in silent.err


def test_the_bars_that_an_import_changes_are_named_with_their_values_before_kept(signals, tmp_path, database):
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    write_csv(tmp_path, "ETHUSDT-1h.csv", symbol="ETH/USDT")
    arguments = ("import", "candles", "BTCUSDT-1h.csv", "ETHUSDT-1h.csv", "--exchange", "binance")
    signals(*arguments)
    for name in ("BTCUSDT-1h.csv", "ETHUSDT-1h.csv"):
        lines = (tmp_path / name).read_text(encoding="utf-8").splitlines()
        lines[3:5] = [re.sub(r"[^,]*$", "99", line) for line in lines[3:5]]
        (tmp_path / name).write_text("\n".join(lines), encoding="utf-8")

    as_json = signals(*arguments, "--json").json
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    write_csv(tmp_path, "ETHUSDT-1h.csv", symbol="ETH/USDT")
    said = signals(*arguments)

    assert (as_json["rows_changed"], len(as_json["changed"])) == (4, 4)
    assert as_json["changed"][0] == {"symbol": "BTC/USDT", "timeframe": "1h", "open_at": "2024-01-01T02:00:00Z"}
    assert line_with(said, "changed").split(maxsplit=2)[1:] == [
        "4",
        "BTC/USDT 1h 2024-01-01 02:00, BTC/USDT 1h 2024-01-01 03:00, ETH/USDT 1h 2024-01-01 02:00 and 1 more; "
        "the old values are in candle_revisions",
    ]


def test_an_import_that_changes_a_year_names_a_few_bars_and_counts_all(signals, tmp_path):
    arguments = ("import", "candles", "BTCUSDT-1h.csv", "--exchange", "binance", "--json")
    write_csv(tmp_path, "BTCUSDT-1h.csv", n_rows=50)
    signals(*arguments)
    lines = (tmp_path / "BTCUSDT-1h.csv").read_text(encoding="utf-8").splitlines()
    changed = [lines[0], *(re.sub(r"[^,]*$", "99", line) for line in lines[1:])]
    (tmp_path / "BTCUSDT-1h.csv").write_text("\n".join(changed), encoding="utf-8")

    found = signals(*arguments).json

    assert found["rows_changed"] == 50
    assert [bar["open_at"] for bar in found["changed"][:2]] == ["2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]
    assert len(found["changed"]) == 20


def test_a_second_exchange_makes_the_import_say_how_to_choose(signals, tmp_path, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    first, second = (signals("import", "candles", "BTCUSDT-1h.csv", "--exchange", e) for e in ("binance", "kraken"))
    assert "signals.toml" not in first.out
    assert 'exchange = "kraken"' in second.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--exchange", "Binance"), "must be lower case like binance"),
        (("--exchange", "simulated"), "not simulated"),
        (("--exchange", "all"), "not simulated or all, was 'all'"),
        (("--exchange", "binance", "--timeframe", "7m"), "timeframe must be one of 1m"),
        (("--exchange", "binance", "--symbol", "?"), "symbol must read like BTC/USDT"),
        ((), "Missing option '--exchange'"),
    ],
    ids=str,
)
def test_wrong_usage_of_the_import_is_told_before_anything_is_read(signals, tmp_path, arguments, message):
    write_csv(tmp_path, "BTCUSDT-1h.csv")
    said = signals("import", "candles", "BTCUSDT-1h.csv", *arguments)
    assert said.code == 2
    assert message in said.err


# The list of signals


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
    ]
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
