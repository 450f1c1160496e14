"""Bollinger band breakout: the close leaves the 20-bar, two-deviation bands while they widen."""

from collections.abc import Mapping
from math import isnan

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, value_at, written
from pipeline.strategies.crossing import ABOVE, BELOW, BUY, SELL, TOUCH, TOUCH_TOLERANCE, UNKNOWN, as_sides, relation
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


def _checks(columns: Block, parameters: BollingerBreakoutParameters) -> tuple[Check, ...]:
    close, width = columns["close"], columns["bb_width"].to_numpy()[:, 0]
    newest, earlier = float(width[-1]), float(width[-2]) if len(width) > 1 else float("nan")
    found = f"{written(newest)} %, {written(earlier)} % on the bar before"
    is_wider = None if isnan(newest) or isnan(earlier) else newest - earlier > ROUNDING
    checks: list[Check] = []
    for side, band, word in ((BUY, "upper", "above"), (SELL, "lower", "below")):
        edge = columns[f"bb_{band}"]
        left, right = (close, edge) if side == BUY else (edge, close)
        lies = relation(left, right, price=close)[:, 0]
        before = int(lies[-2]) if len(lies) > 1 else UNKNOWN
        now = int(lies[-1])
        checks += [
            Check(
                side=side,
                asks=f"close to {band} band now",
                found=_beside(close, edge, -1),
                wanted=word,
                is_met=None if now == UNKNOWN else now == ABOVE,
            ),
            Check(
                side=side,
                asks=f"close to {band} band before",
                found=_beside(close, edge, -2),
                wanted=f"not {word}",
                is_met=None if before == UNKNOWN else before in (BELOW, TOUCH),
            ),
            Check(
                side=side,
                asks="width of the bands",
                found=found,
                wanted=f"wider by more than {written(ROUNDING)} points",
                is_met=is_wider,
            ),
        ]
    return tuple(checks)


def _beside(close: pd.DataFrame, edge: pd.DataFrame, place: int) -> str:
    if len(close) < -place:
        return "unknown: there is no bar before"
    return f"close {written(value_at(close, place))}, band {written(value_at(edge, place))}"


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
    checks=_checks,
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
