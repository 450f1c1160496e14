"""Numbers as a person reads them: short, unless that would hide on which side of a limit they lie."""

from math import nextafter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.strategies.checks import rounded


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.6205419999999999, "0.620542"),
        (0.42799248157443864, "0.427992"),
        (0.7, "0.7"),
        (0.0, "0"),
        (46270.994, "46270.99"),
        (1.23456789e-7, "1.23457e-07"),
        (-1234.5678, "-1234.57"),
        (float("nan"), "unknown"),
    ],
)
def test_a_number_has_the_digits_that_say_something(value, told):
    assert rounded(value) == told


def test_a_number_that_is_nearly_its_limit_has_all_its_digits():
    below = nextafter(0.6, 0.0)
    assert rounded(below) == "0.6"
    assert rounded(below, 0.6) == repr(below)
    assert rounded(0.6, 0.6) == "0.6"


fractions = st.floats(0.0, 1.0)


@given(value=fractions, limit=fractions)
@example(value=0.1234558, limit=0.1234562)  # both are 0.123456
def test_two_numbers_that_were_compared_compare_alike_as_they_are_told(value, limit):
    told, told_limit = float(rounded(value, limit)), float(rounded(limit, value))
    for other in (limit, told_limit):
        assert (told < other, told > other) == (value < limit, value > limit)
