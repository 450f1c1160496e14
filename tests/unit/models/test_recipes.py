"""Recipes: that every kind of model is cut, trained, asked and compared by what its judgement says."""

from dataclasses import replace
from datetime import timedelta
from importlib.metadata import version
from itertools import repeat

import numpy as np
import pytest

from pipeline.domain.model import ModelKind
from pipeline.domain.timeframe import Timeframe
from pipeline.models.artefact import library_versions
from pipeline.models.features import FEATURES
from pipeline.models.panel import Panel
from pipeline.models.recipes import EMBARGO_BARS, RECIPES, TrainingPlan
from pipeline.models.splits import Period, check_no_overlap, known_by, least_embargo
from tests.support.model_panels import START, a_panel

WEEK = timedelta(weeks=1)
SEEN, UNTIL = 6, START + 8 * WEEK
WITHOUT_NETWORK = [ModelKind.PRICE_RANGE, ModelKind.ANOMALY]


def quiet(done: int, total: int) -> None:
    """Nobody watches."""


def a_plan(**changes) -> TrainingPlan:
    wanted = {"weeks": SEEN, "folds": 1, "fold_weeks": 1, "seed": 7, "anomaly_share": 0.02, "tolerance": 0.0}
    wanted["needs_skill"] = True
    return TrainingPlan(**wanted | changes)


def a_market(n_weeks: int = 8) -> Panel:
    return replace(a_panel(n_weeks=n_weeks, n_features=len(FEATURES)), names=FEATURES)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return a_market()


class Said:
    """A predictor of fixed numbers that differ from row to row."""

    def __init__(self, n_numbers: int) -> None:
        self.shift = np.linspace(-0.01, 0.01, n_numbers) if n_numbers > 1 else np.array([0.5])

    def predict(self, panel, rows):
        said = 0.01 * np.sin(rows.sum(axis=1))[:, np.newaxis] + self.shift
        return said.squeeze(axis=1) if len(self.shift) == 1 else said


# --- what a model learns from ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("timeframe", Timeframe)
def test_f35_the_embargo_is_never_shorter_than_a_label(timeframe):
    embargo = a_plan().embargo(timeframe)

    assert embargo >= least_embargo(timeframe)
    assert embargo == EMBARGO_BARS * timeframe.duration


@pytest.mark.parametrize("timeframe", [Timeframe.H1, Timeframe.D1, Timeframe.W1])
def test_history_from_the_first_close_on_is_all_that_the_walk_looks_at(timeframe):
    plan = a_plan(weeks=104, folds=3, fold_weeks=13)
    panel = a_panel(n_weeks=300, n_symbols=1, n_features=1, timeframe=timeframe)
    through = START + 300 * WEEK
    folds = plan.walk(panel, through)

    assert len(folds) == 3
    assert folds[0].train_after == plan.first_close(timeframe, through)
    assert folds[-1].test_until == through
    assert {fold.test_until - fold.test_after for fold in folds} == {13 * WEEK}
    for fold in folds:
        assert fold.train_until - fold.train_after == 104 * WEEK
        assert fold.test_after - fold.train_until == plan.embargo(timeframe)
        check_no_overlap(timeframe, fold.train, fold.test)


@pytest.mark.parametrize(("n_weeks", "fold_weeks"), [(300, 13), (104, 13), (51, 12), (48, 12), (16, 4), (8, 2), (3, 1)])
def test_of_a_short_history_the_oldest_fold_learns_from_twice_its_length(n_weeks, fold_weeks):
    panel = a_panel(n_weeks=n_weeks, n_symbols=1, n_features=1, timeframe=Timeframe.D1)
    folds = a_plan(weeks=104, folds=2, fold_weeks=13).walk(panel, START + n_weeks * WEEK)

    assert {(fold.test_until - fold.test_after) / WEEK for fold in folds} == {fold_weeks}
    assert n_weeks >= 4 * fold_weeks or fold_weeks == 1


@pytest.mark.parametrize("kind", WITHOUT_NETWORK)
def test_f35_training_is_the_same_whether_or_not_later_bars_are_there(panel, kind):
    until = START + SEEN * WEEK
    later = panel.features.copy()
    later[:, panel.close_at > np.datetime64(until.replace(tzinfo=None))] = 50.0
    window = Period(START, until)
    recipe, plan = RECIPES[kind], a_plan()
    whole, cut = (
        recipe.train(seen, window, plan, quiet).to_arrays()
        for seen in (replace(panel, features=later), known_by(panel, until))
    )

    assert whole.keys() == cut.keys()
    assert all(np.array_equal(whole[name], cut[name], equal_nan=True) for name in whole)


