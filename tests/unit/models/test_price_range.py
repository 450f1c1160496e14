"""The range model: quantiles in order, a band that holds what it promises, and silence about the unknown."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import DataContractError
from pipeline.models.features import FEATURES
from pipeline.models.panel import Panel
from pipeline.models.price_range import RANGE_FEATURES, RANGES, PriceRangeModel, fit_price_range, is_sound
from pipeline.models.trees import columns_of
from tests.support.model_panels import START, a_panel

WEEK = timedelta(weeks=1)
EMBARGO = timedelta(hours=26)
COLUMNS = columns_of(replace(a_panel(n_weeks=1, n_features=len(FEATURES)), names=FEATURES), RANGE_FEATURES)


def uneven(n_weeks=9, seed=1) -> Panel:
    """A market whose bars reach further after a wide bar, so that there is something to learn of the next range."""
    panel = replace(a_panel(n_weeks=n_weeks, n_features=len(FEATURES), seed=seed), names=FEATURES)
    reach = np.abs(np.random.default_rng(seed).standard_normal((2, *panel.close.shape))) * panel.atr_ratio
    reach[..., 1:] *= np.exp(0.5 * panel.features[:, :-1, FEATURES.index("range")])
    before = np.concatenate([panel.close[:, :1], panel.close[:, :-1]], axis=1)
    return replace(panel, high=before * (1.0 + reach[0]), low=before * (1.0 - 0.5 * reach[1]))


def slices(panel: Panel):
    """Five weeks to fit, two to calibrate, the rest to judge."""
    fit_until = START + 5 * WEEK
    calibrate_after, calibrate_until = fit_until + EMBARGO, fit_until + EMBARGO + 2 * WEEK
    return (
        panel.rows(START, fit_until),
        panel.rows(calibrate_after, calibrate_until),
        panel.rows(calibrate_until + EMBARGO, START + 100 * WEEK),
    )


def fitted(panel: Panel) -> PriceRangeModel:
    fit_rows, calibration_rows, _ = slices(panel)
    return fit_price_range(panel, fit_rows, calibration_rows, seed=7)


def inputs(panel: Panel, rows):
    return panel.features[tuple(rows.T)], panel.atr_ratio[tuple(rows.T)]


def digest(model: PriceRangeModel) -> str:
    return hashlib.sha256(b"".join(array.tobytes() for array in model.to_arrays().values())).hexdigest()


def covered(panel: Panel, rows, said) -> list[float]:
    labels = panel.next_high(rows), panel.next_low(rows)
    return [
        float(((said[:, at] <= label) & (label <= said[:, at + 2])).mean())
        for at, label in zip((0, 3), labels, strict=True)
    ]


@pytest.fixture(scope="module")
def panel() -> Panel:
    return uneven()


@pytest.fixture(scope="module")
def model(panel) -> PriceRangeModel:
    return fitted(panel)


def test_the_band_holds_four_of_five_later_highs_and_lows(panel, model):
    _, _, later = slices(panel)

    for share in covered(panel, later, model.predict(*inputs(panel, later))):
        assert 0.74 < share < 0.86


def test_the_band_is_wider_after_a_wide_bar(panel, model):
    rows = np.zeros((2, len(FEATURES)), dtype=np.float32)
    rows[:, FEATURES.index("range")] = -1.5, 1.5
    calm, wild = model.predict(rows, np.full(2, 0.015))

    assert wild[2] - wild[0] > 2.0 * (calm[2] - calm[0])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_quantiles_are_in_order_and_no_low_lies_above_its_high(model, seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(scale=rng.choice([0.1, 1.0, 50.0]), size=(200, len(FEATURES))).astype(np.float32)
    said = model.predict(rows, rng.uniform(1e-6, 0.1, size=200))

    assert is_sound(said).all()
    assert (np.diff(said[:, :3]) >= 0.0).all()
    assert (np.diff(said[:, 3:]) >= 0.0).all()
    assert (said[:, 3:] <= said[:, :3]).all()


def test_the_range_is_in_units_of_the_average_true_range(panel, model):
    features, ratio = inputs(panel, slices(panel)[2])

    assert np.array_equal(model.predict(features, 2.0 * ratio), 2.0 * model.predict(features, ratio))


def test_a_row_gets_the_same_bits_alone_and_among_others(panel, model):
    features, ratio = inputs(panel, slices(panel)[2][:700])
    alone = [model.predict(features[i : i + 1], ratio[i : i + 1]) for i in range(0, 700, 70)]

    assert np.array_equal(np.concatenate(alone), model.predict(features, ratio)[::70])


@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_f32_an_unknown_feature_or_range_leaves_the_row_without_a_prediction(panel, model, unknown):
    features, ratio = (values.copy() for values in inputs(panel, slices(panel)[2][:5]))
    features[1, FEATURES.index("range")] = unknown
    features[2, next(i for i in range(len(FEATURES)) if i not in COLUMNS)] = unknown
    ratio[3:] = unknown, 0.0

    said = model.predict(features, ratio)

    assert np.isnan(said[[1, 3, 4]]).all()
    assert np.isfinite(said[[0, 2]]).all()
    assert is_sound(said).tolist() == [True, False, True, False, False]


def test_f32_rows_with_unknown_features_are_left_out_of_training_and_counted(panel, model):
    features = panel.features.copy()
    features[0, :100, FEATURES.index("rsi")] = np.nan
    holed = fitted(replace(panel, features=features))

    assert model.n_fit_rows - holed.n_fit_rows == 100
    assert holed.n_calibration_rows == model.n_calibration_rows


@pytest.mark.parametrize(
    "said",
    [
        [0.3, 0.2, 0.4, -0.3, -0.2, -0.1],
        [0.1, 0.2, 0.3, -0.3, -0.1, -0.2],
        [0.1, 0.2, 0.3, -0.3, -0.2, 0.31],
        [0.1, 0.2, np.inf, -0.3, -0.2, -0.1],
        [0.1, np.nan, 0.3, -0.3, -0.2, -0.1],
        [0.1, 0.2, 0.3, -1.0, -0.2, -0.1],
    ],
)
def test_f33_a_range_that_crosses_or_is_no_price_is_not_sound(said):
    assert is_sound(np.array([said, [0.1, 0.2, 0.3, -0.3, -0.2, -0.1]])).tolist() == [False, True]


def test_f34_too_few_rows_are_refused(panel):
    fit_rows, calibration_rows, _ = slices(panel)

    with pytest.raises(DataContractError, match=r"fit_rows .* must be 500 or more, was 499"):
        fit_price_range(panel, fit_rows[:499], calibration_rows, seed=7)
    with pytest.raises(DataContractError, match=r"calibration_rows .* must be 100 or more, was 99"):
        fit_price_range(panel, fit_rows, calibration_rows[:99], seed=7)


def test_f34_a_market_whose_high_never_leaves_the_close_is_refused(panel):
    flat = np.ones_like(panel.close)

    with pytest.raises(DataContractError, match=r"next_high must differ .* was 0\.0 ATR in all"):
        fitted(replace(panel, close=flat, high=flat))


def test_f37_the_same_seed_and_rows_give_the_same_bits_in_a_process_with_one_thread(model):
    code = "from tests.unit.models.test_price_range import *\nimport sys; sys.stdout.write(digest(fitted(uneven())))\n"
    path = os.pathsep.join(entry for entry in sys.path if entry)
    other = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert other.stdout == digest(model)


def test_wilder_weeks_after_training_widen_the_band_until_it_holds_again(panel, model):
    _, _, later = slices(panel)
    wild = panel.close_at > panel.close_at[slices(panel)[0][-1, 1]]
    stretched = replace(
        panel,
        high=np.where(wild, panel.close * (1.0 + 1.5 * (panel.high / panel.close - 1.0)), panel.high),
        low=np.where(wild, panel.close * (1.0 + 1.5 * (panel.low / panel.close - 1.0)), panel.low),
    )
    corrected = fitted(stretched)
    before, after = (covered(stretched, later, m.predict(*inputs(panel, later))) for m in (model, corrected))

    assert (corrected.widening >= model.widening).all()
    assert max(before) < 0.74 < min(after)


def test_weeks_without_a_move_after_training_do_not_narrow_the_band(panel):
    is_still = panel.close_at > panel.close_at[slices(panel)[0][-1, 1]]
    before = np.concatenate([panel.close[:, :1], panel.close[:, :-1]], axis=1)
    highs, lows = (np.where(is_still, before, prices) for prices in (panel.high, panel.low))
    (towards_close, far_above), (far_below, back_to_close) = fitted(replace(panel, high=highs, low=lows)).widening

    assert far_above == far_below == 0.0
    assert min(towards_close, back_to_close) > 0.0


def test_a_model_survives_its_way_through_arrays_of_plain_numbers(panel, model):
    arrays = model.to_arrays()
    again = PriceRangeModel.from_arrays(arrays)
    features, ratio = inputs(panel, slices(panel)[2])

    assert all(array.dtype.kind in "bif" for array in arrays.values())
    assert digest(again) == digest(model)
    assert np.array_equal(again.predict(features, ratio), model.predict(features, ratio))


def test_features_are_found_by_name_and_a_missing_one_is_named(panel, model):
    order = np.random.default_rng(2).permutation(len(FEATURES))
    names = tuple(FEATURES[i] for i in order)
    shuffled = replace(panel, names=names, features=panel.features[:, :, order])
    rows = slices(panel)[2]

    assert np.array_equal(fitted(shuffled).predict(*inputs(shuffled, rows)), model.predict(*inputs(panel, rows)))
    with pytest.raises(DataContractError, match="must have volume_share, was"):
        fitted(replace(panel, names=tuple(name.replace("volume_share", "other") for name in FEATURES)))


def test_training_tells_how_far_it_has_come(panel):
    seen = []
    fit_price_range(panel, *slices(panel)[:2], seed=7, report=lambda done, total: seen.append((done, total)))

    assert seen == [(done, len(RANGES)) for done in range(1, 7)]


def test_scoring_never_imports_scikit_learn():
    code = "import sys, pipeline.models.price_range; sys.exit('sklearn' in sys.modules)"
    path = os.pathsep.join(entry for entry in sys.path if entry)

    assert subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}).returncode == 0
