"""Baselines against loops, and against what was planted for them to find."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.models.baselines import (
    fit_atr_band,
    fit_base_rate,
    fit_logistic_regression,
    fit_persistence,
    logistic_weights,
)
from pipeline.models.metrics import auc, coverage
from pipeline.models.splits import Fold, known_by
from tests.support.model_panels import START, a_panel

WEEK = timedelta(weeks=1)
FOLD = Fold(train_after=START, train_until=START + 3 * WEEK, test_after=START + 4 * WEEK, test_until=START + 6 * WEEK)


def test_the_base_rate_is_that_of_the_training_rows():
    panel = a_panel()
    expected = panel.went_up(panel.rows(*FOLD.train)).mean()
    np.testing.assert_array_equal(
        fit_base_rate(panel, FOLD).predict(panel, panel.rows(*FOLD.test)[:5]), np.full(5, expected)
    )


def test_persistence_says_what_followed_each_sign():
    panel = a_panel()
    panel.close[0, 100:140:4] = panel.close[0, 99:139:4]  # some closes are unchanged
    said = fit_persistence(panel, FOLD)
    followed = {-1.0: [], 0.0: [], 1.0: []}
    for place, bar in panel.rows(*FOLD.train):
        if bar:
            sign = np.sign(panel.close[place, bar] - panel.close[place, bar - 1])
            followed[sign].append(panel.close[place, bar + 1] > panel.close[place, bar])
    assert len(followed[0.0]) == 10
    rows = panel.rows(*FOLD.test)
    signs = np.sign(panel.close[tuple(rows.T)] - panel.close[rows[:, 0], rows[:, 1] - 1])
    np.testing.assert_allclose(said.predict(panel, rows), [np.mean(followed[sign]) for sign in signs])


def test_persistence_without_a_close_before_says_the_base_rate():
    panel = a_panel()
    fold = replace(FOLD, train_after=START + WEEK)  # no row of it is a series' first
    base, said = fit_base_rate(panel, fold).share, fit_persistence(panel, fold)
    panel.close[1, 599] = np.nan
    np.testing.assert_array_equal(said.predict(panel, np.array([[0, 0], [1, 600]])), base)


def test_the_regression_finds_a_planted_feature_and_no_other():
    panel = a_panel(signal=0.3)
    fitted = fit_logistic_regression(panel, FOLD)
    assert fitted.weights[0] > 3 * np.abs(fitted.weights[1:]).max()
    rows = panel.rows(*FOLD.test)
    assert auc(panel.went_up(rows), fitted.predict(panel, rows)) > 0.57


def test_the_regression_is_scaled_by_its_training_rows_and_by_nothing_later():
    panel = a_panel()
    changed = panel.features.copy()
    changed[:, panel.close_at > np.datetime64(FOLD.train_until.replace(tzinfo=None))] *= 100.0
    one, other = (fit_logistic_regression(p, FOLD) for p in (panel, replace(panel, features=changed)))
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.scaler.mean, other.scaler.mean)


def test_the_regression_takes_unknown_features_for_ordinary_ones():
    panel = a_panel()
    fitted = fit_logistic_regression(panel, FOLD)
    panel.features[0, 700] = np.nan
    base = 1.0 / (1.0 + np.exp(-fitted.intercept))
    assert fitted.predict(panel, np.array([[0, 700]]))[0] == pytest.approx(base)


def test_the_same_rows_give_the_same_weights_to_the_bit():
    panel = a_panel()
    one, other = fit_logistic_regression(panel, FOLD), fit_logistic_regression(panel, FOLD)
    assert one.weights.tobytes() == other.weights.tobytes()


def test_the_weights_make_the_penalised_loss_least():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2_000, 3)).astype(np.float32)
    y = (rng.random(2_000) < 1 / (1 + np.exp(-x[:, 0]))).astype(float)
    weights, intercept = logistic_weights(x, y)
    gap = 1 / (1 + np.exp(-(x @ weights + intercept))) - y
    np.testing.assert_allclose(0.01 * (x.T.astype(float) @ gap) + weights, 0.0, atol=1e-3)
    assert gap.sum() == pytest.approx(0.0, abs=1e-3)


def test_the_atr_band_covers_what_it_says_and_grows_with_the_range():
    panel = a_panel(n_symbols=8, signal=0.0)
    band = fit_atr_band(panel, FOLD)
    rows = panel.rows(*FOLD.test)
    said = band.predict(panel, rows)
    assert said.shape == (len(rows), 6)
    assert coverage(panel.next_high(rows), said[:, 0], said[:, 2]) == pytest.approx(0.8, abs=0.03)
    assert coverage(panel.next_low(rows), said[:, 3], said[:, 5]) == pytest.approx(0.8, abs=0.03)
    wild = replace(panel, atr_ratio=2.0 * panel.atr_ratio)
    np.testing.assert_allclose(band.predict(wild, rows), 2.0 * said)


def test_the_atr_band_has_no_answer_without_an_atr_and_does_not_learn_from_such_rows():
    panel = a_panel()
    panel.atr_ratio[0, 700:] = np.nan
    panel.atr_ratio[1, :50] = 0.0
    assert np.isnan(fit_atr_band(panel, FOLD).predict(panel, np.array([[0, 700]]))).all()
    panel.atr_ratio[:] = np.nan
    with pytest.raises(DataContractError, match="with an ATR must be 100 or more, was 0"):
        fit_atr_band(panel, FOLD)


@pytest.mark.parametrize("fit", [fit_base_rate, fit_persistence, fit_logistic_regression, fit_atr_band])
def test_f34_too_few_training_rows_are_refused(fit):
    panel = a_panel()
    short = replace(FOLD, train_after=FOLD.train_until - timedelta(hours=10))
    with pytest.raises(DataContractError, match="must be 100 or more, was 36"):
        fit(panel, short)


def test_f34_one_outcome_only_is_refused():
    with pytest.raises(DataContractError, match=r"both kinds, was \[1.0\] throughout"):
        logistic_weights(np.zeros((300, 2), dtype=np.float32), np.ones(300))


@pytest.mark.parametrize("fit", [fit_base_rate, fit_persistence, fit_logistic_regression, fit_atr_band])
def test_the_future_never_changes_what_is_learned(fit):
    panel = a_panel()
    rows = panel.rows(*FOLD.test)
    whole, past = fit(panel, FOLD), fit(known_by(panel, FOLD.train_until), FOLD)
    np.testing.assert_array_equal(whole.predict(panel, rows), past.predict(panel, rows))
