"""Direction: a network that finds what a weighted sum cannot, learns from its window alone, and is the same again.

The market of these tests is one in which the return five bars ago decides where the next close is: nothing that a
logistic regression sees of the judged bar says anything. All trainings are short; each is done once.
"""

import hashlib
from dataclasses import replace
from datetime import timedelta
from functools import cache
from itertools import repeat

import numpy as np
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.model import ModelKind
from pipeline.models.baselines import fit_logistic_regression
from pipeline.models.bootstrap import interval, resample
from pipeline.models.direction import (
    LEAST_ROWS,
    DirectionModel,
    DirectionTraining,
    gathered,
    of_sequence,
    train_direction,
)
from pipeline.models.features import FEATURES, SEQUENCE, SEQUENCE_BARS, schema_hash
from pipeline.models.metrics import auc
from pipeline.models.panel import Panel, Rows
from pipeline.models.recipes import RECIPES, TrainingPlan
from pipeline.models.scaling import Scaler
from pipeline.models.splits import Fold, Slices, known_by, training_slices
from pipeline.models.validation import check_scaler, leakage_alarm
from tests.support.model_panels import START, a_panel

HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
N_WEEKS, N_TRAINED = 9, 7
TRAINED_UNTIL = START + N_TRAINED * WEEK
LAG = 5
# Batches of which every period of rows here is a multiple: another shape would be compiled anew.
SHORT = DirectionTraining(passes=2, batch_rows=64, learning_rate=0.01, dropout=0.05)


def echoing(n_weeks: int = N_WEEKS) -> Panel:
    """The next close is higher if the return of `LAG` bars ago was; some of the reference's features are unknown."""
    panel = a_panel(n_weeks=n_weeks, n_features=len(FEATURES), signal=0.0)
    cause = panel.features[..., FEATURES.index("return_1")] > 0.0
    rng = np.random.default_rng(9)
    rises = rng.random(cause.shape) < 0.5
    rises[:, LAG + 1 :] = cause[:, : -LAG - 1]
    close = 100.0 * np.exp(np.cumsum(np.where(rises, 0.01, -0.01) * rng.random(cause.shape), axis=1))
    features = panel.features.copy()
    features[:, 30:60, FEATURES.index("reference_return_1")] = np.nan
    return replace(panel, names=FEATURES, features=features, close=close, high=close * 1.001, low=close * 0.999)


def slices_of(n_weeks: int = N_TRAINED, weeks: int = 1) -> Slices:
    return training_slices(
        a_panel(n_weeks=1).timeframe,
        START,
        START + n_weeks * WEEK,
        stop_weeks=weeks,
        calibration_weeks=weeks,
        embargo=24 * HOUR,
    )


def later_rows(panel: Panel) -> Rows:
    return panel.rows(TRAINED_UNTIL + 24 * HOUR, START + N_WEEKS * WEEK)


def digest(model: DirectionModel) -> str:
    """Of weights, scaler, calibrator and what the features are."""
    parts = [name.encode() + array.tobytes() for name, array in sorted(model.to_arrays().items())]
    return hashlib.sha256(b"".join([*parts, schema_hash().encode()])).hexdigest()


@cache
def trained() -> tuple[DirectionModel, list[tuple[int, int]]]:
    """The model that most tests are about, and what its training reported."""
    told: list[tuple[int, int]] = []
    return train_direction(echoing(), slices_of(), SHORT, lambda *steps: told.append(steps)), told


@pytest.fixture(scope="module")
def panel() -> Panel:
    return echoing()


@pytest.fixture(scope="module")
def model() -> DirectionModel:
    return trained()[0]


# --- what is learned ------------------------------------------------------------------------------------------------


def test_the_network_sees_in_a_sequence_what_a_regression_on_its_last_bar_cannot(panel, model):
    rows = later_rows(panel)
    went_up = panel.went_up(rows)
    fold = Fold(
        train_after=START, train_until=TRAINED_UNTIL, test_after=TRAINED_UNTIL, test_until=START + N_WEEKS * WEEK
    )
    regression = fit_logistic_regression(known_by(panel, TRAINED_UNTIL), fold)

    assert auc(went_up, model.predict(panel, rows)) > 0.6
    assert auc(went_up, regression.predict(panel, rows)) < 0.56


