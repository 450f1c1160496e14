"""A report in words and tables: what is said, what is kept back, and what a grouping cannot tell."""

import math

import numpy as np
import pytest

from pipeline.performance.executed import Count
from pipeline.performance.ranking import Ascending, Grouped, quantiles
from pipeline.performance.tables import cautions, executed_table, facts, tables
from pipeline.performance.wording import NOTHING, number, probability, rate, rates_between, returns_between, signed
from tests.support.outcome_samples import a_mixed_report, a_report, some_outcomes


def fact(report, name):
    return next(each for each in facts(report) if each.name == name)


def cell(table, group, title):
    place = [heading.title for heading in table.headings].index(title)
    return next(row[place] for row in table.rows if row[0] == group)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (rate(0.34355), "34.4 %"),
        (rate(0.0), "0.0 %"),
        (rate(1.0), "100.0 %"),
        (rate(0.99987), ">99.9 %"),
        (rate(0.0001), "<0.1 %"),
        (rate(math.nan), NOTHING),
        (signed(-0.00267), "-0.27 %"),
        (signed(0.0012), "+0.12 %"),
        (signed(-0.00001), "0.00 %"),
        (rates_between(0.339, 0.349), "33.9 to 34.9 %"),
        (returns_between(-0.0005, 0.0001), "-0.05 to +0.01 %"),
        (returns_between(math.nan, 0.1), NOTHING),
        (probability(0.987), "0.987"),
        (probability(0.00025), "<0.001"),
        (number(-0.001), "0.00"),
        (number(math.nan, " R"), NOTHING),
        (number(-0.5, " R"), "-0.50 R"),
    ],
)
def test_a_figure_is_written_short_and_never_rounded_to_what_it_is_not(written, expected):
    assert written == expected


def test_the_facts_begin_with_outcomes_and_compare_them_with_chance():
    report = a_report(some_outcomes([0.01, 0.01, -0.02, 0.03] * 20, random_return=0.002))

    assert [each.name for each in facts(report)][:4] == ["signals", "hit rate", "mean return", "entries at random"]
    assert fact(report, "hit rate").value == "75.0 %"
    assert "64.5 to 83.2 %" in fact(report, "hit rate").about  # Wilson's interval of 60 of 80
    assert fact(report, "mean return").value == "+0.75 %"
    assert fact(report, "over random").value == "+0.55 %"
    assert fact(report, "profit factor").value == "2.50"


def test_what_is_unknown_is_said_and_not_counted():
    few = a_report(some_outcomes([0.01, math.nan], random_return=math.nan), n_pending=7)
    said = " | ".join(cautions(few))

    assert "7 signals wait for candles" in said
    assert "1 signals have no return" in said
    assert "1 outcomes say little" in said
    assert "no entries at random are known" in said
    assert fact(few, "hit rate").value == "100.0 %"
    many = " | ".join(cautions(a_mixed_report()))
    assert "outcomes say little" not in many
    assert "have no return" not in many
    assert "of 3 strategies without any skill, 0.15 have p < 0.05" in many


def test_an_empty_window_has_every_fact_and_table_without_a_value():
    report = a_report(some_outcomes([]))

    assert [each.name for each in facts(report)] == [each.name for each in facts(a_mixed_report())]
    assert {each.value for each in facts(report)} == {"0", NOTHING}
    assert list(tables(report)) == list(tables(a_mixed_report()))
    assert all(not table.rows for name, table in tables(report).items() if name not in ("side", "decision"))
    assert [row[1] for row in executed_table(report).rows] == ["0"] * 5


def test_every_row_of_a_table_has_a_cell_for_each_heading():
    for table in tables(a_mixed_report()).values():
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.headings)}


def test_a_strategy_stands_with_its_own_figures():
    report = a_report(some_outcomes([0.01, 0.01, -0.01, -0.01], strategy=["A", "A", "B", "B"], random_return=-0.005))
    table = tables(report)["strategy"]

    assert [cell(table, name, "hit rate") for name in "AB"] == ["100.0 %", "0.0 %"]
    assert [cell(table, name, "over random") for name in "AB"] == ["+1.50 %", "-0.50 %"]


def test_ways_out_have_returns_but_no_comparison_with_chance():
    returns = [0.01, 0.02, 0.03, -0.05]
    report = a_report(some_outcomes(returns, exit_reason=["target", "target", "target", "stop"]))
    table, figures = tables(report)["exit"], report.figures["exit_reason"]

    assert [row[0] for row in table.rows] == ["target", "stop"]
    assert cell(table, "target", "share") == "75.0 %"
    assert cell(table, "target", "median") == "+2.00 %"
    assert cell(table, "target", "5 %") == "+1.10 %"
    assert figures[["p_value", "excess_return", "total_return", "max_drawdown"]].isna().all(axis=None)
    assert figures["mean_return"].notna().all()


def test_confidence_is_pooled_over_the_strategies_of_a_source():
    report = a_report(
        some_outcomes([0.01, -0.01, -0.01, 0.01], strategy=["A", "A", "B", "B"], confidence=[0.7, 0.7, 0.7, 0.9])
    )
    pooled = report.source_reliability

    assert pooled[["group", "confidence", "n"]].to_numpy().tolist() == [
        ["technical", "0.70-0.75", 3],
        ["technical", "0.90-0.95", 1],
    ]
    assert pooled["realised"].tolist() == pytest.approx([1 / 3, 1.0])
    assert cell(tables(report)["calibration"], "technical B", "error") == "40.0 %"  # half .7, half .1


def test_what_was_executed_has_its_rates_and_the_rest_none():
    counts = [Count("technical", False, 10, 4, 6, 4, 3, 1, 0, 0.02), Count("sentiment", True, 5, 0, 5, 0, 0, 0, 0, 0.0)]
    table = executed_table(a_report(some_outcomes([0.01]), executed=counts))

    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["technical"] == ("4", "6", "75.0 %", "+0.50 %")
    assert rows["sentiment"] == ("0", "5", NOTHING, NOTHING)
    assert rows["ml_model"] == ("0", "0", NOTHING, NOTHING)
    assert table.about.startswith("40.0 % of the signals that ended were executed; 3 won, 1 lost")


def test_quantiles_of_groups_are_numpys():
    rng = np.random.default_rng(2)
    values, codes = rng.normal(size=500), rng.integers(0, 4, 500).astype(np.int32)
    codes[codes == 2] = 1  # a group without values
    shares = (0.05, 0.25, 0.5, 0.95)

    found = quantiles(values, Grouped.of(codes, 4, Ascending.of(values)), shares)

    for group in (0, 1, 3):
        assert found[group] == pytest.approx(np.quantile(values[codes == group], shares))
    assert np.isnan(found[2]).all()
