"""Pictures of the strongest active signals, for the UI, the API and bots; never part of the chain."""

from datetime import UTC, datetime, timedelta

import dagster as dg
import pandas as pd

from assets.reporting import contract_check, contract_kept, picture, stored_as
from pipeline.charting import signal_scene
from pipeline.charts.png import SMALL, draw_png
from pipeline.charts.scene import Scene
from pipeline.contracts.blocks import TIME_UNIT
from pipeline.contracts.charts import SignalCharts
from pipeline.contracts.validation import hold_to
from pipeline.settings import Settings
from pipeline.storage.chart_data import replace_charts, strongest_active
from pipeline.storage.database import Database
from pipeline.storage.universe import exchange_of
from resources.clock import ClockResource

COLUMNS = ["signal_id", "place", "caption", "until", "drawn_at", "png"]
N_COLOURS = 200  # a quarter of the bytes, which Dagster keeps with every run; nobody sees the difference

# They are drawn hourly; a day without any is a fault, three hours may be a machine that slept.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=25), warn_window=timedelta(hours=3))


@dg.asset(
    deps=["trading_signals", "indicators", "price_levels", "chart_patterns"],
    group_name="reports",
    kinds={"postgres", "png"},
    metadata=stored_as("signal_charts"),
    freshness_policy=FRESHNESS,
    check_specs=[contract_check("signal_charts")],
)
def signal_charts(
    context: dg.AssetExecutionContext,
    unlocked_database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """Pictures of the strongest active signals: candles, levels, patterns, entry, stop and targets.

    It writes nothing that the chain reads, so it does not hold the chain's lock: a picture never delays a signal.
    """
    as_of = clock.as_of(context)
    return unlocked_database.retried(lambda: _drawn(context, unlocked_database, settings, as_of))


def _drawn(
    context: dg.AssetExecutionContext, database: Database, settings: Settings, as_of: datetime
) -> dg.MaterializeResult:
    with database.begin() as conn:
        best = strongest_active(conn, as_of, exchange_of(conn, settings.market), settings.charts.signals)
    rows = []
    for place, signal in enumerate(best, start=1):
        scene = signal_scene(database, signal, as_of)
        rows.append(
            {
                "signal_id": signal["id"],
                "place": place,
                "caption": _caption(scene, signal["id"]),
                "until": scene.newest_close,
                "drawn_at": datetime.now(UTC),
                "png": draw_png(scene, SMALL, n_colours=N_COLOURS),
            }
        )
    frame = pd.DataFrame(rows, columns=COLUMNS)
    for name in ("until", "drawn_at"):
        frame[name] = pd.DatetimeIndex(frame[name]).as_unit(TIME_UNIT)
    hold_to(SignalCharts, frame)
    with database.begin() as conn:
        written = replace_charts(conn, rows)
    context.log.info("signal_charts pictures=%d bytes=%d", written, sum(len(row["png"]) for row in rows))
    return dg.MaterializeResult(
        metadata={
            "rows_written": written,
            **{f"{row['place']}": picture(row["caption"], row["png"]) for row in rows},
        },
        check_results=[contract_kept("signal_charts", written)],
    )


def _caption(scene: Scene, signal_id: object) -> str:
    """The series, and the signal in one line."""
    (text,) = (mark.text for mark in scene.signals if mark.signal_id == signal_id)
    return f"{scene.title}: {text}"
