"""Stated against realised, against a slow loop over the classes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pipeline.performance.reliability import class_name, classes, reliability

EDGES = [n / 100 for n in range(0, 101, 5)]
ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.one_of(st.floats(0.0, 1.0), st.sampled_from(EDGES)), st.booleans()), max_size=40
)


def asked(rows, n_groups=3):
    codes, confidence, is_win = (np.array([row[i] for row in rows]) for i in range(3))
    return reliability(confidence.astype(np.float64), is_win.astype(np.float64), codes.astype(np.int32), n_groups)


@pytest.mark.parametrize("edge", EDGES[:-1])
def test_an_edge_is_in_the_class_that_begins_with_it(edge):
    (found,) = classes(np.array([edge]))
    assert class_name(int(found)) == f"{edge:.2f}-{edge + 0.05:.2f}"


@pytest.mark.parametrize("edge", EDGES[1:])
def test_what_is_below_an_edge_is_in_the_class_before(edge):
    (found,) = classes(np.array([edge - 1e-6]))
    assert class_name(int(found)) == f"{edge - 0.05:.2f}-{edge:.2f}"


@pytest.mark.parametrize(("confidence", "name"), [(1.0, "0.95-1.00"), (0.0, "0.00-0.05"), (0.65, "0.65-0.70")])
def test_the_ends_and_the_confidence_of_most_strategies(confidence, name):
    assert class_name(int(classes(np.array([confidence]))[0])) == name


@given(ROWS)
def test_the_table_and_the_error_are_those_of_a_loop(rows):
    found = asked(rows)

    told, errors = [], []
    for group in range(3):
        of_group, distance = [row for row in rows if row[0] == group], 0.0
        for number in range(20):
            low, high = number * 5, (number + 1) * 5
            held = [(c, won) for _, c, won in of_group if low <= c * 100 + 1e-6 < high or (number == 19 and c == 1.0)]
            if held:
                stated, wins = sum(c for c, _ in held) / len(held), sum(won for _, won in held)
                interval = binomtest(wins, len(held)).proportion_ci(method="wilson")
                name = f"{low / 100:.2f}-{high / 100:.2f}"
                told.append((group, name, len(held), stated, wins / len(held), interval.low, interval.high))
                distance += len(held) / len(of_group) * abs(wins / len(held) - stated)
        errors.append(distance if of_group else np.nan)

    table = found.table
    assert [tuple(row[:3]) for row in table.to_numpy()] == [row[:3] for row in told]
    numbers = table[["stated", "realised", "low", "high"]].to_numpy(dtype=float)
    np.testing.assert_allclose(numbers, np.array([row[3:] for row in told]).reshape(-1, 4), atol=1e-12)
    np.testing.assert_allclose(found.error, errors, atol=1e-12)


def test_who_keeps_the_word_has_no_error():
    assert asked([(0, 0.75, True), (0, 0.75, True), (0, 0.75, True), (0, 0.75, False)]).error[0] == pytest.approx(0.0)


def test_who_is_sure_and_always_wrong_has_all_of_it():
    found = asked([(0, 1.0, False)] * 5 + [(1, 1.0, True)] * 5)
    assert found.error[:2].tolist() == [1.0, 0.0]
    assert np.isnan(found.error[2])


def test_nothing_is_no_row():
    found = asked([], n_groups=0)
    assert (len(found.table), len(found.error)) == (0, 0)
