"""ML prediction: the direction model is sure enough of where the next close will be."""

from collections.abc import Mapping
from math import isnan
from typing import Annotated, Self

import pandas as pd
from pydantic import Field, model_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, rounded, value_at, written
from pipeline.strategies.columns import PREDICTION
from pipeline.strategies.crossing import BUY, SELL, as_sides
from pipeline.strategies.definition import StrategyParameters, strategy

PROBABILITY_UP = PREDICTION + "probability_up"

Probability = Annotated[float, Field(gt=0.0, lt=1.0)]


class MlPredictionParameters(StrategyParameters):
    """Calibrated probabilities of a higher close beyond which there is advice; how strong it is, per probability."""

    buy_above: Probability = 0.6
    sell_below: Probability = 0.4
    strength_scale: Annotated[float, Field(gt=0.0)] = 1.2

    @model_validator(mode="after")
    def _sides_are_apart(self) -> Self:
        if self.sell_below >= self.buy_above:
            raise ValueError(f"sell_below must be below buy_above ({self.buy_above}), was {self.sell_below}")
        return self


def _confidence(side: int, inputs: Mapping[str, float]) -> float:
    """The probability that the advice is right."""
    probability = inputs[PROBABILITY_UP]
    return probability if side == BUY else 1.0 - probability


def _stated(side: int, inputs: Mapping[str, float], parameters: MlPredictionParameters) -> tuple[float, float]:
    confidence = _confidence(side, inputs)
    return min(confidence * parameters.strength_scale, 1.0), confidence


def _describe(side: int, inputs: Mapping[str, float], parameters: MlPredictionParameters) -> str:
    direction = "upward" if side == BUY else "downward"
    return f"ML model predicts {direction} movement with {_confidence(side, inputs):.2f} confidence"


def _checks(columns: Block, parameters: MlPredictionParameters) -> tuple[Check, ...]:
    found = value_at(columns[PROBABILITY_UP])
    high, low = parameters.buy_above, parameters.sell_below
    return tuple(
        Check(
            side=side,
            asks="calibrated probability that the next close is higher",
            found=rounded(found, high, low),
            wanted=f"{word} {written(limit)}",
            is_met=None if isnan(found) else is_beyond,
        )
        for side, word, limit, is_beyond in ((BUY, "above", high, found > high), (SELL, "below", low, found < low))
    )


@strategy(
    key="ml_prediction",
    buy="ML_PREDICTION",
    sell="ML_PREDICTION",
    parameters=MlPredictionParameters,
    family="ml",
    source=Source.ML_MODEL,
    columns=(PROBABILITY_UP,),
    lookback=0,
    describe=_describe,
    checks=_checks,
    stated=_stated,
)
def ml_prediction(columns: Block, parameters: MlPredictionParameters) -> pd.DataFrame:
    """BUY where the next close is higher with a probability above ``buy_above``, SELL where below ``sell_below``.

    Advice on every bar, where other strategies speak once and re-arm: a probability is about the next bar alone, so
    that the same one a bar later is another statement. Exactly at a threshold is nothing. Confidence is the
    calibrated probability that the advice is right, which is what makes a confidence of .65 mean 65 of 100.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where no model speaks.
    """
    probability = columns[PROBABILITY_UP].to_numpy()
    return as_sides(probability > parameters.buy_above, probability < parameters.sell_below, columns[PROBABILITY_UP])
