"""SMA crossover: one simple moving average crosses a slower one.

The averages are those that are stored; another length has to become an indicator first.
"""

from collections.abc import Mapping
from typing import Annotated, Self

import pandas as pd
from pydantic import AfterValidator, model_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, cross_checks, level_checks
from pipeline.strategies.crossing import BUY, CROSS_LOOKBACK, line_crosses, line_levels
from pipeline.strategies.definition import Fraction, StrategyParameters, Trigger, strategy

STORED_LENGTHS = (20, 50, 200)


def _stored(length: int) -> int:
    if length not in STORED_LENGTHS:
        raise ValueError(f"length must be one of the stored averages {STORED_LENGTHS}, was {length}")
    return length


StoredLength = Annotated[int, AfterValidator(_stored)]


class SmaCrossoverParameters(StrategyParameters):
    """Lengths in bars; ``trigger = "level"`` repeats the advice on every bar of a trend."""

    strength: Fraction = 0.7
    confidence: Fraction = 0.65
    fast: StoredLength = 20
    slow: StoredLength = 50
    trigger: Trigger = "cross"

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            raise ValueError(f"fast must be a shorter average than slow, was {self.fast} and {self.slow}")
        return self


def _columns(parameters: SmaCrossoverParameters) -> tuple[str, ...]:
    return (f"sma_{parameters.fast}", f"sma_{parameters.slow}")


def _describe(side: int, inputs: Mapping[str, float], parameters: SmaCrossoverParameters) -> str:
    return f"SMA {parameters.fast} crossed {'above' if side == BUY else 'below'} SMA {parameters.slow}"


def _checks(columns: Block, parameters: SmaCrossoverParameters) -> tuple[Check, ...]:
    fast, slow = (columns[name] for name in _columns(parameters))
    names = (f"SMA {parameters.fast}", f"SMA {parameters.slow}")
    if parameters.trigger == "level":
        return level_checks(fast, slow, names)
    return cross_checks(fast, slow, slow, names)


@strategy(
    key="sma_crossover",
    buy="SMA_CROSSOVER",
    sell="SMA_CROSSOVER",
    parameters=SmaCrossoverParameters,
    family="trend_following",
    source=Source.TECHNICAL,
    columns=_columns,
    lookback=CROSS_LOOKBACK,
    describe=_describe,
    shows_previous=True,
    checks=_checks,
)
def sma_crossover(columns: Block, parameters: SmaCrossoverParameters) -> pd.DataFrame:
    """BUY where the fast average crosses above the slow one, SELL where it crosses below.

    The specification compares levels, which advises again on every bar of a trend; the crossing is the event
    (`line_crosses`, and `line_levels` under ``trigger = "level"``).

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where an average, or the one of the bar before, is unknown.
    """
    fast, slow = (columns[name] for name in _columns(parameters))
    if parameters.trigger == "level":
        return line_levels(fast, slow)
    return line_crosses(fast, slow, price=slow)
