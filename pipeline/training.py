"""Training: one model of one kind, trained on what is stored, judged against the one before it, and published.

What an asset and the command share. A model of a week learns from the closes up to the week's end, is judged by a walk
forward over the weeks before it, and speaks from a day after the week's end on, so that a replay uses none before it
could have been there.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from pipeline.domain.errors import ModelUnavailableError
from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.model_inputs import read_panel
from pipeline.models.artefact import library_versions, pack
from pipeline.models.evaluation import ALL_FOLDS, Evaluation
from pipeline.models.features import schema_hash
from pipeline.models.panel import Panel
from pipeline.models.promotion import Promotion, compare, refuse, unopposed, without_skill
from pipeline.models.recipes import RECIPES, Recipe, TrainingPlan, longest_fold
from pipeline.models.splits import Period, known_by
from pipeline.models.validation import leakage_alarm
from pipeline.predicting import load_model
from pipeline.progress import Report, Watcher
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup
from pipeline.storage.models import TrainedModel, champion_before, publish

SERVED_AFTER = timedelta(days=1)  # what training may take, and a look at the result
# Bars that are learned from at most: about a gigabyte of features. Weeks go first, then symbols.
MOST_BARS = 2_000_000
FEWEST_WEEKS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a training made of one kind."""

    model: TrainedModel
    evaluation: Evaluation
    promotion: Promotion
    alarm: str | None  # why it looks as if the future was known
    is_new: bool


