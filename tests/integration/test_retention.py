"""Old runs are deleted with all that belongs to them, and no partition loses its materialization (F46).

On a real Dagster over PostgreSQL; runs are dated back, since they are made now.
"""

import os
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.freshness import FreshnessState, FreshnessStateChange
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.error import SerializableErrorInfo

from pipeline import retention
from pipeline.domain.signal import Origin
from pipeline.run_tags import ORIGIN
from pipeline.settings_sections import RetentionSettings
from pipeline.storage.run_records import delete_backfills, delete_freshness, run_records
from tests.support.run_history import DAYS, DEFS, RunHistory, dagster_template, history

__all__ = ["dagster_template", "history"]

NOW = datetime(2026, 3, 1, 2, 20, tzinfo=UTC)
SCHEDULED = {retention.SCHEDULE: "every_close"}
FAILED, SKIPPED = TickStatus.FAILURE, TickStatus.SKIPPED
POLICY = RetentionSettings(scheduled_runs_days=3, runs_days=30, failed_runs_days=90)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def forget(history: RunHistory, policy: RetentionSettings = POLICY, seconds: float = 60.0) -> retention.DeletedRuns:
    with run_records(retention.records_url(history.instance)) as records:
        return retention.delete_runs(history.instance, records, policy, NOW, deadline=time.monotonic() + seconds)


def test_f46_old_runs_go_with_events_checks_tags_and_output_and_nothing_of_them_is_left(history):
    for day in (20, 10, 5):
        for _ in range(3):
            history.run(ago(day), f"{ago(day):%Y-%m-%d}", tags=SCHEDULED)
    kept = {history.run(ago(day), f"{ago(day):%Y-%m-%d}", tags=SCHEDULED) for day in (20, 10, 5)}
    materialized, before = history.materialized(), history.counts()
    files = len(list(history.files.rglob("*")))

    deleted = forget(history)

    after = history.counts()
    assert (deleted.runs, deleted.is_complete) == (9, True)
    assert history.run_ids() == kept
    assert history.materialized() == materialized
    assert history.leftovers() == []
    # A quarter of all is left, of every table that tells about runs.
    told = {name for name in before if before[name] > after[name]}
    assert told == {"runs", "run_tags", "event_logs", "asset_event_tags", "asset_check_executions"}
    assert {name: after[name] for name in told} == {name: before[name] // 4 for name in told}
    assert len(list(history.files.rglob("*"))) == files // 4


def test_a_partition_stays_materialized_by_its_newest_run_however_old_that_is(history):
    old = history.run(ago(2000), "2026-01-05")
    newer = history.run(ago(1000), "2026-01-05")
    of_one_asset = history.run(ago(900), "2026-01-05", assets=["advice"])
    whole = [history.run(ago(days), None) for days in (800, 700)]

    forget(history)

    assert history.run_ids() == {newer, of_one_asset, whole[-1]}
    assert old not in history.run_ids()
    assert history.materialized() == {"prices": {"2026-01-05"}, "advice": {"2026-01-05"}, "pictures": {whole[-1]}}
    cached = get_and_update_asset_status_cache_value(history.instance, dg.AssetKey("prices"), DAYS)
    assert cached is not None
    assert set(cached.deserialize_materialized_partition_subsets(DAYS).get_partition_keys()) == {"2026-01-05"}


def test_runs_of_schedules_go_first_other_runs_later_and_failed_ones_last(history):
    for days in (4, 40, 100):
        history.run(ago(days), "2026-01-05", tags=SCHEDULED)
        history.run(ago(days), "2026-01-05")
        history.run(ago(days), "2026-01-05", tags={"fails": "yes"})
    newest = history.run(ago(0), "2026-01-05", tags=SCHEDULED)

    forget(history)

    left = [
        (run.status.value, retention.SCHEDULE in run.tags)
        for run in history.instance.get_runs()
        if run.run_id != newest
    ]
    assert sorted(left) == [("FAILURE", False), ("FAILURE", False), ("SUCCESS", False)]


def test_a_partition_that_failed_is_forgotten_with_the_run_that_failed(history):
    history.run(ago(100), "2026-01-06", tags={"fails": "yes"})
    history.run(ago(1), "2026-01-05")

    def failed() -> set[str]:
        cached = get_and_update_asset_status_cache_value(history.instance, dg.AssetKey("prices"), DAYS)
        assert cached is not None
        return set(cached.deserialize_failed_partition_subsets(DAYS).get_partition_keys())

    assert failed() == {"2026-01-06"}
    forget(history)
    assert failed() == set()


def test_runs_that_are_not_finished_are_kept(history):
    job = DEFS.resolve_job_def("daily_job")
    made = [
        history.instance.create_run_for_job(job_def=job, status=status)
        for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED)
    ]
    for run in made:
        history.date(run.run_id, ago(400))
    history.run(ago(0), "2026-01-05")

    forget(history)

    assert {run.run_id for run in made} < history.run_ids()


def test_the_newest_live_run_that_went_well_is_kept_because_the_schedule_asks_for_it(history):
    live = history.run(ago(60), "2026-01-05", tags={ORIGIN: Origin.LIVE.value})
    well = history.run(ago(50), "2026-01-05", tags={ORIGIN: Origin.REPLAY.value})
    failed = history.run(ago(200), "2026-01-05", tags={"fails": "yes"})
    # Of the partition there is a newer materialization, by a job that has nothing else to do with this one.
    other = history.instance.create_run_for_job(job_def=DEFS.resolve_job_def("whole_job"))
    for key in ("prices", "advice"):
        materialization = dg.AssetMaterialization(key, partition="2026-01-05")
        history.instance.report_runless_asset_event(materialization)

    forget(history)

    assert history.run_ids() == {live, well, failed, other.run_id}