@pytest.mark.parametrize("kind", WITHOUT_NETWORK)
def test_a_window_longer_than_the_history_is_that_history(panel, kind):
    recipe, plan = RECIPES[kind], a_plan()
    long, short = (
        recipe.train(panel, Period(after, UNTIL), plan, quiet).to_arrays() for after in (START - 90 * WEEK, START)
    )

    assert all(np.array_equal(long[name], short[name], equal_nan=True) for name in long)


def test_the_plans_seed_and_share_reach_the_models(panel):
    window = Period(START, UNTIL)
    forest = RECIPES[ModelKind.ANOMALY]
    rows = panel.rows(*window)
    shares = {}
    for share in (0.02, 0.05):
        model = forest.train(panel, window, a_plan(anomaly_share=share), quiet)
        shares[share] = forest.say(model, panel, rows).mean()

    assert shares == pytest.approx({0.02: 0.02, 0.05: 0.05}, abs=0.005)
    seeds = [forest.train(panel, window, a_plan(seed=seed), quiet) for seed in (7, 8)]
    scores = [model.score(panel.features[0]) for model in seeds]
    assert not np.array_equal(*scores)


# --- how it is judged and compared ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", WITHOUT_NETWORK)
def test_a_recipe_is_judged_by_models_of_its_own_fold(panel, kind):
    recipe, plan = RECIPES[kind], a_plan()
    folds = plan.walk(panel, UNTIL)
    evaluation = recipe.judge(panel, folds, recipe.fit(plan, repeat(quiet)), 1)
    model = recipe.train(known_by(panel, folds[0].train_until), folds[0].train, plan, quiet)
    told = evaluation.predictions
    rows = told[["place", "bar"]].to_numpy()
    columns = [name for name in told.columns if name == "model" or name.startswith("model ")]

    assert len(rows) > 500
    assert np.array_equal(told[columns].to_numpy().squeeze(), recipe.say(model, panel, rows))


@pytest.mark.parametrize(
    ("kind", "n_numbers", "name"), [(ModelKind.DIRECTION, 1, "log_loss"), (ModelKind.PRICE_RANGE, 6, "pinball")]
)
def test_the_loss_of_the_comparison_is_that_of_the_judgement(panel, kind, n_numbers, name):
    recipe, said = RECIPES[kind], Said(n_numbers)
    evaluation = recipe.judge(panel, a_plan().walk(panel, UNTIL), lambda past, fold: said, 1)
    rows = evaluation.predictions[["place", "bar"]].to_numpy()
    losses = recipe.losses(panel, rows, said.predict(panel, rows))

    assert recipe.metric == name
    assert losses.shape == (len(rows),)
    assert losses.mean() == pytest.approx(evaluation.value("model", name).value, rel=1e-9)


def test_directions_are_judged_beside_persistence_and_a_regression(panel):
    recipe = RECIPES[ModelKind.DIRECTION]
    table = recipe.judge(panel, a_plan().walk(panel, UNTIL), lambda past, fold: Said(1), 1).table

    assert set(table["predictor"]) == {"model", "base_rate", "persistence", "logistic_regression"}
    assert "log_loss_less_logistic_regression" in set(table["metric"])


def test_an_anomaly_is_compared_by_no_loss():
    assert RECIPES[ModelKind.ANOMALY].losses is None
    assert RECIPES[ModelKind.ANOMALY].metric is None


def test_f32_an_anomaly_of_unknown_features_is_not_said_to_be_none(panel):
    recipe = RECIPES[ModelKind.ANOMALY]
    model = recipe.train(panel, Period(START, UNTIL), a_plan(), quiet)
    features = panel.features.copy()
    features[1, 300, FEATURES.index("range")] = np.nan
    said = recipe.say(model, replace(panel, features=features), np.array([[0, 300], [1, 300]]))

    assert np.isnan(said).tolist() == [False, True]


@pytest.mark.parametrize("kind", WITHOUT_NETWORK)
def test_a_stored_model_is_loaded_by_its_recipe(panel, kind):
    recipe = RECIPES[kind]
    model = recipe.train(panel, Period(START, UNTIL), a_plan(), quiet)
    rows = panel.rows(START, UNTIL)[:300]
    again = recipe.load(model.to_arrays())

    assert np.array_equal(recipe.say(again, panel, rows), recipe.say(model, panel, rows), equal_nan=True)


def test_there_is_a_recipe_for_every_kind_and_it_knows_its_own():
    assert set(RECIPES) == set(ModelKind)
    assert all(recipe.kind is kind for kind, recipe in RECIPES.items())


@pytest.mark.parametrize("kind", ModelKind)
def test_f31_the_libraries_of_a_recipe_are_among_those_whose_versions_are_kept(kind):
    libraries = RECIPES[kind].libraries

    assert set(libraries) <= set(library_versions())
    assert {name: library_versions()[name] for name in libraries} == {name: version(name) for name in libraries}
