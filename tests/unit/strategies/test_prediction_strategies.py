"""The strategies that read predictions: the specification's thresholds, what a signal weighs, alerts, explanations."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Signal, SignalType, Source
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.explain.judgement import candidate_findings
from pipeline.explain.rules import StrategyFinding, Verdict, strategy_findings
from pipeline.generation import Decision, Rules
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.columns import HIGHER, PREDICTION, PREDICTIONS, REFERENCE, is_beside, is_readable
from pipeline.strategies.crossing import ALERT, BUY, SELL
from pipeline.strategies.emission import signals_of
from pipeline.strategies.higher_timeframe import TrendFilter, objection
from pipeline.strategies.market_anomaly import MarketAnomalyParameters, market_anomaly
from pipeline.strategies.ml_prediction import MlPredictionParameters, ml_prediction
from pipeline.strategies.registry import STRATEGIES
from tests.support.market import START
from tests.support.strategy_columns import EVERY, SYMBOL, columns_of

UP, SCORE, FLAG = (PREDICTION + name for name in PREDICTIONS)
DEFAULTS = MlPredictionParameters()


def predicted(*probabilities):
    return columns_of(**{UP: probabilities})


def sides(*probabilities, **changes):
    return ml_prediction.sides(predicted(*probabilities), MlPredictionParameters(**changes)).iloc[:, 0].tolist()


def emitted(strategy, **columns) -> list[Signal]:
    block = columns_of(**columns)
    close = block["close"]
    usable = pd.DataFrame(True, index=close.index, columns=close.columns)
    return signals_of(strategy, strategy.parameters(), block, exchange="binance", timeframe=Timeframe.H1, usable=usable)


def test_advice_is_beyond_the_thresholds_of_the_specification_and_nothing_on_them():
    above, below = np.nextafter(0.6, 1.0), np.nextafter(0.4, 0.0)
    assert sides(0.6, above, 1.0, 0.4, below, 0.0, 0.5) == [0, BUY, BUY, 0, SELL, SELL, 0]


def test_an_unknown_probability_is_no_advice():
    assert sides(None, 0.7, None) == [0, BUY, 0]


def test_thresholds_are_settings():
    assert sides(0.56, 0.7, 0.44, 0.3, buy_above=0.55, sell_below=0.35) == [BUY, BUY, 0, SELL]


@pytest.mark.parametrize(
    ("probability", "side", "strength", "confidence"),
    [(0.65, BUY, 0.78, 0.65), (0.9, BUY, 1.0, 0.9), (0.35, SELL, 0.78, 0.65), (0.1, SELL, 1.0, 0.9)],
)
def test_confidence_is_the_probability_of_the_advice_and_strength_follows_it(probability, side, strength, confidence):
    stated = ml_prediction.stated(side, {UP: probability}, DEFAULTS)
    assert stated == pytest.approx((strength, confidence), abs=1e-15)


def test_the_scale_of_the_strength_is_a_setting_and_strength_stays_a_fraction():
    assert ml_prediction.stated(BUY, {UP: 0.7}, MlPredictionParameters(strength_scale=0.5)) == (0.35, 0.7)
    assert ml_prediction.stated(BUY, {UP: 0.7}, MlPredictionParameters(strength_scale=50.0)) == (1.0, 0.7)


def test_a_prediction_becomes_the_signal_of_the_specification():
    buy, sell = emitted(ml_prediction, **{UP: [0.65, 0.5, 0.3]}, close=[100, 101, 102])
    assert buy == Signal(
        series=SeriesKey("binance", SYMBOL, Timeframe.H1),
        signal_type=SignalType.BUY,
        strategy="ML_PREDICTION",
        source=Source.ML_MODEL,
        strength=0.78,
        confidence=0.65,
        created_at=START + timedelta(hours=1),
        description="ML model predicts upward movement with 0.65 confidence",
        inputs={UP: 0.65, "close": 100.0},
    )
    assert (sell.signal_type, sell.strategy, sell.confidence) == (SignalType.SELL, "ML_PREDICTION", 0.7)
    assert sell.strength == pytest.approx(0.84, abs=1e-15)
    assert sell.description == "ML model predicts downward movement with 0.70 confidence"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"buy_above": 0.4}, r"sell_below must be below buy_above \(0.4\), was 0.4"),
        ({"sell_below": 0.7}, r"sell_below must be below buy_above \(0.6\), was 0.7"),
        ({"buy_above": 1.0}, "less than 1"),
        ({"sell_below": 0.0}, "greater than 0"),
        ({"strength_scale": 0.0}, "greater than 0"),
        ({"buy_above": True}, "must be a number"),
        ({"confidence": 0.7}, "Extra inputs are not permitted"),
    ],
)
def test_parameters_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        MlPredictionParameters(**changes)


def test_the_checks_say_the_probability_and_both_thresholds():
    checks = ml_prediction.checks(predicted(0.65), DEFAULTS)
    assert checks
    assert [(each.side, each.found, each.wanted, each.is_met) for each in checks] == [
        (BUY, "0.65", "above 0.6", True),
        (SELL, "0.65", "below 0.4", False),
    ]


def test_a_flagged_bar_is_an_alert_with_its_score():
    (alert,) = emitted(market_anomaly, **{FLAG: [0, 1, None], SCORE: [0.48, 0.714, None]}, close=[100, 90, 91])
    assert (alert.signal_type, alert.strategy, alert.source) == (SignalType.ALERT, "MARKET_ANOMALY", Source.ML_MODEL)
    assert (alert.strength, alert.confidence) == (0.6, 0.6)
    assert alert.created_at == START + timedelta(hours=2)
    assert alert.inputs == {FLAG: 1.0, SCORE: 0.714, "close": 90.0}
    assert alert.description.endswith("score 0.71")


def test_every_flagged_bar_is_an_alert_and_a_high_score_alone_is_none():
    columns = columns_of(**{FLAG: [1, 1, 0], SCORE: [0.7, 0.7, 0.9]})
    assert market_anomaly.sides(columns, MarketAnomalyParameters()).iloc[:, 0].tolist() == [ALERT, ALERT, 0]


@pytest.mark.parametrize(
    ("flag", "found", "is_met"),
    [(1, "flagged, score 0.7", True), (0, "not flagged, score 0.7", False), (None, "unknown, score 0.7", None)],
)
def test_the_check_of_an_anomaly_says_flag_and_score(flag, found, is_met):
    checks = market_anomaly.checks(columns_of(**{FLAG: [flag], SCORE: [0.7]}), MarketAnomalyParameters())
    assert checks
    (check,) = checks
    assert (check.side, check.found, check.is_met) == (ALERT, found, is_met)


def test_the_trend_of_the_higher_timeframe_has_nothing_to_say_of_an_alert():
    watched = MarketAnomalyParameters(higher_timeframe_trend="warn")
    inputs = {FLAG: 1.0, SCORE: 0.7, HIGHER + "trend_state": -1.0}
    assert "against" not in market_anomaly.describe(ALERT, inputs, watched)
    for trend in (1.0, -1.0, None):
        assert objection(TrendFilter.REQUIRE, ALERT, {HIGHER + "trend_state": trend}) is None


def test_predictions_are_columns_beside_the_bar_and_no_others_are():
    for name in PREDICTIONS:
        assert is_readable(PREDICTION + name)
        assert is_beside(PREDICTION + name)
        assert not is_readable(name)
        assert not is_readable(HIGHER + PREDICTION + name)
        assert not is_readable(REFERENCE + PREDICTION + name)
    assert not is_readable(PREDICTION + "close")
    assert not is_readable(PREDICTION)


def test_a_probability_that_is_none_is_refused_when_it_would_become_a_signal():
    with pytest.raises(DataContractError, match=r"confidence must be in \[0, 1\], was 1.5"):
        emitted(ml_prediction, **{UP: [1.5]}, close=[100])


@pytest.fixture(scope="module")
def told():
    """What is explained of a bar with these predictions, by strategy; everything else of it is unknown."""

    def findings(**predictions: float | None) -> dict[str, StrategyFinding]:
        said = columns_of(**{PREDICTION + name: [value] for name, value in predictions.items()}, close=[100])
        columns = {name: said.get(name, said["close"] * np.nan) for name in EVERY}
        rules = Rules(parameters={key: each.parameters() for key, each in STRATEGIES.items()})
        return {each.key: each for each in strategy_findings(columns, rules)}

    return findings


def test_an_explained_prediction_weighs_as_its_signal_does(told):
    found = told(probability_up=0.25)["ml_prediction"]
    assert (found.verdict, found.would_say, found.takes_side) == (Verdict.SELL, "SELL", True)
    assert (found.strength, found.confidence) == pytest.approx((0.9, 0.75), abs=1e-15)
    assert found.names == {"BUY": "ML_PREDICTION", "SELL": "ML_PREDICTION"}
    assert found.inputs == {UP: 0.25, "close": 100.0}


@pytest.mark.parametrize(("probability", "verdict"), [(0.5, Verdict.NOTHING), (None, Verdict.UNKNOWN)])
def test_without_advice_an_explained_prediction_weighs_nothing_that_could_be_told(told, probability, verdict):
    found = told(probability_up=probability)["ml_prediction"]
    assert (found.verdict, found.takes_side) == (verdict, False)
    assert (found.strength, found.confidence) == (None, None)


@pytest.mark.parametrize(("flag", "verdict"), [(1.0, Verdict.ALERT), (0.0, Verdict.NOTHING), (None, Verdict.UNKNOWN)])
def test_an_explained_anomaly_is_an_alert_that_weighs_as_its_settings_say(told, flag, verdict):
    found = told(is_anomaly=flag, anomaly_score=0.7)["market_anomaly"]
    assert (found.verdict, found.takes_side) == (verdict, verdict is Verdict.ALERT)
    assert (found.strength, found.confidence) == (0.6, 0.6)
    assert [check.side for check in found.checks] == ["ALERT"]


def test_an_alert_that_saw_the_trend_is_explained_as_passing_its_filter(told):
    (alert,) = emitted(market_anomaly, **{FLAG: [1], SCORE: [0.7]}, close=[100])
    alert = replace(alert, inputs={**alert.inputs, HIGHER + "trend_state": -1.0})
    decision = Decision(signal=alert, reasons=(), exposure_weight=None, expires_at=alert.created_at)
    parameters = {key: each.parameters() for key, each in STRATEGIES.items()}
    parameters["market_anomaly"] = MarketAnomalyParameters(higher_timeframe_trend="require")
    rules = Rules(parameters=parameters)
    (found,) = candidate_findings([decision], RiskProfile(), MarketConditions(), rules)
    assert (found.filters[-1].filter, found.filters[-1].wanted) == ("higher_timeframe_trend", "any: alerts pass")
    assert found.filters[-1].reason is None
