"""Levels: on drawn markets where the answer is known, and on random ones against a slow, obvious loop."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.indicators.columns import unpack
from pipeline.indicators.levels import BREAK_ATR, LIFE_BARS
from pipeline.indicators.pivots import HIGH, LOW, SIDE_BARS, find_pivots
from pipeline.indicators.structure import structure
from pipeline.indicators.volatility import atr
from tests.support.drawn import SHADOW, SYMBOL, drawn, read
from tests.support.market import grid, random_walk
from tests.support.slow_levels import slow_levels

HOUR = timedelta(hours=1)


def test_a_pivot_is_known_three_bars_after_it():
    pivots = find_pivots(*(unpack(drawn([(0, 100), (10, 110), (20, 100)])[name]) for name in ("high", "low")))

    assert pivots.bar.tolist() == [10]
    assert pivots.kind.tolist() == [HIGH]
    assert pivots.price.tolist() == [110 + SHADOW]
    assert pivots.known.tolist() == [13]


def test_of_a_plateau_the_first_bar_is_the_pivot_and_a_bar_may_be_both():
    high = np.array([[1.0, 1, 1, 5, 5, 5, 1, 1, 1, 1]])
    low = np.array([[1.0, 1, 1, 1, 1, 1, 1, 1, 1, 1]])
    assert find_pivots(high, low).bar.tolist() == [3]

    wide = find_pivots(np.array([[3.0, 3, 3, 9, 3, 3, 3]]), np.array([[2.0, 2, 2, 1, 2, 2, 2]]))
    assert (wide.bar.tolist(), wide.kind.tolist(), wide.price.tolist()) == ([3, 3], [HIGH, LOW], [9.0, 1.0])


@pytest.mark.parametrize("place", range(7))
def test_no_pivot_is_found_beside_an_unknown_bar(place):
    high = np.array([[3.0, 3, 3, 9, 3, 3, 3]])
    assert len(find_pivots(high, high - 1).bar)
    high[0, place] = np.nan
    assert not len(find_pivots(high, high - 1).bar)


def test_swings_of_one_price_are_one_level_with_as_many_touches():
    # Highs at 110.1 and 110.3, a low at 110.0 after the break: one price, three touches.
    market = drawn([(0, 104), (10, 110), (20, 104), (30, 110.2), (40, 104), (50, 114), (60, 110.1), (70, 114)])
    rows = read(market).levels
    opens = grid(80)

    formed = rows[rows["event"] == "formed"].set_index("pivot_at")
    assert formed["touches"].to_dict() == {
        **{opens[10]: 1, opens[20]: 1, opens[30]: 2, opens[40]: 2, opens[50]: 1, opens[60]: 3},
    }
    newest = formed.loc[opens[60]]
    assert newest["price"] == pytest.approx((110.1 + 110.3 + 110.0) / 3)
    assert newest["strength"] == 1 - 0.5**3
    assert newest["first_touch_at"] == opens[10]
    assert newest["last_touch_at"] == opens[60]
    assert newest["known_at"] == opens[63] + HOUR
    assert newest["expires_at"] == opens[63] + (LIFE_BARS + 1) * HOUR
    assert (newest["kind"], newest["role"]) == ("low", "support")

    merged = rows[rows["event"] == "merged"].set_index("pivot_at")
    assert merged["known_at"].to_dict() == {
        **{opens[10]: opens[33] + HOUR, opens[20]: opens[43] + HOUR, opens[30]: opens[63] + HOUR}
    }


def test_a_broken_level_turns_its_role_round_and_is_the_nearest_on_the_other_side():
    market = drawn([(0, 104), (10, 110), (20, 104), (42, 115)])
    found = read(market)
    support, resistance = (found.columns[name][SYMBOL] for name in ("support", "resistance"))

    broken = found.levels.query("event == 'broken' and kind == 'high'").iloc[0]
    closes = market["close"][SYMBOL]
    bar = int((closes.iloc[13:] >= 110 + SHADOW + BREAK_ATR).to_numpy().argmax()) + 13
    assert broken["known_at"] == closes.index[bar] + HOUR
    assert broken["role"] == "support"
    assert resistance.iloc[12:14].isna().tolist() == [True, False]  # known at the close of the third bar after it
    assert (resistance.iloc[13:bar] == 110 + SHADOW).all()
    assert resistance.iloc[bar:].isna().all()
    assert support.iloc[bar - 1] == pytest.approx(104 - SHADOW)
    assert support.iloc[bar] == 110 + SHADOW


def test_a_close_that_hovers_around_a_level_does_not_break_it():
    around = [(20 + step, 110.1 + (0.2 if step % 2 else -0.2)) for step in range(30)]
    rows = read(drawn([(0, 104), (10, 110), (14, 107), *around])).levels
    assert not ((rows["event"] == "broken") & (rows["kind"] == "high")).any()


def test_a_level_ends_after_its_life_and_its_columns_forget_it():
    found = read(drawn([(0, 104), (10, 110), (20, 104), (260, 105)]))
    resistance = found.columns["resistance"][SYMBOL]
    last = 10 + SIDE_BARS + LIFE_BARS - 1
    assert resistance.iloc[last] == 110 + SHADOW
    assert np.isnan(resistance.iloc[last + 1])


@pytest.mark.parametrize("seed", range(4))
def test_levels_are_those_of_an_obvious_loop(seed):
    candles = random_walk(seed=seed, n_candles=700, volatility=0.02)
    ranges = atr(candles["high"], candles["low"], candles["close"], 14)

    found = structure(candles, ranges, candles["close"].index[0].to_pydatetime())
    for place, symbol in enumerate(candles["close"].columns):
        columns, rows = slow_levels({name: frame[symbol] for name, frame in candles.items()}, ranges[symbol])
        for name, expected in columns.items():
            pd.testing.assert_series_equal(
                found.columns[name][symbol], expected, check_names=False, check_freq=False, rtol=1e-12
            )
        stored = found.levels[found.levels["place"] == place]
        keys = ["pivot_at", "kind", "known_at", "event", "role", "touches", "first_touch_at"]
        assert sorted(map(tuple, stored[keys].to_numpy().tolist())) == sorted(rows)
    assert len(found.levels) > 500
