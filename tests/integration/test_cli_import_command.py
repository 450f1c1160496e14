"""`signals import candles`: files in, series out; against a real PostgreSQL and real files."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.support.candle_rows import csv_lines, raw_rows
from tests.support.cli import line_with, words

HOUR = timedelta(hours=1)


def write_csv(folder: Path, name: str, n_rows: int = 24, **given: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(csv_lines(n_rows, **given)) + "\n", encoding="utf-8")
    return path


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
