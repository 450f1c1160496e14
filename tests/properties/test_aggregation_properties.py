"""Aggregation against the description's own arithmetic, written down again, on random groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.aggregation import ConflictPolicy, aggregate, combine, resolve_conflicts, weights_of
from pipeline.domain.signal import SignalType, Source
from tests.support.signals import a_signal

FRACTIONS = st.floats(0, 1) | st.sampled_from([0.0, 0.5, 0.65, 0.7, 1.0])
FAMILIES = {"trend_following": ["S0", "S1"], "mean_reversion": ["S2"]}
PREFERENCES = st.sampled_from(["balanced", "technical", "ml", "sentiment", "trend_following", "mean_reversion"])


@st.composite
def signals(draw, symbols=("BTC/USDT",)):
    """Signals of one close, each strategy at most once for a symbol and type."""
    places = st.tuples(st.sampled_from(symbols), st.sampled_from(SignalType), st.integers(0, 6))
    return [
        a_signal(
            symbol=symbol,
            signal_type=signal_type,
            strategy=f"S{number}",
            source=draw(st.sampled_from(Source)),
            strength=draw(FRACTIONS),
            confidence=draw(FRACTIONS),
            description=f"strategy {number} says {signal_type.value}",
        )
        for symbol, signal_type, number in draw(st.lists(places, min_size=1, max_size=14, unique=True))
    ]


def described_aggregate(signals):
    """The description's rule: (symbol, type) -> strategy, strength, confidence, set of sources, count."""
    grouped = {}
    for signal in signals:
        grouped.setdefault((signal.series.symbol, signal.signal_type), []).append(signal)
    result = {}
    for key, group in grouped.items():
        if len(group) == 1:
            only = group[0]
            result[key] = (only.strategy, only.strength, only.confidence, {only.source.value}, 1)
            continue
        strength = sum(s.strength for s in group) / len(group)
        confidence = sum(s.confidence for s in group) / len(group)
        sources = {s.source.value for s in group}
        if len(sources) > 1:
            confidence = min(confidence + min(0.1 * len(sources), 0.2), 1.0)
        result[key] = ("MULTI_STRATEGY", strength, confidence, sources, len(group))
    return result


@given(signals(symbols=("BTC/USDT", "ETH/USDT")))
def test_the_result_equals_the_description(signals):
    expected = described_aggregate(signals)
    combined = aggregate(signals).signals
    assert {(c.series.symbol, c.signal_type) for c in combined} == set(expected)
    for c in combined:
        strategy, strength, confidence, sources, count = expected[c.series.symbol, c.signal_type]
        assert (c.strategy, set(c.sources), c.component_signals) == (strategy, sources, count)
        assert (c.strength, c.confidence) == (
            pytest.approx(strength, abs=1e-12),
            pytest.approx(confidence, abs=1e-12),
        )
    scores = [c.confidence * 0.7 + c.strength * 0.3 for c in combined]
    assert scores == pytest.approx(sorted(scores, reverse=True), abs=1e-12)


@given(signals(symbols=("BTC/USDT", "ETH/USDT")), PREFERENCES, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_not_a_bit(signals, preference, random):
    shuffled = random.sample(signals, len(signals))
    assert aggregate(shuffled, preference=preference, families=FAMILIES) == aggregate(
        signals, preference=preference, families=FAMILIES
    )


@given(signals(), PREFERENCES, st.sampled_from(["spec", "graded"]))
def test_every_number_stays_in_its_range(signals, preference, boost):
    result = aggregate(signals, preference=preference, families=FAMILIES, boost=boost)
    for c in result.signals:
        confidences = [s.confidence for s in c.components]
        assert 0.0 <= c.strength <= 1.0
        assert 0.0 <= c.rank_score <= 1.0
        assert min(confidences) - 1e-12 <= c.base_confidence <= max(confidences) + 1e-12
        assert c.base_confidence <= c.confidence <= 1.0
        assert c.confidence == min(c.base_confidence + c.agreement_boost, 1.0)


@given(signals(), PREFERENCES)
def test_a_lone_preferred_signal_keeps_its_rank_and_any_other_loses_half(signals, preference):
    weights = weights_of(preference, FAMILIES)
    for signal in signals:
        plain, scaled = combine([signal]).rank_score, combine([signal], weights=weights).rank_score
        factor = 1.0 if weights is None else weights(signal) / 2
        assert scaled == plain * factor


@given(signals(symbols=("BTC/USDT", "ETH/USDT")))
def test_dropping_the_weaker_loses_one_of_each_conflict_and_nothing_else(signals):
    kept = aggregate(signals).signals
    result = resolve_conflicts(kept, ConflictPolicy.DROP_WEAKER)
    assert {c.series.symbol for c in kept if c.is_conflicting} == {c.series.symbol for c, _ in result.dropped}
    assert len(result.signals) + len(result.dropped) == len(kept)
    for loser, _ in result.dropped:
        (winner,) = [s for s in result.signals if s.series == loser.series and s.is_conflicting]
        assert winner.signal_type is loser.signal_type.opposite
        assert winner.rank_score >= loser.rank_score
