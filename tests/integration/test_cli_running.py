"""`signals demo`, `run`, `backfill`, `replay` as a person runs them: results, messages, exit codes, interruptions."""

import json
import os
import pty
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from alembic import command

from pipeline.cli.dagster_home import DAGSTER_DATABASE
from pipeline.storage import tables
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import CHAIN_LOCK
from pipeline.storage.schema import alembic_config
from pipeline.storage.server import embedded_server, start_kept, stop
from tests.support.commands import COMMAND, environment, signals, signals_started
from tests.support.model_chain import PREDICTIONS
from tests.support.postgres import query
from tests.support.processes import until

NOISE = ("Traceback", "Warning", "dagster -", "DEBUG", "INFO")
SMALL = {"SIGNALS_MARKET__SYMBOLS": "BTC/USDT,ETH/USDT"}


class Demo:
    """A home in which the demo ran, its database kept up for what follows."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self.env = environment(self.home)
        # Whatever market the settings name, the demo is about the simulated one.
        otherwise = {"SIGNALS_MARKET__SOURCE": "files", "SIGNALS_MARKET__EXCHANGE": "binance"}
        self.shown = self.signals("demo", SIGNALS_TRAINING__WEEKS="8", SIGNALS_TRAINING__FOLD_WEEKS="2", **otherwise)
        self.address = start_kept(self.home)

    def signals(self, *arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
        return signals(*arguments, env={**self.env, **variables}, folder=self.folder)

    def numbers(self, *arguments: object, **variables: str) -> dict[str, Any]:
        done = self.signals(*arguments, "--json", **variables)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    made = Demo(tmp_path_factory.mktemp("demo"))
    yield made
    stop(made.home)


def day(days_ago: int) -> str:
    return f"{datetime.now(UTC) - timedelta(days=days_ago):%Y-%m-%d}"


# What works


def test_the_demo_shows_a_table_of_signals_and_where_the_data_is(demo):
    assert demo.shown.returncode == 0, demo.shown.stderr
    assert "score  symbol" in demo.shown.stdout
    shown = set(re.findall(r" ([0-9a-f]{8}) ", demo.shown.stdout))
    known = query(demo.address.libpq, "SELECT array_agg(DISTINCT left(id::text, 8)) FROM trading_signals")
    assert shown
    assert shown <= set(known)
    assert f"Where it is      {demo.home.resolve()}" in demo.shown.stdout
    steps = [line[:4] for line in demo.shown.stderr.splitlines() if "/7 " in line]
    assert steps == [f"{number}/7 " for number in range(1, 8)]
    assert not any(word in demo.shown.stdout + demo.shown.stderr for word in NOISE)
    assert query(demo.address.libpq, "SELECT count(*) FROM trading_signals WHERE exchange = 'simulated'")
    assert query(demo.address.libpq, "SELECT count(DISTINCT kind) FROM models WHERE status = 'champion'") == 3
    for table in (*PREDICTIONS, "news_articles", "tweets", "reddit_posts", "repository_activity", "symbol_sentiment"):
        assert query(demo.address.libpq, f"SELECT count(*) FROM {table}"), table


def test_the_demo_replays_its_days_with_lower_thresholds_to_show_where_all_sources_agree(demo):
    agreed = "source = 'technical, ml_model, sentiment' AND scope = 'talkative'"
    found = query(demo.address.libpq, f"SELECT count(*) FROM trading_signals WHERE {agreed}")
    assert f"on which rules, models and texts agree ({found} in all)" in demo.shown.stdout
    if found:
        (line,) = (line for line in demo.shown.stdout.splitlines() if line.startswith("What they say"))
        explained = demo.signals(*line.split()[4:])
        assert explained.returncode == 0, explained.stderr
        assert "overall" in explained.stdout
    assert query(demo.address.libpq, "SELECT count(*) FROM trading_signals WHERE scope = 'talkative'") > 100


def test_a_run_prints_json_alone_and_is_live(demo):
    done = demo.numbers("run")

    assert list(done) == ["run_id", "seconds", "tables"]
    assert list(done["tables"]) == [
        *("candles", "indicators", "price_levels", "chart_patterns", "market_conditions", "model_features"),
        *("symbol_sentiment", *PREDICTIONS),
        *("technical_signals", "ml_signals", "sentiment_signals", "risk_filtered_signals", "trading_signals"),
    ]


def test_a_run_as_of_an_instant_repeats_what_the_demo_stored(demo):
    done = demo.numbers("run", "--as-of", f"{day(1)}T12:00")

    assert done["tables"]["trading_signals"]["signals"] > 0
    assert done["tables"]["trading_signals"]["rows_written"] == 0


def test_a_backfill_twice_adds_nothing_the_second_time(demo):
    first, second = (demo.numbers("backfill", "--from", day(6), "--to", day(5)) for _ in range(2))

    assert first["tables"]["trading_signals"]["rows_written"] == first["tables"]["trading_signals"]["signals"] > 0
    assert [numbers["rows_written"] for numbers in second["tables"].values()] == [0] * 15


def test_a_backfill_of_days_before_any_model_says_that_none_spoke(demo):
    done = demo.signals("backfill", "--from", day(12), "--to", day(12))

    assert done.returncode == 0, done.stderr
    assert f"direction 1h: no model spoke of {day(12)} 00:00 to {day(12)} 23:00: no_model" in done.stderr


def test_a_replay_writes_rows_of_its_own_scope(demo):
    before = query(demo.address.libpq, "SELECT count(*) FROM trading_signals WHERE scope = 'default'")
    done = demo.numbers(
        "replay", "--name", "eager", "--from", day(2), "--to", day(1), "--set", "risk.min_signal_confidence=0.1"
    )

    assert done["scope"] == "eager"
    stored = query(demo.address.libpq, "SELECT count(*) FROM trading_signals WHERE scope = 'eager'")
    assert done["signals_written"] == stored > 0
    assert query(demo.address.libpq, "SELECT count(*) FROM trading_signals WHERE scope = 'default'") == before


def test_progress_is_seen_on_a_terminal_and_the_log_is_not(demo):
    leader, follower = pty.openpty()
    seen: list[bytes] = []

    def read() -> None:
        try:
            while said := os.read(leader, 65_536):
                seen.append(said)
        except OSError:  # nobody has the terminal open any more
            return

    reader = threading.Thread(target=read)
    with subprocess.Popen(
        [*COMMAND, "backfill", "--from", day(8), "--to", day(7), "--json"],
        env={**demo.env, "TERM": "xterm", "COLUMNS": "100"},
        cwd=demo.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=follower,
    ) as backfill:
        os.close(follower)
        reader.start()
        said, _ = backfill.communicate(timeout=60)
    reader.join()
    os.close(leader)
    shown = b"".join(seen).decode()

    assert backfill.returncode == 0
    assert json.loads(said)["tables"]["candles"]
    assert [step for step in ("preparing Dagster", "starting", "indicators") if step not in shown] == []
    assert not any(word in shown for word in NOISE)


# What is refused

REFUSED = {
    "an end before the beginning": (
        ("backfill", "--from", day(1), "--to", day(2)), 2, f"must not be after --to {day(2)}, was {day(1)}",
    ),
    "a day to come": (("backfill", "--from", day(1), "--to", "2999-01-01"), 2, "must not be after today"),
    "a replay of a day to come": (
        ("replay", "--name", "a", "--from", day(1), "--to", "2999-01-01"), 2, "must not be after today",
    ),
    "no day": (("backfill", "--from", "yesterday", "--to", day(1)), 2, "a day like 2024-06-30, was 'yesterday'"),
    "a day before any partition": (
        ("backfill", "--from", "2009-12-31", "--to", "2010-01-02"), 2, "must not be before 2010-01-01, was 2009-12-31",
    ),
    "an instant before any partition": (("run", "--as-of", "2009-12-31"), 2, "must not be before 2010-01-01"),
    "an instant to come": (("run", "--as-of", "2999-01-01"), 2, "must not be in the future, was 2999-01-01"),
    "no instant": (("run", "--as-of", "noon"), 2, "an instant must read like 2024-06-01"),
    "no timeframe": (("backfill", "--from", day(1), "--to", day(1), "--timeframe", "7h"), 2, "must be one of 1m 3m"),
    "the name of the backfills": (
        ("replay", "--name", "default", "--from", day(1), "--to", day(1)), 1, "must be its own, was 'default'",
    ),
    "the name by which live signals are compared": (
        ("replay", "--name", "live", "--from", day(1), "--to", day(1)), 1, "must be its own, was 'live'",
    ),
    "a name that nobody can type": (
        ("replay", "--name", "a b/c", "--from", day(1), "--to", day(1)), 1, "must be letters, digits, dots, dashes",
    ),
    "an unknown setting": (
        ("replay", "--name", "a", "--from", day(1), "--to", day(1), "--set", "nothing.at=1"), 2, "nothing",
    ),
    "an unknown key of a section": (
        ("replay", "--name", "a", "--from", day(1), "--to", day(1), "--set", "market.nothing=1"), 2, "market.nothing",
    ),
    "a setting without a value": (
        ("replay", "--name", "a", "--from", day(1), "--to", day(1), "--set", "market"), 2, "must read KEY=VALUE",
    ),
    "days without candles": (
        ("replay", "--name", "a", "--from", "2019-01-01", "--to", "2019-01-02"), 1, "simulated has none from 2019",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_a_reason_and_no_traceback(demo, what):
    arguments, code, reason = REFUSED[what]
    done = demo.signals(*arguments)

    assert reason in done.stderr
    assert done.returncode == code
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["run", "backfill", "replay"])
def test_files_that_were_never_imported_are_asked_for(demo, name):
    days = () if name == "run" else ("--from", day(1), "--to", day(1))
    named = ("--name", "a") if name == "replay" else ()
    done = demo.signals(name, *days, *named, SIGNALS_MARKET__SOURCE="files")

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.endswith(
        "error: market.exchange must be set, because no candles were imported yet; `signals import candles PATH "
        "--exchange NAME` reads files\n"
    )


@pytest.mark.long
def test_a_backfill_says_which_series_it_had_to_doubt_and_refuses_days_without_candles(demo):
    opens = (datetime(2024, 3, 1, tzinfo=UTC) + timedelta(hours=hour) for hour in range(48))
    lines = [f"{at:%Y-%m-%d %H:%M},10,11,9,10,5" for at in opens]
    (demo.folder / "ADAUSDT-1h.csv").write_text("\n".join(["open_time,open,high,low,close,volume", *lines]))
    assert demo.signals("import", "candles", "ADAUSDT-1h.csv", "--exchange", "kraken").returncode == 0

    done = demo.signals("backfill", "--from", "2024-03-01", "--to", "2024-03-02", SIGNALS_MARKET__SOURCE="files")
    empty = demo.signals("backfill", "--from", "2024-02-01", "--to", "2024-02-02", SIGNALS_MARKET__SOURCE="files")

    assert done.returncode == 0, done.stderr
    assert done.stderr.count("kraken ADA/USDT 1h is partial: insufficient_history(47<448)") == 1
    assert empty.returncode == 1
    assert empty.stderr.endswith(
        "error: the days must have stored candles, kraken has none from 2024-02-01 to 2024-02-02; `signals doctor` "
        "shows what is stored\n"
    )


@pytest.mark.long
def test_a_replay_says_that_its_name_held_other_settings(demo):
    arguments = ("replay", "--name", "once", "--from", day(2), "--to", day(1))
    first, again = demo.signals(*arguments), demo.signals(*arguments)
    other = demo.signals(*arguments, "--set", "risk.min_signal_confidence=0.1")

    assert "other settings" not in first.stderr + again.stderr
    assert "once held rows of other settings" in other.stderr


# What interrupts


@pytest.mark.parametrize("stop_signal", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_backfill_leaves_no_half_batch_and_the_chain_free(demo, stop_signal):
    days = ("--from", day(60), "--to", day(1))
    changed = {"SIGNALS_MARKET__TIMEFRAMES": "5m", **SMALL}
    backfill = signals_started("backfill", *days, env={**demo.env, **changed}, folder=demo.folder)
    until(lambda: locked(demo.address), timeout_s=120)
    time.sleep(0.5)

    backfill.send_signal(stop_signal)
    said, _ = backfill.communicate(timeout=120)

    assert backfill.returncode == 130, said
    assert said.endswith("stopped\n")
    assert "Traceback" not in said
    assert not locked(demo.address)
    dagster = demo.address.with_database(DAGSTER_DATABASE).libpq
    assert query(dagster, "SELECT count(*) FROM runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')") == 0
    with psycopg.connect(demo.address.libpq) as conn:
        counts = conn.execute(
            "SELECT count(c.series_id) FROM series s LEFT JOIN candles c USING (series_id)"
            " WHERE s.timeframe = '5m' GROUP BY s.symbol"
        ).fetchall()
    assert len(set(counts)) <= 1  # both symbols have all of theirs, or none


def locked(address: DatabaseAddress) -> bool:
    """Whether a run of the chain is in progress."""
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = "
    return bool(query(address.libpq, held + str(CHAIN_LOCK)))


# A server set up by hand


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseAddress]:
    """A server that is not the home's."""
    with embedded_server(tmp_path_factory.mktemp("server")) as address:
        yield address


