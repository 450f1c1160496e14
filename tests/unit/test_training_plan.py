"""The plan of a training: as the settings want it, within memory; and the count of its parts."""

from datetime import timedelta

import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.models.recipes import TrainingPlan
from pipeline.settings import load_settings
from pipeline.storage.history import Series, SeriesGroup
from pipeline.training import FEWEST_WEEKS, MOST_BARS, plan_of

WEEK = timedelta(weeks=1)


def a_group(n_series: int, timeframe: Timeframe) -> SeriesGroup:
    keys = [SeriesKey("binance", f"S{number:04}/USDT", timeframe) for number in range(n_series)]
    return SeriesGroup("binance", timeframe, tuple(Series(key, place) for place, key in enumerate(keys)))


def planned(n_series: int, timeframe: Timeframe, **changes: object) -> tuple[TrainingPlan, SeriesGroup]:
    settings = load_settings({f"training.{name}": value for name, value in changes.items()})
    return plan_of(settings, a_group(n_series, timeframe))


def weeks_of(plan: TrainingPlan) -> int:
    return plan.weeks + plan.folds * plan.fold_weeks


@pytest.mark.parametrize(
    ("n_series", "timeframe"), [(20, Timeframe.H1), (1, Timeframe.M15), (500, Timeframe.H6), (500, Timeframe.W1)]
)
def test_what_fits_is_trained_as_the_settings_want_it(settings_place, n_series, timeframe):
    plan, group = planned(
        n_series, timeframe, weeks=80, folds=2, fold_weeks=10, seed=3, anomaly_share=0.02, tolerance=0.01
    )

    assert plan == TrainingPlan(
        weeks=80, folds=2, fold_weeks=10, seed=3, anomaly_share=0.02, tolerance=0.01, needs_skill=True
    )
    assert group == a_group(n_series, timeframe)


@pytest.mark.parametrize("timeframe", Timeframe)
@pytest.mark.parametrize("n_series", [1, 20, 100, 500, 3_000])
@pytest.mark.parametrize("folds", [1, 4])
def test_no_more_bars_are_learned_from_than_fit_into_memory(settings_place, timeframe, n_series, folds):
    plan, group = planned(n_series, timeframe, folds=folds)
    per_week = WEEK // timeframe.duration

    # Every so many symbols are taken, the first included: one more than the share, at most.
    assert (len(group.series) - 1) * per_week * weeks_of(plan) <= MOST_BARS
    assert plan.folds == folds
    assert min(plan.weeks, plan.fold_weeks) >= 1
    assert weeks_of(plan) >= FEWEST_WEEKS


def test_weeks_go_before_symbols(settings_place):
    plan, group = planned(100, Timeframe.M15)

    assert len(group.series) == 100
    assert 28 <= weeks_of(plan) <= MOST_BARS // (100 * 672)


def test_of_too_many_symbols_of_a_short_timeframe_every_so_many_are_learned_from(settings_place):
    plan, group = planned(500, Timeframe.M1)
    whole = a_group(500, Timeframe.M1)

    assert weeks_of(plan) == FEWEST_WEEKS
    assert group.series == whole.series[::21]
    assert (group.exchange, group.timeframe) == (whole.exchange, whole.timeframe)


@pytest.mark.parametrize(("n_series", "timeframe"), [(100, Timeframe.M15), (500, Timeframe.M1), (50, Timeframe.M5)])
@pytest.mark.parametrize("folds", [1, 3])
def test_of_fewer_weeks_the_oldest_fold_learns_from_twice_its_length(settings_place, n_series, timeframe, folds):
    plan, _ = planned(n_series, timeframe, folds=folds)

    assert plan.fold_weeks < 13
    assert weeks_of(plan) >= (plan.folds + 2) * plan.fold_weeks or plan.fold_weeks == 1


@pytest.mark.parametrize("folds", [8, 26])
def test_many_folds_of_a_short_timeframe_leave_weeks_to_learn_from(settings_place, folds):
    plan, _ = planned(500, Timeframe.M1, folds=folds)

    assert plan.weeks >= 1


def test_what_is_read_reaches_as_far_back_as_the_plan_looks(settings_place):
    plan, group = planned(100, Timeframe.M15)
    through = Timeframe.D1.open_of(20_000)

    assert through - plan.first_close(group.timeframe, through) == weeks_of(plan) * WEEK + plan.embargo(Timeframe.M15)


# --- the count of parts ---------------------------------------------------------------------------------------------
