"""MACD crossover: the MACD line (EMA 12 - EMA 26) crosses its signal line (EMA 9 of it)."""

from collections.abc import Mapping

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, cross_checks, level_checks
from pipeline.strategies.crossing import BUY, CROSS_LOOKBACK, line_crosses, line_levels
from pipeline.strategies.definition import Fraction, StrategyParameters, Trigger, strategy


class MacdCrossoverParameters(StrategyParameters):
    """``trigger = "level"`` repeats the advice on every bar on which the line stays on its side."""

    strength: Fraction = 0.7
    confidence: Fraction = 0.65
    trigger: Trigger = "cross"


def _describe(side: int, inputs: Mapping[str, float], parameters: MacdCrossoverParameters) -> str:
    return f"MACD crossed {'above' if side == BUY else 'below'} its signal line"


def _checks(columns: Block, parameters: MacdCrossoverParameters) -> tuple[Check, ...]:
    line, signal_line, names = columns["macd"], columns["macd_signal"], ("MACD", "its signal line")
    if parameters.trigger == "level":
        return level_checks(line, signal_line, names)
    return cross_checks(line, signal_line, columns["close"], names)


@strategy(
    key="macd_crossover",
    buy="MACD_CROSSOVER",
    sell="MACD_CROSSOVER",
    parameters=MacdCrossoverParameters,
    family="trend_following",
    source=Source.TECHNICAL,
    columns=("macd", "macd_signal", "close"),
    lookback=CROSS_LOOKBACK,
    describe=_describe,
    shows_previous=True,
    checks=_checks,
)
def macd_crossover(columns: Block, parameters: MacdCrossoverParameters) -> pd.DataFrame:
    """BUY where the MACD line crosses above its signal line, SELL where it crosses below.

    The two lines are compared, not the stored histogram with zero: the histogram is their rounded difference.
    Touches are judged on the scale of the close, because both lines fade to zero when a market stands still
    and only rounding noise is left between them.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where a line, or the one of the bar before, is unknown.
    """
    line, signal_line = columns["macd"], columns["macd_signal"]
    if parameters.trigger == "level":
        return line_levels(line, signal_line)
    return line_crosses(line, signal_line, price=columns["close"])
