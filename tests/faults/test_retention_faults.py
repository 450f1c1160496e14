"""F46: a year of runs does not fill the disk, and a deletion that is killed anywhere is ended by the next one."""

import subprocess
import time
from datetime import UTC, datetime, timedelta

from pipeline import retention
from pipeline.settings_sections import RetentionSettings
from pipeline.storage.run_records import run_records
from tests.support.processes import kill, python, until
from tests.support.run_history import RunHistory, dagster_template, history

__all__ = ["dagster_template", "history"]

NOW = datetime(2026, 3, 1, 2, 20, tzinfo=UTC)
FORGET = """
    import sys, time
    from datetime import datetime
    import dagster as dg
    from dagster._core.instance import InstanceRef
    from pipeline import retention
    from pipeline.settings_sections import RetentionSettings
    from pipeline.storage.run_records import run_records
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(sys.argv[1])) as instance:
        with run_records(retention.records_url(instance)) as records:
            as_of = datetime.fromisoformat(sys.argv[2])
            retention.delete_runs(instance, records, RetentionSettings(), as_of, deadline=time.monotonic() + 60)
"""


def forget_killed_when(history: RunHistory, table: str) -> None:
    """Begin to forget in another process, which is killed as soon as a table has fewer rows."""
    before = history.counts()[table]
    child: subprocess.Popen[str] = python(FORGET, history.files.parent, NOW.isoformat())
    with child:
        try:
            until(lambda: history.counts()[table] < before or child.poll() is not None)
        finally:
            kill(child.pid)
    assert child.returncode == -9, "it must not have come to its end"


def test_f46_a_deletion_that_is_killed_anywhere_loses_no_partition_and_the_next_one_ends_it(history):
    for number in range(30):
        history.run(NOW - timedelta(days=80 - number), None)
    newest = history.run(NOW - timedelta(days=45), "2026-01-05")
    materialized, kept = history.materialized(), history.counts()
    pictures = next(iter(materialized["pictures"]))

    for table in ("event_logs", "runs"):
        forget_killed_when(history, table)
        left = history.counts()
        assert left["event_logs"] < kept["event_logs"]
        assert left["runs"] > 2
        assert history.materialized() == materialized
        # What is gone of a run is gone before the run: none has left anything behind.
        assert [what for what in history.leftovers() if what != "asset_event_tags"] == []

    with run_records(retention.records_url(history.instance)) as records:
        ended = retention.delete_runs(
            history.instance, records, RetentionSettings(), NOW, deadline=time.monotonic() + 60
        )

    assert ended.is_complete
    assert history.run_ids() == {newest, pictures}
    assert history.leftovers() == []
    assert history.materialized() == materialized


def test_f46_as_many_runs_are_kept_after_twelve_days_as_after_eight(history):
    """A day at a time: the daily job, and between two of them a run of a schedule and one of a person."""
    policy = RetentionSettings(scheduled_runs_days=2, runs_days=4)
    counted = {}
    for day in range(12):
        now = NOW + timedelta(days=day)
        history.run(now - timedelta(hours=2), None, tags={retention.SCHEDULE: "hourly"})
        history.run(now - timedelta(hours=1), None)
        with run_records(retention.records_url(history.instance)) as records:
            retention.delete_runs(history.instance, records, policy, now, deadline=time.monotonic() + 60)
        counted[day] = history.counts()

    assert counted[11] == counted[7]
    assert counted[11]["runs"] == 2 + 4
