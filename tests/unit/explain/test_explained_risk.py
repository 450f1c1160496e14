"""What is said of risk is what risk did: each filter with its numbers, the exposure that was compared, conflicts."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.aggregation import ConflictPolicy
from pipeline.domain.signal import Signal, SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.explain.judgement import (
    EXPOSURE_REASONS,
    SHOWN,
    Company,
    ExposureFinding,
    came_to_exposure,
    candidate_findings,
    combined,
    conflict_finding,
    exposure_finding,
    exposure_verdicts,
)
from pipeline.generation import Decision, Rules, judge
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.exposure import Pending, Position
from pipeline.risk.filters import FILTERS
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.higher_timeframe import TREND
from pipeline.strategies.registry import STRATEGIES
from tests.support.signals import CLOSE_AT, a_series, a_signal

PARAMETERS = {key: each.parameters() for key, each in STRATEGIES.items()}
HOUSE = RiskProfile()
CALM = MarketConditions(is_volatile=False, atr_ratio=0.01, threshold=0.02, median_ratio=0.012, bars=500)
WILD = MarketConditions(is_volatile=True, atr_ratio=0.03, threshold=0.02, median_ratio=0.012, bars=500)


def rules(**changes: Any) -> Rules:
    return Rules(**{"parameters": PARAMETERS, **changes})


def decided(
    signals: list[Signal], profile: RiskProfile = HOUSE, market: MarketConditions = CALM, **changes: Any
) -> list[Decision]:
    company = {name: changes.pop(name) for name in ("pending", "positions") if name in changes}
    conditions = {(s.series, s.created_at): market for s in signals}
    return judge(signals, conditions, profile, rules(**changes), **company)


def filters_of(profile: RiskProfile = HOUSE, market: MarketConditions = CALM, **signal: Any) -> dict[str, Any]:
    (found,) = candidate_findings(decided([a_signal(**signal)], profile, market), profile, market, rules())
    return {each.filter: each for each in found.filters}


def test_every_filter_is_shown_with_what_it_compares():
    assert list(SHOWN) == list(FILTERS)
    assert list(filters_of()) == [judge.__name__ for judge in FILTERS]


@pytest.mark.parametrize(
    ("name", "profile", "market", "found", "wanted"),
    [
        ("low_confidence", {"min_signal_confidence": 0.7}, CALM, "confidence 0.65", "at least 0.7"),
        (
            "high_volatility",
            {},
            WILD,
            "volatile: ATR/close 0.03, 95th percentile 0.02, median 0.012 of 500 bars",
            "below the 95th percentile, or below 1.5 x the median",
        ),
        ("outside_trading_hours", {"trading_hours_end": 9}, CALM, "closed in hour 12 UTC", "in [0, 9)"),
        ("blocked_market", {}, MarketConditions(block_reason="price_jump"), "price_jump", "not blocked"),
        ("filled_bar", {}, MarketConditions(is_filled=True), "made up for a gap", "traded"),
    ],
)
def test_a_filter_that_drops_says_its_numbers_and_its_reason(name, profile, market, found, wanted):
    shown = filters_of(RiskProfile(**profile), market)[name]
    assert (shown.found, shown.wanted) == (found, wanted)
    assert shown.reason is not None
    assert [each for each in filters_of(RiskProfile(**profile), market).values() if each.reason] == [shown]


def test_volatility_says_what_it_does_not_know():
    assert filters_of(market=MarketConditions())["high_volatility"].found == "unknown: ATR 14 is not known"
    young = MarketConditions(atr_ratio=0.01, bars=87)
    assert filters_of(market=young)["high_volatility"].found == "unknown: ATR/close 0.01, 87 of 100 bars"


def test_a_profile_that_takes_volatility_wants_any():
    shown = filters_of(RiskProfile(avoid_high_volatility=False), WILD)["high_volatility"]
    assert (shown.wanted, shown.reason) == ("any: avoid_high_volatility is off", None)


def test_the_filter_of_a_strategy_of_its_own_is_shown_where_it_saw_a_trend():
    required = PARAMETERS | {"sma_crossover": STRATEGIES["sma_crossover"].parameters(higher_timeframe_trend="require")}
    signals = [a_signal(inputs={TREND: -1.0})]
    decisions = decided(signals, parameters=required)
    (found,) = candidate_findings(decisions, HOUSE, CALM, rules(parameters=required))
    assert (found.filters[-1].filter, found.filters[-1].found) == ("higher_timeframe_trend", "down")
    assert (found.filters[-1].reason,) == found.reasons == ("against_higher_timeframe",)


SYMBOLS = ("BTC/USDT", "BTC/EUR", "ETH/USDT", "SOL/USDT", "XRP/USDT", "ADA/USDT")
advice = st.builds(
    lambda symbol, timeframe, kind, confidence, hours: a_signal(
        symbol=symbol,
        timeframe=timeframe,
        signal_type=kind,
        confidence=confidence,
        strategy="SMA_CROSSOVER" if confidence > 0.6 else "MACD_CROSSOVER",
        created_at=CLOSE_AT + timedelta(hours=hours),
    ),
    st.sampled_from(SYMBOLS),
    st.sampled_from([Timeframe.H1, Timeframe.H4]),
    st.sampled_from([SignalType.BUY, SignalType.BUY, SignalType.SELL]),
    st.sampled_from([0.4, 0.55, 0.65, 0.9]),
    st.integers(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(
    signals=st.lists(advice, min_size=1, max_size=14, unique_by=lambda s: (s.series, s.created_at, s.strategy)),
    limits=st.sampled_from([(0.05, 0.1), (0.2, 0.8), (0.06, 0.2)]),
    policy=st.sampled_from(list(ConflictPolicy)),
    held=st.floats(0.0, 0.1),
)
def test_the_exposure_that_is_told_gave_the_decisions(signals, limits, policy, held):
    profile = RiskProfile(max_asset_exposure=limits[0], max_total_exposure=limits[1])
    positions = [Position(symbol="BTC/USDT", weight=held, valid_from=CLOSE_AT - timedelta(days=1))]
    decisions = decided(signals, profile, positions=positions, conflict_policy=policy)
    passed = came_to_exposure(decisions)
    verdicts = exposure_verdicts(
        passed, combined(passed, rules(conflict_policy=policy)), profile, Company(positions=positions)
    )
    told = {(v.group.series, v.group.close_at): v.reasons for v in verdicts}
    dropped = {
        (d.signal.series, d.signal.created_at): d.reasons
        for d in decisions
        if d.reasons and EXPOSURE_REASONS.issuperset(d.reasons)
    }
    assert {bar: reasons for bar, reasons in told.items() if reasons} == dropped
    kept = {(d.signal.series, d.signal.created_at) for d in decisions if d.is_kept and d.signal.signal_type == "BUY"}
    assert {bar for bar, reasons in told.items() if not reasons} == kept


def exposed(decisions: list[Decision], company: Company) -> ExposureFinding | None:
    passed = came_to_exposure(decisions)
    return exposure_finding((a_series(), CLOSE_AT), passed, combined(passed, rules()), HOUSE, rules(), company)


def test_exposure_lists_what_ties_up_money_then():
    hour = timedelta(hours=1)
    pending = [
        Pending(
            symbol="BTC/EUR", timeframe=Timeframe.H4, close_at=CLOSE_AT - hour, weight=0.04, expires_at=CLOSE_AT + hour
        ),
        Pending(symbol="XRP/USDT", timeframe=Timeframe.H1, close_at=CLOSE_AT - hour, weight=0.04, expires_at=CLOSE_AT),
    ]
    positions = [Position(symbol="BTC/USDT", weight=0.15, valid_from=CLOSE_AT - 24 * hour)]
    signals = [a_signal(confidence=0.6), a_signal(symbol="ETH/USDT", confidence=0.9)]
    company = Company(pending=pending, positions=positions)
    decisions = decided(signals, pending=pending, positions=positions)

    found = exposed(decisions, company)

    assert found is not None
    assert (found.asset, found.weight, found.is_kept, found.reasons) == ("BTC", 0.03, False, ("asset_exposure",))
    assert found.asset_exposure == pytest.approx(0.19, abs=1e-15)
    assert found.total_exposure == pytest.approx(0.19 + 0.045, abs=1e-15)
    assert [(each.kind, each.symbol) for each in found.holdings] == [
        ("position", "BTC/USDT"),
        ("pending", "BTC/EUR"),
        ("this close", "ETH/USDT"),
    ]
    assert sum(each.weight for each in found.holdings) == pytest.approx(found.total_exposure, abs=1e-15)


def test_a_buy_that_a_filter_dropped_has_no_exposure():
    decisions = decided([a_signal(confidence=0.3)])
    assert exposed(decisions, Company()) is None


def sell(**changes: Any) -> Signal:
    return a_signal(**{"signal_type": SignalType.SELL, "strategy": "DEATH_CROSS", **changes})


@pytest.mark.parametrize(
    ("policy", "confidence", "dropped"),
    [
        (ConflictPolicy.KEEP, 0.9, None),
        (ConflictPolicy.DROP_WEAKER, 0.9, "BUY"),
        (ConflictPolicy.DROP_WEAKER, 0.5, "SELL"),
    ],
)
def test_a_conflict_says_both_scores_and_who_lost(policy, confidence, dropped):
    decisions = decided([a_signal(), sell(confidence=confidence)], conflict_policy=policy)
    found = conflict_finding(decisions, HOUSE, rules(conflict_policy=policy))
    assert found is not None
    assert (found.policy, found.dropped) == (policy.value, dropped)
    assert found.buy_score == pytest.approx(0.7 * 0.65 + 0.3 * 0.7)
    assert found.sell_score == pytest.approx(0.7 * confidence + 0.3 * 0.7)


def test_there_is_no_conflict_where_a_filter_dropped_one_of_them():
    assert conflict_finding(decided([a_signal(), sell(confidence=0.1)]), HOUSE, rules()) is None
