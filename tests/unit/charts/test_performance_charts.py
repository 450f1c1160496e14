"""Pictures of how signals did: they are drawn of nothing, of one and of many, and show the figures of the report."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pipeline.charts import style
from pipeline.charts.performance import (
    FINE_SMALL,
    NORMAL,
    PICTURES,
    SMALL,
    against_chance,
    draw_performance,
    equity_curves,
    hit_rates,
)
from tests.support.outcome_samples import a_mixed_report, a_report, some_outcomes

NAMES = [name for name, *_ in PICTURES]
MOST_BYTES = 40_000


def pixels(png):
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def share_of(png, colour):
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return float((np.abs(pixels(png) - wanted).max(axis=2) <= 12).mean())


def drawn(report, size=NORMAL):
    return {picture.name: picture.png for picture in draw_performance(report, size)}


@pytest.mark.parametrize(
    "report",
    [
        a_report(some_outcomes([])),
        a_report(some_outcomes([0.01])),
        a_report(some_outcomes([float("nan")])),
        a_report(some_outcomes([-0.2] * 60)),  # a curve that falls to nothing
        a_mixed_report(),
    ],
    ids=["none", "one", "not entered", "ruin", "many"],
)
@pytest.mark.parametrize("size", [NORMAL, SMALL, FINE_SMALL], ids=["normal", "small", "fine"])
def test_every_picture_is_drawn_as_wide_as_asked_and_small(report, size):
    found = drawn(report, size)

    assert list(found) == NAMES
    for png in found.values():
        assert pixels(png).shape[1] == size.width * size.scale
        assert (pixels(png)[0] == 255).all()
        assert len(png) < MOST_BYTES * size.scale


def test_equal_reports_give_equal_bytes():
    assert drawn(a_mixed_report()) == drawn(a_mixed_report())


def test_one_figure_that_differs_shows():
    report = a_mixed_report()
    figures = report.figures["component"]
    wrong = figures.assign(excess_return=figures["excess_return"].where(figures.index != 0, 0.05))
    planted = replace(report, figures={**report.figures, "component": wrong})

    right, changed = drawn(report), drawn(planted)

    assert {name for name in NAMES if right[name] != changed[name]} == {"strategies against random entries"}


def test_a_strategy_is_blue_only_where_its_interval_of_enough_signals_is_above_chance():
    good = a_report(some_outcomes(np.random.default_rng(1).normal(0.01, 0.01, 200).tolist()))
    few = a_report(some_outcomes(np.random.default_rng(1).normal(0.01, 0.01, 12).tolist()))
    bad = a_report(some_outcomes(np.random.default_rng(1).normal(-0.01, 0.01, 200).tolist()))
    name = "strategies against random entries"

    assert against_chance(few)["excess_low"].iloc[0] > 0
    coloured = {
        kind: (share_of(drawn(report)[name], style.SIGNALS["BUY"]), share_of(drawn(report)[name], style.STOP))
        for kind, report in {"good": good, "few": few, "bad": bad}.items()
    }
    assert coloured["good"][0] > 0 == coloured["good"][1]
    assert coloured["few"] == (0, 0)
    assert coloured["bad"][1] > 0 == coloured["bad"][0]


def test_strategies_stand_best_first_and_without_those_that_cannot_be_compared():
    report = a_report(some_outcomes([0.0, 0.02, -0.01] * 20, strategy=["MIDDLE", "BEST", "WORST"] * 20))
    unknown = a_report(some_outcomes([0.01] * 9, random_return=float("nan")))

    table = against_chance(report)

    assert table["group"].tolist() == ["BEST", "MIDDLE", "WORST"]
    assert table["excess_return"].tolist() == pytest.approx([0.02, 0.0, -0.01])
    assert against_chance(unknown).empty


def test_all_signals_stand_above_their_sources_unless_there_is_but_one():
    assert hit_rates(a_mixed_report())["group"].tolist() == ["all", "ml_model", "multi", "technical"]
    single = hit_rates(a_report(some_outcomes([0.01, 0.02, -0.01, 0.01])))
    assert single["group"].tolist() == ["technical"]
    assert single["hit_rate"].tolist() == [0.75]


def test_the_curves_begin_at_one_and_end_at_what_the_report_says():
    report = a_mixed_report()

    curves = equity_curves(report)

    assert (curves.iloc[0] == 1.0).all()
    assert curves.index[0] == pd.Timestamp(report.window.start).tz_convert(None)
    assert curves["all"].iloc[-1] == pytest.approx(1.0 + report.overall["total_return"])
    assert list(equity_curves(a_report(some_outcomes([0.01]))).columns) == ["technical"]
    assert equity_curves(a_report(some_outcomes([]))).empty


@pytest.mark.parametrize("n_hours", [2, 23, 47, 71, 96, 170, 24 * 20, 24 * 75, 24 * 400])
def test_a_curve_of_any_length_has_its_dates_without_a_warning(n_hours):
    report = a_report(some_outcomes([0.001, -0.001] * 20, n_hours=n_hours))
    for size in (NORMAL, FINE_SMALL):
        assert "equity" in " ".join(drawn(report, size)).lower()
