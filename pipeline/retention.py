"""What Dagster keeps about runs, and what of it is deleted: runs with all that belongs to them, ticks, printed output.

A run's age is by the wall clock, when it was made: a backfill of today about last year is a new run. Kept however old
they are: runs that are not finished; of each asset and partition the run of its newest materialization, without which
it would no longer count as materialized; and of each job the newest run, the newest that went well, and the newest
live one that went well, from which the schedule makes up for days off.

A run is deleted from its events on and itself last, so that one that was deleted in part is still listed, and whoever
comes next ends it. What Dagster has no call for is in `pipeline.storage.run_records`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import dagster as dg
import sqlalchemy as sa
from dagster._core.scheduler.instigation import TickStatus  # purge_ticks takes it, and it is not exported

from pipeline import run_tags
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.signal import Origin
from pipeline.settings_sections import RetentionSettings
from pipeline.storage.run_records import check_names, delete_checks

FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
SCHEDULE = "dagster/schedule_name"  # Dagster's tag on runs that a schedule started
PAGE = 200  # runs that are read, and deleted, at a time
EVENTS_AT_ONCE = 500

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedRuns:
    """What was deleted, and whether that was all that there was."""

    runs: int
    check_rows: int
    is_complete: bool  # False: time was up, and the next day goes on


class KeptRuns:
    """Runs that are kept however old they are; what was newest when this was made."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self._instance = instance
        self._materialized = newest_materializations(instance)
        self._of_job: dict[str, set[str]] = {}

    def __contains__(self, run: dg.DagsterRun) -> bool:
        if run.run_id in self._materialized:
            return True
        if run.job_name not in self._of_job:
            self._of_job[run.job_name] = set(self._newest(run.job_name))
        return run.run_id in self._of_job[run.job_name]

    def _newest(self, job_name: str) -> Sequence[str]:
        success, live = [dg.DagsterRunStatus.SUCCESS], {run_tags.ORIGIN: Origin.LIVE.value}
        wanted = (
            dg.RunsFilter(job_name=job_name),
            dg.RunsFilter(job_name=job_name, statuses=success),
            dg.RunsFilter(job_name=job_name, statuses=success, tags=live),
        )
        return [run.run_id for each in wanted for run in self._instance.get_runs(each, limit=1)]


def newest_materializations(instance: dg.DagsterInstance) -> set[str]:
    """The runs with the newest materialization of each asset and partition, and of each asset without partitions."""
    events: list[int] = []
    found: set[str] = set()
    store = instance.event_log_storage
    for key in instance.get_asset_keys():
        events += store.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION).values()
        if (newest := instance.get_latest_materialization_event(key)) is not None:
            found.add(newest.run_id)
    for start in range(0, len(events), EVENTS_AT_ONCE):
        wanted = dg.EventRecordsFilter(
            event_type=dg.DagsterEventType.ASSET_MATERIALIZATION, storage_ids=events[start : start + EVENTS_AT_ONCE]
        )
        found |= {record.run_id for record in store.get_event_records(wanted)}
    return found


def lifetime(run: dg.DagsterRun, policy: RetentionSettings) -> timedelta:
    """How long a finished run is kept."""
    if run.status is not dg.DagsterRunStatus.SUCCESS:
        return timedelta(days=policy.failed_runs_days)
    return timedelta(days=policy.scheduled_runs_days if SCHEDULE in run.tags else policy.runs_days)


def delete_runs(
    instance: dg.DagsterInstance,
    records: sa.Engine,
    policy: RetentionSettings,
    as_of: datetime,
    *,
    deadline: float,
    say: Say = lambda _: None,
) -> DeletedRuns:
    """Delete runs that are older than the settings say, oldest first, with all that Dagster keeps of them.

    Memory is bounded by a page of runs and the ids of those kept. May be ended at any instant and begun again.

    Parameters
    ----------
    records
        Dagster's database, see `run_records`.
    deadline
        By `time.monotonic`: no run is begun after it.
    say
        Told how far it has come, a sentence after each page.
    """
    kept = KeptRuns(instance)
    with records.begin() as conn:
        names = check_names(conn)
    youngest = as_of - timedelta(days=min(policy.scheduled_runs_days, policy.runs_days, policy.failed_runs_days))
    wanted = dg.RunsFilter(statuses=FINISHED, created_before=youngest)
    runs = rows = 0
    cursor: str | None = None
    is_complete = had_failed = False
    while not is_complete and time.monotonic() < deadline:
        page = instance.get_run_records(wanted, limit=PAGE, ascending=True, cursor=cursor)
        old = [
            record.dagster_run
            for record in page
            if as_of - record.create_timestamp.astimezone(UTC) > lifetime(record.dagster_run, policy)
            and record.dagster_run not in kept
        ]
        emptied = _emptied(instance, old, deadline)
        with records.begin() as conn:
            rows += delete_checks(conn, [run.run_id for run in emptied], names)
        for run in emptied:
            instance.delete_run(run.run_id)
        runs += len(emptied)
        had_failed |= any(run.status is not dg.DagsterRunStatus.SUCCESS for run in emptied)
        if emptied:
            say(f"deleted {runs:,} runs, up to {emptied[-1].run_id[:8]}")
        gone = {run.run_id for run in emptied}
        cursor = next((r.dagster_run.run_id for r in reversed(page) if r.dagster_run.run_id not in gone), cursor)
        is_complete = len(page) < PAGE and len(emptied) == len(old)
    if had_failed:
        # Which partitions failed is noted beside each asset as well, and would outlive the runs that failed.
        instance.wipe_asset_cached_status(list(instance.get_asset_keys()))
    return DeletedRuns(runs=runs, check_rows=rows, is_complete=is_complete)


def _emptied(instance: dg.DagsterInstance, runs: Sequence[dg.DagsterRun], deadline: float) -> list[dg.DagsterRun]:
    """Those runs for which there was time, without their events and what they printed."""
    done = []
    for run in runs:
        if time.monotonic() >= deadline:
            break
        instance.event_log_storage.delete_events(run.run_id)
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        done.append(run)
    return done


def purge_ticks(instance: dg.DagsterInstance, policy: RetentionSettings, as_of: datetime) -> None:
    """Delete old ticks of every schedule and sensor, of those too that the code no longer has.

    dagster.yaml has such a limit as well, but a schedule's is applied only when that schedule ticks.
    """
    failed = [TickStatus.FAILURE]
    others = [status for status in TickStatus if status not in failed]
    for state in instance.all_instigator_state():
        for statuses, days in ((failed, policy.failed_runs_days), (others, policy.runs_days)):
            before = (as_of - timedelta(days=days)).timestamp()
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, before, statuses)


def delete_output(instance: dg.DagsterInstance, files: Path, before: datetime) -> int:
    """Delete what runs printed before an instant, whether the run is kept or long gone; returns of how many runs.

    ``files`` is the folder of `local_compute_log_manager`, in which each run has a folder of its name.
    """
    deleted = 0
    for folder in sorted(files.iterdir()) if files.is_dir() else ():
        if _is_run_id(folder.name) and datetime.fromtimestamp(folder.stat().st_mtime, UTC) < before:
            instance.compute_log_manager.delete_logs(prefix=[folder.name])
            deleted += not folder.exists()
    return deleted


def records_url(instance: dg.DagsterInstance) -> str:
    """Where Dagster's database is."""
    url = getattr(instance.event_log_storage, "postgres_url", None)
    if url is None:
        raise ConfigurationError(
            f"Dagster's storage must be PostgreSQL, as in dagster.yaml, was {type(instance.event_log_storage).__name__}"
        )
    return str(url)


def _is_run_id(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False
