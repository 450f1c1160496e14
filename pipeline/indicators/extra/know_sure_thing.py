"""Know sure thing: a weighted sum of four smoothed rates of change, and its signal line."""

import pandas as pd
from pydantic import model_validator

from pipeline.contracts.blocks import Block
from pipeline.indicators.extra.definition import OwnParameters, Window, indicator

WEIGHTS = (1.0, 2.0, 3.0, 4.0)  # the slower the rate of change, the more it counts


class KnowSureThing(OwnParameters):
    """Parameters by the names of `ta.trend.KSTIndicator`, in bars."""

    roc1: Window = 10
    roc2: Window = 15
    roc3: Window = 20
    roc4: Window = 30
    window1: Window = 10
    window2: Window = 10
    window3: Window = 10
    window4: Window = 15
    nsig: Window = 9

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Bars of each rate of change, and of its average."""
        rates = (self.roc1, self.roc2, self.roc3, self.roc4)
        windows = (self.window1, self.window2, self.window3, self.window4)
        return tuple(zip(rates, windows, strict=True))

    @model_validator(mode="after")
    def _slower_rates_weigh_more(self) -> "KnowSureThing":
        rates = [rate for rate, _ in self.pairs]
        if rates != sorted(rates):
            raise ValueError(f"roc1 must be the smallest of four that grow, was {rates}")
        return self


def _warm_up(parameters: KnowSureThing) -> int:
    return max(rate + window - 1 for rate, window in parameters.pairs) + parameters.nsig - 1


@indicator(
    key="know_sure_thing",
    inputs=("close",),
    outputs=("line", "signal"),
    warm_up=_warm_up,
    parameters=KnowSureThing,
)
def know_sure_thing(candles: Block, parameters: KnowSureThing) -> tuple[pd.DataFrame, ...]:
    """Sum of four smoothed rates of change of the close in percent, weighted 1 to 4, and its average (Martin Pring).

    `ta` takes the mean of all closes for those before the first, so that what comes later changes its first values;
    here they are unknown.
    """
    close = candles["close"]
    parts = [
        weight * (close / close.shift(rate) - 1.0).rolling(window).mean()
        for weight, (rate, window) in zip(WEIGHTS, parameters.pairs, strict=True)
    ]
    line = 100.0 * (parts[0] + parts[1] + parts[2] + parts[3])
    return line, line.rolling(parameters.nsig).mean()