def test_f46_what_was_deleted_in_part_is_deleted_by_the_next_one(history):
    old = [history.run(ago(20), "2026-01-05", tags=SCHEDULED) for _ in range(3)]
    newest = history.run(ago(10), "2026-01-05", tags=SCHEDULED)
    materialized = history.materialized()
    history.instance.event_log_storage.delete_events(old[0])  # as far as one came that was killed

    assert forget(history).runs == 3

    assert history.run_ids() == {newest}
    assert history.leftovers() == []
    assert history.materialized() == materialized


def test_forgetting_again_changes_nothing(history):
    for _ in range(2):
        history.run(ago(20), "2026-01-05", tags=SCHEDULED)
    forget(history)
    before = history.counts()

    assert forget(history) == retention.DeletedRuns(runs=0, check_rows=0, is_complete=True)
    assert history.counts() == before


def test_runs_that_are_kept_do_not_hide_those_behind_them_on_other_pages(history, monkeypatch):
    monkeypatch.setattr(retention, "PAGE", 2)
    kept = [history.run(ago(60), f"2026-01-{day:02d}") for day in range(1, 6)]
    for _ in range(3):
        history.run(ago(50), "2026-01-20")
    kept.append(history.run(ago(50), "2026-01-20"))

    assert forget(history).runs == 3
    assert history.run_ids() == set(kept)


def test_when_time_is_up_the_rest_waits_for_the_next_day(history):
    for _ in range(3):
        history.run(ago(20), "2026-01-05", tags=SCHEDULED)

    assert forget(history, seconds=0) == retention.DeletedRuns(runs=0, check_rows=0, is_complete=False)
    assert len(history.run_ids()) == 3
    assert forget(history).is_complete


def test_ticks_go_of_schedules_too_that_the_code_no_longer_has(history):
    place = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(python_file="code.py"), "code")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(place, "__repository__"), "gone_schedule")
    state = InstigatorState(
        origin, InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, ScheduleInstigatorData(cron_schedule="* * * * *")
    )
    history.instance.add_instigator_state(state)
    for days, status in ((100, FAILED), (60, FAILED), (40, TickStatus.SUCCESS), (40, SKIPPED), (5, SKIPPED)):
        history.instance.create_tick(
            TickData(
                instigator_origin_id=origin.get_id(),
                instigator_name="gone_schedule",
                instigator_type=InstigatorType.SCHEDULE,
                status=status,
                timestamp=ago(days).timestamp(),
                selector_id=state.selector_id,
                run_ids=["gone"] if status is TickStatus.SUCCESS else None,
                error=SerializableErrorInfo("as asked", [], None) if status is FAILED else None,
            )
        )

    retention.purge_ticks(history.instance, POLICY, NOW)

    ticks = history.instance.get_ticks(origin.get_id(), state.selector_id)
    assert sorted(
        ((tick.status, (NOW - datetime.fromtimestamp(tick.timestamp, UTC)).days) for tick in ticks), key=str
    ) == [
        (FAILED, 60),
        (SKIPPED, 5),
    ]


def test_changes_of_freshness_belong_to_no_run_and_go_but_for_the_newest_of_each_asset(history):
    for key in ("prices", "advice"):
        for state in (FreshnessState.PASS, FreshnessState.WARN, FreshnessState.PASS):
            change = FreshnessStateChange(
                key=dg.AssetKey(key),
                previous_state=FreshnessState.UNKNOWN,
                new_state=state,
                state_change_timestamp=time.time(),
            )
            history.instance._report_runless_asset_event(change)  # as Dagster's daemon does
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    with run_records(retention.records_url(history.instance)) as records, records.begin() as conn:
        assert delete_freshness(conn, datetime.now(UTC) - timedelta(days=1)) == 0
        assert delete_freshness(conn, tomorrow) == 4

    keys = [dg.AssetKey("prices"), dg.AssetKey("advice")]
    left = history.instance.event_log_storage.get_freshness_state_records(keys)
    assert {record.freshness_state for record in left.values()} == {FreshnessState.PASS}
    assert set(left) == set(keys)


def test_backfills_go_when_they_have_ended_and_no_run_of_them_is_kept(history):
    made = {
        "ended": BulkActionStatus.COMPLETED_SUCCESS,
        "at_work": BulkActionStatus.REQUESTED,
        "has_run": BulkActionStatus.FAILED,
    }
    for key, status in made.items():
        history.instance.add_backfill(
            PartitionBackfill(
                backfill_id=key,
                status=status,
                from_failure=False,
                tags={"who": "me"},
                backfill_timestamp=ago(60).timestamp(),
                asset_selection=[dg.AssetKey("prices")],
                serialized_asset_backfill_data=None,
            )
        )
    history.run(ago(1), "2026-01-05", tags={"dagster/backfill": "has_run"})

    with run_records(retention.records_url(history.instance)) as records, records.begin() as conn:
        assert delete_backfills(conn, ago(30)) == 1

    assert {backfill.backfill_id for backfill in history.instance.get_backfills()} == {"at_work", "has_run"}
    assert history.counts()["backfill_tags"] == 2


def test_old_output_goes_of_runs_that_are_kept_as_well(history):
    kept, newer = (history.run(ago(1), "2026-01-05") for _ in range(2))
    (history.files / "notes").mkdir()
    for name in (kept, "notes"):
        os.utime(history.files / name, (ago(40).timestamp(), ago(40).timestamp()))

    assert retention.delete_output(history.instance, history.files, ago(30)) == 1

    assert kept in history.run_ids()
    assert sorted(path.name for path in history.files.iterdir() if path.name != "storage") == sorted(["notes", newer])
