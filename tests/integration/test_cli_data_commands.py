"""The data commands of `signals`, run as a person runs them, against a real PostgreSQL and real files."""

import csv
import io
import json
import re
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline.cli import COMMANDS, main, querying
from pipeline.cli.display import Column, as_text, json_text, price, show_table
from pipeline.cli.inspecting import leaves
from pipeline.settings import Settings, load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from tests.support.candle_rows import NOW, START, csv_lines, raw_rows
from tests.support.database import a_series_of, a_stored_signal
from tests.support.real_data import ROOT

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Signals = Callable[..., Said]


@pytest.fixture
def signals(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Signals]:
    """``signals("list", "--all")``: the command in an empty folder, over the test's database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNALS_DATABASE_URL", database.address.libpq)
    monkeypatch.setenv("SIGNALS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNALS_CONFIG", raising=False)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["signals", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Said(code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


def words(line: str) -> list[str]:
    return line.split()


def line_with(said: Said, text: str) -> str:
    """The line of the output that starts with ``text``."""
    return next(line for line in said.out.splitlines() if line.startswith(text))


def write_csv(folder: Path, name: str, n_rows: int = 24, **given: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(csv_lines(n_rows, **given)) + "\n", encoding="utf-8")
    return path


# import candles


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
    later = raw_rows(24).assign(close=110.0, high=500.0)
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


# list


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
    assert [words(line)[0] for line in said.out.splitlines()[1:]] == ["0.50", "0.40"]
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


# profile and positions


def test_a_profile_shows_each_value_and_where_it_comes_from(signals, monkeypatch):
    monkeypatch.setenv("SIGNALS_RISK__MIN_SIGNAL_CONFIDENCE", "0.6")
    changed = signals("profile", "set", "max_asset_exposure=0.1", "avoid_high_volatility=no", "--json").json
    assert changed["max_asset_exposure"] == {"value": 0.1, "origin": "database"}
    assert changed["min_signal_confidence"] == {"value": 0.6, "origin": "settings"}

    signals("profile", "set", "max_asset_exposure=default")

    assert words(line_with(signals("profile", "show"), "max_asset_exposure")) == [
        "max_asset_exposure",
        "0.2",
        "settings",
    ]
    assert words(line_with(signals("profile", "show"), "avoid_high_volatility"))[1:] == ["false", "database"]


def test_a_named_profile_is_made_by_setting_it(signals):
    assert signals("profile", "show", "bot").code == 2
    assert signals("profile", "set", "bot", "is_scheduled=yes", "max_total_exposure=0.3").code == 0
    shown = signals("profile", "show", "bot", "--json").json
    assert (shown["profile"], shown["is_scheduled"]["value"], shown["max_total_exposure"]["value"]) == ("bot", True, 0.3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("max_asset_exposure=9",), "max_asset_exposure must be a fraction in [0, 1]"),
        (("colour=red",), "colour is not a setting of a risk profile; these are: min_signal_confidence"),
        (("bot",), "say what to change"),
        (("bot", "max_asset_exposure"), "must read KEY=VALUE, was 'max_asset_exposure'"),
        (("is_scheduled=no",), "always scheduled"),
        (("is_scheduled=maybe", "min_signal_confidence=0.6"), "'maybe' is not a valid boolean"),
        (("trading_hours_end=8", "trading_hours_end=9"), "given once"),
    ],
    ids=str,
)
def test_a_wrong_change_of_a_profile_is_refused(signals, arguments, message):
    said = signals("profile", "set", *arguments)
    assert said.code == 2
    assert message in said.err


def test_positions_are_set_listed_and_ended(signals):
    signals("positions", "set", "BTCUSDT", "0.05", "--from", "2024-01-01")
    signals("positions", "set", "BTC/USDT", "0", "--from", "2024-02-01T12:00+02:00")
    signals("positions", "set", "ETH/USDT", "0.9")

    said = signals("positions", "list")

    assert words(line_with(said, "BTC/USDT")) == words("BTC/USDT 0.05 2024-01-01 00:00 2024-02-01 10:00 ended")
    assert words(line_with(said, "ETH/USDT"))[-1] == "held"
    assert "held now: 0.9 of the portfolio, of 0.8 allowed; no BUY passes" in said.err
    assert [row["state"] for row in signals("positions", "list", "--json").json] == ["ended", "held"]


def test_a_file_of_positions_is_read_whole_and_reading_it_again_changes_nothing(signals, tmp_path):
    rows = ["symbol,weight,valid_from,valid_to", "BTC/USDT,0.1,2024-01-01,", "BTC/USDT,0.2,2024-02-01,"]
    (tmp_path / "held.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")

    first, again = (signals("positions", "import", "held.csv") for _ in range(2))

    assert (first.code, again.code) == (0, 0)
    assert "all were known" in again.out
    found = signals("positions", "list", "--json").json
    assert [(row["weight"], row["valid_to"]) for row in found] == [(0.1, "2024-02-01T00:00:00Z"), (0.2, None)]


def test_of_a_file_with_wrong_positions_each_is_named_with_its_line_and_none_is_taken(signals, tmp_path):
    rows = [
        "symbol,weight,valid_from,valid_to",
        "BTC/USDT,0.1,2024-01-01,",
        "ETH/USDT,ten,2024-01-01,",
        "ETH/USDT,5,2024-01-01,",
        "",
        "ETH/USDT,0.1,soon,",
        "ETH/USDT,0.1,2024-02-01,2024-01-01",
        ",0.1,2024-02-01,",
        "SOL/USDT,0.1,2024-01-01,2024-03-01",
        "SOL/USDT,0.1,2024-02-01,",
        "ETH/USDT,0.1",
    ]
    (tmp_path / "held.csv").write_text("\n".join(rows), encoding="utf-8")

    said = signals("positions", "import", "held.csv")

    assert said.code == 1
    assert re.findall(r"held\.csv:(\d+): (\w+)", said.err) == [
        ("3", "weight"),
        ("4", "weight"),
        ("6", "an"),
        ("7", "valid_to"),
        ("8", "symbol"),
        ("11", "must"),
        ("10", "SOL"),
    ]
    assert signals("positions", "list", "--json").json == []


@pytest.mark.parametrize("text", ["", "BTC/USDT,0.1,2024-01-01\n", "symbol,weight,valid_from,colour\n"])
def test_a_file_of_positions_without_its_header_is_refused(signals, tmp_path, text):
    (tmp_path / "held.csv").write_text(text, encoding="utf-8")
    said = signals("positions", "import", "held.csv")
    assert said.code == 1
    assert "held.csv:1: must be the header symbol,weight,valid_from,valid_to" in said.err


# sql


def test_a_question_is_answered_as_table_csv_or_json(signals):
    query = "SELECT 1.5::float8 AS a, NULL AS b, true AS c, '{\"x\": 1}'::jsonb AS d, '2024-01-01'::timestamptz AS e"
    table, as_csv, as_json = (signals("sql", query, "--format", kind) for kind in ("table", "csv", "json"))

    assert [line.split(maxsplit=3) for line in table.out.splitlines()][1] == [
        "1.5",
        "-",
        "yes",
        '{"x": 1}  2024-01-01 00:00',
    ]
    assert list(csv.DictReader(io.StringIO(as_csv.out))) == [
        {"a": "1.5", "b": "", "c": "true", "d": '{"x": 1}', "e": "2024-01-01T00:00:00Z"}
    ]
    assert as_json.json == [{"a": 1.5, "b": None, "c": True, "d": {"x": 1}, "e": "2024-01-01T00:00:00Z"}]


def test_the_question_may_come_by_pipe(signals):
    assert signals("sql", "--format", "csv", stdin="SELECT 1 AS one").out == "one\n1\n"
    assert signals("sql", "-", "--format", "csv", stdin="SELECT 1 AS one").out == "one\n1\n"


def test_no_rows_are_a_header_and_an_empty_array(signals):
    query = "SELECT symbol FROM v_candles"
    assert signals("sql", query, "--format", "csv").out == "symbol\n"
    assert signals("sql", query, "--format", "json").json == []


def test_columns_of_the_same_name_are_told_apart_in_json(signals):
    assert signals("sql", "SELECT 1 a, 2 a", "--format", "json").json == [{"a": 1, "a_2": 2}]


def test_a_long_table_says_how_to_have_all_of_it(signals):
    said = signals("sql", "SELECT generate_series(1, 1500) AS n")
    assert len(said.out.splitlines()) == 1001
    assert "1,000 of 1,500 rows; --format csv gives all" in said.err


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM series",
        "CREATE TABLE mine (a int)",
        "DO $$ BEGIN EXECUTE 'SET TRANSACTION READ WRITE'; DELETE FROM series; END $$",
        "SELECT nextval(pg_get_serial_sequence('series', 'series_id'))",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('/etc/hostname')",
    ],
)
def test_nothing_can_be_changed_run_or_read_beside_the_tables(signals, database, query):
    a_series_of(database)
    said = signals("sql", query)
    assert said.code == 1
    assert said.err.startswith("error: ")
    with database.begin() as conn:
        assert conn.scalar(sa.text("SELECT count(*) FROM series")) == 1


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT * FORM candles", 'syntax error at or near "FORM"\nLINE 1: SELECT * FORM candles\n                 ^'),
        ("SELECT nothing FROM candles", 'column "nothing" does not exist'),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("COPY candles TO STDOUT", "SELECT with --format csv"),
    ],
)
def test_a_wrong_question_is_explained_without_a_traceback(signals, query, message):
    said = signals("sql", query)
    assert said.code == 1
    assert message in said.err
    assert "Traceback" not in said.err


def test_a_question_that_takes_too_long_is_given_up(signals, monkeypatch):
    monkeypatch.setattr(querying, "OPTIONS", querying.OPTIONS.replace("=60s", "=50ms"))
    said = signals("sql", "SELECT pg_sleep(5)")
    assert said.code == 1
    assert "60 s at most" in said.err


def test_the_address_is_printed_alone_so_that_other_programs_can_use_it(signals, database):
    said = signals("sql", "--url")
    assert said.out == database.address.libpq + "\n"


# config and doctor


def test_config_says_where_each_setting_comes_from(signals, tmp_path, monkeypatch):
    (tmp_path / "signals.toml").write_text(
        'position_size = 0.1\n\n[market]\nsource = "files"\n\n[strategies.rsi]\noversold = 25\n', encoding="utf-8"
    )
    monkeypatch.setenv("SIGNALS_RISK__MAX_ASSET_EXPOSURE", "0.1")
    monkeypatch.setenv("SIGNALS_MARKET__EXCHANGE", "")

    shown = signals("config", "--json").json

    assert shown["market.source"] == {"value": "files", "origin": "signals.toml:4"}
    assert shown["position_size"] == {"value": 0.1, "origin": "signals.toml:1"}
    assert shown["strategies.rsi.oversold"] == {"value": 25.0, "origin": "signals.toml:7"}
    assert shown["strategies.rsi.overbought"] == {"value": 70.0, "origin": "default"}
    assert shown["risk.max_asset_exposure"] == {"value": 0.1, "origin": "SIGNALS_RISK__MAX_ASSET_EXPOSURE"}
    assert shown["market.exchange"] == {"value": None, "origin": "default"}


def test_config_masks_the_password(signals, database):
    for arguments in (("config",), ("config", "--json")):
        said = signals(*arguments)
        assert database.address.password not in said.out
        assert ":***@" in said.out


def test_wrong_settings_end_every_command_with_the_line_that_is_wrong(signals, tmp_path):
    (tmp_path / "signals.toml").write_text('[market]\nsource = "file"\n', encoding="utf-8")
    for command in ("config", "list", "doctor"):
        said = signals(command)
        assert said.code == 2
        assert said.err.startswith("error: signals.toml:2: market.source must be")


def test_doctor_is_content_with_what_is_complete(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    import_candles(database, raw_rows(24), NOW)

    said = signals("doctor")

    assert (said.code, said.err) == (0, "")
    assert line_with(said, "binance").split() == words(
        "binance BTC/USDT 1h 24 0 2024-01-01 01:00 2024-01-02 00:00 not judged yet - -"
    )
    assert said.out.endswith("Nothing needs you.\n")


def test_doctor_lists_what_is_refused_filled_and_blocked_and_what_to_do(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    rows = raw_rows(24).drop(index=[3, 4]).reset_index(drop=True)
    rows.loc[0, "volume"] = -1.0
    import_candles(database, rows, NOW)
    with database.begin() as conn:
        conn.execute(
            sa.text(
                """INSERT INTO source_health (source, subject, series_id, status, reason, as_of)
