"""Sentiment analysis: what news, talk and development say together is strong enough."""

from collections.abc import Mapping
from math import isnan
from typing import Annotated, Self

import pandas as pd
from pydantic import Field, model_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, armed_check, rounded, written
from pipeline.strategies.columns import SENTIMENT
from pipeline.strategies.crossing import BUY, SELL, as_sides, threshold_trips
from pipeline.strategies.definition import StrategyParameters, Trigger, strategy

OVERALL = SENTIMENT + "overall"
TRIP_MEMORY = 200  # bars for which a trip stands when the score never comes back within the re-arming level

Score = Annotated[float, Field(gt=0.0, lt=1.0)]


class SentimentAnalysisParameters(StrategyParameters):
    """Overall scores, -1 to 1, beyond which there is advice; ``trigger = "level"`` advises on every bar beyond."""

    beyond: Score = 0.6
    rearm_within: Score = 0.5
    strength_scale: Annotated[float, Field(gt=0.0)] = 1.2
    trigger: Trigger = "cross"

    @model_validator(mode="after")
    def _levels_are_in_order(self) -> Self:
        if self.rearm_within >= self.beyond:
            raise ValueError(
                f"rearm_within must be below beyond ({self.beyond}), was {self.rearm_within}; a side is armed again "
                "once the score is back within rearm_within"
            )
        return self


def _stated(side: int, inputs: Mapping[str, float], parameters: SentimentAnalysisParameters) -> tuple[float, float]:
    score = abs(inputs[OVERALL])
    return min(score * parameters.strength_scale, 1.0), score


def _describe(side: int, inputs: Mapping[str, float], parameters: SentimentAnalysisParameters) -> str:
    word = "positive" if side == BUY else "negative"
    return f"Strong {word} sentiment detected (score: {inputs[OVERALL]:.2f})"


def _checks(columns: Block, parameters: SentimentAnalysisParameters) -> tuple[Check, ...]:
    value = columns[OVERALL].to_numpy()[:, 0]
    last, limit, within = float(value[-1]), parameters.beyond, parameters.rearm_within
    found: list[Check] = []
    for side, word, sign in ((BUY, "above", 1.0), (SELL, "below", -1.0)):
        found.append(
            Check(
                side=side,
                asks="overall score now",
                found=rounded(last, sign * limit),
                wanted=f"{word} {written(sign * limit)}",
                is_met=None if isnan(last) else sign * last > limit,
            )
        )
        if parameters.trigger == "cross":
            back = f"back {'below' if side == BUY else 'above'} {written(sign * within)}"
            marks = (sign * value > limit, sign * value < within)
            found.append(armed_check(side, "overall score", value, *marks, back, TRIP_MEMORY))
    return tuple(found)


@strategy(
    key="sentiment_analysis",
    buy="SENTIMENT_ANALYSIS",
    sell="SENTIMENT_ANALYSIS",
    parameters=SentimentAnalysisParameters,
    family="sentiment",
    source=Source.SENTIMENT,
    columns=(OVERALL,),
    lookback=TRIP_MEMORY,
    describe=_describe,
    checks=_checks,
    stated=_stated,
)
def sentiment_analysis(columns: Block, parameters: SentimentAnalysisParameters) -> pd.DataFrame:
    """BUY where the overall score rises above ``beyond``, SELL where it falls below minus that.

    One piece of news stays in the window for a day, so that a comparison would give the same advice on every bar of
    it. So a side trips once and is armed again when the score is back within ``rearm_within``, or when no trip stands
    in the last `TRIP_MEMORY` bars. Exactly at a threshold is nothing. The score is its own confidence.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where too few sources or texts have something to say; such a bar neither trips nor arms.
    """
    score = columns[OVERALL].to_numpy()
    high, low = score > parameters.beyond, score < -parameters.beyond
    if parameters.trigger == "cross":
        high = threshold_trips(high, score < parameters.rearm_within, TRIP_MEMORY)
        low = threshold_trips(low, score > -parameters.rearm_within, TRIP_MEMORY)
    return as_sides(high, low, columns[OVERALL])