def test_f35_features_of_other_bars_leave_nothing_to_find(panel):
    order = np.random.default_rng(3).permutation(panel.close.shape[1])
    shuffled = replace(panel, features=panel.features[:, order])
    model = train_direction(shuffled, slices_of(), replace(SHORT, batch_rows=256))
    rows = later_rows(shuffled)
    drawn = resample(panel.timeframe, panel.close_at[rows[:, 1]], seed=1)
    found = interval(drawn.auc(shuffled.went_up(rows), model.predict(shuffled, rows)))

    assert found.lower <= 0.5 <= found.upper
    assert found.upper - found.lower < 0.2


def test_f35_a_feature_that_knows_the_next_close_is_found_by_the_judgement_of_the_recipe(panel):
    peeking = panel.features.copy()
    returns = np.diff(np.log(panel.close), axis=1)
    noise = np.random.default_rng(7).standard_normal(returns.shape) * returns.std()
    peeking[:, :-1, FEATURES.index("rsi")] = returns + noise
    plan = TrainingPlan(
        weeks=N_TRAINED, folds=1, fold_weeks=1, seed=7, anomaly_share=0.01, tolerance=0.0, needs_skill=True
    )
    planted = replace(panel, features=peeking)
    recipe = RECIPES[ModelKind.DIRECTION]
    evaluation = recipe.judge(
        planted, plan.walk(planted, START + N_WEEKS * WEEK), recipe.fit(plan, repeat(lambda *_: None)), 1
    )

    assert evaluation.value("model", "auc").lower > 0.6
    assert leakage_alarm(evaluation).startswith("leakage_suspected(")


def test_the_scaler_is_that_of_the_window_and_of_nothing_else(panel, model):
    rows = panel.rows(START, TRAINED_UNTIL)
    rows = rows[rows[:, 1] >= SEQUENCE_BARS - 1]

    check_scaler(panel, rows, model.scaler)
    everything = Scaler.fit(panel.features.reshape(-1, len(FEATURES)))
    with pytest.raises(DataContractError, match="a scaler must be fitted on the training rows and no others"):
        check_scaler(panel, rows, replace(model, scaler=everything).scaler)


def test_f37_the_same_seed_gives_the_same_bits_and_what_comes_after_the_window_has_no_say(panel, model):
    features, close = panel.features.copy(), panel.close.copy()
    after = panel.close_at > np.datetime64(TRAINED_UNTIL.replace(tzinfo=None))
    features[:, after], close[:, after] = 9.0, 1.0
    usable = panel.is_usable.copy()
    usable[:, np.flatnonzero(after)[1] :] = False
    poisoned = replace(panel, features=features, close=close, is_usable=usable)

    assert digest(train_direction(poisoned, slices_of(), SHORT)) == digest(model)


def test_f37_another_seed_gives_another_network_on_the_same_scaler(panel, model):
    other = train_direction(panel, slices_of(), replace(SHORT, seed=8))

    assert not np.array_equal(other.network.lstm_kernel, model.network.lstm_kernel)
    assert np.array_equal(other.scaler.mean, model.scaler.mean)


def test_the_watcher_is_told_of_every_pass_and_of_the_end():
    told = trained()[1]

    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {2 * SHORT.passes}
    assert told[0] == (1, 4)
    assert told[-1] == (4, 4)


# --- what is refused ------------------------------------------------------------------------------------------------


def test_f34_too_few_rows_to_fit_on_are_refused_with_their_number(panel):
    usable = panel.is_usable.copy()
    usable[1:] = False
    usable[0, 700:] = False
    with pytest.raises(DataContractError, match=f"rows to fit on must be {LEAST_ROWS} or more, was 67[0-9]"):
        train_direction(replace(panel, is_usable=usable), slices_of(), SHORT)


