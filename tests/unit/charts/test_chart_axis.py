"""Dates at round instants, and labels that do not overlap."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.charts.axis import spread, ticks
from pipeline.charts.style import price_words, tick_format
from pipeline.domain.timeframe import Timeframe
from tests.support.market import grid


@pytest.mark.parametrize("timeframe", Timeframe)
@pytest.mark.parametrize("n_bars", [1, 2, 3, 50, 150, 400, 2000])
def test_dates_are_few_in_order_and_stand_at_the_bars_that_they_name(timeframe: Timeframe, n_bars: int):
    index = grid(n_bars, timeframe)
    found = ticks(index, timeframe.duration, 12)
    places = [place for place, _ in found]
    assert places == sorted(set(places))
    assert len(found) <= 14
    for place, words in found:
        if ":" in words:
            assert words == f"{index[place]:%H:%M}"


def test_midnight_is_told_by_its_day():
    found = dict(ticks(grid(48), timedelta(hours=1), 10))
    assert found[0] == "01 Jan"
    assert found[24] == "02 Jan"
    assert found[12] == "12:00"


def test_years_are_told_by_their_months():
    words = [word for _, word in ticks(grid(900, Timeframe.D1), timedelta(days=1), 12)]
    assert words[:3] == ["Jan 2024", "Apr 2024", "Jul 2024"]


@given(st.lists(st.floats(0.0, 100.0), min_size=1, max_size=20))
def test_labels_keep_their_distance_their_order_and_stay_inside(heights: list[float]):
    moved = spread(heights, 4.0, 0.0, 100.0)
    ordered = [height for _, height in sorted(zip(heights, moved, strict=True))]
    assert all(later - earlier >= 4.0 - 1e-9 for earlier, later in pairwise(ordered))
    assert min(moved) >= -1e-9
    assert max(moved) <= 100.0 + 1e-9


def test_labels_that_do_not_overlap_stay_where_they_belong():
    assert spread([10.0, 50.0, 30.0], 5.0, 0.0, 100.0) == [10.0, 50.0, 30.0]


def test_labels_that_overlap_part_evenly():
    assert spread([50.0, 50.0], 4.0, 0.0, 100.0) == [48.0, 52.0]


@pytest.mark.parametrize(
    ("value", "words"),
    [(67123.456, "67,123.46"), (0.612345, "0.612345"), (0.0000123456, "0.0000123456"), (1.5e-11, "0.000000000015")],
)
def test_prices_have_the_digits_that_matter(value: float, words: str):
    assert price_words(value) == words


@pytest.mark.parametrize(("step", "words"), [(500.0, "61,500"), (0.05, "61,500.00")])
def test_prices_beside_the_picture_have_the_decimals_that_tell_them_apart(step: float, words: str):
    assert tick_format(step).format(x=61500) == words
