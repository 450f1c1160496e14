"""Sentiment: what texts and development activity say of every symbol at every close."""

from collections import Counter
from dataclasses import replace

import dagster as dg

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, small_table, stored_as, warned
from assets.retries import retried
from assets.spans import spans_of
from pipeline import progress
from pipeline.generation import LOOKBACK_BARS
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.document_scores import score_missing
from pipeline.storage.sentiment import await_texts, store_symbol_sentiment
from pipeline.storage.spans import Span, move_watermarks, never_processed
from pipeline.surveying import Asked, sentiment_rows, surveys
from resources.clock import ClockResource


@dg.asset(
    deps=["candles", "document_sentiment", "repository_activity"],
    group_name="sentiment",
    kinds={"postgres"},
    partitions_def=daily,
    backfill_policy=single_run,
    freshness_policy=FRESHNESS,
    metadata=stored_as("symbol_sentiment"),
    check_specs=[
        contract_check("symbol_sentiment"),
        dg.AssetCheckSpec("coverage", asset="symbol_sentiment", description="Enough is said of some symbol"),
        dg.AssetCheckSpec("flood", asset="symbol_sentiment", description="No source says much more than usual"),
    ],
)
@retried
def symbol_sentiment(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """What the texts that were known at each close say of its symbol: one score per source, and all together."""
    spans, is_live = spans_of(context, database, settings, clock, "symbol_sentiment")
    counts: Counter[str] = Counter()
    silences: Counter[str] = Counter()
    floods: Counter[str] = Counter()
    if not is_live:
        score_missing(database, settings.sentiment.scorer)
    with database.begin() as conn:
        await_texts(conn)
        fresh = never_processed(conn, "symbol_sentiment", spans) if is_live else spans
        # Strategies look back; where no run has been before, what they would see is made as well.
        wanted = [_with_lookback(span) if span in fresh else span for span in spans]
        asked = Asked.of_spans(wanted)
        done = 0
        for found in surveys(database, settings.sentiment, asked.exchange, asked.symbols, asked.closes):
            progress.report("symbol_sentiment", done, len(asked.closes))
            part = asked.rows[asked.rows["close_at"].isin(found.closes)]
            rows = sentiment_rows(found, part)
            stored = store_symbol_sentiment(conn, part, rows)
            counts.update(written=stored.written, removed=stored.removed, said=len(rows), asked=len(part))
            silences.update(word.partition("(")[0] for word in rows["silence"].dropna())
            floods.update(source for sources in rows["flooded"] for source in sources)
            done += len(found.closes)
        progress.report("symbol_sentiment", done, len(asked.closes))
        if is_live:
            move_watermarks(conn, "symbol_sentiment", spans)
    covered = counts["said"] - silences.total()
    is_expected = counts["asked"] > 0 and settings.text_source != "none"
    context.log.info(
        "symbol_sentiment series=%d asked=%d said=%d covered=%d floods=%s written=%d removed=%d",
        *(len(spans), counts["asked"], counts["said"], covered, dict(floods), counts["written"], counts["removed"]),
    )
    return dg.MaterializeResult(
        metadata={
            "rows_written": counts["written"],
            "rows_removed": counts["removed"],
            "closes_asked": counts["asked"],
            "closes_said": counts["said"],
            "closes_covered": covered,
            "silent": small_table(
                ("reason", "closes"), ({"reason": word, "closes": n} for word, n in silences.most_common())
            ),
        },
        check_results=[
            contract_kept("symbol_sentiment", counts["said"]),
            warned(
                "symbol_sentiment",
                "coverage",
                is_passed=covered > 0 or not is_expected,
                facts={"covered": covered, "asked": counts["asked"]},
            ),
            warned("symbol_sentiment", "flood", is_passed=not floods, facts=dict(sorted(floods.items()))),
        ],
    )


def _with_lookback(span: Span) -> Span:
    return replace(span, after=span.after - LOOKBACK_BARS * span.series.key.timeframe.duration)
