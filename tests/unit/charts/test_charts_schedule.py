"""The schedule of the pictures: hourly, as of its tick, and off where none is wanted."""

from datetime import UTC, datetime

import dagster as dg
import pytest

from pipeline import run_tags
from pipeline.definitions import build_definitions
from pipeline.jobs import CHAIN
from pipeline.schedules import charts_schedule
from pipeline.settings import load_settings

TICK = datetime(2024, 3, 31, 13, 3, tzinfo=UTC)


def test_a_run_is_as_of_its_tick_and_has_a_key_of_its_own(instance):
    repository = build_definitions(load_settings()).get_repository_def()
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK, repository_def=repository)
    (request,) = charts_schedule(is_running=True).evaluate_tick(context).run_requests or ()
    assert request.run_key == TICK.isoformat()
    assert request.partition_key is None
    assert request.tags[run_tags.AS_OF] == TICK.isoformat()
    assert run_tags.ORIGIN not in request.tags


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, dg.DefaultScheduleStatus.RUNNING),
        ({"charts.signals": "0"}, dg.DefaultScheduleStatus.STOPPED),
        ({"schedule.is_enabled": "false"}, dg.DefaultScheduleStatus.STOPPED),
    ],
)
def test_it_runs_where_schedules_do_and_pictures_are_wanted(changes: dict[str, str], status: dg.DefaultScheduleStatus):
    schedules = build_definitions(load_settings(changes)).schedules or ()
    (schedule,) = (each for each in schedules if each.name == "charts_every_hour")
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status is status
    assert schedule.cron_schedule == "3 * * * *"


def test_the_chain_does_not_draw():
    assert "signal_charts" not in CHAIN
