"""Support and resistance break: the close leaves a level behind, on more volume than usual."""

from collections.abc import Mapping
from math import isnan
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.indicators.levels import BREAK_ATR
from pipeline.strategies.checks import Check, value_at, written
from pipeline.strategies.crossing import BUY, SELL, TOUCH_TOLERANCE, as_sides
from pipeline.strategies.definition import Fraction, StrategyParameters, strategy

_COLUMNS = (
    *("close", "volume", "atr_14", "volume_median_20"),
    *("support", "support_touches", "resistance", "resistance_touches"),
)

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]


class SupportResistanceBreakParameters(StrategyParameters):
    """How far beyond the level, in ATR, and on how much volume, in medians of 20 bars."""

    strength: Fraction = 0.7
    confidence: Fraction = 0.65
    break_atr: Annotated[float, Field(ge=BREAK_ATR, le=5.0)] = BREAK_ATR
    volume_multiple: Annotated[float, Field(ge=0.0, le=20.0)] = 1.5
    min_touches: Annotated[int, Field(ge=1, le=20)] = 1


def _describe(side: int, inputs: Mapping[str, float], parameters: SupportResistanceBreakParameters) -> str:
    direction, name = ("above", "resistance") if side == BUY else ("below", "support")
    level, touches = inputs[f"previous_{name}"], int(inputs[f"previous_{name}_touches"])
    distance = abs(inputs["close"] - level) / inputs["atr_14"] if inputs["atr_14"] else 0.0
    times = "once" if touches == 1 else f"{touches} times"
    usual = inputs["volume_median_20"]
    volume = f"{inputs['volume'] / usual:.1f} times the median volume" if usual else "volume where there was none"
    return f"Close broke {direction} {name} {level:,.6g}, touched {times}, by {distance:.2f} ATR on {volume}"


def _limits(parameters: SupportResistanceBreakParameters, atr: Values, close: Values) -> Values:
    """How far beyond a level a close must be: in a market that stands still, further than rounding is."""
    limit: Values = np.maximum(parameters.break_atr * atr, TOUCH_TOLERANCE * close)
    return limit


def _checks(columns: Block, parameters: SupportResistanceBreakParameters) -> tuple[Check, ...]:
    last = {name: value_at(frame) for name, frame in columns.items()}
    before = {name: value_at(frame, -2) if len(frame) > 1 else np.nan for name, frame in columns.items()}
    limit = float(_limits(parameters, np.array(last["atr_14"]), np.array(last["close"])))
    least = parameters.volume_multiple * last["volume_median_20"]
    found = []
    for side, name in ((BUY, "resistance"), (SELL, "support")):
        level, touches = before[name], before[f"{name}_touches"]
        distance = side * (last["close"] - level)
        found += [
            Check(
                side=side,
                asks=f"close beyond the {name} of the bar before",
                found=f"close {written(last['close'])}, {name} {written(level)}: {written(distance)} beyond",
                wanted=f"{written(limit)} or more, {parameters.break_atr} ATR",
                is_met=None if isnan(distance) or isnan(limit) else distance >= limit,
            ),
            Check(
                side=side,
                asks=f"touches of that {name}",
                found=written(touches),
                wanted=f"{parameters.min_touches} or more",
                is_met=None if isnan(touches) else touches >= parameters.min_touches,
            ),
            Check(
                side=side,
                asks="volume",
                found=f"{written(last['volume'])}, median of 20 bars {written(last['volume_median_20'])}",
                wanted=f"more than 0, and {parameters.volume_multiple} medians or more",
                is_met=None if isnan(least + last["volume"]) else 0 < last["volume"] >= least,
            ),
        ]
    return tuple(found)


@strategy(
    key="support_resistance_break",
    buy="SUPPORT_RESISTANCE_BREAK",
    sell="SUPPORT_RESISTANCE_BREAK",
    parameters=SupportResistanceBreakParameters,
    family="trend_following",
    source=Source.TECHNICAL,
    columns=_COLUMNS,
    lookback=1,
    describe=_describe,
    checks=_checks,
    shows_previous=True,
)
def support_resistance_break(columns: Block, parameters: SupportResistanceBreakParameters) -> pd.DataFrame:
    """BUY where the close breaks above the nearest resistance on high volume, SELL where it breaks below support.

    The level is the one that stood at the close before: the break itself turns it round. A close that is beyond it by
    less than ``break_atr`` leaves it standing, so that the next bar may still break it; one that breaks it on little
    volume turns it round without a signal. Where a bar is beyond a resistance and a support at once, it says nothing.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where the close, the volume, the ATR or the level of the bar before is unknown.
    """
    close, volume = columns["close"].to_numpy(), columns["volume"].to_numpy()
    limit = _limits(parameters, columns["atr_14"].to_numpy(), close)
    is_busy = (volume > 0) & (volume >= parameters.volume_multiple * columns["volume_median_20"].to_numpy())

    def broken(name: str, side: int) -> Flags:
        found = np.zeros(close.shape, dtype=np.bool_)
        level, touches = (columns[each].to_numpy()[:-1] for each in (name, f"{name}_touches"))
        found[1:] = side * (close[1:] - level) >= limit[1:]
        found[1:] &= touches >= parameters.min_touches
        return found & is_busy

    above, below = broken("resistance", BUY), broken("support", SELL)
    return as_sides(above & ~below, below & ~above, columns["close"])
