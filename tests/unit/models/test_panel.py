"""The panel: which bars have a label, what the label is, and that rows and frames keep their places."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.models.panel import make_panel, stacked
from tests.support.market import random_walk
from tests.support.model_panels import START, a_panel

HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
LATER = START + 99 * WEEK


def test_rows_stand_by_bar_and_then_by_place():
    panel = a_panel(n_weeks=1)
    rows = panel.rows(START, LATER)

    assert rows.tolist() == sorted(rows.tolist(), key=lambda row: (row[1], row[0]))
    assert rows[:5].tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1]]


def test_a_period_holds_closes_after_its_begin_whose_labels_end_within_it():
    panel = a_panel(n_weeks=1)
    bars = np.unique(panel.rows(START + 3 * HOUR, START + 8 * HOUR)[:, 1])

    # Bar 0 closes an hour after the start. The close at 3 h is not after 3 h; the label of that at 8 h ends at 9 h.
    assert bars.tolist() == [3, 4, 5, 6]


def test_periods_side_by_side_share_no_row_and_the_bar_whose_label_crosses_belongs_to_neither():
    panel = a_panel(n_weeks=2)
    middle = START + WEEK
    early, late, all_ = (panel.rows(*p) for p in ((START, middle), (middle, LATER), (START, LATER)))
    left = {tuple(row) for row in all_} - {tuple(row) for row in early} - {tuple(row) for row in late}

    assert len(early) + len(late) + len(left) == len(all_)
    assert {bar for _, bar in left} == {167}
    assert panel.close_at[167] == np.datetime64(middle.replace(tzinfo=None))


def test_the_newest_bar_has_no_label():
    panel = a_panel(n_weeks=1)

    assert panel.rows(START, LATER)[-1].tolist() == [3, len(panel.close_at) - 2]


def test_a_bar_is_a_row_only_if_it_and_the_next_one_were_traded():
    panel = a_panel(n_weeks=1)
    usable = panel.is_usable.copy()
    usable[1, 50] = False
    rows = replace(panel, is_usable=usable).rows(START, LATER)
    gone = {tuple(row) for row in panel.rows(START, LATER)} - {tuple(row) for row in rows}

    assert gone == {(1, 49), (1, 50)}


def test_a_week_of_weeks_is_cut_by_the_length_of_its_own_bars():
    panel = a_panel(n_weeks=30, timeframe=Timeframe.W1)

    assert np.unique(panel.rows(START + 2 * WEEK, START + 6 * WEEK)[:, 1]).tolist() == [2, 3, 4]


def test_an_unchanged_close_did_not_go_up():
    panel = a_panel(n_weeks=1, n_symbols=1)
    panel.close[0, :4] = [10.0, 10.0, 11.0, 9.0]

    assert panel.went_up(np.array([[0, 0], [0, 1], [0, 2]])).tolist() == [0.0, 1.0, 0.0]


def test_reaches_are_those_of_the_next_bar_as_fractions_of_the_close():
    panel = a_panel(n_weeks=1, n_symbols=2)
    panel.close[1, 5], panel.high[1, 6], panel.low[1, 6] = 200.0, 210.0, 190.0
    panel.high[1, 5], panel.low[1, 5] = 999.0, 1.0
    row = np.array([[1, 5]])

    assert panel.next_high(row) == pytest.approx([0.05])
    assert panel.next_low(row) == pytest.approx([-0.05])


def test_labels_come_in_the_order_of_the_rows():
    panel = a_panel(n_weeks=1)
    rows = panel.rows(START, LATER)
    order = np.random.default_rng(0).permutation(len(rows))

    assert 0.3 < panel.went_up(rows).mean() < 0.7
    for label in (panel.went_up, panel.next_high, panel.next_low):
        assert np.array_equal(label(rows[order]), label(rows)[order])


def test_frames_become_a_panel_place_by_place_and_bar_by_bar():
    block = random_walk(seed=3, n_candles=40, timeframe=Timeframe.H4, symbols=["B/USDT", "A/USDT", "C/USDT"])
    close = block["close"]
    features = {"one": close.astype(np.float32), "two": (-close).astype(np.float32)}
    usable = pd.DataFrame(True, index=close.index, columns=close.columns)
    usable.iloc[7, 2] = False
    panel = make_panel(Timeframe.H4, features, block, close / 50.0, usable)

    assert panel.symbols == ("B/USDT", "A/USDT", "C/USDT")
    assert panel.names == ("one", "two")
    assert panel.close_at[0] == np.datetime64("2024-01-01T04:00")  # opened at midnight
    assert panel.close_at[-1] - panel.close_at[0] == np.timedelta64(39 * 4, "h")
    assert panel.features.shape == (3, 40, 2)
    assert panel.features[2, 11].tolist() == [np.float32(close.iloc[11, 2]), np.float32(-close.iloc[11, 2])]
    for name in ("close", "high", "low"):
        assert np.array_equal(getattr(panel, name), block[name].to_numpy().T), name
    assert panel.atr_ratio[1, 9] == close.iloc[9, 1] / 50.0
    assert np.argwhere(~panel.is_usable).tolist() == [[2, 7]]


def test_features_are_stacked_in_the_order_of_the_block_as_single_precision():
    frame = random_walk(seed=3, n_candles=5)["close"]
    table = stacked({"late": frame, "early": frame * 2.0})

    assert table.dtype == np.float32
    assert np.array_equal(table[..., 1], (frame.to_numpy().T * 2.0).astype(np.float32))
