"""Indicators, levels, chart patterns, market conditions and features of every close, computed as blocks."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import dagster as dg
import sqlalchemy as sa

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, stored_as
from assets.retries import retried
from assets.spans import spans_of
from pipeline import progress
from pipeline.contracts.indicators import Indicators, MarketConditions
from pipeline.contracts.validation import hold_to
from pipeline.generation import PRIOR_BARS, column_depths
from pipeline.indicators.extra.choice import extras_of
from pipeline.model_inputs import feature_rows, features_of
from pipeline.settings import Settings
from pipeline.side_columns import extra_columns
from pipeline.stages import (
    MAX_BARS,
    AnalysedGroup,
    analyse_group,
    first_open,
    is_in_spans,
    last_open,
    long_rows,
    rules_of,
    structure_rows,
)
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_upsert
from pipeline.storage.database import Database
from pipeline.storage.extra_indicators import extra_rows, store_extras
from pipeline.storage.history import SeriesGroup, bar_index, read_block
from pipeline.storage.predictions import store_features
from pipeline.storage.spans import Span, clear_dirty, groups_of, lookback_gaps, move_watermarks, split
from pipeline.storage.structure import store_levels, store_patterns
from pipeline.strategies.columns import EXTRA
from resources.clock import ClockResource

TABLES = ("indicators", "price_levels", "chart_patterns", "market_conditions", "model_features")


def _spec(name: str, description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        metadata=stored_as(name),
        deps=["candles"],
        group_name="indicators",
        kinds={"postgres"},
        partitions_def=daily,
        freshness_policy=FRESHNESS,
        description=description,
    )


@dg.multi_asset(
    specs=[
        _spec("indicators", "Indicators of every close, one row per series and bar."),
        _spec("price_levels", "Support and resistance: a row for each change of a level."),
        _spec("chart_patterns", "Chart patterns, a row for each that a close completed."),
        _spec("market_conditions", "What risk knows at every close: volatility, filled bars, blocks."),
        _spec("model_features", "What models are told of every close, without units: see docs/models.md."),
    ],
    name="analyse_candles",
    backfill_policy=single_run,
    check_specs=[contract_check(name) for name in TABLES],
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
    written: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    with database.begin() as conn:
        parts = split(spans, MAX_BARS)
        for done, part in enumerate(parts):
            progress.report("indicators", done, len(parts))
            for group, members in groups_of(part):
                # Later parts follow ones whose rows are there: with this transaction, so that no read sees them yet.
                is_first = done == 0
                extra = lookback if is_first else {}
                wanted = [_with_lookback(span, extra) for span in members]
                is_known = is_live and is_first and not any(span.series.series_id in extra for span in members)
                analysed = analyse_group(database, group, first_open(wanted), last_open(wanted), is_extending=is_known)
                _store(conn, analysed, wanted, written, rows)
                if settings.models.is_enabled:
                    _store_features(conn, database, settings, analysed, wanted, written, rows)
                _store_extras(conn, database, settings, group, wanted, written, rows)
        progress.report("indicators", len(parts), len(parts))
        clear_dirty(conn, spans)
        if is_live:
            move_watermarks(conn, "indicators", spans)
    context.log.info(
        "indicators series=%d computed=%d written=%d levels=%d patterns=%d",
        *(len(spans), rows["indicators"], written["indicators"], written["price_levels"], written["chart_patterns"]),
    )
    for name in TABLES:
        yield dg.MaterializeResult(
            asset_key=name,
            metadata={"rows_written": written[name], "rows_computed": rows[name], "series": len(spans)}
            | ({"extra_rows_written": written["extra_indicators"]} if name == "indicators" else {}),
            check_results=[contract_kept(name, rows[name])],
        )


def _with_lookback(span: Span, bars: Mapping[int, int]) -> Span:
    """The span with the bars before it whose stored rows lack."""
    return replace(span, after=span.after - bars.get(span.series.series_id, 0) * span.series.key.timeframe.duration)


def _store(
    conn: sa.Connection, analysed: AnalysedGroup, spans: Sequence[Span], written: Counter[str], rows: Counter[str]
) -> None:
    """Store the rows of the bars in the spans, and count them by table."""
    is_wanted = is_in_spans(analysed.candles["close"].index, spans)
    indicator_rows, condition_rows = long_rows(analysed, is_wanted)
    for table, contract, found in (
        (tables.indicators, Indicators, indicator_rows),
        (tables.market_conditions, MarketConditions, condition_rows),
    ):
        written[table.name] += bulk_upsert(conn, table, hold_to(contract, found), is_staged=False)
        rows[table.name] += len(found)
    levels, patterns = structure_rows(analysed, is_wanted)
    for table, changed, found in (
        (tables.price_levels, store_levels(conn, spans, levels), levels),
        (tables.chart_patterns, store_patterns(conn, spans, patterns), patterns),
    ):
        written[table.name] += changed
        rows[table.name] += len(found)


def _store_features(
    conn: sa.Connection,
    database: Database,
    settings: Settings,
    analysed: AnalysedGroup,
    spans: Sequence[Span],
    written: Counter[str],
    rows: Counter[str],
) -> None:
    """Store what models are told of the bars in the spans."""
    features = features_of(database, analysed, settings.context.reference_symbol)
    is_wanted = is_in_spans(analysed.candles["close"].index, spans) & analysed.candles["close"].notna()
    found = feature_rows(analysed.group, features, is_wanted)
    written["model_features"] += store_features(conn, found)
    rows["model_features"] += len(found)


def _store_extras(
    conn: sa.Connection,
    database: Database,
    settings: Settings,
    group: SeriesGroup,
    spans: Sequence[Span],
    written: Counter[str],
    rows: Counter[str],
) -> None:
    """Store the extra indicators of the bars in the spans, and of those before them that a strategy looks back on.

    Those were computed before, but perhaps under other settings.
    """
    if not (extras := extras_of(settings.indicators)):
        return
    depth = max((n for name, n in column_depths(rules_of(settings)).items() if name.startswith(EXTRA)), default=0)
    wanted = [_with_lookback(span, {span.series.series_id: depth}) for span in spans]
    index = bar_index(group.timeframe, first_open(wanted), last_open(wanted))
    found = extra_columns(database, extras, group, index)
    close = read_block(database, tables.candles, ("close",), group, first_open(wanted), last_open(wanted))["close"]
    found_rows = extra_rows(group, found, is_in_spans(index, wanted) & close.notna())
    written["extra_indicators"] += store_extras(conn, found_rows)
    rows["extra_indicators"] += len(found_rows)
