"""Processes that overlap, die, or come back after days: one set of rows, and nobody waits for the dead."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring.run_monitoring import execute_run_monitoring_iteration
from psycopg.rows import dict_row

from pipeline.storage import tables
from pipeline.storage.address import DatabaseAddress
from tests.support.chain import CHAIN_TABLES
from tests.support.chaos import Blow, Moment, Stop, Work, ended, perform, perform_recorded, start
from tests.support.chaos_market import (
    BACKFILL,
    HOUR,
    LATE_TICK,
    NEXT_TICK,
    NOON,
    Scenario,
    a_copy,
    a_tick,
    scenario,
    traded,
)
from tests.support.chaos_tally import KILLED
from tests.support.contents import contents
from tests.support.postgres import query
from tests.support.processes import output
from tests.support.real_data import ROOT

EVER = datetime(2000, 1, 1, tzinfo=UTC)
SECOND_TICK = a_tick(NOON + 2 * HOUR)


@pytest.fixture(scope="module")
def origin(migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A database after two ticks, the newest of which saw a wrong candle."""
    with traded(migrated_template) as made:
        yield made


@pytest.fixture(scope="module")
def next_tick(origin: DatabaseAddress) -> Iterator[Scenario]:
    """The tick after them."""
    with scenario(NEXT_TICK, origin) as made:
        yield made


