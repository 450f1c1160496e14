"""Folds, calibrators and measures on random plans and random predictions."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import roc_auc_score

from pipeline.domain.timeframe import Timeframe
from pipeline.models.calibration import LEAST_ROWS, fit_calibrator, fit_isotonic, fit_platt
from pipeline.models.metrics import auc, equal_count_bins
from pipeline.models.splits import check_disjoint, least_embargo, training_slices, walk_forward
from tests.support.model_panels import START, a_panel

PROBABILITIES = st.floats(0, 1) | st.sampled_from([0.0, 0.25, 0.5, 1.0])
EMBARGOES = st.integers(1, 72).map(lambda hours: timedelta(hours=hours))
PANEL = a_panel(n_weeks=12, n_symbols=2, n_features=1)
END = START + timedelta(weeks=12)
GRID = np.linspace(0.0, 1.0, 1_001)


@st.composite
def predictions(draw, least=LEAST_ROWS):
    """Probabilities, some of them equal or sure, and outcomes of both kinds that may have nothing to do with them."""
    n_rows = draw(st.integers(least, least + 200))
    p = draw(arrays(np.float64, n_rows, elements=PROBABILITIES, fill=st.nothing()))
    y = np.array(draw(st.lists(st.booleans(), min_size=n_rows, max_size=n_rows)), dtype=float)
    y[:2] = 0.0, 1.0
    return p, y


@given(st.integers(1, 4), st.integers(1, 2), st.integers(1, 4), EMBARGOES)
def test_no_fold_learns_from_a_label_that_ends_on_or_after_a_judged_close(n_folds, fold_weeks, training_weeks, embargo):
    folds = walk_forward(
        Timeframe.H1,
        END,
        n_folds=n_folds,
        fold_weeks=fold_weeks,
        training_weeks=training_weeks,
        embargo=embargo,
    )
    for fold, following in zip(folds, [*folds[1:], None], strict=True):
        assert fold.train_until + embargo == fold.test_after < fold.test_until
        assert fold.test_until == (END if following is None else following.test_after)
        check_disjoint(PANEL, PANEL.rows(*fold.train), PANEL.rows(*fold.test))


@given(st.integers(0, 3), st.integers(1, 3), EMBARGOES, st.sampled_from([Timeframe.M5, Timeframe.H1, Timeframe.D1]))
def test_slices_never_touch_and_fill_the_window(stop_weeks, calibration_weeks, embargo, timeframe):
    embargo = max(embargo, least_embargo(timeframe))
    after, until = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 4, 1, tzinfo=UTC)
    slices = training_slices(
        timeframe, after, until, stop_weeks=stop_weeks, calibration_weeks=calibration_weeks, embargo=embargo
    )
    assert (slices.fit.after, slices.calibrate.until) == (after, until)
    assert slices.calibrate.after - slices.stop.until == embargo
    assert slices.stop.until - slices.stop.after == timedelta(weeks=stop_weeks)
    assert slices.stop.after - slices.fit.until == (embargo if stop_weeks else timedelta(0))


@given(predictions())
def test_every_calibrator_is_monotone_stays_inside_and_repeats_itself(found):
    p, y = found
    for fit in (fit_platt, fit_isotonic, fit_calibrator):
        calibrated = fit(p, y)(GRID)
        assert (np.diff(calibrated) >= 0.0).all()
        assert ((calibrated > 0.0) & (calibrated < 1.0)).all()
        assert fit(p, y)(GRID).tobytes() == calibrated.tobytes()


@given(predictions(least=20), st.integers(0, 2**32 - 1))
def test_a_weighted_auc_equals_scikit_learns_and_mirrors(found, seed):
    p, y = found
    weights = np.random.default_rng(seed).integers(0, 3, len(y)).astype(float)
    weights[:2] = 1.0
    ranked = auc(y, p, weights)
    assert np.isclose(ranked, roc_auc_score(y, p, sample_weight=weights), atol=1e-12)
    assert np.isclose(ranked + auc(1.0 - y, p, weights), 1.0, atol=1e-12)


@given(predictions(least=20), st.integers(1, 30))
def test_bins_follow_the_order_and_never_part_equals(found, n_bins):
    p, _ = found
    bins = equal_count_bins(p, n_bins)
    order = np.argsort(p, kind="stable")
    steps = np.diff(bins[order])
    assert (steps >= 0).all()
    assert (steps[np.diff(p[order]) == 0.0] == 0).all()
    assert 1 <= bins.max() + 1 <= n_bins
    assert len(np.unique(bins)) == bins.max() + 1
