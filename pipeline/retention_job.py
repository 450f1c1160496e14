"""The daily job that deletes what is old and measures what is left; what is old is told in `pipeline.retention`."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from pipeline import retention as forgetting
from pipeline.run_tags import RETENTION_JOB
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.idempotency import KEPT_FOR
from pipeline.storage.run_records import delete_backfills, delete_freshness, run_records
from pipeline.storage.sizes import measure, record
from pipeline.storage.tables import idempotency_keys
from pipeline.storage.thinning import thin
from resources.clock import ClockResource
from resources.database import UnlockedDatabaseResource
from resources.settings import SettingsResource

FILES_VARIABLE = "SIGNALS_DAGSTER_FILES"  # as dagster.yaml names the folder of what runs print
STATEMENT_TIMEOUT_MS = 600_000  # a table that was never tidied up takes minutes to read


@dg.op
def delete_old_records(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> None:
    """Delete old runs, ticks and output of Dagster's, and of our own tables what the settings name; then measure."""
    policy, instance = settings.retention, context.instance
    as_of = min(clock.as_of(context), datetime.now(UTC))  # nothing is old that is not old by now
    deadline = time.monotonic() + 60 * policy.max_minutes
    # Otherwise each of the many statements opens a connection of its own: 3 runs a second instead of 20.
    instance.optimize_for_webserver(statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=-1, max_overflow=20)
    before = as_of - timedelta(days=policy.runs_days)
    with run_records(forgetting.records_url(instance)) as records:
        runs = forgetting.delete_runs(instance, records, policy, as_of, deadline=deadline, say=context.log.info)
        with records.begin() as conn:
            backfills, changes = delete_backfills(conn, before), delete_freshness(conn, before)
    forgetting.purge_ticks(instance, policy, as_of)
    outputs = 0
    if files := os.environ.get(FILES_VARIABLE):
        outputs = forgetting.delete_output(instance, Path(files), as_of - timedelta(days=policy.log_days))
    ages = policy.thinned | {idempotency_keys.name: KEPT_FOR}
    thinned = {table: thin(database, table, as_of - age) for table, age in ages.items()}
    with database.begin() as conn:
        sizes = measure(conn, settings.home)
        record(conn, as_of, sizes)
    context.log.info(
        "retention runs=%d is_complete=%s check_rows=%d backfills=%d freshness_changes=%d outputs=%d",
        *(runs.runs, runs.is_complete, runs.check_rows, backfills, changes, outputs),
    )
    context.log.info("retention thinned=%s sizes=%s", thinned, sizes)


@dg.job(
    name=RETENTION_JOB,
    executor_def=dg.in_process_executor,
    resource_defs={
        # It writes nothing that the chain writes, and so waits for nobody.
        "database": UnlockedDatabaseResource(),
        "settings": SettingsResource(),
        "clock": ClockResource(),
    },
    tags={"dagster/max_retries": "0"},
)
def retention() -> None:
    """Deletes what is older than the settings say, and measures what is stored."""
    delete_old_records()
