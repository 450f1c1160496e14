"""The one clock of a run: what "now" means, and on which occasion rows are made. No knowledge module asks."""

from datetime import UTC, datetime

import dagster as dg

from pipeline import run_tags
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.timeframe import RESOLUTION, parse_instant


class ClockResource(dg.ConfigurableResource[None]):
    """Fixes ``as_of`` once per run: the tag, else the scheduled time, else the run's start."""

    def as_of(self, context: dg.AssetExecutionContext | dg.OpExecutionContext) -> datetime:
        """Closes after this instant are not processed."""
        tags = context.run.tags
        text = tags.get(run_tags.AS_OF) or tags.get(run_tags.SCHEDULED)
        if text:
            return parse_instant(text)
        stats = context.instance.get_run_stats(context.run.run_id)
        return datetime.fromtimestamp(stats.start_time, UTC) if stats.start_time else datetime.now(UTC)

    def origin(self, context: dg.AssetExecutionContext) -> Origin:
        """Live only where the run was started to be so: by a schedule, or by `signals run` without an instant."""
        return Origin(context.run.tags.get(run_tags.ORIGIN, Origin.REPLAY))

    def may_fetch(self, context: dg.AssetExecutionContext) -> bool:
        """Whether an exchange may be asked: always live; over past days only if whoever started the run said so."""
        return self.origin(context) is Origin.LIVE or context.run.tags.get(run_tags.FETCH) == "true"

    def scope(self) -> str:
        """Where assets write; replays under a name of their own do not run through assets."""
        return DEFAULT_SCOPE

    def window(self, context: dg.AssetExecutionContext) -> tuple[datetime, datetime]:
        """The closes of the run's days that are not after ``as_of``: ``after < close <= until``."""
        days = context.partition_time_window
        return days.start - RESOLUTION, min(days.end - RESOLUTION, self.as_of(context))
