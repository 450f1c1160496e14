"""Signals: what strategies advise, what risk lets pass, and what is stored."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import dagster as dg

from assets.partitions import daily, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, latency_check, small_table, stored_as
from assets.retries import retried
from assets.spans import spans_of
from pipeline import __version__, progress
from pipeline.domain.signal import Origin, Source
from pipeline.generation import finish, judge
from pipeline.risk.profile import RiskProfile
from pipeline.settings import Settings
from pipeline.stages import MAX_BARS, rules_of, stored_candidates
from pipeline.storage.accounts import read_positions, scheduled_profiles
from pipeline.storage.candidates import (
    Occasion,
    read_candidates,
    read_conditions,
    read_kept,
    read_pending,
    store_candidates,
    store_configuration,
    store_decisions,
)
from pipeline.storage.database import Database
from pipeline.storage.drift import record_drift
from pipeline.storage.endings import end_standing, invalidate_delisted
from pipeline.storage.passes import latency_of, record_passes
from pipeline.storage.signals import read_bars, store_live, store_replayed
from pipeline.storage.spans import groups_of, move_watermarks, split
from resources.clock import ClockResource

# Assets of advice, and the source that each is about.
CANDIDATES = {
    "technical_signals": Source.TECHNICAL,
    "ml_signals": Source.ML_MODEL,
    "sentiment_signals": Source.SENTIMENT,
}


def _common(name: str, deps: Sequence[str], *checks: dg.AssetCheckSpec) -> dict[str, Any]:
    """What the definitions of all assets of this group say."""
    return {
        "deps": deps,
        "group_name": "signals",
        "kinds": {"postgres"},
        "partitions_def": daily,
        "backfill_policy": single_run,
        "freshness_policy": FRESHNESS,
        "metadata": stored_as(name),
        "check_specs": [contract_check(name), *checks],
    }


def _candidates(name: str, deps: Sequence[str], description: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=deps,
        group_name="signals",
        kinds={"postgres"},
        partitions_def=daily,
        freshness_policy=FRESHNESS,
        metadata=stored_as(name),
        description=description,
    )


@dg.multi_asset(
    specs=[
        _candidates(
            "technical_signals",
            ["indicators", "price_levels", "chart_patterns", "market_conditions"],
            "Advice of the technical strategies, before risk: one row per series, close and strategy.",
        ),
        _candidates(
            "ml_signals",
            ["direction_predictions", "anomaly_scores", "market_conditions"],
            "Advice that follows from predictions, before risk: one row per series, close and strategy.",
        ),
        _candidates(
            "sentiment_signals",
            ["symbol_sentiment", "market_conditions"],
            "Advice that follows from texts and development, before risk: one row per series, close and strategy.",
        ),
    ],
    name="advise",
    backfill_policy=single_run,
    check_specs=[contract_check(name) for name in CANDIDATES],
)
@retried
def advise(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> Iterator[dg.MaterializeResult]:
    """Ask every strategy about the closes; each kind of advice is an asset of its own."""
    spans, is_live = spans_of(
        context, database, settings, clock, "candidate_signals", revised_bars=_longest_expiry(settings)
    )
    rules = rules_of(settings)
    found = []
    parts = split(spans, MAX_BARS)
    for done, part in enumerate(parts):
        progress.report("advise", done, len(parts))
        for group, members in groups_of(part):
            found += stored_candidates(database, group, members, rules)
    progress.report("advise", len(parts), len(parts))
    occasion, _, content = _occasion(database, settings, clock.origin(context), clock.scope())
    of_source = {source: [signal for signal in found if signal.source is source] for source in CANDIDATES.values()}
    with database.begin() as conn:
        store_configuration(conn, occasion.configuration_hash, content, __version__)
        changes = {
            source: store_candidates(conn, spans, advice, source, occasion) for source, advice in of_source.items()
        }
        if is_live:
            move_watermarks(conn, "candidate_signals", spans)
    for name, source in CANDIDATES.items():
        counts = Counter((signal.strategy, signal.signal_type.value) for signal in of_source[source])
        context.log.info(
            "%s series=%d candidates=%d written=%d removed=%d",
            *(name, len(spans), len(of_source[source]), changes[source].written, changes[source].removed),
        )
        yield dg.MaterializeResult(
            asset_key=name,
            metadata={
                "rows_written": changes[source].written,
                "candidates": len(of_source[source]),
                "removed": changes[source].removed,
                "by_strategy": small_table(
                    ("strategy", "type", "candidates"),
                    ({"strategy": n, "type": kind, "candidates": k} for (n, kind), k in sorted(counts.items())),
                ),
            },
            check_results=[contract_kept(name, len(of_source[source]))],
        )


@dg.asset(**_common("risk_filtered_signals", [*CANDIDATES, "market_conditions", "anomaly_scores"]))
@retried
def risk_filtered_signals(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """Advice that risk let pass, for each scheduled profile; `risk_decisions` has why the rest was dropped."""
    spans, is_live = spans_of(
        context, database, settings, clock, "risk_decisions", revised_bars=_longest_expiry(settings)
    )
    occasion, profiles, _ = _occasion(database, settings, clock.origin(context), clock.scope())
    rules = rules_of(settings)
    reasons: Counter[str] = Counter()
    judged = kept = written = 0
    with database.begin() as conn:
        signals = read_candidates(conn, spans, occasion.origin, occasion.scope)
        conditions = read_conditions(conn, spans, occasion.origin, occasion.scope)
        for done, profile in enumerate(profiles):
            progress.report("risk_filtered_signals", done, len(profiles))
            pending = read_pending(conn, spans, occasion.origin, occasion.scope, profile.name)
            positions = read_positions(conn, profile.name) if is_live else []
            decisions = judge(signals, conditions, profile, rules, pending, positions)
            written += store_decisions(conn, spans, decisions, profile.name, occasion).written
            judged += len(decisions)
            kept += sum(decision.is_kept for decision in decisions)
            reasons.update(reason for decision in decisions for reason in decision.reasons)
        if is_live:
            move_watermarks(conn, "risk_decisions", spans)
    progress.report("risk_filtered_signals", len(profiles), len(profiles))
    context.log.info(
        "risk_filtered_signals judged=%d kept=%d dropped=%d reasons=%s", judged, kept, judged - kept, dict(reasons)
    )
    return dg.MaterializeResult(
        metadata={
            "rows_written": written,
            "judged": judged,
            "kept": kept,
            "reasons": small_table(
                ("reason", "dropped"), ({"reason": reason, "dropped": n} for reason, n in reasons.most_common())
            ),
        },
        check_results=[contract_kept("risk_filtered_signals", judged)],
    )


@dg.asset(
    **_common(
        "trading_signals",
        ["risk_filtered_signals"],
        dg.AssetCheckSpec("latency", asset="trading_signals", description="Stored well before the next close"),
    )
)
@retried
def trading_signals(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> dg.MaterializeResult:
    """What to act on, best first: `SELECT * FROM v_active_signals`. With entry, stop, targets, expiry and rank."""
    as_of = clock.as_of(context)
    spans, is_live = spans_of(
        context, database, settings, clock, "trading_signals", revised_bars=_longest_expiry(settings)
    )
    occasion, profiles, _ = _occasion(database, settings, clock.origin(context), clock.scope())
    rules = rules_of(settings)
    totals: Counter[str] = Counter()
    best = []
    with database.begin() as conn:
        bars = read_bars(conn, spans, occasion.origin, occasion.scope)
        for done, profile in enumerate(profiles):
            progress.report("trading_signals", done, len(profiles))
            kept = read_kept(conn, spans, occasion.origin, occasion.scope, profile.name)
            finished = finish(kept, bars, profile, rules)
            as_live = partial(store_live, lifecycle=settings.lifecycle, calibration=settings.calibration.rules)
            store = as_live if is_live else store_replayed
            stored = store(conn, spans, finished, profile.name, occasion, as_of)
            for name in ("written", "duplicates", "removed", "invalidated", "expired"):
                totals[name] += getattr(stored, name)
            if not is_live:
                totals["drift"] += record_drift(conn, spans, occasion.scope, profile.name)
            best += finished
        if is_live:
            totals["invalidated"] += end_standing(conn, as_of, settings.lifecycle)
            totals["invalidated"] += invalidate_delisted(conn, as_of)
            record_passes(conn, context.run.run_id, spans)
            move_watermarks(conn, "trading_signals", spans)
    with database.begin() as conn:
        latency = latency_of(conn, context.run.run_id)
    progress.report("trading_signals", len(profiles), len(profiles))
    context.log.info("trading_signals series=%d signals=%d %s", len(spans), len(best), dict(totals))
    best.sort(key=lambda signal: (signal.created_at, signal.rank_score), reverse=True)
    return dg.MaterializeResult(
        metadata={
            "rows_written": totals["written"],
            "signals": len(best),
            **{name: totals[name] for name in ("duplicates", "removed", "invalidated", "expired", "drift")},
            "newest": small_table(
                ("close", "series", "type", "strategy", "confidence", "rank"),
                (
                    {
                        "close": f"{signal.created_at:%m-%d %H:%M}",
                        "series": f"{signal.series.symbol} {signal.series.timeframe}",
                        "type": signal.signal_type.value,
                        "strategy": signal.strategy,
                        "confidence": round(signal.confidence, 3),
                        "rank": round(signal.rank_score, 3),
                    }
                    for signal in best
                ),
            ),
        },
        check_results=[contract_kept("trading_signals", len(best)), latency_check(latency)],
    )


def _occasion(
    database: Database, settings: Settings, origin: Origin, scope: str
) -> tuple[Occasion, list[RiskProfile], dict[str, Any]]:
    """On which occasion rows are made, for which profiles, under which settings."""
    with database.begin() as conn:
        profiles = scheduled_profiles(conn, settings.risk)
    configuration_hash, content = settings.fingerprint({profile.name: profile for profile in profiles})
    return Occasion(origin=origin, scope=scope, configuration_hash=configuration_hash), profiles, content


def _longest_expiry(settings: Settings) -> int:
    """Bars for which a signal may still stand: how far back a revision of the data can matter."""
    return max(1, *settings.expiry.bars.values())
