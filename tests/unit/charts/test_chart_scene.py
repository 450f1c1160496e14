"""The scene says exactly what is drawn, where it begins and where it ends."""

import numpy as np
import pandas as pd
import pytest

from pipeline.charts.building import CANDLES_AT_MOST, FULL_SIGNALS, MOST_MARKS, MOST_PATTERNS, build_scene
from pipeline.charts.scene import Point, Scene
from pipeline.domain.errors import DataContractError
from tests.support.chart_material import a_level, a_material, a_pattern, a_signal_row, at, number_of

N_BARS = 60


def middle(n_bars: int = N_BARS) -> float:
    """A price in the middle of the made-up series."""
    bars = a_material(n_bars).bars
    return float((bars["low"].min() + bars["high"].max()) / 2)


def scene_of(**given: object) -> Scene:
    return build_scene(a_material(N_BARS, **given))  # type: ignore[arg-type]


def test_the_title_says_what_it_is_and_the_line_below_up_to_when():
    scene = scene_of()
    assert scene.title == "BTC/USDT  1h  binance"
    assert scene.subtitle == "60 bars, newest close 2024-01-03 12:00 UTC  |  no signals  |  no patterns"
    assert scene.newest_close == at(N_BARS)


def test_a_level_is_drawn_from_the_close_at_which_it_was_known_until_it_expires():
    (line,) = scene_of(levels=[a_level(10, 13, middle(), expires_at=at(41))]).levels
    assert (line.begin, line.end, line.role, line.is_standing) == (13.0, 40.0, "support", False)


def test_a_level_that_was_broken_changes_its_role_there():
    rows = [a_level(10, 13, middle()), a_level(10, 30, middle(), event="broken", role="resistance")]
    first, second = sorted(scene_of(levels=rows).levels, key=lambda line: line.begin)
    assert (first.begin, first.end, first.role) == (13.0, 30.0, "support")
    assert (second.begin, second.role, second.is_standing) == (30.0, "resistance", True)


def test_a_level_that_was_merged_ends_and_the_newer_swing_goes_on():
    rows = [
        a_level(10, 13, middle()),
        a_level(10, 33, middle(), event="merged"),
        a_level(30, 33, middle(), touches=3, strength=0.875),
    ]
    old, new = sorted(scene_of(levels=rows).levels, key=lambda line: line.begin)
    assert (old.begin, old.end, old.is_standing) == (13.0, 33.0, False)
    assert (new.begin, new.touches, new.strength, new.is_standing) == (33.0, 3, 0.875, True)


def test_a_level_outside_the_prices_of_the_picture_is_not_drawn():
    assert scene_of(levels=[a_level(10, 13, middle() * 3)]).levels == ()


def test_a_level_that_nothing_touched_again_is_drawn_only_while_it_stands():
    over = a_level(10, 13, middle(), touches=1, expires_at=at(41))
    standing = a_level(20, 23, middle(), touches=1)
    assert [line.begin for line in scene_of(levels=[over, standing]).levels] == [23.0]


def test_a_pattern_is_drawn_through_its_anchors_with_boundary_and_target():
    top, neck = middle() * 1.01, middle()
    (pattern,) = scene_of(patterns=[a_pattern([top, neck, top])]).patterns
    assert pattern.name == "double top"
    assert [tuple(anchor) for anchor in pattern.anchors] == [
        (10, top, "high"),
        (15, neck, "neckline"),
        (20, top, "high"),
    ]
    assert pattern.boundaries == ((Point(15, neck), Point(25, neck)),)
    assert pattern.completed == Point(25, neck)
    assert pattern.target == pytest.approx(neck - (top - neck))
    assert pattern.target_end == 40


def test_a_pattern_whose_target_is_unknown_has_none():
    assert scene_of(patterns=[a_pattern([2.0, 1.0, 2.0], target=None)]).patterns[0].target is None


def test_of_many_patterns_the_newest_are_drawn_and_the_line_below_says_so():
    scene = scene_of(patterns=[a_pattern([101.0, 100.0, 101.0], first=k) for k in range(20)])
    assert len(scene.patterns) == MOST_PATTERNS
    assert scene.patterns[-1].anchors[0].place == 19
    assert f"the newest {MOST_PATTERNS} of 20 patterns" in scene.subtitle


