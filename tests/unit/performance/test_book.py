"""The equal-weight book, against a slow loop over closes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.performance.book import curves, drawdowns

N_GROUPS, N_TIMES = 3, 6
ROWS = st.lists(
    st.tuples(
        st.integers(0, N_GROUPS - 1),
        st.integers(0, N_TIMES - 1),
        st.floats(-1.5, 1.5, allow_nan=False),
        st.sampled_from([1.0, 4.0, 24.0]),
    ),
    max_size=30,
)


def the_book(rows):
    codes, times, returns, bars = (np.array([row[i] for row in rows]) for i in range(4))
    return curves(
        returns.astype(np.float64),
        bars.astype(np.float64),
        codes.astype(np.int32),
        N_GROUPS,
        times.astype(np.int32),
        N_TIMES,
    )


@given(ROWS)
def test_each_close_shares_its_part_of_the_capital_equally(rows):
    found = the_book(rows)

    for group in range(N_GROUPS):
        capital = 1.0
        for time in range(N_TIMES):
            taken = [(gain, bars) for of, at, gain, bars in rows if (of, at) == (group, time)]
            if taken:
                capital *= max(0.0, 1.0 + sum(gain / bars for gain, bars in taken) / len(taken))
            assert found[group, time] == pytest.approx(capital, rel=1e-12, abs=1e-300)


@given(ROWS)
def test_the_drawdown_is_the_deepest_fall_from_an_earlier_height(rows):
    equity = the_book(rows)

    for group, found in enumerate(drawdowns(equity)):
        heights = [1.0, *equity[group]]
        falls = [1.0 - late / early for i, early in enumerate(heights) for late in heights[i:] if early > 0]
        assert found == pytest.approx(max(falls), abs=1e-12)
        assert 0.0 <= found <= 1.0


def test_what_falls_from_the_first_close_on_has_fallen_from_the_capital():
    assert drawdowns(np.array([[0.9, 0.8, 0.85]])) == pytest.approx([0.2])


def test_what_only_rises_has_no_drawdown():
    assert drawdowns(np.array([[1.0, 1.1, 1.1, 1.2]])) == [0.0]


def test_a_book_that_is_ruined_stays_ruined():
    equity = the_book([(0, 1, -1.2, 1.0), (0, 2, 1.0, 1.0)])
    assert equity[0].tolist() == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert drawdowns(equity).tolist() == [1.0, 0.0, 0.0]


def test_a_horizon_of_four_bars_works_with_a_quarter_of_the_capital():
    assert the_book([(0, 0, 0.08, 4.0)])[0, -1] == pytest.approx(1.02)


def test_a_book_without_a_close_has_not_fallen():
    assert drawdowns(np.empty((2, 0))).tolist() == [0.0, 0.0]
