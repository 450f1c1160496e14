"""Development activity is judged against its own last quarter, once a day, and never before it was known."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sentiment.activity import BASELINE_DAYS, WEEK_DAYS, activity_scores
from tests.support.texts import NOON, Event, Stretch, coverage_of, events_of

DAY = timedelta(days=1)
HALF = timedelta(hours=12)  # from the last midnight to noon
WHOLE = (Stretch(),)


def scores(events, stretches=WHOLE, at=(NOON,), assets=(0,)):
    """Scores at some closes; ``assets`` holds the place of each repository's asset."""
    asset_of, n_assets = np.array(assets, dtype=np.int64), max(assets, default=0) + 1
    return activity_scores(events_of(events), coverage_of(stretches), asset_of, pd.DatetimeIndex(at), n_assets)


def steady(per_day=1, repository=0):
    return [Event(HALF + day * DAY, repository=repository) for day in range(95) for _ in range(per_day)]


def by_loop(events, midnight):
    """tanh(z / 2), sum by sum."""
    sums = []
    for ago in range(BASELINE_DAYS - WEEK_DAYS + 1):
        end = midnight - ago * DAY
        sums.append(
            sum(
                each.weight
                for each in events
                if end - WEEK_DAYS * DAY < NOON - each.age <= end
                and NOON - (each.age if each.known_age is None else each.known_age) <= midnight
            )
        )
    return np.tanh((sums[0] - np.mean(sums)) / max(np.std(sums), 1.0) / 2)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 120))
def test_scores_are_those_of_a_slow_loop(seed, n):
    draw = np.random.default_rng(seed)
    events = [
        Event(
            timedelta(hours=float(draw.uniform(-24, 24 * 110))),
            weight=float(draw.integers(1, 6)),
            known_age=None if draw.random() < 0.7 else timedelta(hours=float(draw.uniform(-10, 200))),
        )
        for _ in range(n)
    ]
    events = [e if e.known_age is None else e._replace(known_age=min(e.age, e.known_age)) for e in events]

    assert scores(events)[0, 0] == pytest.approx(by_loop(events, NOON - HALF))


def test_always_the_same_is_nothing_special():
    assert scores(steady())[0, 0] == pytest.approx(0.0, abs=1e-12)


def test_a_busy_week_is_positive_and_a_quiet_one_negative():
    busy = steady() + [Event(HALF + day * DAY, weight=5.0) for day in range(7)]
    quiet = [each for each in steady(per_day=3) if each.age > 7 * DAY]

    assert scores(busy)[0, 0] > 0.9
    assert scores(quiet)[0, 0] < -0.9


def test_one_commit_more_than_always_is_no_upheaval():
    assert scores([*steady(), Event(HALF)])[0, 0] < 0.5


def test_a_repository_that_nobody_has_read_is_not_a_quiet_one():
    assert np.isnan(scores([], stretches=[])[0, 0])
    assert np.isnan(scores(steady(), [Stretch(history_age=60 * DAY)])[0, 0])
    assert np.isnan(scores(steady(), [Stretch(known_age=HALF - DAY / 24)])[0, 0])


def test_a_repository_that_cannot_be_read_any_more_is_not_a_quiet_one():
    ends = HALF + 3 * DAY
    gone = [each for each in steady() if each.age > ends]
    at = [NOON - HALF - days * DAY for days in (0, 1, 2, 3)][::-1]

    found = scores(gone, [Stretch(until_age=ends)], at)[:, 0]

    assert list(np.isnan(found)) == [False, False, True, True]  # a day without an answer is not yet a silence


def test_between_two_stretches_of_reading_nothing_is_known_and_afterwards_again():
    stretches = [Stretch(until_age=20 * DAY), Stretch(known_age=10 * DAY)]
    at = [NOON - days * DAY for days in (21, 15, 5)]

    assert list(np.isnan(scores(steady(), stretches, at)[:, 0])) == [False, True, False]


def test_events_of_a_repository_without_its_history_do_not_count_for_the_asset():
    both = [Stretch(), Stretch(repository=1, history_age=5 * DAY)]
    young = [Event(HALF + day * DAY, weight=5.0, repository=1) for day in range(4)]

    assert scores([*steady(), *young], both, assets=(0, 0))[0, 0] == scores(steady())[0, 0]


def test_two_repositories_of_an_asset_are_judged_together_and_those_of_others_apart():
    all_three = [Stretch(repository=n) for n in range(3)]
    events = [*steady(repository=0), *(Event(HALF + day * DAY, 5.0, repository=1) for day in range(7))]

    found = scores(events, all_three, assets=(0, 0, 1))

    assert found[0, 0] > 0.9
    assert found[0, 1] == 0.0


def test_a_score_stands_from_midnight_to_midnight():
    events = [*steady(), *(Event(timedelta(hours=h), weight=5.0) for h in range(12))]
    at = [NOON - HALF, NOON, NOON + HALF - timedelta(minutes=1), NOON + HALF]

    before, noon, late, after = scores(events, at=at)[:, 0]

    assert before == noon == late
    assert after > noon


def test_what_was_not_known_at_midnight_is_left_out():
    late = [Event(HALF + DAY, weight=50.0, known_age=timedelta(hours=1))]

    assert scores(steady() + late)[0, 0] == scores(steady())[0, 0]
