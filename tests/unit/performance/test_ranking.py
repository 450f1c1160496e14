"""Order within groups, against pandas and scipy group by group."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from pipeline.performance.ranking import Ascending, Grouped, correlations, deviations, medians

N_GROUPS = 5  # of which rows name four at most, so that one is always empty
NUMBERS = st.sampled_from([-2.5, -1.0, -0.0, 0.0, 0.1, 0.2, 0.1 + 0.2, 0.3, 1e-300, 7.0])  # with ties, and nearly so
ROWS = st.lists(st.tuples(st.integers(0, N_GROUPS - 2), NUMBERS, NUMBERS), max_size=40)


def columns(rows):
    codes, a, b = (np.array([row[i] for row in rows]) for i in range(3))
    return codes.astype(np.int32), a.astype(np.float64), b.astype(np.float64)


def grouped(values, codes):
    return Grouped.of(codes, N_GROUPS, Ascending.of(values))


@given(ROWS)
def test_medians_are_those_of_pandas(rows):
    codes, values, _ = columns(rows)
    expected = pd.Series(values).groupby(codes).median().reindex(range(N_GROUPS)).to_numpy()
    np.testing.assert_allclose(medians(values, grouped(values, codes)), expected, rtol=1e-15)


@given(ROWS)
def test_deviations_are_those_of_the_average_ranks_of_pandas(rows):
    codes, values, _ = columns(rows)
    by = pd.Series(values).groupby(codes)
    expected = 2 * by.rank(method="average") - (by.transform("size") + 1)
    np.testing.assert_array_equal(deviations(grouped(values, codes)), expected.to_numpy())


@given(ROWS)
def test_correlations_of_ranks_are_those_of_spearman(rows):
    codes, a, b = columns(rows)

    found = correlations(deviations(grouped(a, codes)), deviations(grouped(b, codes)), codes, N_GROUPS)

    for group in range(N_GROUPS):
        mine, theirs = a[codes == group], b[codes == group]
        if len(set(mine)) < 2 or len(set(theirs)) < 2:
            assert np.isnan(found[group])
        else:
            assert found[group] == pytest.approx(spearmanr(mine, theirs).statistic, abs=1e-12)


def test_a_million_equal_values_do_not_correlate():
    n = 1_000_000
    codes = np.zeros(n, np.int32)
    equal, rising = (
        deviations(Grouped.of(codes, 1, Ascending.of(values))) for values in (np.full(n, 0.65), np.arange(float(n)))
    )
    assert np.isnan(correlations(equal, rising, codes, 1)[0])


def test_no_group_at_all_is_no_figure():
    none, codes = np.empty(0), np.empty(0, np.int32)
    empty = Grouped.of(codes, 0, Ascending.of(none))
    assert [len(medians(none, empty)), len(deviations(empty)), len(correlations(none, none, codes, 0))] == [0] * 3
