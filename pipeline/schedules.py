"""When jobs run, each with its reason. Time enters runs here: a run is about its tick, not about when it starts."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipeline import run_tags
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe, parse_instant
from pipeline.jobs import draw_charts, generate_signals, ingest_text, train_models

DAILY_CRON = "0 0 * * *"
WEEKLY_CRON = "0 0 * * 1"
ONE_DAY = timedelta(days=1)
# A pass over a few thousand series takes minutes. One that began longer ago holds up no tick any more: its process may
# have been lost with the machine, and a run that still works is waited for by the chain's lock. Later it is ended.
LONGEST_PASS = timedelta(minutes=30)
MAX_RUNTIME = {"dagster/max_runtime": str(2 * 60 * 60)}  # seconds
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
SCHEDULED_LIVE = {run_tags.ORIGIN: Origin.LIVE.value, "dagster/schedule_name": run_tags.CHAIN_SCHEDULE}


def cron_of(timeframe: Timeframe) -> str:
    """The cron line that fires at every close of a timeframe, in UTC."""
    minutes = timeframe.seconds // 60
    if minutes < 60:
        return f"*/{minutes} * * * *" if minutes > 1 else "* * * * *"
    if minutes < 24 * 60:
        hours = minutes // 60
        return f"0 */{hours} * * *" if hours > 1 else "0 * * * *"
    return DAILY_CRON if timeframe is Timeframe.D1 else WEEKLY_CRON


def signals_schedule(cadence: Timeframe, *, is_running: bool) -> dg.ScheduleDefinition:
    """The chain at every close of the shortest timeframe: an older signal is of no use to anybody.

    The tick's day is its partition; the tick at 00:00 belongs to the day that begins, which holds the bar that closed
    just then. The run is live and as of the tick. After days off it is one run over the days from the newest pass on,
    so that no partition stays missing; while a pass is still at work the tick is skipped, and the next one makes up.
    """

    @dg.schedule(
        job=generate_signals,
        name=run_tags.CHAIN_SCHEDULE,
        cron_schedule=cron_of(cadence),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_running else dg.DefaultScheduleStatus.STOPPED,
        description="Makes the signals of the bars that closed just now",
    )
    def signals_at_every_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(UTC)
        if (unfinished := _unfinished(context.instance, generate_signals.name, tick, SCHEDULED_LIVE)) is not None:
            return dg.SkipReason(
                f"run {unfinished.run_id[:8]} as of {unfinished.tags[run_tags.AS_OF]} is not finished; "
                "the tick after it processes these closes too"
            )
        tags = run_tags.pass_tags(tick, Origin.LIVE) | MAX_RUNTIME
        newest = _newest_pass(context.instance)
        if newest is not None and newest.date() < tick.date() - ONE_DAY:
            tags |= run_tags.range_tags(newest, tick)
            return dg.RunRequest(run_key=tick.isoformat(), tags=tags)
        return dg.RunRequest(run_key=tick.isoformat(), partition_key=f"{tick:%Y-%m-%d}", tags=tags)

    return signals_at_every_close


def texts_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Texts every quarter of an hour, two minutes before it: what is published by then counts at the close.

    A minute would do for most sources; the second is for those that are slow. While a reading is still at work the tick
    is skipped: the next one asks for all that is new since.
    """

    @dg.schedule(
        job=ingest_text,
        name="texts_every_quarter",
        cron_schedule="13,28,43,58 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_running else dg.DefaultScheduleStatus.STOPPED,
        description="Reads what is new in feeds, on X, Reddit and GitHub",
    )
    def texts_every_quarter(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(UTC)
        if (unfinished := _unfinished(context.instance, ingest_text.name, tick)) is not None:
            return dg.SkipReason(f"run {unfinished.run_id[:8]} is not finished; the next tick reads what it misses")
        return dg.RunRequest(run_key=tick.isoformat(), tags={run_tags.AS_OF: tick.isoformat()} | MAX_RUNTIME)

    return texts_every_quarter


def charts_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Pictures once an hour, three minutes after it: the pass of the full hour has stored its signals by then.

    Drawing takes a second a picture, which is why it is no part of the pass, and why it is not done at every close of
    a short timeframe.
    """

    @dg.schedule(
        job=draw_charts,
        name="charts_every_hour",
        cron_schedule="3 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_running else dg.DefaultScheduleStatus.STOPPED,
        description="Draws the strongest active signals",
    )
    def charts_every_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        as_of = context.scheduled_execution_time.astimezone(UTC).isoformat()
        return dg.RunRequest(run_key=as_of, tags={run_tags.AS_OF: as_of} | MAX_RUNTIME)

    return charts_every_hour


def training_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Models once a week, half an hour into Monday: the week has ended, and its last candles have come.

    A day later the new models speak. A week that is missed is not made up: the next one learns from it as well.
    """

    @dg.schedule(
        job=train_models,
        name="training_every_week",
        cron_schedule="30 0 * * 1",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_running else dg.DefaultScheduleStatus.STOPPED,
        description="Trains the models of the week that has ended",
    )
    def training_every_week(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time.astimezone(UTC)
        week = tick.date() - 7 * ONE_DAY
        tags = {run_tags.AS_OF: tick.isoformat()} | MAX_RUNTIME
        return dg.RunRequest(run_key=tick.isoformat(), partition_key=f"{week:%Y-%m-%d}", tags=tags)

    return training_every_week


def _unfinished(
    instance: dg.DagsterInstance, job_name: str, tick: datetime, tags: Mapping[str, str] | None = None
) -> dg.DagsterRun | None:
    """A run of a job that is still at work; one that began too long ago is dead and holds up nothing."""
    wanted = dg.RunsFilter(
        job_name=job_name, statuses=UNFINISHED, tags=dict(tags or {}), created_after=tick - LONGEST_PASS
    )
    runs = instance.get_runs(wanted, limit=1)
    return runs[0] if runs else None


def _newest_pass(instance: dg.DagsterInstance) -> datetime | None:
    """As of when the newest live run was that succeeded."""
    wanted = dg.RunsFilter(
        job_name=generate_signals.name,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        tags={run_tags.ORIGIN: Origin.LIVE.value},
    )
    runs = instance.get_runs(wanted, limit=1)
    return parse_instant(runs[0].tags[run_tags.AS_OF]) if runs else None
