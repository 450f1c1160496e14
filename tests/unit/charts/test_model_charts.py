"""Pictures of judgement: of every kind of model, of one fold or many, and where nothing is known."""

import io
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.charts import style
from pipeline.charts.models import WIDTH, draw_evaluation
from pipeline.domain.model import ModelKind
from pipeline.domain.timeframe import Timeframe
from pipeline.models.baselines import fit_logistic_regression, fit_persistence
from pipeline.models.evaluation import Evaluation
from pipeline.models.price_range import RANGES
from pipeline.models.splits import walk_forward
from pipeline.models.validation import evaluate_anomalies, evaluate_direction, evaluate_range
from tests.support.model_panels import START, a_panel

TITLES = {
    ModelKind.DIRECTION: ["reliability", "AUC by fold"],
    ModelKind.PRICE_RANGE: ["coverage by fold", "pinball loss by fold"],
    ModelKind.ANOMALY: ["flags and lift by fold"],
}
MOST_BYTES = 60_000


class Says:
    """A predictor that says what a function of panel and rows does."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, panel, rows):
        return self.answer(panel, rows)


def quantiles(panel, rows):
    reach = panel.atr_ratio[tuple(rows.T)]
    return np.stack([reach * width for width in np.linspace(-1.0, 1.0, len(RANGES))], axis=1)


def flags(panel, rows):
    return (np.abs(panel.features[tuple(rows.T)][:, 0]) > 2.0).astype(float)


def judged(kind: ModelKind, n_folds: int = 3) -> Evaluation:
    panel = a_panel(n_weeks=8, signal=0.3)
    folds = walk_forward(
        *(Timeframe.H1, START + timedelta(weeks=8)),
        n_folds=n_folds,
        fold_weeks=1,
        training_weeks=4,
        embargo=timedelta(hours=26),
    )
    asked = {"seed": 1, "n_resamples": 30}
    if kind is ModelKind.DIRECTION:
        fits = {"persistence": fit_persistence, "logistic_regression": fit_logistic_regression}
        fits["model"] = fit_logistic_regression
        return evaluate_direction(panel, folds, fits, **asked, against="logistic_regression")
    if kind is ModelKind.PRICE_RANGE:
        return evaluate_range(panel, folds, {"model": lambda panel, fold: Says(quantiles)}, **asked)
    return evaluate_anomalies(panel, folds, {"model": lambda panel, fold: Says(flags)}, **asked)


@pytest.fixture(scope="module")
def evaluations() -> dict[ModelKind, Evaluation]:
    return {kind: judged(kind) for kind in ModelKind}


def pixels(png: bytes) -> "np.typing.NDArray[np.int64]":
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def share_of(png: bytes, colour: str) -> float:
    """How much of a picture has a colour, nearly."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return float((np.abs(pixels(png) - wanted).max(axis=2) <= 12).mean())


OWN = style.SIGNALS["BUY"]


def unknown(evaluation: Evaluation) -> Evaluation:
    """The same folds, of which nothing could be measured."""
    table = evaluation.table.assign(value=np.nan, lower=np.nan, upper=np.nan, n_rows=0)
    return Evaluation(table=table, predictions=pd.DataFrame(), reliability=pd.DataFrame())


def assert_shows_a_model(kind: ModelKind, evaluation: Evaluation) -> None:
    """The pictures are small, and there is more of the model's colour than its mark in the legend."""
    for (_, png), (_, empty) in zip(
        draw_evaluation(kind, evaluation), draw_evaluation(kind, unknown(evaluation)), strict=True
    ):
        assert len(png) <= MOST_BYTES
        assert share_of(png, OWN) > share_of(empty, OWN) + 0.0001


@pytest.mark.parametrize("kind", ModelKind)
def test_every_kind_has_its_pictures_small_and_on_a_white_ground(evaluations, kind):
    drawn = draw_evaluation(kind, evaluations[kind])
    assert [title for title, _ in drawn] == TITLES[kind]
    for _, png in drawn:
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        assert pixels(png).shape[1] == WIDTH
        assert (pixels(png)[0] == 255).all()
    assert_shows_a_model(kind, evaluations[kind])


@pytest.mark.parametrize("kind", ModelKind)
def test_one_fold_and_thirty_are_drawn_as_well(evaluations, kind):
    evaluation = evaluations[kind]
    only = evaluation.table.query("fold in (0, 1)")
    many = [only.query("fold == 0")]
    for fold in range(1, 31):
        shift = timedelta(weeks=fold)
        part = only.query("fold == 1")
        many.append(part.assign(fold=fold, test_from=part["test_from"] + shift, test_to=part["test_to"] + shift))
    for table in (only, pd.concat(many, ignore_index=True)):
        assert_shows_a_model(kind, replace(evaluation, table=table))


@pytest.mark.parametrize("kind", ModelKind)
def test_where_nothing_is_known_the_pictures_are_there_and_show_no_model(evaluations, kind):
    nothing = unknown(evaluations[kind])
    for evaluation in (nothing, replace(nothing, table=nothing.table.iloc[:0])):
        drawn = draw_evaluation(kind, evaluation)
        assert [title for title, _ in drawn] == TITLES[kind]
        for _, png in drawn:
            assert share_of(png, OWN) < 0.0005  # at most its mark in the legend


def test_a_measure_without_an_interval_is_a_point(evaluations):
    evaluation = evaluations[ModelKind.DIRECTION]
    bare = replace(evaluation, table=evaluation.table.assign(lower=np.nan, upper=np.nan))
    (_, _), (_, whole) = draw_evaluation(ModelKind.DIRECTION, evaluation)
    (_, _), (_, points) = draw_evaluation(ModelKind.DIRECTION, bare)
    assert 0.0 < share_of(points, OWN) < share_of(whole, OWN)


def test_equal_evaluations_are_equal_pictures_and_no_figure_stays_open(evaluations):
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    one, other = (draw_evaluation(ModelKind.DIRECTION, evaluations[ModelKind.DIRECTION]) for _ in range(2))
    assert one == other
    assert pyplot.get_fignums() == []
    assert dict(mpl.rcParams) == before
