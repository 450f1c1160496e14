"""Calibrators against closed forms and scikit-learn, on outcomes whose true probabilities are known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.domain.errors import DataContractError
from pipeline.models import calibration
from pipeline.models.calibration import Calibrator, calibrator_of, fit_calibrator, fit_isotonic, fit_platt
from pipeline.models.metrics import auc, ece, log_loss


def logit(p):
    return np.log(p / (1 - p))


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def outcomes(truth, seed=1):
    return (np.random.default_rng(seed).random(len(truth)) < truth).astype(float)


def true_probabilities(n_rows=40_000, spread=0.5, seed=2):
    return sigmoid(spread * np.random.default_rng(seed).standard_normal(n_rows))


def a_steep_step(p):
    """A truth that no sigmoid of the logit can follow."""
    return np.where(p < 0.5, 0.2, 0.45 + 0.3 * p)


def test_what_is_calibrated_is_left_as_it_is():
    truth = true_probabilities()
    for fit in (fit_platt, fit_isotonic, fit_calibrator):
        assert np.abs(fit(truth, outcomes(truth))(truth) - truth).max() < 0.03


def test_a_model_that_is_too_sure_is_corrected():
    truth = true_probabilities()
    said = sigmoid(2.0 * logit(truth))
    calibrator = fit_calibrator(said[:20_000], outcomes(truth)[:20_000])
    late = slice(20_000, None)
    y = outcomes(truth)[late]
    assert ece(y, said[late]) > 0.06
    assert ece(y, calibrator(said[late])) < 0.02


def test_platt_serves_a_bent_logit_and_isotonic_a_step_that_no_sigmoid_follows():
    truth = true_probabilities()
    assert fit_calibrator(sigmoid(2.0 * logit(truth)), outcomes(truth)).kind == "platt"
    said = np.random.default_rng(3).uniform(0.2, 0.8, 40_000)
    assert fit_calibrator(said, outcomes(a_steep_step(said))).kind == "isotonic"


def test_a_shape_that_does_not_last_is_not_chosen():
    said = np.random.default_rng(3).uniform(0.2, 0.8, 40_000)
    early = np.arange(40_000) < 20_000
    y = outcomes(np.where(early, a_steep_step(said), said))
    assert fit_calibrator(said[early], y[early]).kind == "isotonic"
    assert fit_calibrator(said, y).kind == "platt"


def test_platt_is_maximum_likelihood_where_the_expectation_is_weak(monkeypatch):
    truth = true_probabilities(4_000)
    said = sigmoid(0.3 + 1.7 * logit(truth))
    y = outcomes(truth)
    monkeypatch.setattr(calibration, "SLOPE_SPREAD", 1e4)
    monkeypatch.setattr(calibration, "SHIFT_SPREAD", 1e4)
    fitted = fit_platt(said, y)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(said)[:, None], y)
    assert fitted.x[0] == pytest.approx(theirs.coef_[0, 0], abs=1e-4)
    assert fitted.y[0] == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_the_fit_is_where_the_penalised_loss_does_not_rise_in_any_direction():
    truth = true_probabilities(4_000)
    said, y = sigmoid(1.5 * logit(truth)), outcomes(truth)
    fitted = fit_platt(said, y)

    def loss(slope, shift):
        penalty = ((slope - 1) / 0.15) ** 2 / 2 + (shift / 0.01) ** 2 / 2
        return len(y) * log_loss(y, sigmoid(slope * logit(said) + shift)) / 5.0 + penalty

    least = loss(fitted.x[0], fitted.y[0])
    assert all(
        loss(fitted.x[0] + dx, fitted.y[0] + dy) > least for dx, dy in [(0.01, 0), (-0.01, 0), (0, 1e-3), (0, -1e-3)]
    )


def test_six_weeks_of_luck_hardly_move_a_probability():
    said = np.full(10_000, 0.5) + np.linspace(-0.02, 0.02, 10_000)
    y = outcomes(np.full(10_000, 0.53))  # a rising quarter
    assert np.abs(fit_platt(said, y)(said) - said).max() < 0.01


def test_a_model_that_was_right_when_turned_round_says_the_base_rate():
    truth = true_probabilities()
    y = outcomes(1.0 - truth)
    calibrator = fit_platt(sigmoid(3.0 * logit(truth)), y)
    assert calibrator.x[0] == 0.0
    np.testing.assert_allclose(calibrator(truth), (y.sum() + 1) / (len(y) + 2))


def test_outcomes_that_are_parted_give_finite_numbers():
    said = np.r_[np.full(500, 0.4), np.full(500, 0.6)]
    y = np.r_[np.zeros(500), np.ones(500)]
    for fit in (fit_platt, fit_isotonic):
        calibrated = fit(said, y)(said)
        assert ((calibrated > 0.0) & (calibrated < 1.0)).all()
        assert calibrated[0] < 0.4 < 0.6 < calibrated[-1]


def test_probabilities_that_do_not_vary_are_calibrated_too():
    y = outcomes(np.full(10_000, 0.5))
    for fit in (fit_platt, fit_isotonic, fit_calibrator):
        assert fit(np.full(10_000, 0.5), y)(np.array([0.5]))[0] == pytest.approx(0.5, abs=0.01)


def test_isotonic_bins_keep_nearly_all_of_the_ranking():
    truth = true_probabilities()
    y = outcomes(truth)
    assert auc(y, fit_isotonic(truth, y)(truth)) > auc(y, truth) - 0.001


def test_the_unknown_stays_unknown():
    truth = true_probabilities()
    for fit in (fit_platt, fit_isotonic):
        calibrated = fit(truth, outcomes(truth))(np.array([np.nan, 0.5]))
        assert np.isnan(calibrated[0])
        assert not np.isnan(calibrated[1])


@pytest.mark.parametrize("fit", [fit_platt, fit_isotonic])
def test_what_is_stored_is_what_was_fitted(fit):
    truth = true_probabilities()
    fitted = fit(truth, outcomes(truth))
    again = calibrator_of(fitted.to_arrays())
    assert again.kind == fitted.kind
    np.testing.assert_array_equal(again(truth), fitted(truth))


@pytest.mark.parametrize(
    ("kind", "x", "y"),
    [
        ("platt", [-1.0], [0.0]),
        ("platt", [np.nan], [0.0]),
        ("isotonic", [0.0, 1.0], [0.6, 0.4]),
        ("isotonic", [0.5, 0.5], [0.4, 0.6]),
        ("isotonic", [0.5], [0.4, 0.6]),
        ("isotonic", [], []),
        ("spline", [1.0], [0.0]),
    ],
)
def test_a_map_that_falls_or_is_none_is_refused(kind, x, y):
    with pytest.raises(DataContractError, match="a calibrator"):
        Calibrator(kind, np.array(x), np.array(y))
    with pytest.raises(DataContractError, match="a calibrator"):
        calibrator_of({"kind": np.array(kind), "x": np.array(x), "y": np.array(y)})


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        (np.full(50, 0.5), np.tile([0.0, 1.0], 25), "must be 200 or more pairs, was 50 and 50"),
        (np.full(500, 0.5), np.ones(500), "must be of both kinds, was 1.0"),
        (np.full(500, 1.5), np.tile([0.0, 1.0], 250), r"must be in \[0, 1\] and known"),
        (np.full(500, np.nan), np.tile([0.0, 1.0], 250), r"must be in \[0, 1\] and known"),
    ],
)
def test_f34_too_few_rows_or_one_outcome_are_refused(p, y, message):
    with pytest.raises(DataContractError, match=message):
        fit_calibrator(p, y)
