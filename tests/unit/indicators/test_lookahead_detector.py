"""The detector of look-ahead: a detector that detects nothing is worse than none."""

import pytest

from tests.support.lookahead import PEEKERS, first_rewrite
from tests.support.market import random_walk


@pytest.mark.parametrize("name", sorted(PEEKERS))
def test_the_detector_catches_a_function_that_peeks(name):
    assert first_rewrite(PEEKERS[name], random_walk(seed=1, n_candles=60)) is not None


def test_the_detector_says_where_the_past_first_changed():
    def peeks_once(bars):
        close = bars["close"].copy()
        close.iloc[7] = close.iloc[:10].sum()  # known only once bar 9 is there
        return close

    assert (
        first_rewrite(lambda bars: peeks_once(bars) if len(bars["close"]) > 7 else bars["close"], random_walk(seed=1))
        == 8
    )


def test_the_detector_passes_a_function_that_looks_back():
    assert first_rewrite(lambda bars: bars["close"].rolling(20).mean(), random_walk(seed=1, n_candles=60)) is None


def test_the_detector_takes_unknown_for_equal_to_unknown():
    assert first_rewrite(lambda bars: bars["close"].shift(100), random_walk(seed=1, n_candles=60)) is None