def test_a_signal_stands_on_the_bar_that_closed_and_ends_with_the_bar_at_whose_close_it_expires():
    (mark,) = scene_of(signals=[a_signal_row(30, 100.0)]).signals
    assert (mark.place, mark.end, mark.price, mark.stop) == (30.0, 33.0, 100.0, 99.0)
    assert [name for name, _ in mark.targets] == ["tp1", "tp2", "tp3"]
    assert mark.is_full
    assert mark.is_labelled


def test_the_newest_few_signals_have_their_prices_and_the_newest_of_them_is_labelled():
    marks = scene_of(signals=[a_signal_row(place, 100.0) for place in range(10, 20)]).signals
    assert [mark.place for mark in marks if mark.is_full] == [19 - k for k in reversed(range(FULL_SIGNALS))]
    assert [mark.place for mark in marks if mark.is_labelled] == [19]


def test_an_alert_and_a_signal_that_was_taken_back_have_no_prices_drawn():
    alert = a_signal_row(30, 100.0, signal_type="ALERT", stop_loss_price=None, target_prices=None)
    void = a_signal_row(31, 100.0, status="INVALIDATED")
    assert [mark.is_full for mark in scene_of(signals=[alert, void]).signals] == [False, False]


def test_the_signal_in_focus_alone_has_its_prices():
    rows = [a_signal_row(place, 100.0) for place in range(10, 20)]
    scene = build_scene(a_material(N_BARS, signals=rows), focus=number_of(12))
    assert [mark.place for mark in scene.signals if mark.is_full] == [12]
    assert [mark.place for mark in scene.signals if mark.is_labelled] == [12]


def test_of_very_many_signals_the_strongest_are_drawn_and_the_line_below_says_so():
    rows = [a_signal_row(k, 100.0, rank_score=k / 1000) for k in range(500)]
    scene = build_scene(a_material(600, signals=rows))
    assert [mark.place for mark in scene.signals] == list(range(500 - MOST_MARKS, 500))
    assert f"the strongest {MOST_MARKS} of 500 live signals" in scene.subtitle


def test_the_prices_of_a_drawn_signal_widen_the_picture_but_not_without_end():
    plain = scene_of()
    height = plain.highest - plain.lowest
    near, far = plain.lowest - 0.3 * height, plain.lowest - 5 * height
    assert scene_of(signals=[a_signal_row(30, middle(), stop_loss_price=near)]).lowest == near
    assert scene_of(signals=[a_signal_row(30, middle(), stop_loss_price=far)]).lowest == plain.lowest


def test_filled_and_blocked_bars_are_stretches_with_their_reason():
    is_filled = np.zeros(N_BARS)
    is_filled[[20, 21, 22, 40]] = 1.0
    reasons = pd.Series(["gapped(0.93)"] * 5 + ["gapped(0.94)"] * 5 + [None] * 50, dtype=object).tolist()
    found = scene_of(is_filled=is_filled, block_reason=reasons).stretches
    assert [(s.begin, s.end, s.kind) for s in found] == [(20, 22, "filled"), (40, 40, "filled"), (0, 9, "blocked")]
    assert found[-1].reason == "gapped"


@pytest.mark.parametrize(("n_bars", "is_line"), [(CANDLES_AT_MOST, False), (CANDLES_AT_MOST + 1, True)])
def test_too_many_bars_for_candles_are_a_line_without_bands(n_bars: int, is_line: bool):
    scene = build_scene(a_material(n_bars))
    assert scene.is_line is is_line
    assert scene.has_bands is not is_line
    assert ("sma_20" in scene.averages) is not is_line


def test_what_is_unknown_is_left_out():
    scene = scene_of(is_known=False)
    assert scene.averages == {}
    assert not scene.has_bands
    assert (scene.lowest, scene.highest) == (scene.bars["low"].min(), scene.bars["high"].max())


def test_a_chart_of_no_bar_is_refused():
    material = a_material(1)
    object.__setattr__(material, "bars", material.bars.iloc[:0])
    with pytest.raises(DataContractError, match="a chart must have a bar at least"):
        build_scene(material)
