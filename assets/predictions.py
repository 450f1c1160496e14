"""Predictions: what the champions say of every close, from stored features."""

from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pandas as pd

from assets.partitions import daily, earlier_week, single_run
from assets.reporting import FRESHNESS, contract_check, contract_kept, small_table, stored_as
from assets.retries import retried
from assets.spans import spans_of
from pipeline import progress
from pipeline.domain.model import ModelKind
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.predicting import Predictions, stored_predictions
from pipeline.settings import Settings
from pipeline.stages import MAX_BARS
from pipeline.storage.bulk import Changes
from pipeline.storage.candles import record_health
from pipeline.storage.database import Database
from pipeline.storage.predictions import PREDICTIONS, store_predictions
from pipeline.storage.spans import groups_of, move_watermarks, split
from resources.clock import ClockResource

SOURCE = "ml_model"  # in `source_health`
TABLES = {kind: table.name for kind, (table, _) in PREDICTIONS.items()}
_SAYS = {
    ModelKind.DIRECTION: "How likely the next close is higher.",
    ModelKind.PRICE_RANGE: "How far the next bar reaches, in quantiles.",
    ModelKind.ANOMALY: "How unlike those before each bar is.",
}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            TABLES[kind],
            metadata=stored_as(TABLES[kind]),
            deps=["model_features", dg.AssetDep(f"{kind}_model", partition_mapping=earlier_week)],
            group_name="predictions",
            kinds={"postgres"},
            partitions_def=daily,
            freshness_policy=FRESHNESS,
            description=_SAYS[kind],
        )
        for kind in ModelKind
    ],
    name="predict",
    backfill_policy=single_run,
    check_specs=[
        *(contract_check(TABLES[kind]) for kind in ModelKind),
        *(
            dg.AssetCheckSpec("speaks", asset=TABLES[kind], description="A model is there, whole and young enough")
            for kind in ModelKind
        ),
        dg.AssetCheckSpec("outliers", asset="anomaly_scores", description="Few enough bars are flagged"),
    ],
)
@retried
def predict(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> Iterator[dg.MaterializeResult]:
    """Ask the champions of each close about every bar that is traded and known; a silent kind says why."""
    spans, is_live = spans_of(context, database, settings, clock, "predictions")
    counts: dict[ModelKind, Counter[str]] = {kind: Counter() for kind in ModelKind}
    silent: dict[ModelKind, dict[str, str | None]] = {kind: {} for kind in ModelKind}
    with database.begin() as conn:
        parts = split(spans, MAX_BARS)
        for done, part in enumerate(parts):
            progress.report("predictions", done, len(parts))
            for group, members in groups_of(part):
                found = stored_predictions(database, conn, settings, group, members)
                said = {kind: found.rows(kind) for kind in ModelKind}
                written = store_predictions(conn, members, said)
                for kind in ModelKind:
                    _count(counts[kind], found, kind, said[kind], written[kind])
                    silent[kind][str(group.timeframe)] = found.said[kind].silence
                record_health(conn, SOURCE, _states(found), {}, max(span.until for span in members))
        progress.report("predictions", len(parts), len(parts))
        if is_live:
            move_watermarks(conn, "predictions", spans)
    context.log.info("predict series=%d %s", len(spans), {kind.value: dict(counts[kind]) for kind in ModelKind})
    for kind in ModelKind:
        checks = [contract_kept(TABLES[kind], counts[kind]["predicted"]), _speaks(kind, silent[kind])]
        if kind is ModelKind.ANOMALY:
            checks.append(_outliers(counts[kind]))
        yield dg.MaterializeResult(
            asset_key=TABLES[kind],
            metadata={
                "rows_written": counts[kind]["written"],
                **{name: counts[kind][name] for name in ("removed", "predicted", "unknown", "rejected")},
                **({"flagged": counts[kind]["flagged"]} if kind is ModelKind.ANOMALY else {}),
                "silent": small_table(
                    ("timeframe", "reason"),
                    ({"timeframe": t, "reason": r} for t, r in sorted(silent[kind].items()) if r),
                ),
            },
            check_results=checks,
        )


def _count(counts: Counter[str], found: Predictions, kind: ModelKind, rows: pd.DataFrame, done: Changes) -> None:
    counts["written"] += done.written
    counts["removed"] += done.removed
    counts["predicted"] += len(rows)
    counts["unknown"] += found.said[kind].n_unknown
    counts["rejected"] += found.said[kind].n_rejected
    if kind is ModelKind.ANOMALY:
        counts["flagged"] += int(rows["is_anomaly"].sum())
        counts["ignored"] += int(rows["is_ignored"].sum())


def _states(found: Predictions) -> dict[str, SeriesState]:
    """Whether each kind speaks: a silent source must not look like one without an opinion."""
    group = found.group
    return {
        f"{kind} {group.exchange} {group.timeframe}": SeriesState(HealthStatus.OK)
        if said.silence is None
        else SeriesState(HealthStatus.BLOCKED, f"unavailable({said.silence})")
        for kind, said in found.said.items()
    }


def _speaks(kind: ModelKind, silent: dict[str, str | None]) -> dg.AssetCheckResult:
    reasons = [f"{timeframe}: {reason}" for timeframe, reason in sorted(silent.items()) if reason]
    return dg.AssetCheckResult(
        passed=not reasons,
        check_name="speaks",
        asset_key=TABLES[kind],
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "unavailable": ", ".join(reasons) or "none",
            "remedy": "`signals train`, or materialize the models" if reasons else "none needed",
        },
    )


def _outliers(counts: Counter[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not counts["ignored"],
        check_name="outliers",
        asset_key="anomaly_scores",
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"flagged": counts["flagged"], "ignored": counts["ignored"]},
    )
