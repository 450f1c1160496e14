"""Bollinger band breakout: where the close must come from and go to, and what the bands must do."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.strategies.bollinger_breakout import BollingerBreakoutParameters, bollinger_breakout
from pipeline.strategies.crossing import BUY, SELL
from tests.support.strategy_columns import columns_of

PARAMETERS = BollingerBreakoutParameters()
NAN = float("nan")


def sides(close, upper, lower, width) -> list[int]:
    columns = columns_of(close=close, bb_upper=upper, bb_lower=lower, bb_width=width)
    return bollinger_breakout.sides(columns, PARAMETERS).iloc[:, 0].tolist()


BAR = st.tuples(*[st.sampled_from([98.0, 99.0, 100.0, 101.0, 102.0, NAN])] * 3, st.sampled_from([1.0, 2.0, 3.0, NAN]))


@given(bars=st.lists(BAR, max_size=40))
def test_the_sides_are_those_of_a_bar_by_bar_reading(bars):
    bars = [(close, max(a, b), min(a, b), width) for close, a, b, width in bars]
    expected = [0] * min(len(bars), 1)
    for (close0, upper0, lower0, width0), (close, upper, lower, width) in itertools.pairwise(bars):
        buys = close0 <= upper0 and close > upper and width > width0
        sells = close0 >= lower0 and close < lower and width > width0
        expected.append(int(buys) - int(sells))
    assert sides(*(zip(*bars, strict=True) if bars else [[]] * 4)) == expected


def test_a_close_that_leaves_the_widening_bands_is_a_breakout_in_its_direction():
    assert sides([100, 103], [102, 102.5], [98, 97.5], [4, 5]) == [0, BUY]
    assert sides([100, 97], [102, 102.5], [98, 97.5], [4, 5]) == [0, SELL]


def test_bands_that_do_not_widen_hold_back_the_breakout():
    assert sides([100, 103], [102, 102], [98, 98], [4, 4]) == [0, 0]
    assert sides([100, 103], [102, 101.5], [98, 98.5], [4, 3]) == [0, 0]


def test_a_run_along_the_band_is_one_breakout():
    assert sides([100, 103, 105, 107], [102, 102.5, 103, 104], [98] * 4, [4, 5, 6, 7]) == [0, BUY, 0, 0]


def test_the_bar_before_may_close_on_the_band_and_this_one_may_not():
    assert sides([102, 103], [102, 102.5], [98, 98], [4, 5]) == [0, BUY]
    assert sides([100, 102.5], [102, 102.5], [98, 98], [4, 5]) == [0, 0]


def test_unknown_values_on_either_bar_give_no_breakout():
    whole = {"close": [100, 103], "upper": [102, 102.5], "lower": [98, 98], "width": [4, 5]}
    assert sides(**whole) == [0, BUY]
    for name, bar in itertools.product(("close", "upper", "width"), (0, 1)):
        broken = {
            key: [NAN if (key, at) == (name, bar) else v for at, v in enumerate(each)] for key, each in whole.items()
        }
        assert sides(**broken) == [0, 0], (name, bar)


def test_a_band_that_differs_from_the_close_by_rounding_is_not_left():
    close = 100.1
    band = float(np.nextafter(close, 0.0))
    assert sides([close] * 2, [close, band], [close] * 2, [0.0, 1e-16]) == [0, 0]


def test_bands_that_grow_by_rounding_only_do_not_widen():
    assert sides([100, 103], [102, 102], [98, 98], [4.0, float(np.nextafter(4.0, 5.0))]) == [0, 0]


def test_the_description_names_the_band():
    assert (
        bollinger_breakout.describe(BUY, {}, PARAMETERS)
        == "Close broke above the upper Bollinger band while the bands widened"
    )
    assert (
        bollinger_breakout.describe(SELL, {}, PARAMETERS)
        == "Close broke below the lower Bollinger band while the bands widened"
    )
    assert bollinger_breakout.stated(BUY, {}, PARAMETERS) == (0.65, 0.6)
