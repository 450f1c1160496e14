"""Golden cross and death cross: the 50-bar average crosses the 200-bar average.

The pair is fixed, because the names mean it; other pairs are `pipeline.strategies.sma_crossover`.
"""

from collections.abc import Mapping

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, cross_checks, level_checks
from pipeline.strategies.crossing import BUY, CROSS_LOOKBACK, line_crosses, line_levels
from pipeline.strategies.definition import Fraction, StrategyParameters, Trigger, strategy


class GoldenCrossParameters(StrategyParameters):
    """``trigger = "level"`` repeats the advice on every bar of a trend."""

    strength: Fraction = 0.7
    confidence: Fraction = 0.65
    trigger: Trigger = "cross"


def _describe(side: int, inputs: Mapping[str, float], parameters: GoldenCrossParameters) -> str:
    if side == BUY:
        return "Golden cross: SMA 50 crossed above SMA 200"
    return "Death cross: SMA 50 crossed below SMA 200"


def _checks(columns: Block, parameters: GoldenCrossParameters) -> tuple[Check, ...]:
    fast, slow, names = columns["sma_50"], columns["sma_200"], ("SMA 50", "SMA 200")
    if parameters.trigger == "level":
        return level_checks(fast, slow, names)
    return cross_checks(fast, slow, slow, names)


@strategy(
    key="golden_cross",
    buy="GOLDEN_CROSS",
    sell="DEATH_CROSS",
    parameters=GoldenCrossParameters,
    family="trend_following",
    source=Source.TECHNICAL,
    columns=("sma_50", "sma_200"),
    lookback=CROSS_LOOKBACK,
    describe=_describe,
    shows_previous=True,
    checks=_checks,
)
def golden_cross(columns: Block, parameters: GoldenCrossParameters) -> pd.DataFrame:
    """BUY where SMA 50 crosses above SMA 200 (golden cross), SELL where it crosses below (death cross).

    A strategy of its own and not a second pair of the SMA crossover: it has names that analysts look for, and
    it is switched, weighed and reported apart. The trend that it starts is the column ``trend_state``.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where an average, or the one of the bar before, is unknown.
    """
    fast, slow = columns["sma_50"], columns["sma_200"]
    if parameters.trigger == "level":
        return line_levels(fast, slow)
    return line_crosses(fast, slow, price=slow)