def plan_of(settings: Settings, group: SeriesGroup) -> tuple[TrainingPlan, SeriesGroup]:
    """How the settings want models trained, within what fits into memory.

    Of a short timeframe fewer weeks are learned from; where even few weeks of all symbols are too much, every second
    or third symbol is.
    """
    wanted = settings.training
    plan = TrainingPlan(
        weeks=wanted.weeks,
        folds=wanted.folds,
        fold_weeks=wanted.fold_weeks,
        seed=wanted.seed,
        anomaly_share=wanted.anomaly_share,
        tolerance=wanted.tolerance,
        needs_skill=wanted.needs_skill,
    )
    per_week = len(group.series) * (timedelta(weeks=1) // group.timeframe.duration or 1)
    most_weeks = MOST_BARS // per_week
    if most_weeks >= plan.weeks + plan.folds * plan.fold_weeks:
        return plan, group
    weeks = max(FEWEST_WEEKS, most_weeks)
    if weeks > most_weeks:
        every = -(-weeks * per_week // MOST_BARS)
        group = replace(group, series=group.series[::every])
    folds = min(plan.folds, weeks // 2)
    fold_weeks = longest_fold(folds, plan.fold_weeks, weeks)
    return replace(plan, weeks=weeks - folds * fold_weeks, folds=folds, fold_weeks=fold_weeks), group


def training_panel(
    database: Database, settings: Settings, group: SeriesGroup, through: datetime, report: Watcher
) -> tuple[TrainingPlan, Panel]:
    """What every kind of model of a group learns from, up to an instant.

    Raises
    ------
    DataContractError
        If nothing is stored so early.
    """
    plan, group = plan_of(settings, group)
    panel = read_panel(
        database,
        group,
        plan.first_close(group.timeframe, through),
        through,
        settings.context.reference_symbol,
        lambda done, total: report("features", done, total),
    )
    return plan, panel


def train(
    database: Database,
    group: SeriesGroup,
    kind: ModelKind,
    through: datetime,
    plan: TrainingPlan,
    panel: Panel,
    report: Watcher,
) -> Training:
    """Train, judge and publish one kind of model on a panel that ends at ``through``.

    Publishing is one transaction, the last thing that happens: until then the model before it speaks.

    Raises
    ------
    DataContractError
        If there is too little to learn from; the models that are there stay.
    """
    started = time.monotonic()
    recipe = RECIPES[kind]
    folds = plan.walk(panel, through)
    reports = _counted(report, str(kind), len(folds) + 1)
    evaluation = recipe.judge(panel, folds, recipe.fit(plan, reports), plan.seed)
    window = Period(through - timedelta(weeks=plan.weeks), through)
    made = recipe.train(known_by(panel, through), window, plan, next(reports))
    alarm = leakage_alarm(evaluation) if kind is ModelKind.DIRECTION else None
    promotion = refuse(alarm) if alarm else _promotion(database, recipe, group, through, panel, evaluation, plan)
    versions = {name: library_versions()[name] for name in recipe.libraries}
    header = {"kind": str(kind), "feature_schema": schema_hash(), "library_versions": versions}
    model = TrainedModel(
        kind=kind,
        exchange=group.exchange,
        timeframe=group.timeframe,
        trained_from=max(window.after, panel.begins_at),
        trained_through=through,
        effective_from=through + SERVED_AFTER,
        n_rows=len(panel.rows(*window)),
        feature_schema=schema_hash(),
        library_versions=versions,
        parameters={**asdict(plan), "symbols": len(panel.symbols)},
        metrics=_headline(evaluation),
        decision=promotion.as_dict(),
        artefact=pack(made.to_arrays(), header),
        status=ModelStatus.CHAMPION if promotion.is_promoted else ModelStatus.CANDIDATE,
        status_reason=None if promotion.is_promoted else promotion.rule,
        training_seconds=time.monotonic() - started,
    )
    with database.begin() as conn:
        is_new = publish(conn, model, evaluation.table)
    return Training(model=model, evaluation=evaluation, promotion=promotion, alarm=alarm, is_new=is_new)


def _promotion(
    database: Database,
    recipe: Recipe,
    group: SeriesGroup,
    through: datetime,
    panel: Panel,
    evaluation: Evaluation,
    plan: TrainingPlan,
) -> Promotion:
    """Compare with the simple rule, then with the champion on the folds' bars that it had not learned from."""
    if recipe.losses is None or recipe.metric is None or recipe.rule is None:
        return unopposed("nothing to compare: it is measured by no loss")
    loss, simple = (evaluation.value(name, recipe.metric).value for name in ("model", recipe.rule))
    if plan.needs_skill and not loss <= simple:
        return without_skill(recipe.metric, loss, recipe.rule, simple, len(evaluation.predictions))
    with database.begin() as conn:
        champion = champion_before(conn, recipe.kind, group.exchange, group.timeframe, through)
    if champion is None:
        return unopposed("the first of its kind")
    try:
        old = load_model(database, recipe.kind, champion)
    except ModelUnavailableError as error:
        return unopposed(f"the champion cannot be asked: {error.reason}")
    told = evaluation.predictions
    told = told[told["close_at"] > champion.trained_through + plan.embargo(panel.timeframe)]
    rows = told[["place", "bar"]].to_numpy(dtype=np.intp)
    if not len(rows):
        return unopposed("nothing to compare: the champion has learned from every bar that was judged")
    columns = [name for name in told.columns if name == "model" or name.startswith("model ")]
    new_said = told[columns].to_numpy(dtype=np.float64)
    old_said = recipe.say(old, panel, rows)
    known = ~np.isnan(old_said.reshape(len(rows), -1)).any(axis=1)
    if not known.any():
        return unopposed("the champion has nothing to say of the bars that were judged")
    rows = rows[known]
    new_losses, old_losses = (
        recipe.losses(panel, rows, said[known])
        for said in (new_said.squeeze(axis=1) if len(columns) == 1 else new_said, old_said)
    )
    return compare(recipe.metric, float(new_losses.mean()), float(old_losses.mean()), len(rows), plan.tolerance)


def _headline(evaluation: Evaluation) -> dict[str, float]:
    """What the model reached over all folds, by metric."""
    table = evaluation.table
    table = table[(table["fold"] == ALL_FOLDS) & (table["predictor"] == "model")]
    return dict(zip(table["metric"], table["value"].astype(float), strict=True))


def _counted(report: Watcher, step: str, n_parts: int) -> Iterator[Report]:
    """A report for each part, which count as one: the folds, then the last training."""
    return (partial(_part, report, step, number, n_parts) for number in range(n_parts))


def _part(report: Watcher, step: str, number: int, n_parts: int, done: int, total: int) -> None:
    report(step, number * total + done, n_parts * total)