@pytest.fixture
def address(origin: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A database in which that tick is still to be done."""
    with a_copy(origin) as copy:
        yield copy


def told(address: DatabaseAddress, statement: str) -> list[dict[str, Any]]:
    """The rows of a query, in an order of their own."""
    with psycopg.connect(address.libpq, row_factory=dict_row) as conn:
        return sorted(conn.execute(statement).fetchall(), key=repr)  # type: ignore[call-overload]


def made_by(address: DatabaseAddress, after: datetime = EVER) -> Counter[tuple[str, str]]:
    """What the chain made of the bars that closed after an instant, but for the status.

    That follows from when a signal was stored: what was past by then was stored EXPIRED. So does on-balance volume,
    which is counted from the oldest candle that was there.
    """
    found = Counter[tuple[str, str]]()
    for (table, text), number in contents(address).items():
        if table in CHAIN_TABLES:
            row = json.loads(text)
            row.pop("status", None)
            row.pop("obv", None)
            row.get("metadata", {}).get("raw_data", {}).get("technical_indicators", {}).pop("obv", None)
            opened, closed = row.get("open_at"), row.get("candle_close_at")
            if (opened and opened >= after.isoformat()) or (closed and closed > after.isoformat()):
                found[table, json.dumps(row, sort_keys=True)] += number
    return found


def at_once(address: DatabaseAddress, *works: Work) -> None:
    """Do works in as many processes at the same time."""
    processes = [start(address, work) for work in works]
    assert [ended(process) for process in processes] == [0] * len(works)


# Two at once


def test_f40_two_processes_at_the_same_tick_store_one_set_of_rows(next_tick, address):
    at_once(address, NEXT_TICK, NEXT_TICK)

    assert contents(address) == contents(next_tick.twin)


@pytest.mark.parametrize("commit", [4, 11, 17])
def test_f40_two_processes_at_the_same_tick_store_one_set_of_rows_though_the_lock_is_lost(next_tick, address, commit):
    first = start(address, NEXT_TICK, [Stop(Moment.COMMIT, commit, Blow.UNLOCK)])
    second = start(address, NEXT_TICK)

    codes = {ended(first), ended(second)}
    assert 0 in codes
    if codes != {0}:  # of two that change one signal, one loses and says so
        assert perform(address, NEXT_TICK) == 0
    assert made_by(address) == made_by(next_tick.twin)
    events = "SELECT signal_id, from_status, to_status, effective_at, actor, reason FROM signal_events"
    assert told(address, events) == told(next_tick.twin, events)


def test_f40_a_tick_and_the_next_one_at_once_store_the_rows_of_one_after_the_other(next_tick, address):
    with a_copy(next_tick.twin) as sequence:
        assert perform(sequence, SECOND_TICK) == 0

        at_once(address, NEXT_TICK, SECOND_TICK)

        assert made_by(address) == made_by(sequence)


def test_f40_a_backfill_during_ticks_loses_and_doubles_nothing(next_tick, address):
    with a_copy(next_tick.twin) as sequence:
        assert [perform(sequence, work) for work in (SECOND_TICK, BACKFILL)] == [0, 0]
        backfill = start(address, BACKFILL)

        assert [perform(address, work) for work in (NEXT_TICK, SECOND_TICK)] == [0, 0]

        assert ended(backfill) == 0
        assert made_by(address) == made_by(sequence)
        live = "SELECT id, status FROM trading_signals WHERE origin = 'live'"
        assert told(address, live) == told(sequence, live)


# Days off


def test_f41_a_tick_after_hours_off_makes_up_for_every_close_in_order(next_tick, address):
    assert perform(address, LATE_TICK) == 0

    with a_copy(next_tick.twin) as by_hour:
        for hours in range(2, 10):
            assert perform(by_hour, a_tick(NOON + hours * HOUR)) == 0
        # What the wrong candle of noon had led to has expired meanwhile, so that it is not looked at again.
        assert made_by(address, NOON) == made_by(by_hour, NOON)


def test_f41_what_is_past_is_stored_expired_with_its_event_and_was_never_active(address):
    query(
        address.libpq,
        """CREATE TABLE seen (id uuid, status text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO seen VALUES (NEW.id, NEW.status); RETURN NEW; END $$;
CREATE TRIGGER see AFTER INSERT OR UPDATE ON trading_signals FOR EACH ROW EXECUTE FUNCTION see()""",
    )

    assert perform(address, LATE_TICK) == 0

    as_of = NOON + 9 * HOUR
    stored = told(address, f"SELECT id, status, expires_at FROM trading_signals WHERE created_at > '{NOON}'")
    past = {row["id"] for row in stored if row["expires_at"] <= as_of}
    seen = {(row["id"], row["status"]) for row in told(address, "SELECT * FROM seen") if row["id"] in past}
    rows = told(address, "SELECT signal_id, from_status, reason FROM signal_events")
    events = {(row["signal_id"], row["from_status"], row["reason"]) for row in rows}
    assert past
    assert seen == {(number, "EXPIRED") for number in past}
    assert {(number, None, "past_at_insertion") for number in past} <= events
    assert {row["status"] for row in stored if row["id"] not in past} == {"ACTIVE"}


def test_f42_a_backfill_of_the_past_emits_nothing_leaves_live_rows_alone_and_notes_differences(next_tick):
    with a_copy(next_tick.twin) as address:
        query(address.libpq, f"UPDATE trading_signals SET confidence = 0.123 WHERE created_at = '{NOON - HOUR}'")
        live = [
            f"SELECT * FROM {table} WHERE origin = 'live'"
            for table in CHAIN_TABLES
            if "origin" in tables.metadata.tables[table].c
        ]
        before = [told(address, query) for query in live]

        assert perform(address, BACKFILL) == 0

        assert [told(address, query) for query in live] == before
        replayed = told(address, "SELECT DISTINCT status FROM trading_signals WHERE origin = 'replay'")
        assert replayed == [{"status": "EXPIRED"}]
        assert told(address, "SELECT FROM v_active_signals WHERE origin = 'replay'") == []
        drift = told(address, f"SELECT kind, live FROM replay_drift WHERE candle_close_at = '{NOON - HOUR}'")
        assert drift
        assert {(row["kind"], row["live"]["confidence"]) for row in drift} == {("different", 0.123)}


# Dead runs

WHILE_IT_ASKS = Stop(Moment.COMMIT, 3)  # in the step that holds a place in the pool, if there is one
BRIEFLY = replace(NEXT_TICK, tags={**NEXT_TICK.tags, "dagster/max_runtime": "1"})


@pytest.fixture
def dagster_home(tmp_path: Path) -> Path:
    """An instance with the checkout's rules for queues, pools and dead runs, and SQLite for its records."""
    checkout = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    rules = {name: checkout[name] for name in ("run_coordinator", "concurrency", "run_monitoring")}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(rules))
    return tmp_path


def test_f45_a_killed_run_is_failed_by_monitoring_and_its_retry_makes_the_rows(next_tick, address, dagster_home):
    assert perform_recorded(dagster_home, address, BRIEFLY, WHILE_IT_ASKS) == KILLED
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        (killed,) = instance.get_runs()
        assert killed.status is dg.DagsterRunStatus.STARTED
        time.sleep(1.1)  # its longest time
        with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
            assert list(execute_run_monitoring_iteration(workspace, dg.get_dagster_logger())) == [None]
        assert [each.status for each in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]

    assert perform_recorded(dagster_home, address, NEXT_TICK) == 0
    assert contents(address) == contents(next_tick.twin)


def test_f45_a_run_waits_for_no_dead_one_that_nobody_has_noticed(next_tick, address, dagster_home):
    assert perform_recorded(dagster_home, address, NEXT_TICK, WHILE_IT_ASKS) == KILLED

    assert perform_recorded(dagster_home, address, NEXT_TICK) == 0

    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert [each.status.value for each in instance.get_runs()] == ["SUCCESS", "STARTED"]
    assert contents(address) == contents(next_tick.twin)


def test_f45_no_run_stays_started_for_ever(dagster_home):
    with dg.DagsterInstance.from_config(str(dagster_home)) as instance:
        assert instance.run_monitoring_enabled
        assert 0 < instance.run_monitoring_max_runtime_seconds <= timedelta(days=1).total_seconds()
        assert 0 < instance.run_monitoring_start_timeout_seconds <= 600


# What is missing from an installation

WITHOUT = """
    import importlib.abc, sys

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.split(".")[0] in sys.argv[1].split(","):
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
"""


def test_f47_the_code_location_loads_without_the_optional_libraries():
    loads = """
    from pipeline.definitions import defs
    print(sorted(asset.key.to_user_string() for asset in defs.resolve_all_asset_specs())[:2], len(list(defs.schedules)))
    """

    said = output(WITHOUT + loads, "ccxt,praw,tweepy,keras,jax,torch,feedparser,github")
    assert said == "['anomaly_model', 'anomaly_scores'] 8"


def test_f47_without_ccxt_simulated_and_imported_candles_make_signals_as_ever(next_tick, address):
    work = """
    import sys
    from pipeline.storage.address import DatabaseAddress
    from pipeline.storage.database import Database
    from tests.support.chain import run
    from tests.support.chaos_market import NEXT_TICK
    run(Database(DatabaseAddress.parse(sys.argv[2])), NEXT_TICK.tags, NEXT_TICK.partition_key, NEXT_TICK.changes)
    """

    assert output(WITHOUT + work, "ccxt", address.libpq) == ""
    assert contents(address) == contents(next_tick.twin)


def test_f47_without_ccxt_live_fetching_says_what_is_missing(address):
    work = """
    import sys
    from pipeline.storage.address import DatabaseAddress
    from pipeline.storage.database import Database
    from tests.support.chain import run
    from tests.support.chaos_market import NEXT_TICK, SETTINGS
    live = {**SETTINGS, "market.source": "live", "market.exchange": "binance"}
    try:
        run(Database(DatabaseAddress.parse(sys.argv[2])), NEXT_TICK.tags, NEXT_TICK.partition_key, live)
    except Exception as error:
        print(type(error).__name__, error)
    """

    assert "ccxt" in output(WITHOUT + work, "ccxt", address.libpq)
