"""Sentiment divergence: the news say one thing and the talk another."""

from collections.abc import Mapping
from math import isnan
from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, model_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.sentiment.divergence import divergence
from pipeline.strategies.checks import Check, armed_check, rounded, value_at, written
from pipeline.strategies.columns import SENTIMENT
from pipeline.strategies.crossing import ALERT, as_alerts, threshold_trips
from pipeline.strategies.definition import Fraction, StrategyParameters, Trigger, strategy

NEWS, SOCIAL = SENTIMENT + "news", SENTIMENT + "social"
WAYS = (1, -1)  # positive news against negative talk, and the other way round
TRIP_MEMORY = 200  # bars for which a trip stands when neither score comes back within the re-arming level

Score = Annotated[float, Field(gt=0.0, lt=1.0)]


class SentimentDivergenceParameters(StrategyParameters):
    """How far from 0, on opposite sides, both scores must be; ``trigger = "level"`` alerts on every such bar."""

    strength: Fraction = 0.6
    confidence: Fraction = 0.6
    threshold: Score = 0.5
    rearm_within: Score = 0.4
    trigger: Trigger = "cross"

    @model_validator(mode="after")
    def _levels_are_in_order(self) -> Self:
        if self.rearm_within >= self.threshold:
            raise ValueError(
                f"rearm_within must be below threshold ({self.threshold}), was {self.rearm_within}; an alert is armed "
                "again once news or talk are back within rearm_within"
            )
        return self


def _describe(side: int, inputs: Mapping[str, float], parameters: SentimentDivergenceParameters) -> str:
    news, social = ("positive", "negative") if inputs[NEWS] > 0.0 else ("negative", "positive")
    return f"Divergence between {news} news and {social} social sentiment"


def _ways(columns: Block, way: int, limit: float) -> npt.NDArray[np.bool_]:
    """Where the news are beyond ``limit`` on the side of ``way`` and the talk on the other."""
    news, social = columns[NEWS].to_numpy(), columns[SOCIAL].to_numpy()
    is_that: npt.NDArray[np.bool_] = divergence(news, social, limit) == way
    return is_that


def _is_back(columns: Block, way: int, limit: float) -> npt.NDArray[np.bool_]:
    """Where the news, or the talk, are no longer beyond ``limit`` on their side of that divergence; both known."""
    news, social = columns[NEWS].to_numpy(), columns[SOCIAL].to_numpy()
    is_known = ~np.isnan(news) & ~np.isnan(social)
    is_back: npt.NDArray[np.bool_] = is_known & ((way * news < limit) | (-way * social < limit))
    return is_back


def _checks(columns: Block, parameters: SentimentDivergenceParameters) -> tuple[Check, ...]:
    news, social, limit = value_at(columns[NEWS]), value_at(columns[SOCIAL]), parameters.threshold
    way = next((way for way in WAYS if _ways(columns, way, limit)[-1, 0]), 0)
    found = [
        Check(
            side=ALERT,
            asks="news and social score now",
            found=f"{rounded(news, limit, -limit)} and {rounded(social, limit, -limit)}",
            wanted=f"one above {written(limit)}, the other below {written(-limit)}",
            is_met=None if isnan(news) or isnan(social) else way != 0,
        )
    ]
    if parameters.trigger == "cross" and way != 0:
        distance = np.minimum(way * columns[NEWS].to_numpy(), -way * columns[SOCIAL].to_numpy())[:, 0]
        marks = (_ways(columns, way, limit)[:, 0], _is_back(columns, way, parameters.rearm_within)[:, 0])
        back = f"back within {written(parameters.rearm_within)}"
        found.append(armed_check(ALERT, "divergence this way", distance, *marks, back, TRIP_MEMORY))
    return tuple(found)


@strategy(
    key="sentiment_divergence",
    alert="SENTIMENT_DIVERGENCE",
    parameters=SentimentDivergenceParameters,
    family="sentiment",
    source=Source.SENTIMENT,
    columns=(NEWS, SOCIAL),
    lookback=TRIP_MEMORY,
    describe=_describe,
    checks=_checks,
)
def sentiment_divergence(columns: Block, parameters: SentimentDivergenceParameters) -> pd.DataFrame:
    """ALERT where the news pass ``threshold`` on one side while the talk is beyond it on the other.

    An alert and no advice: who of the two is right is not known. The description asks for positive news against
    negative talk alone; the opposite is as telling. A window of a day would repeat it on every bar, so that each of
    the two trips once and is armed again when news or talk are back within ``rearm_within``, or when no trip stands in
    the last `TRIP_MEMORY` bars.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where news or talk say too little; such a bar neither trips nor arms.
    """
    alert = np.zeros(columns[NEWS].shape, dtype=np.bool_)
    for way in WAYS:
        is_that = _ways(columns, way, parameters.threshold)
        if parameters.trigger == "cross":
            is_that = threshold_trips(is_that, _is_back(columns, way, parameters.rearm_within), TRIP_MEMORY)
        alert |= is_that
    return as_alerts(alert, columns[NEWS])
