"""How judgement is told in numbers: which measures a kind of model has, with their words, decimals and intervals.

Add here what `signals models` and `signals train` both say. What a measure means is in docs/models.md.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, NamedTuple

from pipeline.cli.display import NOTHING, Column, show_table
from pipeline.domain.model import ModelKind
from pipeline.models.evaluation import ALL_FOLDS

MODEL = "model"  # among predictors
LESS = "_less_"  # in the name of a difference, of which the model's own is told
BASIS_POINTS = 10_000.0

MEASURES = (
    Column(title="measure"),
    Column(title="of"),
    Column(title="value", is_number=True),
    Column(title="95 % interval", is_number=True),
    Column(title="bars", is_number=True),
)


class Measure(NamedTuple):
    """A metric as it is told: its words, decimals and unit."""

    metric: str
    words: str
    spoken: str
    unit: float = 1.0


TOLD = {
    ModelKind.DIRECTION: (
        Measure("auc", "AUC", ".3f"),
        Measure("auc_less_logistic_regression", "AUC less regression's", "+.4f"),
        Measure("brier_skill", "Brier skill", "+.4f"),
        Measure("log_loss", "log loss", ".4f"),
        Measure("ece", "ECE", ".4f"),
        Measure("hit_rate_above", "hit rate above .6", ".3f"),
        Measure("hit_rate_below", "hit rate below .4", ".3f"),
    ),
    ModelKind.PRICE_RANGE: (
        Measure("pinball_skill", "pinball skill", "+.4f"),
        Measure("pinball", "pinball, 1/100 %", ".2f", BASIS_POINTS),
        Measure("coverage_high", "coverage of the high", ".3f"),
        Measure("coverage_low", "coverage of the low", ".3f"),
    ),
    ModelKind.ANOMALY: (
        Measure("flagged_share", "flagged share", ".4f"),
        Measure("extreme_share", "extreme moves after", ".3f"),
        Measure("lift", "lift", ".2f"),
    ),
}
# What a table by fold shows: metric and predictor of each column.
BY_FOLD = {
    ModelKind.DIRECTION: (("auc", MODEL), ("auc", "logistic_regression"), ("auc", "persistence")),
    ModelKind.PRICE_RANGE: (("pinball_skill", MODEL), ("coverage_high", MODEL), ("coverage_low", MODEL)),
    ModelKind.ANOMALY: (("flagged_share", MODEL), ("lift", MODEL)),
}
MAIN = {
    ModelKind.DIRECTION: Measure("auc", "AUC", ".3f"),
    ModelKind.PRICE_RANGE: Measure("pinball_skill", "skill", "+.3f"),
    ModelKind.ANOMALY: Measure("lift", "lift", ".2f"),
}
PREDICTORS = (MODEL, "logistic_regression", "persistence", "base_rate", "atr_band")  # as tables show them

Row = Mapping[str, Any]


def in_short(kind: ModelKind, metrics: Mapping[str, float | None]) -> str:
    """The one number that says most of a model of this kind: ``AUC 0.557``."""
    measure = MAIN[kind]
    return f"{measure.words} {_number(metrics.get(measure.metric), measure)}"


def overall(kind: ModelKind, measured: Sequence[Row]) -> list[tuple[str, str]]:
    """What the model itself reached over all folds: words, and the value with its interval."""
    return [(each.words, _cell(_one(measured, ALL_FOLDS, MODEL, each.metric), each)) for each in TOLD[kind]]


def show_measures(kind: ModelKind, measured: Sequence[Row]) -> None:
    """A table of what is told of a kind, over all folds, with the simple rules beside the model."""
    table = []
    for measure in TOLD[kind]:
        for predictor in PREDICTORS if LESS not in measure.metric else (MODEL,):
            found = _one(measured, ALL_FOLDS, predictor, measure.metric)
            if found is not None and (predictor == MODEL or not _is_unknown(found["value"])):
                name, value = predictor.replace("_", " "), _number(found["value"], measure)
                table.append((measure.words, name, value, _interval(found, measure), found["n_rows"]))
    show_table(MEASURES, table)


def show_folds(kind: ModelKind, measured: Sequence[Row]) -> None:
    """A line per fold with the main measures and their intervals."""
    told = {each.metric: each for each in TOLD[kind]}
    shown = BY_FOLD[kind]
    columns = [Column(title="from"), Column(title="to", is_optional=True)]
    for metric, predictor in shown:
        title = told[metric].words if predictor == MODEL else predictor.replace("_", " ")
        columns.append(Column(title=title, is_number=True))
    periods = {each["fold"]: (each["test_from"], each["test_to"]) for each in measured if each["fold"] != ALL_FOLDS}
    table = []
    for fold, (begin, end) in sorted(periods.items()):
        cells = [_cell(_one(measured, fold, predictor, metric), told[metric]) for metric, predictor in shown]
        table.append((f"{begin:%Y-%m-%d}", f"{end:%Y-%m-%d}", *cells))
    show_table(columns, table)


def _one(measured: Sequence[Row], fold: int, predictor: str, metric: str) -> Row | None:
    wanted = (fold, predictor, metric)
    return next((each for each in measured if (each["fold"], each["predictor"], each["metric"]) == wanted), None)


def _cell(found: Row | None, measure: Measure) -> str:
    """A value with its interval."""
    if found is None or _is_unknown(found["value"]):
        return NOTHING
    ends = _ends(found, measure)
    return _number(found["value"], measure) + (f" ({', '.join(ends)})" if ends else "")


def _number(value: float | None, measure: Measure) -> str:
    return NOTHING if value is None or not isfinite(value) else format(value * measure.unit, measure.spoken)


def _interval(found: Row, measure: Measure) -> str:
    return " to ".join(_ends(found, measure)) or NOTHING


def _ends(found: Row, measure: Measure) -> tuple[str, ...]:
    """Both ends of an interval; none where it has no width, which tells of too few bars, or of nothing to compare."""
    lower, upper = found["lower"], found["upper"]
    if _is_unknown(lower) or _is_unknown(upper) or lower == upper:
        return ()
    return _number(lower, measure), _number(upper, measure)


def _is_unknown(value: float | None) -> bool:
    return value is None or not isfinite(value)
