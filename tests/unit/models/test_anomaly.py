"""The anomaly model: what is unlike other bars is flagged, with what made it so, and nothing else is."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.models.anomaly import (
    ANOMALY_FEATURES,
    N_TREES,
    ROWS_PER_TREE,
    SIGNLESS,
    THRESHOLD_WEEKS,
    AnomalyModel,
    fit_anomaly,
    is_sound,
)
from pipeline.models.features import FEATURES
from pipeline.models.panel import Panel
from pipeline.models.trees import columns_of
from tests.support.model_panels import START, a_panel

ALWAYS = (START - timedelta(days=1), START + timedelta(weeks=200))
SHOCK = {"return_1": -6.0, "body": -6.0, "range": 8.0, "volume_share": 5.0}


def calm(n_weeks=6, seed=1) -> Panel:
    return replace(a_panel(n_weeks=n_weeks, n_features=len(FEATURES), seed=seed), names=FEATURES)


def fitted(panel: Panel, **changes) -> AnomalyModel:
    return fit_anomaly(panel, panel.rows(*ALWAYS), **{"seed": 7, **changes})


def cells(panel: Panel) -> np.ndarray:
    return panel.features[tuple(panel.rows(*ALWAYS).T)]


def a_row(**values) -> np.ndarray:
    row = np.zeros((1, len(FEATURES)), dtype=np.float32)
    for name, value in values.items():
        row[0, FEATURES.index(name)] = value
    return row


def digest(model: AnomalyModel) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in model.to_arrays().values())).hexdigest()


@pytest.fixture(scope="module")
def panel() -> Panel:
    return calm()


@pytest.fixture(scope="module")
def model(panel) -> AnomalyModel:
    return fitted(panel)


def test_scores_are_those_of_scikit_learn_to_the_bit(panel, model):
    from sklearn.ensemble import IsolationForest

    seen = cells(panel)[:, columns_of(panel, ANOMALY_FEATURES)]
    for name in SIGNLESS:
        seen[:, ANOMALY_FEATURES.index(name)] = np.abs(seen[:, ANOMALY_FEATURES.index(name)])
    forest = IsolationForest(n_estimators=N_TREES, max_samples=ROWS_PER_TREE, random_state=7).fit(seen)

    assert np.array_equal(model.score(cells(panel)), -forest.score_samples(seen))


def test_a_bar_unlike_all_others_is_flagged_and_its_drivers_named(model):
    usual, shock = a_row(), a_row(**SHOCK)

    assert not model.flags(model.score(usual)).any()
    assert model.flags(model.score(shock)).all()
    assert {driver.name for driver in model.drivers(shock)[0][: len(SHOCK)]} == set(SHOCK)


def test_drivers_are_what_the_score_would_lose_the_largest_first(model):
    shock = a_row(range=6.0, upper_wick=2.5, return_1=-4.0)
    (drivers,) = model.drivers(shock)
    calmer = shock.copy()
    calmer[0, FEATURES.index("range")] = model.usual[ANOMALY_FEATURES.index("range")]

    contributions = [driver.contribution for driver in drivers]
    assert contributions == sorted(contributions, reverse=True)
    assert min(contributions) > 0.0
    assert dict(drivers)["range"] == (model.score(shock) - model.score(calmer))[0]


def test_a_fall_is_as_unusual_as_a_rise_of_its_size(model):
    assert model.score(a_row(return_1=-3.0, body=-2.0)) == model.score(a_row(return_1=3.0, body=2.0))


def test_features_of_no_concern_do_not_matter(model):
    other = [name for name in FEATURES if name not in ANOMALY_FEATURES]

    assert model.score(a_row(**dict.fromkeys(other, 9.0))) == model.score(a_row())


@pytest.mark.parametrize("contamination", [0.01, 0.05])
def test_as_many_bars_are_flagged_as_was_asked_for(panel, contamination):
    model = fitted(panel, contamination=contamination)

    assert model.flags(model.score(cells(panel))).mean() == pytest.approx(contamination, abs=0.001)


def test_what_is_rare_is_what_was_rare_lately():
    panel = calm(n_weeks=2 * THRESHOLD_WEEKS)
    is_early = panel.close_at <= panel.close_at[-1] - np.timedelta64(THRESHOLD_WEEKS, "W")
    features = panel.features.copy()
    features[:, is_early] *= 3.0  # wilder weeks, whose bars would fill the threshold alone
    wild = replace(panel, features=features)
    model = fitted(wild)

    flags = model.flags(model.score(wild.features.reshape(-1, len(FEATURES)))).reshape(wild.close.shape)

    assert flags[:, ~is_early].mean() == pytest.approx(0.01, abs=0.002)
    assert flags[:, is_early].mean() > 0.1


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_f32_a_row_with_an_unknown_feature_has_no_score_no_flag_and_no_drivers(model, unknown):
    rows = np.concatenate([a_row(**SHOCK, upper_wick=unknown), a_row(**SHOCK, rsi=unknown)])
    scores = model.score(rows)

    assert np.isnan(scores).tolist() == [True, False]
    assert model.flags(scores).tolist() == [False, True]
    assert [bool(drivers) for drivers in model.drivers(rows)] == [False, True]


def test_f32_rows_with_unknown_features_are_left_out_of_training_and_counted(panel, model):
    features = panel.features.copy()
    features[0, :100, FEATURES.index("range")] = np.nan

    assert model.n_fit_rows - fitted(replace(panel, features=features)).n_fit_rows == 100


@pytest.mark.parametrize("names", [("volume_share",), ANOMALY_FEATURES])
def test_f32_constant_features_do_no_harm(panel, names):
    features = panel.features.copy()
    features[:, :, columns_of(panel, names)] = 1.0
    model = fitted(replace(panel, features=features))
    scores = model.score(features.reshape(-1, len(FEATURES)))

    assert is_sound(scores).all()
    assert model.flags(scores).mean() <= 0.011


def test_f33_scores_outside_zero_and_one_are_not_sound(panel, model):
    assert is_sound(np.array([0.0, 0.5, 1.0, np.nan, np.inf, -0.1, 1.1])).tolist() == [True] * 3 + [False] * 4
    assert is_sound(model.score(cells(panel))).all()


def test_f34_too_few_rows_are_refused(panel):
    with pytest.raises(DataContractError, match=r"rows with all features must be 500 or more, was 499"):
        fit_anomaly(panel, panel.rows(*ALWAYS)[:499], seed=7)


def test_another_seed_gives_another_forest(panel, model):
    assert digest(fitted(panel, seed=8)) != digest(model)


def test_a_row_gets_the_same_bits_alone_and_among_others(panel, model):
    rows = cells(panel)[:700]

    assert np.array_equal(np.concatenate([model.score(rows[i : i + 1]) for i in range(700)]), model.score(rows))


def test_a_model_survives_its_way_through_arrays_of_plain_numbers(panel, model):
    arrays = model.to_arrays()
    again = AnomalyModel.from_arrays(arrays)

    assert all(array.dtype.kind in "bif" for array in arrays.values())
    assert digest(again) == digest(model)
    assert np.array_equal(again.score(cells(panel)), model.score(cells(panel)))
    assert again.threshold == model.threshold


def test_rows_of_another_width_are_refused(model):
    with pytest.raises(DataContractError, match=r"features must be of shape"):
        model.score(np.zeros((3, 5), dtype=np.float32))


def test_scoring_leaves_the_features_as_they_were(model):
    row = a_row(return_1=-3.0)
    model.score(row)
    model.drivers(row)

    assert row[0, FEATURES.index("return_1")] == -3.0
