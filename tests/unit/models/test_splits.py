"""Folds, slices and the gaps between them; and that what learns cannot see what is judged."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.models.panel import HORIZON_BARS
from pipeline.models.splits import (
    Period,
    check_disjoint,
    check_no_overlap,
    known_by,
    least_embargo,
    training_slices,
    walk_forward,
)
from tests.support.model_panels import START, a_panel

H1 = Timeframe.H1
DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)
THROUGH = datetime(2024, 4, 1, tzinfo=UTC)


def folds_of(timeframe=H1, **changes):
    plan = {"n_folds": 3, "fold_weeks": 2, "training_weeks": 4, "embargo": DAY} | changes
    return walk_forward(timeframe, THROUGH, **plan)


def slices_of(weeks=20, timeframe=H1, **changes):
    plan = {"stop_weeks": 3, "calibration_weeks": 5, "embargo": DAY} | changes
    return training_slices(timeframe, THROUGH - weeks * WEEK, THROUGH, **plan)


def test_test_periods_touch_and_end_at_the_last_instant():
    folds = folds_of()
    assert [fold.test_after for fold in folds] == [THROUGH - n * WEEK for n in (6, 4, 2)]
    assert [fold.test_until for fold in folds] == [THROUGH - n * WEEK for n in (4, 2, 0)]


def test_each_fold_learns_from_the_weeks_that_end_an_embargo_before_its_test():
    for fold in folds_of():
        assert fold.test_after - fold.train_until == DAY
        assert fold.train_until - fold.train_after == 4 * WEEK
        assert fold.train == Period(fold.train_after, fold.train_until)
        assert fold.test == Period(fold.test_after, fold.test_until)


def test_slices_follow_one_another_with_an_embargo_between_and_calibration_last():
    slices = slices_of()
    assert slices.calibrate == Period(THROUGH - 5 * WEEK, THROUGH)
    assert slices.stop == Period(THROUGH - 8 * WEEK - DAY, THROUGH - 5 * WEEK - DAY)
    assert slices.fit == Period(THROUGH - 20 * WEEK, THROUGH - 8 * WEEK - 2 * DAY)


def test_without_a_stopping_slice_one_embargo_is_enough():
    slices = slices_of(stop_weeks=0)
    assert slices.stop.after == slices.stop.until == slices.fit.until == slices.calibrate.after - DAY


def test_a_window_that_leaves_nothing_to_fit_on_is_refused():
    with pytest.raises(DataContractError, match=r"longer than its stopping .* 58 days, 0:00:00, was 58 days, 0:00:00"):
        training_slices(H1, THROUGH - 58 * DAY, THROUGH, stop_weeks=3, calibration_weeks=5, embargo=DAY)


@pytest.mark.parametrize("cut", [folds_of, slices_of])
@pytest.mark.parametrize(
    ("timeframe", "embargo"), [(H1, timedelta(0)), (H1, timedelta(minutes=59)), (H1, -DAY), (Timeframe.W1, DAY)]
)
def test_f35_an_embargo_shorter_than_a_label_is_refused(cut, timeframe, embargo):
    with pytest.raises(DataContractError, match="embargo must be at least"):
        cut(timeframe=timeframe, embargo=embargo)


@pytest.mark.parametrize("cut", [folds_of, slices_of])
def test_an_embargo_as_long_as_a_label_is_enough(cut):
    cut(embargo=least_embargo(H1))


def test_f35_periods_without_a_gap_are_refused_and_the_message_says_what_is_needed():
    with pytest.raises(
        DataContractError, match=r"embargo must be at least 1:00:00 \(what a label of 1h .*\), was 0:00:00"
    ):
        check_no_overlap(H1, Period(START, THROUGH), Period(THROUGH, THROUGH + WEEK))
    check_no_overlap(H1, Period(START, THROUGH), Period(THROUGH + timedelta(hours=1), THROUGH + WEEK))


@pytest.mark.parametrize("name", ["n_folds", "fold_weeks", "training_weeks"])
def test_a_walk_without_weeks_or_folds_is_refused(name):
    with pytest.raises(DataContractError, match=f"{name} must be 1 or more, was 0"):
        folds_of(**{name: 0})


def unpurged(panel, after, until):
    """Every bar that closes in the period, whatever its label looks at."""
    after, until = (np.datetime64(instant.replace(tzinfo=None)) for instant in (after, until))
    in_time = (panel.close_at > after) & (panel.close_at <= until)
    return np.argwhere((panel.is_usable & panel.has_label & in_time).T)[:, ::-1]


def test_f35_a_selection_that_forgot_to_purge_is_caught_and_a_purged_one_is_not():
    panel, border = a_panel(n_weeks=3), START + 2 * WEEK
    test_rows = panel.rows(border, START + 3 * WEEK)
    check_disjoint(panel, panel.rows(START, border), test_rows)
    with pytest.raises(DataContractError, match="must end before the first judged close"):
        check_disjoint(panel, unpurged(panel, START, border), test_rows)


def test_f35_the_embargo_alone_keeps_an_unpurged_selection_apart():
    panel, border = a_panel(n_weeks=3), START + 2 * WEEK
    test_rows = panel.rows(border, START + 3 * WEEK)
    check_disjoint(panel, unpurged(panel, START, border - least_embargo(H1)), test_rows)


def test_f35_rows_that_come_after_the_judged_ones_are_caught():
    panel = a_panel(n_weeks=3)
    with pytest.raises(DataContractError, match="must end before"):
        check_disjoint(panel, panel.rows(START + 2 * WEEK, START + 3 * WEEK), panel.rows(START, START + WEEK))


def test_no_rows_overlap_with_nothing():
    panel = a_panel(n_weeks=2)
    none, some = panel.rows(THROUGH, THROUGH), panel.rows(START, START + WEEK)
    check_disjoint(panel, none, some)
    check_disjoint(panel, some, none)


def test_the_past_holds_no_bar_that_closes_later_and_numbers_rows_alike():
    panel, instant = a_panel(n_weeks=3), START + 2 * WEEK
    past = known_by(panel, instant)
    assert past.close_at[-1] == np.datetime64(instant.replace(tzinfo=None))
    for name in ("features", "close", "high", "low", "atr_ratio", "is_usable"):
        kept, whole = getattr(past, name), getattr(panel, name)
        assert kept.shape[1] == len(past.close_at)
        np.testing.assert_array_equal(kept, whole[:, : len(past.close_at)])
    np.testing.assert_array_equal(past.rows(START, instant), panel.rows(START, instant))


def test_what_comes_later_does_not_change_the_past():
    panel, instant = a_panel(n_weeks=3), START + 2 * WEEK
    changed = panel.close.copy()
    changed[:, panel.close_at > np.datetime64(instant.replace(tzinfo=None))] = 1.0
    rows = panel.rows(START, instant)
    past, other = known_by(panel, instant), known_by(replace(panel, close=changed), instant)
    np.testing.assert_array_equal(past.went_up(rows), other.went_up(rows))
    assert rows[:, 1].max() + HORIZON_BARS == past.close.shape[1] - 1
