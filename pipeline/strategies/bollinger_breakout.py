"""Bollinger band breakout: the close leaves the 20-bar, two-deviation bands while they widen."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.crossing import ABOVE, BELOW, BUY, TOUCH, TOUCH_TOLERANCE, as_sides, relation
from pipeline.strategies.definition import Fraction, StrategyParameters, strategy

ROUNDING = 100.0 * TOUCH_TOLERANCE  # the width is in per cent of the middle band


class BollingerBreakoutParameters(StrategyParameters):
    """How much a breakout weighs; its rule has no thresholds of its own."""

    strength: Fraction = 0.65
    confidence: Fraction = 0.6


def _describe(side: int, inputs: Mapping[str, float], parameters: BollingerBreakoutParameters) -> str:
    direction, band = ("above", "upper") if side == BUY else ("below", "lower")
    return f"Close broke {direction} the {band} Bollinger band while the bands widened"


def _becomes_above(left: pd.DataFrame, right: pd.DataFrame, price: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Mark the bars on which ``left`` is above ``right`` after it was below or on it one bar before."""
    lies = relation(left, right, price)
    becomes: npt.NDArray[np.bool_] = lies == ABOVE
    becomes[1:] &= (lies[:-1] == BELOW) | (lies[:-1] == TOUCH)
    becomes[:1] = False
    return becomes


@strategy(
    key="bollinger_breakout",
    buy="BOLLINGER_BREAKOUT",
    sell="BOLLINGER_BREAKOUT",
    parameters=BollingerBreakoutParameters,
    family="trend_following",
    source=Source.TECHNICAL,
    columns=("close", "bb_upper", "bb_lower", "bb_width"),
    lookback=1,
    describe=_describe,
    shows_previous=True,
)
def bollinger_breakout(columns: Block, parameters: BollingerBreakoutParameters) -> pd.DataFrame:
    """BUY where the close crosses above the upper band while the bands widen, SELL below the lower one.

    The advice goes with the breakout. The other common reading, that a close outside the bands will return,
    needs a market that stands still; widening bands say that it does not. The bar before must have closed
    inside or on its band, so that a run along a band is one signal. Bands widen by more than rounding: where
    the close that enters the window equals the one that leaves it, the width is what it was. A market without
    any movement has bands of width 0 that lie on its close, and no breakout.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where the close, a band or the width is unknown on the bar or the one before it.
    """
    close, width = columns["close"], columns["bb_width"].to_numpy()
    widens = np.zeros(width.shape, dtype=np.bool_)
    widens[1:] = width[1:] - width[:-1] > ROUNDING
    buy = widens & _becomes_above(close, columns["bb_upper"], price=close)
    sell = widens & _becomes_above(columns["bb_lower"], close, price=close)
    return as_sides(buy, sell, close)
