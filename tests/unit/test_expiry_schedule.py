"""The schedule of the sweep: every five minutes, as of its tick, one at a time."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from pipeline import run_tags
from pipeline.definitions import build_definitions
from pipeline.jobs import CHAIN
from pipeline.schedules import expiry_schedule
from pipeline.settings import load_settings

TICK = datetime(2024, 3, 31, 12, 5, tzinfo=UTC)


def evaluated(instance: dg.DagsterInstance, at: datetime) -> dg.RunRequest | str:
    repository = build_definitions(load_settings()).get_repository_def()
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, repository_def=repository)
    found = expiry_schedule(is_running=True).evaluate_tick(context)
    return found.run_requests[0] if found.run_requests else str(found.skip_message)


def test_a_tick_is_about_itself(instance):
    request = evaluated(instance, TICK)

    assert isinstance(request, dg.RunRequest)
    assert request.run_key == request.tags[run_tags.AS_OF] == TICK.isoformat()
    assert run_tags.ORIGIN not in request.tags


def test_a_tick_is_skipped_while_a_sweep_is_at_work_but_not_for_a_dead_one(instance):
    run_id = "0f9e8d7c-0000-0000-0000-000000000000"
    instance.add_run(dg.DagsterRun(job_name="expire_signals", run_id=run_id, status=dg.DagsterRunStatus.STARTED))

    now = datetime.now(UTC)
    assert "0f9e8d7c is not finished" in str(evaluated(instance, now))
    assert isinstance(evaluated(instance, now + timedelta(hours=1)), dg.RunRequest)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, dg.DefaultScheduleStatus.RUNNING),
        ({"schedule.is_enabled": "false"}, dg.DefaultScheduleStatus.STOPPED),
    ],
)
def test_it_runs_where_schedules_do(changes, status):
    schedules = build_definitions(load_settings(changes)).schedules or ()
    (schedule,) = (each for each in schedules if each.name == "expiry_every_five_minutes")
    assert schedule.default_status is status
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("*/5 * * * *", "UTC")


def test_the_chain_does_not_sweep():
    assert "expired_signals" not in CHAIN
