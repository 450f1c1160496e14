"""Aggregation: grouping, means, the boost, conflicts and the order of the result."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from pipeline.aggregation import (
    Boost,
    ConflictPolicy,
    StrategyPreference,
    aggregate,
    combine,
    combine_all,
    preference_weight,
    rank,
    resolve_conflicts,
    weights_of,
)
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.signal import SignalType, Source
from pipeline.domain.timeframe import Timeframe
from tests.support.pages import failures_on
from tests.support.signals import CLOSE_AT, a_signal

FAMILIES = {"trend_following": ["SMA_CROSSOVER", "MACD_CROSSOVER"], "mean_reversion": {"RSI_OVERSOLD"}}


def an_rsi(**changes):
    fields = {
        "strategy": "RSI_OVERSOLD",
        "strength": 0.8,
        "confidence": 0.7,
        "description": "RSI is oversold at 28.50",
    }
    return a_signal(**(fields | changes))


def a_prediction(**changes):
    fields = {
        "strategy": "ML_PREDICTION",
        "source": Source.ML_MODEL,
        "strength": 0.9,
        "confidence": 0.75,
        "description": "ML model predicts upward movement with 0.75 confidence",
    }
    return a_signal(**(fields | changes))


def a_mood(**changes):
    fields = {"strategy": "SENTIMENT_ANALYSIS", "source": Source.SENTIMENT, "description": "Strong mood"}
    return a_signal(**(fields | changes))


def test_the_examples_on_the_page_print_what_the_page_says():
    assert failures_on("aggregation.md") == []


def test_one_signal_stays_what_it_is():
    signal = a_signal()
    combined = combine([signal])
    assert (combined.strategy, combined.source, combined.description) == (
        "SMA_CROSSOVER",
        "technical",
        "SMA 20 crossed above SMA 50",
    )
    assert (combined.strength, combined.confidence) == (0.7, 0.65)
    assert (combined.base_confidence, combined.agreement_boost) == (0.65, 0.0)
    assert (combined.component_signals, combined.sources, combined.components) == (
        1,
        ["technical"],
        (signal,),
    )


def test_several_become_one_multi_strategy_signal():
    combined = combine([an_rsi(), a_prediction()])
    assert (combined.strategy, combined.source) == ("MULTI_STRATEGY", "technical, ml_model")
    assert combined.strength == pytest.approx(0.85)
    assert combined.base_confidence == pytest.approx(0.725)
    assert combined.agreement_boost == 0.2
    assert combined.confidence == pytest.approx(0.925)
    assert (combined.component_signals, combined.sources) == (2, ["technical", "ml_model"])


def test_two_strategies_of_one_source_agree_without_a_boost():
    combined = combine([a_signal(), an_rsi()])
    assert (combined.agreement_boost, combined.confidence) == (0.0, combined.base_confidence)


@pytest.mark.parametrize(("boost", "two_sources", "three_sources"), [(Boost.SPEC, 0.2, 0.2), (Boost.GRADED, 0.1, 0.2)])
def test_the_boost_counts_sources_as_configured(boost, two_sources, three_sources):
    pair, all_three = [a_signal(), a_mood()], [a_signal(), a_mood(), a_prediction()]
    assert combine(pair, boost=boost).agreement_boost == two_sources
    assert combine(all_three, boost=boost).agreement_boost == three_sources
    assert combine([a_signal(), an_rsi()], boost=boost).agreement_boost == 0.0


def test_a_boost_may_be_named_by_text_and_an_unknown_one_is_refused():
    assert combine([a_signal(), a_mood()], boost="graded").agreement_boost == 0.1
    with pytest.raises(ValueError, match="'double' is not a valid Boost"):
        combine([a_signal()], boost="double")


def test_f54_a_boosted_confidence_stops_at_one():
    combined = combine([a_signal(confidence=0.95), a_mood(confidence=0.95)])
    assert (combined.confidence, combined.agreement_boost) == (1.0, 0.2)
    assert combined.rank_score <= 1.0


def test_sources_are_joined_in_one_fixed_order():
    combined = combine([a_mood(), a_prediction(), a_signal()])
    assert combined.source == "technical, ml_model, sentiment"
    assert combined.sources == ["technical", "ml_model", "sentiment"]


def test_the_surest_three_are_described_and_the_others_counted():
    group = [
        a_signal(strategy=name, confidence=confidence, description=name.lower())
        for name, confidence in [("E", 0.6), ("B", 0.7), ("D", 0.9), ("A", 0.7), ("C", 0.5)]
    ]
    assert combine(group).description == "d; a; b; and 2 more signals"
    assert combine(group[:3]).description == "d; b; e"


def test_a_group_of_different_bars_types_or_nothing_is_refused():
    for group in (
        [],
        [a_signal(), a_signal(symbol="ETH/USDT")],
        [a_signal(), a_signal(signal_type=SignalType.SELL)],
    ):
        with pytest.raises(DataContractError, match="a group must share one series, close and type"):
            combine(group)


def test_signals_are_grouped_by_series_close_and_type():
    others = [
        a_signal(),
        a_signal(symbol="ETH/USDT"),
        a_signal(timeframe=Timeframe.H4),
        a_signal(exchange="kraken"),
        a_signal(created_at=CLOSE_AT + timedelta(hours=1)),
        a_signal(signal_type=SignalType.SELL),
        a_signal(signal_type=SignalType.ALERT),
    ]
    combined = combine_all([*others, an_rsi()])
    assert sorted(c.component_signals for c in combined) == [1, 1, 1, 1, 1, 1, 2]


def test_the_rank_is_seven_parts_confidence_and_three_parts_strength():
    assert combine([a_signal(confidence=0.6, strength=0.9)]).rank_score == pytest.approx(0.69)


def test_equal_ranks_are_ordered_by_confidence_strength_symbol_and_type():
    signals = [
        a_signal(symbol="B/USDT"),
        a_signal(symbol="A/USDT", signal_type=SignalType.SELL),
        a_signal(symbol="A/USDT"),
        a_signal(symbol="Z/USDT", confidence=0.9, strength=0.1),
        a_signal(symbol="Z/USDT", signal_type=SignalType.SELL, strength=0.71),
    ]
    ranked = rank(replace(combine([signal]), rank_score=0.6) for signal in signals)
    assert [(c.series.symbol, c.signal_type.value) for c in ranked] == [
        ("Z/USDT", "BUY"),
        ("Z/USDT", "SELL"),
        ("A/USDT", "BUY"),
        ("A/USDT", "SELL"),
        ("B/USDT", "BUY"),
    ]


def test_a_buy_and_a_sell_of_one_bar_are_both_kept_and_marked():
    result = aggregate([a_signal(), an_rsi(signal_type=SignalType.SELL), a_signal(signal_type=SignalType.ALERT)])
    assert {(c.signal_type, c.is_conflicting) for c in result.signals} == {
        (SignalType.BUY, True),
        (SignalType.SELL, True),
        (SignalType.ALERT, False),
    }
    assert result.dropped == []


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"symbol": "ETH/USDT"},
        {"timeframe": Timeframe.H4},
        {"exchange": "kraken"},
        {"created_at": CLOSE_AT + timedelta(hours=1)},
    ],
)
def test_opposite_advice_on_another_bar_is_no_conflict(elsewhere):
    result = aggregate([a_signal(), a_signal(signal_type=SignalType.SELL, **elsewhere)])
    assert [c.is_conflicting for c in result.signals] == [False, False]


@pytest.mark.parametrize(
    ("sell", "loser"),
    [
        ({"confidence": 0.9}, SignalType.BUY),
        ({"confidence": 0.55}, SignalType.SELL),
        ({"strength": 0.9}, SignalType.BUY),
        ({}, SignalType.BUY),
    ],
)
def test_the_weaker_of_a_conflict_is_dropped_if_asked_and_of_equals_the_buy(sell, loser):
    signals = [a_signal(), a_signal(signal_type=SignalType.SELL, **sell)]
    result = aggregate(signals, conflict_policy=ConflictPolicy.DROP_WEAKER)
    assert [(c.signal_type, reasons) for c, reasons in result.dropped] == [(loser, ("weaker_of_conflict",))]
    assert [(c.signal_type, c.is_conflicting) for c in result.signals] == [(loser.opposite, True)]


def test_a_conflict_whose_buy_exposure_dropped_is_no_conflict_any_more():
    combined = combine_all([a_signal(), a_signal(signal_type=SignalType.SELL)])
    left = [c for c in combined if c.signal_type is SignalType.SELL]
    assert [c.is_conflicting for c in resolve_conflicts(left).signals] == [False]


@pytest.mark.parametrize(
    ("preference", "weights"),
    [
        ("balanced", (1, 1, 1, 1)),
        ("technical", (2, 2, 1, 1)),
        ("ml", (1, 1, 2, 1)),
        ("sentiment", (1, 1, 1, 2)),
        ("trend_following", (2, 1, 1, 1)),
        ("mean_reversion", (1, 2, 1, 1)),
    ],
)
def test_a_preference_doubles_its_source_or_family(preference, weights):
    signals = (a_signal(), an_rsi(), a_prediction(), a_mood())
    weight = partial(preference_weight, preference=StrategyPreference(preference), families=FAMILIES)
    assert tuple(map(weight, signals)) == weights


def test_a_preference_acts_in_the_means():
    combined = combine([a_signal(strength=0.6, confidence=0.6), a_prediction()], weights=weights_of("ml", {}))
    assert combined.strength == pytest.approx((0.6 + 2 * 0.9) / 3)
    assert combined.base_confidence == pytest.approx((0.6 + 2 * 0.75) / 3)


def test_a_preference_lifts_its_own_in_the_rank_without_changing_their_confidence():
    technical, predicted = (
        a_signal(symbol="A/USDT", confidence=0.8),
        a_prediction(symbol="B/USDT", confidence=0.6),
    )
    balanced, preferring = (
        aggregate([technical, predicted]),
        aggregate([technical, predicted], preference="ml"),
    )
    assert [c.series.symbol for c in balanced.signals] == ["A/USDT", "B/USDT"]
    assert [c.series.symbol for c in preferring.signals] == ["B/USDT", "A/USDT"]
    assert [c.confidence for c in preferring.signals] == [0.6, 0.8]


def test_balanced_leaves_the_rank_as_it_is():
    signals = [a_signal(), a_prediction(), a_signal(symbol="ETH/USDT")]
    assert [c.rank_score for c in aggregate(signals).signals] == [c.rank_score for c in combine_all(signals)]
    assert weights_of("balanced", FAMILIES) is None


def test_a_mapping_weighs_strategies_by_name_and_others_by_one():
    combined = combine([a_signal(confidence=0.6), an_rsi(confidence=0.9)], weights={"RSI_OVERSOLD": 2.0})
    assert combined.confidence == pytest.approx((0.6 + 2 * 0.9) / 3)


@pytest.mark.parametrize("weight", [0.0, -1.0, 2.5, float("nan")])
def test_a_weight_outside_its_range_is_refused(weight):
    with pytest.raises(DataContractError, match=r"weight of SMA_CROSSOVER must be in \(0, 2.0\]"):
        combine([a_signal()], weights={"SMA_CROSSOVER": weight})


def test_a_preference_for_a_family_that_nobody_listed_is_refused():
    with pytest.raises(ConfigurationError, match="must list mean_reversion, were trend_following"):
        aggregate([a_signal()], preference="mean_reversion", families={"trend_following": []})


def test_an_unknown_policy_is_refused_even_where_nothing_conflicts():
    with pytest.raises(ValueError, match="'drop' is not a valid ConflictPolicy"):
        resolve_conflicts([], "drop")


def test_nothing_is_made_of_nothing():
    assert (aggregate([]).signals, aggregate([]).dropped) == ([], [])