@pytest.mark.parametrize(("name", "bars"), [("stop", slice(816, 984)), ("calibrate", slice(1_008, 1_176))])
def test_f34_a_later_slice_without_rows_is_refused_by_its_name(panel, name, bars):
    usable = panel.is_usable.copy()
    usable[:, bars] = False
    with pytest.raises(DataContractError, match=f"rows to {name} on must be 100 or more, was 0"):
        train_direction(replace(panel, is_usable=usable), slices_of(), SHORT)


@pytest.mark.parametrize(
    ("name", "bars"), [("fit", slice(None)), ("stop", slice(816, 984)), ("calibrate", slice(1_008, 1_176))]
)
@pytest.mark.parametrize("factor", [1.001, 0.999, 1.0])
def test_f34_a_market_with_one_outcome_is_refused_by_the_name_of_the_slice(panel, name, bars, factor):
    close = panel.close.copy()
    close[:, bars] = 100.0 * factor ** np.arange(close[:, bars].shape[1])
    with pytest.raises(DataContractError, match=f"rows to {name} on must have risen and not, were all the same"):
        train_direction(replace(panel, close=close), slices_of(), SHORT)


# --- what is said ---------------------------------------------------------------------------------------------------


def test_bars_without_a_whole_sequence_before_them_have_no_probability_and_all_others_have(panel, model):
    rows = panel.rows(START, START + WEEK)
    p = model.predict(panel, rows)

    assert np.array_equal(np.isnan(p), rows[:, 1] < SEQUENCE_BARS - 1)
    assert np.nanmin(p) > 0.0
    assert np.nanmax(p) < 1.0


def test_f32_unknown_features_count_as_average(panel, model):
    rows = np.array([[1, 300], [2, 300]])
    unknown, average = panel.features.copy(), panel.features.copy()
    for name in ("reference_return_1", "reference_rsi"):
        column = FEATURES.index(name)
        unknown[:, :, column], average[:, :, column] = np.nan, model.scaler.mean[column]
    found = [model.predict(replace(panel, features=features), rows) for features in (unknown, average)]

    assert np.isfinite(found[0]).all()
    assert np.array_equal(*found)


def test_f32_the_weights_are_finite_though_some_features_were_unknown(panel, model):
    assert np.isnan(panel.features).any()
    arrays = model.to_arrays()
    assert all(np.isfinite(array).all() for name, array in arrays.items() if array.dtype.kind == "f")


def test_f33_every_probability_is_one(panel, model):
    p = model.predict(panel, later_rows(panel))

    assert ((p > 0.0) & (p < 1.0)).all()
    assert np.array_equal(p, np.round(p, 6))


def test_later_bars_never_change_what_was_said(panel, model):
    rows = later_rows(panel)[:200]
    past = known_by(panel, START + timedelta(hours=int(rows[:, 1].max()) + 1))

    assert past.close.shape[1] < panel.close.shape[1]
    assert np.array_equal(model.predict(past, rows), model.predict(panel, rows))


def test_a_bar_is_told_its_own_sequence_oldest_first(panel):
    sequences, last = gathered(panel, np.array([[2, 100], [0, 23]]))

    assert sequences.shape == (2, SEQUENCE_BARS, len(SEQUENCE))
    assert np.array_equal(last, panel.features[[2, 0], [100, 23]])
    for n, name in enumerate(SEQUENCE):
        column = panel.features[..., FEATURES.index(name)]
        assert np.array_equal(sequences[0, :, n], column[2, 77:101], equal_nan=True), name
        assert np.array_equal(sequences[1, :, n], column[0, :24], equal_nan=True), name


def test_the_sequences_scaler_is_the_bars_own_for_the_same_features(panel, model):
    sequences, last = gathered(panel, np.array([[1, 200]]))
    places = [FEATURES.index(name) for name in SEQUENCE]

    assert np.array_equal(of_sequence(model.scaler)(sequences)[0, -1], model.scaler(last)[0, places])


def test_a_model_says_the_same_after_its_way_through_arrays(panel, model):
    again = DirectionModel.from_arrays(model.to_arrays())
    rows = later_rows(panel)

    assert digest(again) == digest(model)
    assert np.array_equal(again.predict(panel, rows), model.predict(panel, rows))
