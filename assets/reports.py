"""Reports: how the signals of the last day, week and month did."""

import dagster as dg

from assets.reporting import FRESHNESS, contract_check, contract_kept, picture, rounded, small_table, stored_as
from assets.retries import retried
from pipeline.charts.performance import SMALL, draw_performance
from pipeline.performance.payload import payload
from pipeline.reporting import WINDOWS, report, window_of
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.performance import store_performance
from pipeline.storage.universe import exchange_of
from resources.clock import ClockResource

SHOWN = ("signals", "hit_rate", "mean_return", "random_return", "p_value")


class ReportConfig(dg.Config):
    """Which windows are reported on."""

    windows: list[str] = list(WINDOWS)


@dg.asset(
    deps=["signal_outcomes", "confidence_calibrations", "expired_signals", "trading_signals"],
    group_name="reports",
    kinds={"postgres"},
    freshness_policy=FRESHNESS,
    metadata=stored_as("signal_performance"),
    check_specs=[contract_check("signal_performance")],
)
@retried
def signal_performance(
    context: dg.AssetExecutionContext,
    config: ReportConfig,
    unlocked_database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """How live signals did: hit rate with its interval, returns after costs, against entries at random.

    A row per window and instant, so that reports of the past stay. `signals report` shows one, and makes a page of it.
    """
    as_of = clock.as_of(context)
    with unlocked_database.begin() as conn:
        exchange = exchange_of(conn, settings.market)
    windows = [window_of(label, as_of, exchange=exchange) for label in config.windows]
    reports = [report(unlocked_database, settings, window) for window in windows]
    with unlocked_database.begin() as conn:
        written = store_performance(conn, [payload(each) for each in reports])
    context.log.info("signal_performance windows=%s written=%d", config.windows, written)
    rows = ({"window": r.window.label} | {name: rounded(float(r.overall[name])) for name in SHOWN} for r in reports)
    return dg.MaterializeResult(
        metadata={
            "rows_written": written,
            "reports": small_table(("window", *SHOWN), rows),
            **{
                f"{each.window.label}: {drawn.name}": picture(drawn.about, drawn.png)
                for each in reports
                if each.overall["entered"]
                for drawn in draw_performance(each, SMALL)
            },
        },
        check_results=[contract_kept("signal_performance", len(reports))],
    )
