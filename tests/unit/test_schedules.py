"""The schedule: when it ticks, and what a tick says to its run."""

from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from itertools import pairwise

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator  # what the daemon ticks by

from assets.partitions import daily
from pipeline import run_tags
from pipeline.definitions import build_definitions
from pipeline.domain.timeframe import Timeframe
from pipeline.schedules import cron_of, signals_schedule
from pipeline.settings import Settings

MIDNIGHT = datetime(2024, 3, 31, tzinfo=UTC)  # the day on which Europe's clocks change


@cache
def repository() -> dg.RepositoryDefinition:
    return build_definitions(Settings()).get_repository_def()


def tick(instant: datetime, cadence: Timeframe = Timeframe.H1) -> dg.RunRequest:
    context = dg.build_schedule_context(scheduled_execution_time=instant, repository_def=repository())
    data = signals_schedule(cadence, is_running=True).evaluate_tick(context)
    assert data.run_requests is not None
    (request,) = data.run_requests
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


def test_the_tick_at_midnight_belongs_to_the_day_that_begins() -> None:
    assert tick(MIDNIGHT).partition_key == "2024-03-31"
    assert tick(MIDNIGHT - timedelta(hours=1)).partition_key == "2024-03-30"
    assert tick(MIDNIGHT + timedelta(hours=23)).partition_key == "2024-03-31"


def test_the_day_of_a_tick_holds_the_close_of_that_tick() -> None:
    window = daily.time_window_for_partition_key(str(tick(MIDNIGHT).partition_key))
    assert window.start <= MIDNIGHT < window.end


def test_a_run_is_live_and_as_of_its_tick() -> None:
    tags = tick(MIDNIGHT + timedelta(hours=13)).tags
    assert tags[run_tags.AS_OF] == "2024-03-31T13:00:00+00:00"
    assert tags[run_tags.ORIGIN] == "live"


def test_each_tick_has_a_run_key_of_its_own_and_always_the_same() -> None:
    closes = [MIDNIGHT + timedelta(hours=hour) for hour in range(48)]
    assert len({tick(close).run_key for close in closes}) == len(closes)
    assert tick(MIDNIGHT).run_key == tick(MIDNIGHT).run_key


def test_a_tick_told_in_local_time_is_the_same_tick() -> None:
    elsewhere = (MIDNIGHT + timedelta(minutes=30)).astimezone(timezone(timedelta(hours=-5)))
    assert tick(elsewhere).run_key == "2024-03-31T00:30:00+00:00"


@pytest.mark.parametrize(("is_running", "status"), [(True, "RUNNING"), (False, "STOPPED")])
def test_a_schedule_starts_as_the_settings_say(is_running: bool, status: str) -> None:
    assert signals_schedule(Timeframe.H1, is_running=is_running).default_status.value == status
