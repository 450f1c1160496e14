"""The daily job over the real databases: what it deletes of ours, what it measures, and how that is told."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.definitions import build_definitions, defs
from pipeline.run_tags import AS_OF, RETENTION_JOB
from pipeline.settings import load_settings
from pipeline.settings_sections import THINNABLE
from pipeline.storage import tables
from pipeline.storage.sizes import measure, read_growth, record
from pipeline.storage.thinning import thin
from tests.support.cli import line_with
from tests.support.database import a_series_of
from tests.support.lifecycle import stored
from tests.support.run_history import dagster_template, history

__all__ = ["dagster_template", "history"]

NOW = datetime.now(UTC)
MB = 1_000_000


@pytest.fixture
def installed(database, history, tmp_path, monkeypatch):
    """The environment of the service, over the test's databases."""
    monkeypatch.setenv("SIGNALS_DATABASE_URL", database.address.libpq)
    monkeypatch.setenv("SIGNALS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIGNALS_DAGSTER_FILES", str(history.files))
    (tmp_path / "home" / "logs").mkdir(parents=True)
    (tmp_path / "home" / "logs" / "daemon.log").write_bytes(b"x" * 50_000)
    return history


def passes(database, *ages):
    """A live pass for each age in days."""
    series = a_series_of(database)
    rows = [
        {
            "run_id": f"run-{age}",
            "series_id": series,
            "after": NOW,
            "until": NOW,
            "stored_at": NOW - timedelta(days=age),
        }
        for age in ages
    ]
    with database.begin() as conn:
        conn.execute(sa.insert(tables.live_passes), rows)


def passes_left(database):
    with database.begin() as conn:
        return sorted(conn.scalars(sa.select(tables.live_passes.c.run_id)))


def forget(history, as_of=NOW, changes=None):
    return defs.resolve_job_def(RETENTION_JOB).execute_in_process(
        instance=history.instance,
        tags={AS_OF: as_of.isoformat()},
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "resources": {"settings": {"config": {"changes": changes or {}}}},
        },
    )


def test_the_job_deletes_old_runs_and_measures_and_leaves_our_tables_alone(installed, database):
    passes(database, 400)
    for _ in range(2):
        installed.run(NOW - timedelta(days=40), "2026-01-05")
    old, newest = (run.run_id for run in reversed(installed.instance.get_runs()))

    job = forget(installed)

    assert installed.run_ids() == {newest, job.run_id}
    assert old not in installed.run_ids()
    assert passes_left(database) == ["run-400"]
    with database.begin() as conn:
        measured = {row.what: row.bytes for row in conn.execute(sa.select(tables.storage_sizes))}
        assert conn.scalars(sa.select(tables.storage_sizes.c.measured_at).distinct()).all() == [NOW]
    assert set(measured) - {"dagster_database"} == {"signals_database", "logs", "home"}  # some servers have no other
    assert measured["signals_database"] > MB
    assert 50_000 <= measured["logs"] <= measured["home"]


def test_an_instant_in_the_future_makes_nothing_older(installed):
    for _ in range(2):
        installed.run(NOW - timedelta(days=1), "2026-01-05")

    forget(installed, as_of=NOW + timedelta(days=400))

    assert len(installed.run_ids()) == 3


def test_our_tables_are_thinned_where_the_settings_say_so(installed, database):
    passes(database, 1, 9, 11, 400)

    forget(installed, changes={"retention.live_passes_days": "10"})

    assert passes_left(database) == ["run-1", "run-9"]


def test_changes_of_signals_are_deleted_by_the_job_where_the_settings_say_so(installed, database):
    stored(database, 3)
    with database.begin() as conn:
        conn.execute(sa.text("UPDATE signal_changes SET recorded_at = now() - interval '40 days' WHERE change_id < 3"))
    forget(installed)
    assert changes_left(database) == [1, 2, 3]

    forget(installed, changes={"retention.signal_changes_days": "30"})

    assert changes_left(database) == [3]


def changes_left(database):
    with database.begin() as conn:
        return sorted(conn.scalars(sa.select(tables.signal_changes.c.change_id)))


def test_a_table_is_thinned_in_batches(database):
    passes(database, *range(10))
    assert thin(database, "live_passes", NOW - timedelta(days=2.5), batch=3) == 7
    assert passes_left(database) == ["run-0", "run-1", "run-2"]


@pytest.mark.parametrize("table", THINNABLE)
def test_each_table_that_may_be_thinned_can_be(database, table):
    assert thin(database, table, NOW) == 0


def test_a_size_that_is_measured_again_at_the_same_instant_is_replaced(database):
    with database.begin() as conn:
        record(conn, NOW, {"home": 1})
        record(conn, NOW, {"home": 2})
        assert conn.scalars(sa.select(tables.storage_sizes.c.bytes)).all() == [2]


def test_growth_follows_from_what_was_recorded_and_what_is_there_now(database):
    with database.begin() as conn:
        for days in (1, 2, 3):
            record(conn, NOW - timedelta(days=days), {"home": (10 - days) * MB, "logs": 7})
        record(conn, NOW - timedelta(days=40), {"home": 900 * MB})
        record(conn, NOW + timedelta(days=1), {"home": 900 * MB})
        found = read_growth(conn, {"home": 10 * MB, "signals_database": 5}, NOW)
    assert found["home"].bytes_per_day == pytest.approx(MB)
    assert found["signals_database"].bytes_per_day is None
    assert set(found) == {"home", "signals_database"}


def test_a_database_that_does_not_exist_is_left_out(database, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.storage.sizes.DAGSTER_DATABASE", "nowhere")
    with database.begin() as conn:
        assert set(measure(conn, tmp_path)) == {"signals_database", "logs", "home"}


def test_status_says_that_growth_is_unknown_until_it_was_measured_for_days(signals, database):
    told = signals("status").out
    assert "How fast it grows is known after the daily job `retention` has measured for two days." in told
    assert line_with(signals("status"), "signals database").split()[-2:] == ["-", "-"]

    with database.begin() as conn:
        now = measure(conn, load_settings().home)["signals_database"]
        for days in (1, 2, 3):
            record(conn, NOW - timedelta(days=days), {"signals_database": now - days * MB})

    state = signals("status", "--json").json["storage"]["parts"]["signals_database"]
    assert state["bytes_per_day"] == pytest.approx(MB, rel=0.1)
    assert state["bytes_in_a_year"] == pytest.approx(now + 365 * MB, rel=0.1)
    assert signals("status").out.count(" MB") >= 2


def test_doctor_warns_of_a_disk_that_will_be_full(signals, database, monkeypatch):
    home = load_settings().home
    home.mkdir()
    (home / "grown").write_bytes(b"x" * MB)
    with database.begin() as conn:
        for days in (1, 2, 3):
            record(conn, NOW - timedelta(days=days), {"home": 0})
    assert "used up" not in signals("doctor").err  # in days that nobody counts

    monkeypatch.setattr("pipeline.cli.storage_growth.free_bytes", lambda home: MB)

    assert "needs you: the home's disk has 1.0 MB left, which is used up in about" in signals("doctor").err


def test_the_schedule_runs_daily_and_can_be_switched_off():
    def status(changes):
        schedules = build_definitions(load_settings(changes)).get_repository_def().schedule_defs
        return next(s for s in schedules if s.name == "retention_every_day").default_status.value

    assert status({}) == "RUNNING"
    assert status({"retention.is_enabled": "false"}) == "STOPPED"
