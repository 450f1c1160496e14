"""How runs of Dagster are called and tagged; without Dagster, so that the command loads fast.

The tags are how time and origin enter a run: whoever starts it writes them, `resources.clock` reads them.
"""

from datetime import date, datetime

from pipeline.domain.signal import Origin

CHAIN_JOB = "generate_signals"
TRAINING_JOB = "train_models"
TEXT_JOB = "ingest_text"
RETENTION_JOB = "retention"
CHAIN_SCHEDULE = "signals_at_every_close"

AS_OF = "signals/as_of"
ORIGIN = "signals/origin"
SCHEDULED = "dagster/scheduled_execution_time"
FETCH = "signals/fetch"  # a run over past days may ask the exchange for what is not stored
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def pass_tags(as_of: datetime, origin: Origin) -> dict[str, str]:
    """Of a run about the closes up to ``as_of``."""
    return {AS_OF: as_of.isoformat(), ORIGIN: origin.value}


def range_tags(first: date, last: date) -> dict[str, str]:
    """Of a run over days, both inclusive."""
    return {RANGE_START: f"{first:%Y-%m-%d}", RANGE_END: f"{last:%Y-%m-%d}"}
