"""Crossings and re-arming thresholds, against loops that spell the rule out bar by bar."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.strategies.crossing import (
    CROSS_LOOKBACK,
    TOUCH_LIMIT,
    last_event,
    line_crosses,
    line_levels,
    threshold_trips,
)
from tests.support.strategy_columns import wide

SLOW = 100.0
NAN = float("nan")


def stretches(*values: float) -> st.SearchStrategy[list[float]]:
    """Lists of a few of these values, each standing for 1 to 60 bars."""
    stretch = st.tuples(st.sampled_from(values), st.integers(1, 60))
    return st.lists(stretch, max_size=8).map(lambda parts: [value for value, length in parts for _ in range(length)])


def crosses(gaps: list[float]) -> list[int]:
    slow = wide([SLOW] * len(gaps))
    return line_crosses(slow + wide(gaps), slow, price=slow).iloc[:, 0].tolist()


def crosses_bar_by_bar(gaps: list[float]) -> list[int]:
    sides = []
    for bar, gap in enumerate(gaps):
        held = bar - 1
        while held >= 0 and gaps[held] == 0:
            held -= 1
        touches = bar - 1 - held
        was = gaps[held] if held >= 0 and touches <= TOUCH_LIMIT else NAN
        sides.append(1 if gap > 0 and was < 0 else -1 if gap < 0 and was > 0 else 0)
    return sides


@given(gaps=stretches(1.0, -1.0, 0.0, NAN))
def test_crosses_are_those_of_a_bar_by_bar_reading(gaps):
    assert crosses(gaps) == crosses_bar_by_bar(gaps)


def test_a_cross_is_marked_once_on_the_bar_that_changes_sides():
    assert crosses([-2, -1, 1, 2, 3, -1, -2]) == [0, 0, 1, 0, 0, -1, 0]


def test_a_touch_is_no_cross_and_keeps_the_side_before_it():
    assert crosses([1, 0, 1, 0, 0, 1]) == [0] * 6
    assert crosses([-1, 0, 0, 1]) == [0, 0, 0, 1]
    assert crosses([1, 0, -1, 0, 1]) == [0, 0, -1, 0, 1]


def test_a_touch_of_fifty_bars_is_remembered_and_one_of_fifty_one_is_not():
    assert TOUCH_LIMIT == 50
    assert crosses([-1, *[0] * 50, 1])[-1] == 1
    assert crosses([-1, *[0] * 51, 1])[-1] == 0


def test_an_unknown_bar_before_the_cross_silences_it():
    assert crosses([-1, NAN, 1]) == [0, 0, 0]
    assert crosses([-1, NAN, 0, 1]) == [0, 0, 0, 0]
    assert crosses([NAN, 1, -1]) == [0, 0, -1]


def test_a_series_that_starts_on_a_touch_has_no_side_to_change():
    assert crosses([0, 0, 1]) == [0, 0, 0]


def test_averages_that_are_equal_but_for_rounding_touch():
    prices = [0.1, 0.2, 0.3]
    fast = sum(prices) / 3
    slow = sum(reversed(prices)) / 3
    assert fast != slow
    above, below = 0.3, 0.1
    lines = wide([below, fast, below, slow, below]), wide([0.2, slow, 0.2, fast, 0.2])
    assert line_crosses(*lines, price=lines[1]).iloc[:, 0].tolist() == [0] * 5
    assert line_crosses(wide([below, fast, above]), wide([0.2] * 3), price=wide([0.2] * 3)).iloc[-1, 0] == 1


def test_one_tick_of_a_dear_market_is_more_than_rounding():
    tick_in_an_average_of_200 = 0.01 / 200
    fast = wide([100_000.0 - tick_in_an_average_of_200, 100_000.0 + tick_in_an_average_of_200])
    slow = wide([100_000.0] * 2)
    assert line_crosses(fast, slow, price=slow).iloc[:, 0].tolist() == [0, 1]


def test_levels_repeat_the_side_of_every_bar_exactly():
    fast = wide([1.0, np.nextafter(2.0, 3.0), 2.0, np.nextafter(2.0, 1.0), None])
    assert line_levels(fast, wide([2.0] * 5)).iloc[:, 0].tolist() == [-1, 1, 0, -1, 0]


def test_symbols_do_not_touch_each_other():
    first, second = [-1.0, 1.0, 0.0, -1.0], [1.0, 1.0, -1.0, 0.0]
    slow = pd.DataFrame(SLOW, index=wide(first).index, columns=["A/USDT", "B/USDT"])
    fast = slow + np.column_stack([first, second])
    sides = line_crosses(fast, slow, price=slow)
    assert sides["A/USDT"].tolist() == crosses(first)
    assert sides["B/USDT"].tolist() == crosses(second)


def test_a_series_gives_what_a_frame_of_one_column_gives():
    gaps = wide([1.0, -1.0, 0.0, 2.0])
    slow = wide([SLOW] * 4)
    frame = line_crosses(slow + gaps, slow, price=slow)
    series = line_crosses((slow + gaps).iloc[:, 0], slow.iloc[:, 0], price=slow.iloc[:, 0])
    pd.testing.assert_series_equal(series, frame.iloc[:, 0])


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (4, 0), (0, 0)])
def test_blocks_without_history_or_symbols_give_empty_sides(shape):
    nothing = pd.DataFrame(np.ones(shape))
    sides = line_crosses(nothing, nothing * 2, price=nothing)
    assert sides.shape == shape
    assert not sides.to_numpy().any()


@given(events=st.lists(st.integers(0, 3), max_size=40), limit=st.integers(1, 12))
def test_the_latest_event_is_that_of_a_bar_by_bar_search(events, limit):
    expected = []
    for bar in range(len(events)):
        earlier = [kind for kind in events[max(0, bar - limit) : bar] if kind]
        expected.append(earlier[-1] if earlier else 0)
    assert last_event(np.array(events, dtype=np.int8), limit).tolist() == expected


def test_the_latest_event_is_found_on_positions_beyond_small_integers():
    events = np.zeros(100_000, dtype=np.int8)
    events[99_990] = 3
    assert last_event(events, CROSS_LOOKBACK)[-1] == 3
    assert last_event(events, 8)[-1] == 0


def test_a_value_that_stays_beyond_trips_once_however_long_it_stays():
    beyond = np.array([True] * 30)
    assert threshold_trips(beyond, ~beyond, memory=5).tolist() == [True] + [False] * 29
