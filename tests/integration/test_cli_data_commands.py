"""`signals import` and `signals list`: files in, signals out; against a real PostgreSQL and real files."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.storage import tables
from pipeline.storage.database import Database
from tests.support.candle_rows import START, csv_lines, raw_rows
from tests.support.cli import line_with, words
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--exchange", "Binance"), "must be lower case like binance"),
        (("--exchange", "simulated"), "not simulated"),
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
    number = a_series_of(database)
    with database.begin() as conn:
        for change in changes:
            conn.execute(sa.insert(tables.trading_signals).values(a_stored_signal(number, **change)))


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


def test_a_limit_keeps_the_best_and_says_how_many_there_are(signals, database):
    put_signals(database, *(active(rank_score=score / 10) for score in range(1, 6)))
    said = signals("list", "--limit", "2")
    assert [words(line)[0] for line in said.out.splitlines()[1:]] == ["0.500", "0.400"]
    assert "2 of 5 signals" in said.err


@pytest.mark.parametrize(
    ("stored", "arguments", "why"),
    [
        ([], (), "no signal is stored yet"),
        ([{}], (), "no live signal is active now; 1 have ended or not begun: --all shows them"),
        ([{"origin": "replay"}], (), "1 replay signals up to 2024-01-01 exist: try --origin replay --all"),
        ([{"origin": "replay", "scope": "fast"}], (), "exist: try --scope fast --all"),
        ([{}], ("--symbol", "ETH/USDT"), "no live signal of ETH/USDT is active now; other symbols have some"),
        ([{}], ("--scope", "nope"), "no 'nope' signal is active now; 1 live signals up to 2024-01-01 exist"),
    ],
    ids=str,
)
def test_an_empty_list_says_why_it_is_empty(signals, database, stored, arguments, why):
    put_signals(database, *stored)
    said = signals("list", *arguments)
    assert (said.code, said.out) == (0, "")
    assert why in said.err
    assert signals("list", *arguments, "--json").json == []
