"""When jobs run, each with its reason. Time enters runs here: a run is about its tick, not about when it starts."""

from datetime import UTC

import dagster as dg

from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.jobs import generate_signals
from pipeline.run_tags import pass_tags

DAILY_CRON = "0 0 * * *"
WEEKLY_CRON = "0 0 * * 1"


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
    just then. The run is live and as of the tick.
    """

    @dg.schedule(
        job=generate_signals,
        name="signals_at_every_close",
        cron_schedule=cron_of(cadence),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if is_running else dg.DefaultScheduleStatus.STOPPED,
        description="Makes the signals of the bars that closed just now",
    )
    def signals_at_every_close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        tick = context.scheduled_execution_time.astimezone(UTC)
        return dg.RunRequest(
            run_key=tick.isoformat(),
            partition_key=f"{tick:%Y-%m-%d}",
            tags=pass_tags(tick, Origin.LIVE),
        )

    return signals_at_every_close
