"""Market anomaly: the anomaly model flags a bar as unlike those before it."""

from collections.abc import Mapping
from math import isnan

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, rounded, value_at
from pipeline.strategies.columns import PREDICTION
from pipeline.strategies.crossing import ALERT, as_alerts
from pipeline.strategies.definition import Fraction, StrategyParameters, strategy

IS_ANOMALY, SCORE = PREDICTION + "is_anomaly", PREDICTION + "anomaly_score"


class MarketAnomalyParameters(StrategyParameters):
    """How much an alert weighs; what an anomaly is, the model decides."""

    strength: Fraction = 0.6
    confidence: Fraction = 0.6


def _describe(side: int, inputs: Mapping[str, float], parameters: MarketAnomalyParameters) -> str:
    return f"Market anomaly: price, volume and volatility are unlike those before, score {inputs[SCORE]:.2f}"


def _checks(columns: Block, parameters: MarketAnomalyParameters) -> tuple[Check, ...]:
    flag = value_at(columns[IS_ANOMALY])
    word = "unknown" if isnan(flag) else "flagged" if flag == 1.0 else "not flagged"
    return (
        Check(
            side=ALERT,
            asks="flag of the anomaly model",
            found=f"{word}, score {rounded(value_at(columns[SCORE]))}",
            wanted="flagged",
            is_met=None if isnan(flag) else flag == 1.0,
        ),
    )


@strategy(
    key="market_anomaly",
    alert="MARKET_ANOMALY",
    parameters=MarketAnomalyParameters,
    family="ml",
    source=Source.ML_MODEL,
    columns=(IS_ANOMALY, SCORE),
    lookback=0,
    describe=_describe,
    checks=_checks,
)
def market_anomaly(columns: Block, parameters: MarketAnomalyParameters) -> pd.DataFrame:
    """ALERT where the anomaly model flags the bar.

    The flag and not a threshold on the score: how high a score is rare depends on the model, which knows its own, and
    flags that are ignored because there are too many of them are 0 here. Which way prices go from an unusual bar it
    does not say, hence an alert; every flagged bar is one, since each is unusual by itself.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where no model speaks.
    """
    return as_alerts(columns[IS_ANOMALY].to_numpy() == 1.0, columns[IS_ANOMALY])