def test_a_server_set_up_by_hand_gets_both_databases_and_no_embedded_one_is_made(by_hand, tmp_path):
    mine = by_hand.with_database("mine")
    env = environment(tmp_path / "home", SIGNALS_DATABASE_URL=mine.libpq, **SMALL)

    done = signals("run", env=env, folder=tmp_path)

    assert done.returncode == 0, done.stderr
    assert query(mine.libpq, "SELECT count(*) FROM market_conditions")
    assert query(mine.with_database(DAGSTER_DATABASE).libpq, "SELECT count(*) FROM runs WHERE status = 'SUCCESS'") == 1
    assert not (tmp_path / "home" / "postgres").exists()


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path):
    env = environment(tmp_path / "home", SIGNALS_DATABASE_URL="postgresql://me:hush@127.0.0.1:1/mine")

    done = signals("run", env=env, folder=tmp_path)

    assert done.returncode in (2, 75)
    assert "postgresql://me:***@127.0.0.1:1/mine" in done.stderr
    assert "hush" not in done.stderr


def test_f52_a_newer_schema_is_refused_and_left_as_it_is(by_hand, tmp_path):
    newer = by_hand.with_database("newer")
    env = environment(tmp_path / "home", SIGNALS_DATABASE_URL=newer.libpq, **SMALL)
    assert signals("status", env=env, folder=tmp_path).returncode == 0
    query(newer.libpq, "UPDATE alembic_version SET version_num = 'ffff'")

    done = signals("run", env=env, folder=tmp_path)

    assert done.returncode == 1
    assert done.stdout == ""
    assert "or older, was ffff: it was written by a newer version; update this checkout" in done.stderr
    assert query(newer.libpq, "SELECT version_num FROM alembic_version") == "ffff"