SELECT 'candles', 'binance BTC/USDT 1h', series_id, 'BLOCKED', 'stale(newest close 2024-01-02 00:00)', now()
FROM series"""
            )
        )

    said = signals("doctor")

    assert said.code == 1
    assert "needs you: BTC/USDT 1h is blocked: stale(newest close 2024-01-02 00:00); import candles" in said.err
    assert words(line_with(said, "binance   negative_volume"))[:4] == ["binance", "negative_volume", "1", "1"]
    found = signals("doctor", "--json").json
    assert [(row["bars"], row["filled_bars"], row["status"]) for row in found["series"]] == [(23, 2, "BLOCKED")]
    assert found["problems"][0] in said.err


def test_f08_a_price_jump_needs_a_person_until_it_is_accepted(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    rows = raw_rows(6)
    rows.loc[3:, ["open", "high", "low", "close"]] *= 10
    import_candles(database, rows, NOW)

    sick = signals("doctor")
    unknown = signals("doctor", "--accept-jump", "ETH/USDT")
    accepted = signals("doctor", "--accept-jump", "btcusdt")

    assert sick.code == 1
    assert "signals doctor --accept-jump BTC/USDT" in sick.err
    assert unknown.code == 1
    assert "symbol must have a price jump that is not accepted yet (BTC/USDT), was ETH/USDT" in unknown.err
    assert accepted.code == 0
    assert "signals backfill --from 2024-01-01" in accepted.out
    assert signals("doctor").code == 0


@pytest.mark.parametrize(
    ("exchanges", "settings", "problem"),
    [
        ([], {}, "signals import candles PATH --exchange NAME"),
        (["binance", "kraken"], {}, "market.exchange must be set, because several were imported: binance, kraken"),
        (["binance"], {"EXCHANGE": "kraken"}, "signals import candles PATH --exchange kraken"),
        (["binance"], {"SYMBOLS": "BTC/USDT,ETH/USDT"}, "ETH/USDT are not: import or leave them out"),
    ],
    ids=str,
)
def test_doctor_says_when_the_settings_ask_for_what_is_not_there(
    signals, database, monkeypatch, exchanges, settings, problem
):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGNALS_MARKET__{name}", value)
    for exchange in exchanges:
        import_candles(database, raw_rows(3, exchange=exchange), NOW)

    said = signals("doctor")

    assert said.code == 1
    assert problem in said.err


# How things are shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (67123.456, "67,123.46"),
        (0.612345678, "0.612346"),
        (0.0000123456789, "0.0000123457"),
        (0.0, "0.00"),
        (99.5, "99.5000"),
        (-1234.5, "-1,234.50"),
        (float("nan"), "nan"),
    ],
)
def test_a_price_has_the_digits_that_matter(value, text):
    assert price(value) == text


def test_a_cell_is_one_line_and_what_is_absent_is_a_dash():
    assert [as_text(v) for v in (None, "a\nb", 1234567, True, START, {"a": START})] == [
        *("-", "a b", "1,234,567", "yes", "2024-01-01 00:00", '{"a": "2024-01-01T00:00:00Z"}')
    ]


def test_json_knows_no_nan():
    assert json.loads(json_text({"a": float("nan"), "b": [float("inf")]})) == {"a": None, "b": [None]}


class Terminal(io.StringIO):
    """A stdout that somebody looks at."""

    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: list[Column], rows: list[list[object]]) -> list[str]:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    show_table(columns, rows)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in terminal.getvalue().splitlines()]


def test_a_narrow_terminal_wraps_what_may_wrap_and_leaves_out_what_may_be_left_out(monkeypatch):
    columns = [
        Column(title="symbol"),
        Column(title="why", wraps=True),
        Column(title="extra", is_optional=True),
        Column(title="more", is_optional=True),
    ]
    lines = on_a_terminal(monkeypatch, columns, [["BTC/USDT", "word " * 10, "x" * 10, "y" * 10]])
    assert words(lines[0]) == ["symbol", "why"]
    assert [word for line in lines[1:] for word in words(line) if word != "BTC/USDT"] == ["word"] * 10
    assert max(map(len, lines)) <= 40


def test_a_table_that_no_terminal_has_room_for_is_shown_row_by_row(monkeypatch):
    columns = [Column(title=f"column{number}") for number in range(6)]
    lines = on_a_terminal(monkeypatch, columns, [["value"] * 6] * 2)
    assert lines[:2] == ["column0  value", "column1  value"]
    assert len(lines) == 13


# The pages


def documented(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_every_setting_stands_in_the_settings_page_with_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SIGNALS_HOME", "SIGNALS_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    rows = re.findall(r"^\| `([a-z0-9_.]+)` \| (.*?) \|", documented("settings.md"), flags=re.MULTILINE)
    stated = dict(rows)
    defaults = {".".join(path): value for path, value in leaves(load_settings()) if path[0] != "expiry"}

    assert len(rows) == len(stated)
    assert set(stated) == {*defaults, "expiry.bars.<timeframe>"}
    for key, value in defaults.items():
        expected = "" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"
        assert stated[key] == expected, key


def test_every_section_of_the_settings_has_a_heading():
    headings = set(re.findall(r"^## (.+)$", documented("settings.md"), flags=re.MULTILINE))
    sections = {n for n, f in Settings.model_fields.items() if hasattr(f.annotation, "model_fields")} | {"strategies"}
    assert sections <= headings


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_and_teaches_with_an_example(signals, name):
    assert re.search(rf"^## signals {name}$", documented("cli.md"), flags=re.MULTILINE)
    said = signals(name, "--help")
    assert said.code == 0
    assert name in ("down", "status") or re.search(rf"^ +(signals {name}|SIGNALS_\w+=\S+ signals)", said.out, re.MULTILINE) or "Commands:" in said.out
