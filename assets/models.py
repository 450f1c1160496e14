"""Models: one of each kind per training week, trained in a process of its own and never in the chain."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import dagster as dg

from assets.partitions import weekly
from assets.reporting import contract_check, contract_kept, evaluation_table, picture, small_table, stored_as
from pipeline import progress
from pipeline.charts.models import draw_evaluation
from pipeline.domain.errors import DataContractError
from pipeline.domain.model import ModelKind
from pipeline.models.artefact import digest
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup
from pipeline.storage.spans import groups_of_series
from pipeline.storage.universe import exchange_of, universe
from pipeline.training import Training, train, training_panel
from resources.clock import ClockResource

# Trained on Mondays; a week without training is worth a look, two are a fault.
WEEKLY_FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=15), warn_window=timedelta(days=8))
ASSETS = {kind: f"{kind}_model" for kind in ModelKind}
_SAYS = {
    ModelKind.DIRECTION: "An LSTM of the next close's direction, calibrated; all symbols of a timeframe together.",
    ModelKind.PRICE_RANGE: "Gradient-boosted quantiles of the next bar's high and low.",
    ModelKind.ANOMALY: "An isolation forest of bars unlike those before.",
}


@dg.multi_asset(
    specs=[
        dg.AssetSpec(
            ASSETS[kind],
            metadata=stored_as(ASSETS[kind]),
            deps=["candles"],
            group_name="models",
            kinds={"postgres", "keras" if kind is ModelKind.DIRECTION else "scikitlearn"},
            partitions_def=weekly,
            freshness_policy=WEEKLY_FRESHNESS,
            description=_SAYS[kind],
            skippable=True,
        )
        for kind in ModelKind
    ],
    name="train",
    can_subset=True,
    check_specs=[
        *(contract_check(ASSETS[kind]) for kind in ModelKind),
        dg.AssetCheckSpec(
            "leakage", asset=ASSETS[ModelKind.DIRECTION], description="Nobody honest is right this often: AUC <= .60"
        ),
        *(
            dg.AssetCheckSpec("trained", asset=ASSETS[kind], description="Every timeframe has enough to learn from")
            for kind in ModelKind
        ),
    ],
)
def train_models(
    context: dg.AssetExecutionContext,
    unlocked_database: dg.ResourceParam[Database],
    settings: dg.ResourceParam[Settings],
    clock: ClockResource,
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Train the week's models of each timeframe, judge them, and publish each when it is done.

    It writes nothing that the chain waits for and does not hold its lock; the model before speaks until the new one is
    effective. A kind that has too little to learn from is left as it is.
    """
    through = min(context.partition_time_window.end, clock.as_of(context))
    with unlocked_database.begin() as conn:
        market = settings.market
        groups = groups_of_series(universe(conn, exchange_of(conn, market), market.symbols, market.timeframes))
    kinds = [kind for kind in ModelKind if dg.AssetKey(ASSETS[kind]) in context.selected_asset_keys]
    made: dict[ModelKind, list[tuple[SeriesGroup, Training]]] = {kind: [] for kind in kinds}
    refused: dict[ModelKind, list[tuple[SeriesGroup, str]]] = {kind: [] for kind in kinds}
    for group in groups:
        for kind, outcome in _trained(unlocked_database, settings, group, kinds, through):
            if isinstance(outcome, Training):
                made[kind].append((group, outcome))
            else:
                refused[kind].append((group, outcome))
            context.log.info("train %s %s %s: %s", kind, group.exchange, group.timeframe, _in_words(outcome))
    for kind in kinds:
        judged = sum(len(training.evaluation.table) for _, training in made[kind])
        checks = [contract_kept(ASSETS[kind], judged), *_checks(kind, made[kind], refused[kind])]
        if made[kind]:
            yield dg.MaterializeResult(
                asset_key=ASSETS[kind], metadata=_metadata(kind, made[kind]), check_results=checks
            )
        else:
            yield from checks


def _trained(
    database: Database, settings: Settings, group: SeriesGroup, kinds: list[ModelKind], through: datetime
) -> Iterator[tuple[ModelKind, Training | str]]:
    try:
        plan, panel = training_panel(database, settings, group, through, progress.report)
    except DataContractError as error:
        yield from ((kind, str(error)) for kind in kinds)
        return
    for kind in kinds:
        try:
            yield kind, train(database, group, kind, through, plan, panel, progress.report)
        except DataContractError as error:
            yield kind, f"{error}; candles begin on {panel.begins_at:%Y-%m-%d}, and a model needs some months of them"


def _in_words(outcome: Training | str) -> str:
    if isinstance(outcome, str):
        return outcome
    return f"{outcome.model.status}, {outcome.promotion.rule}, {outcome.model.training_seconds:.0f} s"


def _metadata(kind: ModelKind, made: list[tuple[SeriesGroup, Training]]) -> dict[str, dg.MetadataValue | int]:
    """What was trained, how it was judged, and pictures of that, for every timeframe."""
    found: dict[str, dg.MetadataValue | int] = {
        "rows_written": sum(training.is_new for _, training in made),
        "models": small_table(
            ("timeframe", "model", "status", "rule", "rows", "seconds", "sha256"),
            (
                {
                    "timeframe": str(group.timeframe),
                    "model": str(training.model.model_id),
                    "status": training.model.status.value,
                    "rule": training.promotion.rule,
                    "rows": training.model.n_rows,
                    "seconds": round(training.model.training_seconds, 1),
                    "sha256": digest(training.model.artefact)[:12],
                }
                for group, training in made
            ),
        ),
    }
    for group, training in made:
        found[f"evaluation {group.timeframe}"] = evaluation_table(training.evaluation.table)
        for title, png in draw_evaluation(kind, training.evaluation):
            found[f"{title} {group.timeframe}"] = picture(f"{title}, {group.exchange} {group.timeframe}", png)
    return found


def _checks(
    kind: ModelKind, made: list[tuple[SeriesGroup, Training]], refused: list[tuple[SeriesGroup, str]]
) -> list[dg.AssetCheckResult]:
    checks = [
        dg.AssetCheckResult(
            passed=not refused,
            check_name="trained",
            asset_key=ASSETS[kind],
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"left_alone": "; ".join(f"{group.timeframe}: {why}" for group, why in refused) or "none"},
        )
    ]
    if kind is ModelKind.DIRECTION:
        alarms = [f"{group.timeframe}: {training.alarm}" for group, training in made if training.alarm]
        checks.append(
            dg.AssetCheckResult(
                passed=not alarms,
                check_name="leakage",
                asset_key=ASSETS[kind],
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"alarms": "; ".join(alarms) or "none"},
            )
        )
    return checks
