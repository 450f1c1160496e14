"""Indicators and market conditions of every close, computed as blocks."""

from collections.abc import Iterator, Sequence

import dagster as dg
import pandas as pd

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, stored_as
from assets.retries import retried
from assets.spans import spans_of
from pipeline import progress
from pipeline.contracts.indicators import Indicators, MarketConditions
from pipeline.contracts.validation import hold_to
from pipeline.generation import PRIOR_BARS
from pipeline.settings import Settings
from pipeline.stages import MAX_BARS, analyse_group, first_open, is_in_spans, last_open, long_rows
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_upsert
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup
from pipeline.storage.spans import Span, clear_dirty, groups_of, lookback_gaps, move_watermarks, split
from resources.clock import ClockResource


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            "indicators",
            metadata=stored_as("indicators"),
            deps=["candles"],
            group_name="indicators",
            kinds={"postgres"},
            partitions_def=daily,
            freshness_policy=FRESHNESS,
            description="Indicators of every close, one row per series and bar.",
        ),
        dg.AssetSpec(
            "market_conditions",
            metadata=stored_as("market_conditions"),
            deps=["candles"],
            group_name="indicators",
            kinds={"postgres"},
            partitions_def=daily,
            freshness_policy=FRESHNESS,
            description="What risk knows at every close: volatility, filled bars, blocks.",
        ),
    ],
    name="analyse_candles",
    backfill_policy=single_run,
    check_specs=[contract_check("indicators"), contract_check("market_conditions")],
)
@retried
def analyse_candles(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> Iterator[dg.MaterializeResult]:
    """Compute what the strategies and the risk filters read, for new closes and for bars whose candles changed."""
    spans, is_live = spans_of(context, database, settings, clock, "indicators", include_dirty=True)
    with database.begin() as conn:
        lookback = lookback_gaps(conn, spans, PRIOR_BARS)
    written = {"indicators": 0, "market_conditions": 0}
    rows = 0
    with database.begin() as conn:
        parts = split(spans, MAX_BARS)
        for done, part in enumerate(parts):
            progress.report("indicators", done, len(parts))
            for group, members in groups_of(part):
                # Later parts follow ones whose rows are there: with this transaction, so that no read sees them yet.
                is_first = done == 0
                extra = lookback if is_first else {}
                indicator_rows, condition_rows = _rows(database, group, members, extra, is_known=is_live and is_first)
                hold_to(Indicators, indicator_rows)
                hold_to(MarketConditions, condition_rows)
                written["indicators"] += bulk_upsert(conn, tables.indicators, indicator_rows)
                written["market_conditions"] += bulk_upsert(conn, tables.market_conditions, condition_rows)
                rows += len(indicator_rows)
        progress.report("indicators", len(parts), len(parts))
        clear_dirty(conn, spans)
        if is_live:
            move_watermarks(conn, "indicators", spans)
    context.log.info("indicators series=%d computed=%d written=%d", len(spans), rows, written["indicators"])
    for name, count in written.items():
        yield dg.MaterializeResult(
            asset_key=name,
            metadata={"rows_written": count, "rows_computed": rows, "series": len(spans)},
            check_results=[contract_kept(name, rows)],
        )


def _rows(
    database: Database, group: SeriesGroup, spans: Sequence[Span], lookback: dict[int, int], *, is_known: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the bars in the spans and in the look-back that lacks.

    ``is_known`` says that the rows before the spans are stored and current where no look-back lacks.
    """
    extra = max((lookback.get(span.series.series_id, 0) for span in spans), default=0)
    keep_from = first_open(spans) - extra * group.timeframe.duration
    analysed = analyse_group(database, group, keep_from, last_open(spans), is_extending=is_known and not extra)
    return long_rows(analysed, is_in_spans(analysed.candles["close"].index, spans, lookback))
