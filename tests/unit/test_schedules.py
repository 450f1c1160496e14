"""The schedule: when it ticks, and what a tick says to its run."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._utils.schedules import schedule_execution_time_iterator  # what the daemon ticks by

from assets.partitions import daily, weekly
from pipeline import run_tags
from pipeline.definitions import build_definitions
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.jobs import AFTERWARDS, CHAIN
from pipeline.schedules import (
    cron_of,
    outcomes_schedule,
    reports_schedule,
    signals_schedule,
    texts_schedule,
    training_schedule,
)
from pipeline.settings import Settings

MIDNIGHT = datetime(2024, 3, 31, tzinfo=UTC)  # the day on which Europe's clocks change


@cache
def repository() -> dg.RepositoryDefinition:
    return build_definitions(Settings()).get_repository_def()


def evaluated(instance: dg.DagsterInstance, instant: datetime) -> ScheduleExecutionData:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=instant, repository_def=repository()
    )
    return signals_schedule(Timeframe.H1, is_running=True).evaluate_tick(context)


def tick(instance: dg.DagsterInstance, instant: datetime) -> dg.RunRequest:
    (request,) = evaluated(instance, instant).run_requests or ()
    return request


@pytest.mark.parametrize(
    ("timeframe", "cron"),
    [
        ("1m", "* * * * *"),
        ("3m", "*/3 * * * *"),
        ("5m", "*/5 * * * *"),
        ("15m", "*/15 * * * *"),
        ("30m", "*/30 * * * *"),
        ("1h", "0 * * * *"),
        ("2h", "0 */2 * * *"),
        ("4h", "0 */4 * * *"),
        ("6h", "0 */6 * * *"),
        ("12h", "0 */12 * * *"),
        ("1d", "0 0 * * *"),
        ("1w", "0 0 * * 1"),
    ],
)
def test_the_cron_line_of_each_timeframe(timeframe: str, cron: str) -> None:
    assert cron_of(Timeframe(timeframe)) == cron


@pytest.mark.parametrize("timeframe", Timeframe)
def test_f20_a_schedule_ticks_at_every_close_and_at_nothing_else(timeframe: Timeframe) -> None:
    schedule = signals_schedule(timeframe, is_running=True)
    begin = datetime(2023, 12, 30, 7, 30, tzinfo=UTC).timestamp()
    ticks = schedule_execution_time_iterator(begin, schedule.cron_schedule, schedule.execution_timezone)
    found = [next(ticks) for _ in range(30)]
    assert all(timeframe.floor(instant) == instant for instant in found)
    assert {later - earlier for earlier, later in pairwise(found)} == {timeframe.duration}


def test_the_tick_at_midnight_belongs_to_the_day_that_begins(instance: dg.DagsterInstance) -> None:
    assert tick(instance, MIDNIGHT).partition_key == "2024-03-31"
    assert tick(instance, MIDNIGHT - timedelta(hours=1)).partition_key == "2024-03-30"
    assert tick(instance, MIDNIGHT + timedelta(hours=23)).partition_key == "2024-03-31"


def test_the_day_of_a_tick_holds_the_close_of_that_tick(instance: dg.DagsterInstance) -> None:
    window = daily.time_window_for_partition_key(str(tick(instance, MIDNIGHT).partition_key))
    assert window.start <= MIDNIGHT < window.end


def test_a_run_is_live_and_as_of_its_tick(instance: dg.DagsterInstance) -> None:
    tags = tick(instance, MIDNIGHT + timedelta(hours=13)).tags
    assert tags[run_tags.AS_OF] == "2024-03-31T13:00:00+00:00"
    assert tags[run_tags.ORIGIN] == "live"


def test_each_tick_has_a_run_key_of_its_own_and_always_the_same(instance: dg.DagsterInstance) -> None:
    closes = [MIDNIGHT + timedelta(hours=hour) for hour in range(48)]
    assert len({tick(instance, close).run_key for close in closes}) == len(closes)
    assert tick(instance, MIDNIGHT).run_key == tick(instance, MIDNIGHT).run_key


def test_a_tick_told_in_local_time_is_the_same_tick(instance: dg.DagsterInstance) -> None:
    elsewhere = (MIDNIGHT + timedelta(minutes=30)).astimezone(timezone(timedelta(hours=-5)))
    assert tick(instance, elsewhere).run_key == "2024-03-31T00:30:00+00:00"


def a_pass(instance: dg.DagsterInstance, as_of: datetime, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """A run of the schedule, as Dagster keeps it."""
    tags = run_tags.pass_tags(as_of, Origin.LIVE) | {"dagster/schedule_name": "signals_at_every_close"}
    run = dg.DagsterRun(job_name="generate_signals", run_id=str(uuid4()), status=status, tags=tags)
    return instance.add_run(run)


def test_f41_after_days_off_one_run_covers_the_days_from_the_newest_pass(instance: dg.DagsterInstance) -> None:
    a_pass(instance, MIDNIGHT - timedelta(days=3, hours=2), dg.DagsterRunStatus.SUCCESS)
    a_pass(instance, MIDNIGHT - timedelta(hours=1), dg.DagsterRunStatus.FAILURE)
    request = tick(instance, MIDNIGHT)

    assert request.partition_key is None
    assert request.tags[run_tags.RANGE_START] == "2024-03-27"
    assert request.tags[run_tags.RANGE_END] == "2024-03-31"
    assert request.tags[run_tags.AS_OF] == "2024-03-31T00:00:00+00:00"


def test_after_days_off_the_run_brings_outcomes_and_reports_as_well(instance: dg.DagsterInstance) -> None:
    a_pass(instance, MIDNIGHT - timedelta(days=3, hours=2), dg.DagsterRunStatus.SUCCESS)
    job = repository().get_job("generate_signals")
    everything = {key.to_user_string() for key in job.asset_layer.selected_asset_keys}

    assert tick(instance, MIDNIGHT).asset_selection is None
    assert set(AFTERWARDS) < everything


def test_a_tick_on_time_is_the_chain_alone(instance: dg.DagsterInstance) -> None:
    a_pass(instance, MIDNIGHT - timedelta(hours=1), dg.DagsterRunStatus.SUCCESS)
    selected = tick(instance, MIDNIGHT).asset_selection

    assert {key.to_user_string() for key in selected or ()} == set(CHAIN)


@pytest.mark.parametrize(
    ("schedule", "windows"),
    [(outcomes_schedule, ["24h"]), (reports_schedule, ["7d", "30d"])],
    ids=["hourly", "daily"],
)
def test_outcomes_and_reports_are_live_and_as_of_their_tick(
    instance: dg.DagsterInstance, schedule: Callable[..., dg.ScheduleDefinition], windows: list[str]
) -> None:
    at = MIDNIGHT + timedelta(minutes=9)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at, repository_def=repository())
    (request,) = schedule(is_running=True).evaluate_tick(context).run_requests or ()

    assert request.tags[run_tags.AS_OF] == "2024-03-31T00:09:00+00:00"
    assert request.tags[run_tags.ORIGIN] == "live"
    assert request.partition_key == "2024-03-31"
    assert request.run_config == {"ops": {"signal_performance": {"config": {"windows": windows}}}}


def test_after_a_night_off_the_day_of_the_tick_is_enough(instance: dg.DagsterInstance) -> None:
    a_pass(instance, MIDNIGHT - timedelta(hours=20), dg.DagsterRunStatus.SUCCESS)
    request = tick(instance, MIDNIGHT)

    assert request.partition_key == "2024-03-31"


def test_f43_a_tick_is_skipped_with_a_reason_while_a_pass_is_still_at_work(instance: dg.DagsterInstance) -> None:
    a_pass(instance, MIDNIGHT - timedelta(hours=2), dg.DagsterRunStatus.SUCCESS)
    at_work = a_pass(instance, MIDNIGHT - timedelta(hours=1), dg.DagsterRunStatus.STARTED)
    skipped = evaluated(instance, MIDNIGHT)

    assert not skipped.run_requests
    assert skipped.skip_message == (
        f"run {at_work.run_id[:8]} as of 2024-03-30T23:00:00+00:00 is not finished; "
        "the tick after it processes these closes too"
    )


def test_a_pass_that_somebody_started_by_hand_holds_up_no_tick(instance: dg.DagsterInstance) -> None:
    tags = run_tags.pass_tags(MIDNIGHT, Origin.LIVE)
    instance.add_run(
        dg.DagsterRun(job_name="generate_signals", run_id=str(uuid4()), status=dg.DagsterRunStatus.STARTED, tags=tags)
    )
    assert evaluated(instance, MIDNIGHT).run_requests


@pytest.mark.parametrize(("is_running", "status"), [(True, "RUNNING"), (False, "STOPPED")])
def test_a_schedule_starts_as_the_settings_say(is_running: bool, status: str) -> None:
    assert signals_schedule(Timeframe.H1, is_running=is_running).default_status.value == status


def training(instance: dg.DagsterInstance, instant: datetime) -> dg.RunRequest:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=instant, repository_def=repository()
    )
    (request,) = training_schedule(is_running=True).evaluate_tick(context).run_requests or ()
    return request


def test_models_are_trained_on_mondays_half_an_hour_after_their_week_has_ended() -> None:
    schedule = training_schedule(is_running=True)
    ticks = schedule_execution_time_iterator(MIDNIGHT.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    found = [next(ticks) for _ in range(5)]
    assert found[0] == datetime(2024, 4, 1, 0, 30, tzinfo=UTC)
    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(weeks=1)}


@pytest.mark.parametrize("monday", [datetime(2024, 4, 1, 0, 30, tzinfo=UTC), datetime(2025, 1, 6, 0, 30, tzinfo=UTC)])
def test_a_training_is_of_the_week_that_has_just_ended(instance: dg.DagsterInstance, monday: datetime) -> None:
    request = training(instance, monday)
    window = weekly.time_window_for_partition_key(str(request.partition_key))
    assert window.end == monday - timedelta(minutes=30)
    assert str(request.partition_key) in weekly.get_partition_keys(current_time=monday)
    assert request.tags[run_tags.AS_OF] == monday.isoformat()


@pytest.mark.parametrize(("is_running", "status"), [(True, "RUNNING"), (False, "STOPPED")])
def test_the_training_starts_as_the_settings_say(is_running: bool, status: str) -> None:
    assert training_schedule(is_running=is_running).default_status.value == status


# Texts


def texts_tick(instance: dg.DagsterInstance, instant: datetime) -> ScheduleExecutionData:
    context = dg.build_schedule_context(
        instance=instance, scheduled_execution_time=instant, repository_def=repository()
    )
    return texts_schedule(is_running=True).evaluate_tick(context)


def test_texts_are_read_two_minutes_before_every_quarter_of_an_hour():
    cron = texts_schedule(is_running=True).cron_schedule
    ticks = schedule_execution_time_iterator(MIDNIGHT.timestamp(), cron, "UTC", ascending=True)
    minutes = [instant.minute for _, instant in zip(range(8), ticks, strict=False)]
    assert minutes == [13, 28, 43, 58] * 2


def test_a_reading_of_texts_is_about_its_tick(instance):
    (request,) = texts_tick(instance, MIDNIGHT).run_requests or ()
    assert (request.partition_key, request.tags[run_tags.AS_OF]) == (None, MIDNIGHT.isoformat())


def test_a_reading_of_texts_that_is_not_finished_is_not_joined_by_another(instance):
    now = datetime.now(UTC)
    instance.add_run(dg.DagsterRun(job_name=run_tags.TEXT_JOB, run_id=str(uuid4()), status=dg.DagsterRunStatus.STARTED))
    skipped = texts_tick(instance, now)
    assert not skipped.run_requests
    assert "is not finished" in str(skipped.skip_message)


@pytest.mark.parametrize(("source", "is_running"), [(None, True), ("none", False)])
def test_texts_are_read_only_where_some_are_wanted(source, is_running):
    settings = Settings.model_validate({"texts": {"source": source}})
    schedules = build_definitions(settings).get_repository_def().schedule_defs
    status = next(each.default_status for each in schedules if each.name == "texts_every_quarter")
    assert (status is dg.DefaultScheduleStatus.RUNNING) == is_running
