"""The end of signals that nobody acted on: the sweep that marks what is past."""

from datetime import timedelta

import dagster as dg

from assets.reporting import contract_check, contract_kept, small_table, stored_as, warned
from assets.retries import retried
from pipeline.contracts.lifecycle import ExpiredSignals
from pipeline.contracts.validation import hold_to
from pipeline.storage.database import Database
from pipeline.storage.transitions import KIND, expire, standing_past
from resources.clock import ClockResource

# A sweep comes every 5 minutes; a few missed ones are worth a look, a day without any is a fault.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=25), warn_window=timedelta(minutes=30))


@dg.asset(
    deps=["trading_signals"],
    group_name="lifecycle",
    kinds={"postgres"},
    metadata=stored_as("expired_signals"),
    freshness_policy=FRESHNESS,
    check_specs=[
        contract_check("expired_signals"),
        dg.AssetCheckSpec(
            "none_stands", asset="expired_signals", description="No signal is ACTIVE though its expiry has come"
        ),
    ],
)
@retried
def expired_signals(
    context: dg.AssetExecutionContext,
    unlocked_database: dg.ResourceParam[Database],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """Signals that nobody acted on before their expiry, of every origin and scope.

    It locks the rows that it changes, so it does not hold the chain's lock: a long pass never delays an expiry.
    """
    as_of = clock.as_of(context)
    with unlocked_database.begin() as conn:
        found = hold_to(ExpiredSignals, expire(conn, as_of))
    with unlocked_database.begin() as conn:
        standing = standing_past(conn, as_of)
    count = int(found["signals"].sum())
    late_s = 0.0 if found.empty else (as_of - found["first_expiry"].min()).total_seconds()
    context.log.info("expired_signals expired=%d latest_s=%.0f standing=%d", count, late_s, standing)
    return dg.MaterializeResult(
        metadata={
            "rows_written": count,
            "latest_s": late_s,  # the longest that one stood past its expiry
            "by_kind": small_table(
                (*KIND, "signals"),
                (
                    {**{name: str(row[name]) for name in KIND}, "signals": int(row["signals"])}
                    for _, row in found.iterrows()
                ),
            ),
        },
        check_results=[
            contract_kept("expired_signals", count),
            warned("expired_signals", "none_stands", is_passed=not standing, facts={"standing": standing}),
        ],
    )
