"""The sums that are shown are right as they stand, and give what production stores."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregation import Boost, StrategyPreference
from pipeline.domain.signal import Signal, SignalType, Source
from pipeline.explain.arithmetic import Aggregation, Pricing, aggregations, pricings, risk_of
from pipeline.explain.judgement import combined
from pipeline.generation import Rules, finish, judge
from pipeline.indicators.catalogue import COLUMNS
from pipeline.pricing import prices
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.columns import READABLE
from pipeline.strategies.registry import STRATEGIES
from tests.support.signals import a_signal

PARAMETERS = {key: each.parameters() for key, each in STRATEGIES.items()}
HOUSE = RiskProfile()
VALUES = {**dict.fromkeys((*COLUMNS, *READABLE)), "close": 100.0, "atr_14": 1.25}
FAMILIES = {"trend_following": ("SMA_CROSSOVER", "MACD_CROSSOVER"), "mean_reversion": ("RSI_OVERSOLD",)}


def explained(signals: list[Signal], **changes: Any) -> tuple[list[Aggregation], list[Pricing]]:
    values = VALUES | changes.pop("bar", {})
    rules = Rules(**{"parameters": PARAMETERS, "families": FAMILIES, **changes})
    conditions = {(s.series, s.created_at): MarketConditions() for s in signals}
    decisions = judge(signals, conditions, HOUSE, rules)
    bars = dict.fromkeys(conditions, values)
    finished = finish([d.signal for d in decisions if d.is_kept], bars, HOUSE, rules)
    return aggregations(finished, combined(decisions, rules), rules), pricings(finished, values, HOUSE, rules)


def result(step: str) -> tuple[float, float]:
    """Both sides of a sum as it is shown."""
    left, _, right = step.rpartition(" = ")
    return eval(left.replace(" x ", " * "), {"min": min}), float(right)


several = st.lists(
    st.builds(
        lambda strategy, source, strength, confidence: a_signal(
            strategy=strategy, source=source, strength=strength, confidence=confidence
        ),
        st.sampled_from(["SMA_CROSSOVER", "MACD_CROSSOVER", "RSI_OVERSOLD", "ML_PREDICTION", "GOLDEN_CROSS"]),
        st.sampled_from(list(Source)),
        st.sampled_from([0.5, 0.7, 0.65, 1.0]),
        st.sampled_from([0.5, 0.7, 0.65, 0.9, 1.0]),
    ),
    min_size=2,
    max_size=5,
    unique_by=lambda s: s.strategy,
)


@given(signals=several, boost=st.sampled_from(list(Boost)), preference=st.sampled_from(list(StrategyPreference)))
def test_each_sum_that_is_shown_adds_up(signals, boost, preference):
    (found,), _ = explained(signals, boost=boost, strategy_preference=preference)
    for name in ("strength", "base_confidence", "confidence", "rank_score"):
        left, right = result(found.steps[name])
        assert left == pytest.approx(right, abs=2e-6)  # it is told in six digits
        assert right == pytest.approx(getattr(found, name), rel=1e-6)
    assert found.steps["agreement_boost"].startswith(f"{found.agreement_boost:g},")


def test_sums_are_told_without_the_noise_of_floating_point():
    advice = a_signal(strategy="ML_PREDICTION", source=Source.ML_MODEL, strength=0.7446504, confidence=1.0 - 0.379458)
    (found,), _ = explained([advice])
    assert found.steps["base_confidence"] == "0.620542, of its only component"
    assert found.steps["rank_score"] == "0.7 x 0.620542 + 0.3 x 0.74465 = 0.657775"
    assert found.confidence == 1.0 - 0.379458


def test_a_preferred_source_weighs_double_and_is_seen_to():
    model = a_signal(strategy="ML_PREDICTION", source=Source.ML_MODEL, strength=0.5, confidence=0.9)
    signals = [a_signal(strength=0.5), model]
    (found,), _ = explained(signals, strategy_preference=StrategyPreference.ML)
    assert {c.strategy: c.weight for c in found.components} == {"SMA_CROSSOVER": 1.0, "ML_PREDICTION": 2.0}
    assert found.steps["strength"] == "(2 x 0.5 + 1 x 0.5) / 3 = 0.5"
    assert found.n_sources == 2


def test_a_lone_component_has_no_mean_and_a_place_among_the_close():
    strong = a_signal(symbol="ETH/USDT", confidence=0.9)
    found, _ = explained([a_signal(), strong])
    assert {(each.steps["strength"], each.place, each.n_at_close) for each in found} == {
        ("0.7, of its only component", 1, 2),
        ("0.7, of its only component", 2, 2),
    }


@given(
    close=st.floats(1e-8, 1e6),
    share=st.one_of(st.none(), st.floats(0.0, 0.3)),
    multiple=st.sampled_from([1.0, 1.5, 2.5]),
    kind=st.sampled_from([SignalType.BUY, SignalType.SELL]),
)
def test_the_distance_that_is_shown_is_the_one_that_places_stop_and_targets(close, share, multiple, kind):
    atr = None if share is None else share * close
    risk, _ = risk_of(close, atr, multiple)
    side = 1.0 if kind is SignalType.BUY else -1.0
    priced = prices(kind, close, atr, multiple)
    assert priced.stop_loss_price == max(close - side * risk, 0.01 * close)
    assert priced.target_prices is not None
    assert priced.target_prices["tp2"] == max(close + side * 2.0 * risk, 0.01 * close)


@pytest.mark.parametrize(
    ("atr", "step"),
    [
        (None, "2.0% of the entry, as ATR 14 is unknown = 2"),
        (1.0, "1.5 x ATR 14 1 = 1.5"),
        (0.25, "1.5 x ATR 14 0.25 = 0.375, raised to 0.5% of the entry = 0.5"),
        (20.0, "1.5 x ATR 14 20 = 30, cut to 10.0% of the entry = 10"),
    ],
)
def test_the_distance_says_which_rule_gave_it(atr, step):
    assert risk_of(100.0, atr, 1.5)[1] == step


@pytest.mark.parametrize("is_asked_for", [True, False])
@pytest.mark.parametrize("kind", [SignalType.BUY, SignalType.SELL])
@pytest.mark.parametrize("high", [0.0105, 0.5, -0.001, 0.0, None])
def test_the_aim_that_is_shown_is_the_one_that_places_the_targets(kind, high, is_asked_for):
    low = None if high is None else -high
    bar = {"high_q90": high, "low_q10": low}
    _, (found,) = explained([a_signal(signal_type=kind)], tighten_targets=is_asked_for, bar=bar)
    side = 1.0 if kind is SignalType.BUY else -1.0
    assert found.target_prices == {f"tp{times}": 100.0 + side * float(times) * found.aim for times in (1, 2, 3)}
    assert (found.aim_step is not None) == (found.aim < found.risk) == (is_asked_for and high == 0.0105)


def test_targets_that_were_drawn_in_say_by_what():
    drawn = {"tighten_targets": True, "bar": {"high_q90": 0.0105, "low_q10": -0.0082}}
    _, (buy,) = explained([a_signal()], **drawn)
    _, (sell,) = explained([a_signal(signal_type=SignalType.SELL)], **drawn)
    assert buy.aim_step == "drawn in to the predicted high_q90 +1.05 %"
    assert sell.aim_step == "drawn in to the predicted low_q10 -0.82 %"


def test_prices_say_until_when_a_signal_stands():
    _, (found,) = explained([a_signal()])
    assert (found.entry_price, found.risk, found.expiry_bars) == (100.0, 1.875, 1)
    assert found.expires_at - found.created_at == a_signal().timeframe.duration


def test_an_alert_has_an_entry_only():
    _, (found,) = explained([a_signal(signal_type=SignalType.ALERT, strategy="MARKET_ANOMALY")])
    assert (found.risk, found.risk_step, found.stop_loss_price) == (None, "an ALERT has an entry only", None)