def test_f52_an_older_schema_is_migrated_with_its_rows(by_hand, tmp_path):
    older = by_hand.with_database("older")
    query(by_hand.libpq, "CREATE DATABASE older")
    opened = datetime(2024, 6, 1, tzinfo=UTC)
    engine = sa.create_engine(older.sqlalchemy)
    with engine.begin() as conn:
        config = alembic_config()
        config.attributes["connection"] = conn
        command.upgrade(config, "0001")
        key = {"exchange": "binance", "symbol": "BTC/USDT", "timeframe": "1h"}
        series = conn.scalar(
            sa.insert(tables.series).values(**key, bar_seconds=3600).returning(tables.series.c.series_id)
        )
        prices = {"open": 1.0, "high": 3.0, "low": 0.5, "close": 2.0, "volume": 4.0}
        closed = opened + timedelta(hours=1)
        conn.execute(
            sa.insert(tables.candles).values(
                series_id=series, open_at=opened, close_at=closed, first_seen_at=closed, is_filled=False, **prices
            )
        )
    engine.dispose()
    env = environment(tmp_path / "home", SIGNALS_DATABASE_URL=older.libpq)

    done = signals("sql", "--format", "csv", "SELECT symbol, open_at, close FROM v_candles", env=env, folder=tmp_path)

    assert done.stdout == "symbol,open_at,close\nBTC/USDT,2024-06-01T00:00:00Z,2.0\n", done.stderr
    assert query(older.libpq, "SELECT version_num FROM alembic_version") != "0001"
    assert query(older.libpq, "SELECT count(*) FROM trading_signals") == 0
