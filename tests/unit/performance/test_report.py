"""The report: every grouping over the right rows, and windows with nothing in them."""

import json

import numpy as np
import pandas as pd
import pytest

from pipeline.performance.executed import spec_performance
from pipeline.performance.payload import payload
from pipeline.performance.report import ALL, DROPPED, KEPT, Performance, performance
from pipeline.performance.statistics import FIGURES
from tests.support.performance import WINDOW, some_outcomes

EXECUTED = spec_performance([], "30d")


def reported(outcomes, dropped=None) -> Performance:
    return performance(WINDOW, outcomes, some_outcomes(0) if dropped is None else dropped, EXECUTED, 3)


def table_of(outcomes):
    """Each outcome with the names of its groups."""
    named = {name: np.array(labels.names, dtype=object)[labels.codes] for name, labels in outcomes.groupings.items()}
    sample = outcomes.sample
    return pd.DataFrame({"net_return": sample.net_return, "stated": sample.confidence, **named})


@pytest.fixture
def outcomes():
    return some_outcomes(500)


@pytest.mark.parametrize("name", ["source", "strategy", "confidence"])
def test_a_grouping_counts_all_signals_and_means_those_that_were_entered(outcomes, name):
    by = table_of(outcomes).groupby(name)["net_return"]

    found = reported(outcomes).figures[name].set_index("group")

    assert found["signals"].to_dict() == by.size().to_dict()
    assert found["entered"].to_dict() == by.count().to_dict()
    assert found["mean_return"].to_dict() == pytest.approx(by.mean().to_dict())
    assert found["median_return"].to_dict() == pytest.approx(by.median().to_dict())


def test_all_of_them_are_one_group(outcomes):
    found = reported(outcomes)
    net = outcomes.sample.net_return
    assert found.figures[ALL]["group"].tolist() == [ALL]
    assert (found.overall["signals"], found.overall["entered"]) == (500, np.isfinite(net).sum())
    assert found.overall["mean_return"] == pytest.approx(np.nanmean(net))
    assert found.n_pending == 3


def test_a_strategy_is_given_every_signal_that_it_had_a_part_in(outcomes):
    labels, rows = outcomes.components
    net = outcomes.sample.net_return[rows]
    found = reported(outcomes).figures["component"].set_index("group")
    for code, name in enumerate(labels.names):
        of_name = net[labels.codes == code]
        assert (found["signals"][name], found["entered"][name]) == (len(of_name), np.isfinite(of_name).sum())
        assert found["mean_return"][name] == pytest.approx(np.nanmean(of_name))


def test_dropped_advice_stands_beside_what_was_kept(outcomes):
    dropped = some_outcomes(200, seed=8)
    by = table_of(dropped).groupby("reason")["net_return"]

    found = reported(outcomes, dropped)

    decision = found.figures["decision"].set_index("group")
    assert decision.index.tolist() == [KEPT, DROPPED, "exposure", "low_confidence"]
    assert decision["mean_return"][KEPT] == found.overall["mean_return"]
    assert decision["mean_return"][DROPPED] == pytest.approx(np.nanmean(dropped.sample.net_return))
    assert decision["mean_return"].iloc[2:].to_dict() == pytest.approx(by.mean().to_dict())


def test_reliability_is_told_by_source_and_strategy_of_what_was_entered(outcomes):
    entered = table_of(outcomes).dropna(subset="net_return")
    entered = entered.assign(group=entered["source"] + " " + entered["strategy"], won=entered["net_return"] > 0)
    by = entered.groupby(["group", "confidence"])

    found = reported(outcomes)

    told = found.reliability.set_index(["group", "confidence"])
    assert told["n"].to_dict() == by.size().to_dict()
    assert told["realised"].to_dict() == pytest.approx(by["won"].mean().to_dict())
    distance = (by["won"].mean() - by["stated"].mean()).abs() * by.size()
    errors = distance.groupby("group").sum() / entered.groupby("group").size()
    assert found.calibration_error.set_index("group")["error"].to_dict() == pytest.approx(errors.to_dict())
    assert found.calibration_error["n"].sum() == len(entered)


def test_calibrated_confidence_is_set_beside_what_was_stated_of_the_same_signals(outcomes):
    table = table_of(outcomes).assign(calibrated=outcomes.calibrated).dropna(subset=["net_return", "calibrated"])
    table = table.assign(group=table["source"] + " " + table["strategy"], won=(table["net_return"] > 0).astype(float))

    found = reported(outcomes).calibrated.set_index("group")

    for name, of_group in table.groupby("group"):
        assert found["n"][name] == len(of_group)
        assert found["calibrated"][name] == pytest.approx(of_group["calibrated"].mean())
        assert found["realised"][name] == pytest.approx(of_group["won"].mean())
        for said, column in (("stated", "stated_error"), ("calibrated", "calibrated_error")):
            by = of_group.groupby(np.floor(of_group[said] * 20 + 1e-9).clip(upper=19))
            error = ((by["won"].mean() - by[said].mean()).abs() * by.size()).sum() / len(of_group)
            assert found[column][name] == pytest.approx(error)
    assert found["n"].sum() == len(table)


def test_the_curve_ends_where_the_total_return_does(outcomes):
    found = reported(outcomes)
    by_source = found.figures["source"].set_index("group")["total_return"]
    assert found.equity[ALL][-1] - 1.0 == pytest.approx(found.overall["total_return"])
    assert {name: curve[-1] - 1.0 for name, curve in found.equity.items() if name != ALL} == pytest.approx(
        by_source.to_dict()
    )
    assert {len(curve) for curve in found.equity.values()} == {len(found.closes)}
    assert (np.diff(found.closes) > np.timedelta64(0)).all()


@pytest.mark.parametrize("n", [0, 1])
def test_a_window_without_an_entry_has_the_full_shape(n):
    nothing = some_outcomes(n, net_return=np.full(n, np.nan))
    shape = {name: list(table.columns) for name, table in reported(some_outcomes(100)).figures.items()}

    found = reported(nothing)

    assert {name: list(table.columns) for name, table in found.figures.items()} == shape
    assert (found.overall["signals"], found.overall["entered"]) == (n, 0)
    assert found.overall[list(FIGURES)].isna().all()
    assert (len(found.reliability), len(found.closes)) == (0, 0)
    assert found.calibration_error["error"].isna().all()


@pytest.mark.parametrize("n", [0, 1, 50])
def test_a_report_is_plain_json_whatever_is_in_it(n):
    found = reported(some_outcomes(n))

    made = json.loads(json.dumps(payload(found), allow_nan=False, default=str))

    assert {name: len(records) for name, records in made["figures"].items()} == {
        name: len(table) for name, table in found.figures.items()
    }
    assert made["mean_return"] == (pytest.approx(found.overall["mean_return"]) if found.overall["entered"] else None)
    assert len(made["reliability"]) == len(found.reliability)


def test_one_outcome_has_its_own_return_and_no_probability():
    found = reported(some_outcomes(1, net_return=np.array([0.01]))).overall
    assert (found["signals"], found["entered"], found["wins"], found["hit_rate"]) == (1, 1, 1, 1.0)
    assert (found["mean_return"], found["median_return"]) == (0.01, 0.01)
    assert found[["information_coefficient", "p_value", "profit_factor"]].isna().all()
