"""Recipes: for each kind of model how it is trained on a window, judged on folds, and compared on equal rows.

Add here what differs between kinds; what is the same for all lives in `pipeline.training`. Each kind cuts its window
as it needs: a network stops early and is calibrated, trees are corrected, a forest needs every bar.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipeline.domain.model import ModelKind
from pipeline.domain.timeframe import Timeframe
from pipeline.models.anomaly import AnomalyModel, fit_anomaly
from pipeline.models.baselines import fit_logistic_regression, fit_persistence
from pipeline.models.direction import DirectionModel, DirectionTraining, train_direction
from pipeline.models.evaluation import Evaluation
from pipeline.models.metrics import log_losses
from pipeline.models.out_of_sample import Fit
from pipeline.models.panel import Inputs, Numbers, Panel, Rows
from pipeline.models.price_range import PriceRangeModel, fit_price_range
from pipeline.models.splits import Fold, Period, least_embargo, training_slices, walk_forward
from pipeline.models.validation import BAND, BASE, evaluate_anomalies, evaluate_direction, evaluate_range, range_losses
from pipeline.progress import Report

EMBARGO_BARS = 24
ONE_WEEK = timedelta(weeks=1)
# Of the weeks learned from: 4, 6 and 13 of 104.
STOP_PART, CALIBRATION_PART, CORRECTION_PART = 26, 17, 8

Model = DirectionModel | PriceRangeModel | AnomalyModel
Arrays = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a model learns from and how it is judged."""

    weeks: int
    folds: int
    fold_weeks: int
    seed: int
    anomaly_share: float
    tolerance: float
    needs_skill: bool

    def embargo(self, timeframe: Timeframe) -> timedelta:
        """The gap between what is learned from and what is judged."""
        return max(EMBARGO_BARS * timeframe.duration, least_embargo(timeframe))

    def first_close(self, timeframe: Timeframe, through: datetime) -> datetime:
        """From which close on history is of use for a model trained through an instant."""
        return through - (self.weeks + self.folds * self.fold_weeks) * ONE_WEEK - self.embargo(timeframe)

    def walk(self, panel: Panel, through: datetime) -> tuple[Fold, ...]:
        """The folds before ``through``; shorter ones where there is little history.

        The oldest one has at least twice its own length to learn from.
        """
        weeks = longest_fold(self.folds, self.fold_weeks, (through - panel.begins_at) // ONE_WEEK)
        return walk_forward(
            panel.timeframe,
            through,
            n_folds=self.folds,
            fold_weeks=weeks,
            training_weeks=self.weeks,
            embargo=self.embargo(panel.timeframe),
        )


def longest_fold(n_folds: int, fold_weeks: int, history_weeks: int) -> int:
    """Weeks of a fold, fewer than wanted where the oldest would not have twice its length to learn from; at least 1."""
    return max(1, min(fold_weeks, history_weeks // (n_folds + 2)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What one kind of model is made and judged by."""

    kind: ModelKind
    libraries: tuple[str, ...]  # that decide what a training gives
    metric: str | None  # the loss that champion and challenger are compared by
    rule: str | None  # the simple rule whose loss a model must not exceed
    train: Callable[[Panel, Period, TrainingPlan, Report], Any]
    say: Callable[[Any, Inputs, Rows], Numbers]  # as the evaluations take it
    judge: Callable[[Panel, Sequence[Fold], Fit, int], Evaluation]
    losses: Callable[[Panel, Rows, Numbers], Numbers] | None  # per row
    load: Callable[[Arrays], Any]

    def fit(self, plan: TrainingPlan, reports: Iterator[Report]) -> Fit:
        """The recipe as a walk forward calls it; each fold reports to the next of ``reports``."""

        def fitted(panel: Panel, fold: Fold) -> _Said:
            return _Said(self, self.train(panel, fold.train, plan, next(reports)))

        return fitted


@dataclass(frozen=True, slots=True)
class _Said:
    recipe: Recipe
    model: Any

    def predict(self, panel: Panel, rows: Rows) -> Numbers:
        return self.recipe.say(self.model, panel, rows)


def _held(panel: Panel, window: Period, part: int) -> tuple[Period, int]:
    """The window as far as there is history, and how many weeks a ``part``-th of it is."""
    known = Period(max(window.after, panel.begins_at), window.until)
    return known, max(1, round((known.until - known.after) / ONE_WEEK / part))


def _train_direction(panel: Panel, window: Period, plan: TrainingPlan, report: Report) -> DirectionModel:
    known, stop_weeks = _held(panel, window, STOP_PART)
    slices = training_slices(
        panel.timeframe,
        *known,
        stop_weeks=stop_weeks,
        calibration_weeks=_held(panel, window, CALIBRATION_PART)[1],
        embargo=plan.embargo(panel.timeframe),
    )
    return train_direction(panel, slices, DirectionTraining(seed=plan.seed), report)


def _train_range(panel: Panel, window: Period, plan: TrainingPlan, report: Report) -> PriceRangeModel:
    known, weeks = _held(panel, window, CORRECTION_PART)
    slices = training_slices(
        panel.timeframe, *known, stop_weeks=0, calibration_weeks=weeks, embargo=plan.embargo(panel.timeframe)
    )
    return fit_price_range(panel, panel.rows(*slices.fit), panel.rows(*slices.calibrate), seed=plan.seed, report=report)


def _train_anomaly(panel: Panel, window: Period, plan: TrainingPlan, report: Report) -> AnomalyModel:
    model = fit_anomaly(panel, panel.rows(*window), seed=plan.seed, contamination=plan.anomaly_share)
    report(1, 1)
    return model


def _say_direction(model: DirectionModel, inputs: Inputs, rows: Rows) -> Numbers:
    return model.predict(inputs, rows)


def _say_range(model: PriceRangeModel, inputs: Inputs, rows: Rows) -> Numbers:
    cells = tuple(rows.T)
    return model.predict(inputs.features[cells], inputs.atr_ratio[cells])


def _say_anomaly(model: AnomalyModel, inputs: Inputs, rows: Rows) -> Numbers:
    return model.flagged(model.score(inputs.features[tuple(rows.T)]))


def _direction_losses(panel: Panel, rows: Rows, said: Numbers) -> Numbers:
    return log_losses(panel.went_up(rows), said)


def _range_losses(panel: Panel, rows: Rows, said: Numbers) -> Numbers:
    losses: Numbers = range_losses(panel, rows, said).mean(axis=1)
    return losses


def _judge_direction(panel: Panel, folds: Sequence[Fold], fit: Fit, seed: int) -> Evaluation:
    fits = {"model": fit, "persistence": fit_persistence, "logistic_regression": fit_logistic_regression}
    return evaluate_direction(panel, folds, fits, seed=seed, against="logistic_regression")


def _judge_range(panel: Panel, folds: Sequence[Fold], fit: Fit, seed: int) -> Evaluation:
    return evaluate_range(panel, folds, {"model": fit}, seed=seed)


def _judge_anomaly(panel: Panel, folds: Sequence[Fold], fit: Fit, seed: int) -> Evaluation:
    return evaluate_anomalies(panel, folds, {"model": fit}, seed=seed)


RECIPES: Mapping[ModelKind, Recipe] = {
    recipe.kind: recipe
    for recipe in (
        Recipe(
            kind=ModelKind.DIRECTION,
            libraries=("keras", "jax", "numpy"),
            metric="log_loss",
            rule=BASE,
            train=_train_direction,
            say=_say_direction,
            judge=_judge_direction,
            losses=_direction_losses,
            load=DirectionModel.from_arrays,
        ),
        Recipe(
            kind=ModelKind.PRICE_RANGE,
            libraries=("scikit-learn", "numpy"),
            metric="pinball",
            rule=BAND,
            train=_train_range,
            say=_say_range,
            judge=_judge_range,
            losses=_range_losses,
            load=PriceRangeModel.from_arrays,
        ),
        Recipe(
            kind=ModelKind.ANOMALY,
            libraries=("scikit-learn", "numpy"),
            metric=None,
            rule=None,
            train=_train_anomaly,
            say=_say_anomaly,
            judge=_judge_anomaly,
            losses=None,
            load=AnomalyModel.from_arrays,
        ),
    )
}
