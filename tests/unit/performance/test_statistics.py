"""The figures of groups, against pandas and scipy group by group."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, spearmanr

from pipeline.performance.statistics import COUNTS, FIGURES, Statistics
from tests.support.performance import a_sample

N_GROUPS = 6  # the last one is empty, the one before has one outcome


def asked(sample, codes, n_groups=N_GROUPS):
    return Statistics(sample).of(codes, n_groups, np.bincount(codes, minlength=n_groups) + 2)


@pytest.fixture(params=[1, 2, 3])
def drawn(request):
    """A sample, the group of each outcome, and their table."""
    sample = a_sample(400, request.param)
    codes = np.random.default_rng(request.param).integers(0, 4, 400).astype(np.int32)
    codes[17] = 4
    names = [field.name for field in fields(sample) if isinstance(getattr(sample, field.name), np.ndarray)]
    return sample, codes, pd.DataFrame({name: getattr(sample, name) for name in names}).assign(group=codes)


def test_counts_and_means_are_those_of_pandas(drawn):
    sample, codes, table = drawn
    by = table.assign(excess=table["net_return"] - table["random_return"]).groupby("group")
    gains = table["net_return"].clip(lower=0).groupby(codes).sum()
    losses = (-table["net_return"].clip(upper=0)).groupby(codes).sum()
    expected = pd.DataFrame(
        {
            "mean_return": by["net_return"].mean(),
            "median_return": by["net_return"].median(),
            "profit_factor": (gains / losses).where(losses > 0),
            "expectancy_r": by["r_multiple"].mean(),
            "ladder_return": by["ladder_return"].mean(),
            "long_return": by["long_return"].mean(),
            "random_return": by["random_return"].mean(),
            "excess_return": by["excess"].mean(),
        }
    ).reindex(range(N_GROUPS))

    found = asked(sample, codes)

    assert tuple(found.columns) == (*COUNTS, *FIGURES)
    pd.testing.assert_frame_equal(found[list(expected)], expected, check_names=False, rtol=1e-12)
    assert found["entered"].tolist() == by.size().reindex(range(N_GROUPS), fill_value=0).tolist()
    assert found["signals"].tolist() == (found["entered"] + 2).tolist()
    for name, which in (("wins", "> 0"), ("losses", "< 0"), ("breakeven", "== 0")):
        counted = table.query(f"net_return {which}").groupby("group").size()
        assert found[name].tolist() == counted.reindex(range(N_GROUPS), fill_value=0).tolist()
    assert (found["breakeven"] > 0).any()


def test_rates_and_their_intervals_are_those_of_scipy(drawn):
    sample, codes, table = drawn
    found = asked(sample, codes)
    for group, of_group in table.groupby("group"):
        wins = int((of_group["net_return"] > 0).sum())
        interval = binomtest(wins, len(of_group)).proportion_ci(method="wilson")
        expected = [wins / len(of_group), interval.low, interval.high]
        assert found.loc[group, ["hit_rate", "hit_low", "hit_high"]].tolist() == pytest.approx(expected, abs=1e-12)


def test_the_information_coefficient_is_spearmans_of_the_side_times_confidence_with_the_move(drawn):
    sample, codes, table = drawn
    found = asked(sample, codes)
    for group, of_group in table[table["group"] < 4].groupby("group"):
        expected = spearmanr(of_group["side"] * of_group["confidence"], of_group["long_return"]).statistic
        assert found.loc[group, "information_coefficient"] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(found.loc[4, "information_coefficient"])


def test_the_book_is_that_of_a_loop_over_closes(drawn):
    sample, codes, table = drawn
    found = asked(sample, codes)
    for group, of_group in table.groupby("group"):
        capital, highest, deepest = 1.0, 1.0, 0.0
        for _, of_close in of_group.sort_values("closes").groupby("closes"):
            capital *= 1.0 + of_close["net_return"].mean()
            highest = max(highest, capital)
            deepest = max(deepest, 1.0 - capital / highest)
        told = found.loc[group, ["total_return", "max_drawdown"]].tolist()
        assert told == pytest.approx([capital - 1.0, deepest], abs=1e-12)


def test_a_group_is_told_the_same_however_others_are_grouped(drawn):
    sample, codes, _ = drawn
    merged = np.where(codes == 2, 1, 0).astype(np.int32)
    found = asked(sample, merged, 2).loc[1].drop("signals")
    pd.testing.assert_series_equal(found, asked(sample, codes).loc[2].drop("signals"), check_names=False)


def test_a_group_without_an_outcome_has_counts_and_no_figure(drawn):
    sample, codes, _ = drawn
    empty = asked(sample, codes).loc[N_GROUPS - 1]
    assert empty[list(COUNTS)].tolist() == [2, 0, 0, 0, 0]
    assert empty[list(FIGURES)].isna().all()


def test_no_outcome_at_all_has_counts_and_no_figure():
    found = Statistics(a_sample(0)).of(np.empty(0, np.int32), 2, np.array([3, 0]))
    assert found["signals"].tolist() == [3, 0]
    assert found[list(FIGURES)].isna().all(axis=None)


def test_no_group_at_all_is_no_row():
    assert asked(a_sample(0), np.empty(0, np.int32), 0).empty


def of_returns(returns):
    n = len(returns)
    return asked(a_sample(n, net_return=np.array(returns)), np.zeros(n, np.int32), 1).iloc[0]


def test_who_only_wins_has_no_profit_factor_and_no_drawdown():
    found = of_returns([0.01, 0.02, 0.03])
    assert (found["hit_rate"], found["hit_high"], found["max_drawdown"]) == (1.0, 1.0, 0.0)
    assert np.isnan(found["profit_factor"])


def test_who_only_loses_has_a_profit_factor_of_nothing():
    found = of_returns([-0.01, -0.02, -0.03])
    assert (found["hit_rate"], found["hit_low"], found["profit_factor"]) == (0.0, pytest.approx(0.0), 0.0)
    assert found["max_drawdown"] == pytest.approx(-found["total_return"])


def test_breakeven_is_neither_won_nor_lost():
    found = of_returns([0.0, 0.0])
    assert (found["wins"], found["losses"], found["breakeven"], found["hit_rate"]) == (0, 0, 2, 0.0)
    assert np.isnan(found["profit_factor"])


def test_without_entries_at_random_there_is_nothing_to_compare_with():
    sample = a_sample(50, random_return=np.full(50, np.nan))
    found = asked(sample, np.zeros(50, np.int32), 1).iloc[0]
    assert found[["random_return", "excess_return", "excess_low", "excess_high", "p_value"]].isna().all()
    assert not np.isnan(found["mean_return"])


def test_signals_of_one_day_are_one_block():
    sample = a_sample(40, net_return=np.full(40, 0.01), random_return=np.zeros(40))
    same_day = a_sample(
        40, net_return=np.full(40, 0.01), random_return=np.zeros(40), closes=sample.closes[:1].repeat(40)
    )
    assert asked(sample, np.zeros(40, np.int32), 1)["p_value"].iloc[0] < 0.001
    assert np.isnan(asked(same_day, np.zeros(40, np.int32), 1)["p_value"].iloc[0])
