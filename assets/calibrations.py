"""What stated confidence came true as: fitted once a day, walking forward."""

from typing import Any

import dagster as dg
import pandas as pd

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, small_table, stored_as
from assets.retries import retried
from pipeline.calibrating import calibrate_live, calibrate_replayed
from pipeline.domain.signal import Origin
from pipeline.performance.calibration import KIND
from pipeline.settings import Settings
from pipeline.storage.database import Database
from resources.clock import ClockResource

SHOWN = (*KIND, "stated", "calibrated", "outcomes", "kind_outcomes")


@dg.asset(
    deps=["signal_outcomes"],
    group_name="reports",
    kinds={"postgres"},
    partitions_def=daily,
    backfill_policy=single_run,
    freshness_policy=FRESHNESS,
    metadata=stored_as("confidence_calibrations"),
    check_specs=[contract_check("confidence_calibrations")],
)
@retried
def confidence_calibrations(
    context: dg.AssetExecutionContext,
    unlocked_database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """How often signals won that stated so much confidence, by source and strategy, as it was known each midnight.

    Live signals get their `calibrated_confidence` from it when they are stored. A run over past days fits anew what
    would have been known on each of them, and gives it to their replayed signals.
    """
    rules, scope = settings.calibration.rules, clock.scope()
    if clock.origin(context) is Origin.LIVE:
        done = calibrate_live(unlocked_database, rules, scope, clock.as_of(context))
    else:
        done = calibrate_replayed(unlocked_database, rules, scope, *clock.window(context))
    context.log.info("confidence_calibrations written=%d signals=%d", done.written, done.signals)
    return dg.MaterializeResult(
        metadata={
            "rows_written": done.written,
            "signals": done.signals,
            "newest": small_table(SHOWN, _newest(done.fits)),
        },
        check_results=[contract_kept("confidence_calibrations", done.written)],
    )


def _newest(fits: pd.DataFrame) -> list[dict[str, Any]]:
    """The fits of the newest instant, as a table of the UI takes them."""
    if fits.empty:
        return []
    newest = fits.loc[fits["fitted_as_of"] == fits["fitted_as_of"].max(), list(SHOWN)].round(4).astype(object)
    records: list[dict[str, Any]] = newest.where(newest.notna(), None).to_dict("records")
    return records
