"""When jobs run, each with its reason. Time enters runs here: a run is about its tick, not about when it starts."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from pipeline import run_tags
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe, parse_instant
from pipeline.jobs import (
    CHAIN,
    draw_charts,
    expire_signals,
    generate_signals,
    ingest_text,
    judge_signals,
    train_models,
)
from pipeline.retention_job import retention

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


def _declared(
    job: Any, name: str, cron: str, description: str, *, is_running: bool
) -> Callable[..., dg.ScheduleDefinition]:
    """What every schedule is declared with: in UTC, and running or stopped as the settings say."""
    status = dg.DefaultScheduleStatus.RUNNING if is_running else dg.DefaultScheduleStatus.STOPPED
    return dg.schedule(
        job=job,
        name=name,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=status,
        description=description,
    )


def signals_schedule(cadence: Timeframe, *, is_running: bool) -> dg.ScheduleDefinition:
    """The chain at every close of the shortest timeframe: an older signal is of no use to anybody.

    The tick's day is its partition; the tick at 00:00 belongs to the day that begins, which holds the bar that closed
    just then. The run is live and as of the tick. After days off it is one run over the days from the newest pass on,
    so that no partition stays missing, and with it come outcomes and reports, in order; while a pass is still at work
    the tick is skipped, and the next one makes up.
    """

    @_declared(
        generate_signals,
        run_tags.CHAIN_SCHEDULE,
        cron_of(cadence),
        "Makes the signals of the bars that closed just now",
        is_running=is_running,
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
        return dg.RunRequest(
            run_key=tick.isoformat(),
            partition_key=f"{tick:%Y-%m-%d}",
            tags=tags,
            asset_selection=[dg.AssetKey(name) for name in CHAIN],
        )

    return signals_at_every_close


def expiry_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """What is past, every 5 minutes: no view shows it, and after so long at most its status says the same.

    A sweep is about its tick, not about when it starts. One that is missed is not made up: the next one marks all that
    is past. While one is still at work the tick is skipped.
    """

    @_declared(
        expire_signals,
        "expiry_every_five_minutes",
        "*/5 * * * *",
        "Marks the signals whose expiry has come",
        is_running=is_running,
    )
    def expiry_every_five_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(UTC)
        if (unfinished := _unfinished(context.instance, expire_signals.name, tick)) is not None:
            return dg.SkipReason(f"run {unfinished.run_id[:8]} is not finished; the next tick marks what it misses")
        return _as_of(tick)

    return expiry_every_five_minutes


def texts_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Texts every quarter of an hour, two minutes before it: what is published by then counts at the close.

    A minute would do for most sources; the second is for those that are slow. While a reading is still at work the tick
    is skipped: the next one asks for all that is new since.
    """

    @_declared(
        ingest_text,
        "texts_every_quarter",
        "13,28,43,58 * * * *",
        "Reads what is new in feeds, on X, Reddit and GitHub",
        is_running=is_running,
    )
    def texts_every_quarter(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tick = context.scheduled_execution_time.astimezone(UTC)
        if (unfinished := _unfinished(context.instance, ingest_text.name, tick)) is not None:
            return dg.SkipReason(f"run {unfinished.run_id[:8]} is not finished; the next tick reads what it misses")
        return _as_of(tick)

    return texts_every_quarter


def charts_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Pictures once an hour, three minutes after it: the pass of the full hour has stored its signals by then.

    Drawing takes a second a picture, which is why it is no part of the pass, and why it is not done at every close of
    a short timeframe.
    """

    @_declared(
        draw_charts, "charts_every_hour", "3 * * * *", "Draws the strongest active signals", is_running=is_running
    )
    def charts_every_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _as_of(context.scheduled_execution_time.astimezone(UTC))

    return charts_every_hour


def outcomes_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Outcomes and the report of the last day once an hour, six minutes after it: the pass of the full hour is over.

    An hour is soon enough: nobody trades on an outcome, and one that is told twelve times an hour is no better known.
    """

    @_declared(
        judge_signals,
        "outcomes_every_hour",
        "6 * * * *",
        "Tells what became of signals, and how those of the last 24 hours did",
        is_running=is_running,
    )
    def outcomes_every_hour(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _judging(context, ["24h"])

    return outcomes_every_hour


def reports_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """The reports of a week and of a month once a day, nine minutes into it: more often they would hardly change."""

    @_declared(
        judge_signals,
        "reports_every_day",
        "9 0 * * *",
        "Reports how the signals of the last 7 and 30 days did",
        is_running=is_running,
    )
    def reports_every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _judging(context, ["7d", "30d"])

    return reports_every_day


def _as_of(tick: datetime) -> dg.RunRequest:
    """A run of which nothing is to be said but its instant."""
    return dg.RunRequest(run_key=tick.isoformat(), tags={run_tags.AS_OF: tick.isoformat()} | MAX_RUNTIME)


def _judging(context: dg.ScheduleEvaluationContext, windows: Sequence[str]) -> dg.RunRequest:
    """A live run as of the tick that brings outcomes up to date and reports on some windows."""
    tick = context.scheduled_execution_time.astimezone(UTC)
    return dg.RunRequest(
        run_key=tick.isoformat(),
        partition_key=f"{tick:%Y-%m-%d}",
        tags=run_tags.pass_tags(tick, Origin.LIVE) | MAX_RUNTIME,
        run_config={"ops": {"signal_performance": {"config": {"windows": list(windows)}}}},
    )


def training_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Models once a week, half an hour into Monday: the week has ended, and its last candles have come.

    A day later the new models speak. A week that is missed is not made up: the next one learns from it as well.
    """

    @_declared(
        train_models,
        "training_every_week",
        "30 0 * * 1",
        "Trains the models of the week that has ended",
        is_running=is_running,
    )
    def training_every_week(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time.astimezone(UTC)
        week = tick.date() - 7 * ONE_DAY
        tags = {run_tags.AS_OF: tick.isoformat()} | MAX_RUNTIME
        return dg.RunRequest(run_key=tick.isoformat(), partition_key=f"{week:%Y-%m-%d}", tags=tags)

    return training_every_week


def retention_schedule(*, is_running: bool) -> dg.ScheduleDefinition:
    """Old records once a day, at 02:20: after what happens at midnight, and beside no full hour.

    Training begins at 00:30 on Mondays and has ended by then; a day that is missed is not made up, since the next one
    deletes what that would have.
    """

    @_declared(
        retention,
        "retention_every_day",
        "20 2 * * *",
        "Deletes old runs, ticks and logs, and measures what is stored",
        is_running=is_running,
    )
    def retention_every_day(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return _as_of(context.scheduled_execution_time.astimezone(UTC))

    return retention_every_day


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
