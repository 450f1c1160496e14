"""RSI conditions: the 14-bar relative strength index is oversold or overbought.

Both sides are one strategy, because they share their column and their parameters.
"""

from collections.abc import Mapping
from math import isnan
from typing import Annotated, Self

import pandas as pd
from pydantic import Field, model_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, armed_check, written
from pipeline.strategies.crossing import BUY, SELL, as_sides, threshold_trips
from pipeline.strategies.definition import Fraction, StrategyParameters, Trigger, strategy

TRIP_MEMORY = 200  # bars for which a trip stands when the RSI never reaches the re-arming level

Level = Annotated[float, Field(gt=0.0, lt=100.0)]


class RsiParameters(StrategyParameters):
    """Levels of the RSI, between 0 and 100; ``trigger = "level"`` advises on every bar beyond a threshold."""

    strength: Fraction = 0.8
    confidence: Fraction = 0.7
    oversold: Level = 30.0
    overbought: Level = 70.0
    rearm_above: Level = 35.0
    rearm_below: Level = 65.0
    trigger: Trigger = "cross"

    @model_validator(mode="after")
    def _levels_are_in_order(self) -> Self:
        if self.oversold >= self.overbought:
            raise ValueError(f"oversold must be below overbought, was {self.oversold} and {self.overbought}")
        if self.oversold >= self.rearm_above:
            raise ValueError(
                f"rearm_above must be above oversold ({self.oversold}), was {self.rearm_above}; "
                "BUY is armed again once the RSI is back above rearm_above"
            )
        if self.overbought <= self.rearm_below:
            raise ValueError(
                f"rearm_below must be below overbought ({self.overbought}), was {self.rearm_below}; "
                "SELL is armed again once the RSI is back below rearm_below"
            )
        return self


def _describe(side: int, inputs: Mapping[str, float], parameters: RsiParameters) -> str:
    return f"RSI is {'oversold' if side == BUY else 'overbought'} at {inputs['rsi_14']:.2f}"


def _checks(columns: Block, parameters: RsiParameters) -> tuple[Check, ...]:
    value = columns["rsi_14"].to_numpy()[:, 0]
    last, (low, high) = float(value[-1]), (parameters.oversold, parameters.overbought)
    now = [
        Check(
            side=side,
            asks="RSI 14 now",
            found=written(last),
            wanted=f"{word} {written(level)}",
            is_met=None if isnan(last) else is_beyond,
        )
        for side, word, level, is_beyond in ((BUY, "below", low, last < low), (SELL, "above", high, last > high))
    ]
    if parameters.trigger == "level":
        return tuple(now)
    back_above, back_below = parameters.rearm_above, parameters.rearm_below
    armed = (
        armed_check(
            BUY, "RSI 14", value, value < low, value > back_above, f"back above {written(back_above)}", TRIP_MEMORY
        ),
        armed_check(
            SELL, "RSI 14", value, value > high, value < back_below, f"back below {written(back_below)}", TRIP_MEMORY
        ),
    )
    return (now[0], armed[0], now[1], armed[1])


@strategy(
    key="rsi",
    buy="RSI_OVERSOLD",
    sell="RSI_OVERBOUGHT",
    parameters=RsiParameters,
    family="mean_reversion",
    source=Source.TECHNICAL,
    columns=("rsi_14",),
    lookback=TRIP_MEMORY,
    describe=_describe,
    checks=_checks,
)
def rsi(columns: Block, parameters: RsiParameters) -> pd.DataFrame:
    """BUY where an armed RSI falls below ``oversold``, SELL where it rises above ``overbought``.

    The specification advises on every bar beyond a threshold, which says the same thing all through a slide;
    a plain crossing would say it at each wobble around 30. So a threshold trips once and is armed again by
    ``rearm_above`` or ``rearm_below``, or when no trip stands in the last `TRIP_MEMORY` bars. Exactly at a
    threshold or a re-arming level is nothing. A flat market has an RSI of 50.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where the RSI is unknown; an unknown bar neither trips nor arms.
    """
    value = columns["rsi_14"].to_numpy()
    low, high = value < parameters.oversold, value > parameters.overbought
    if parameters.trigger == "cross":
        low = threshold_trips(low, value > parameters.rearm_above, TRIP_MEMORY)
        high = threshold_trips(high, value < parameters.rearm_below, TRIP_MEMORY)
    return as_sides(low, high, columns["rsi_14"])
