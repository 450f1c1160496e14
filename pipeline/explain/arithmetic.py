"""How the candidates that passed became one signal: weights, means, boost and rank; then its prices and its end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum

from pipeline.aggregation import (
    CONFIDENCE_SHARE,
    PLAIN_WEIGHT,
    PREFERRED_WEIGHT,
    STRENGTH_SHARE,
    Boost,
    Combined,
    StrategyPreference,
    weights_of,
)
from pipeline.domain.signal import SignalType, TradingSignal
from pipeline.generation import REACHES, BarValues, Rules, reach_of
from pipeline.pricing import HOUSE_RULES, aim
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.checks import rounded, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One strategy's part in a signal."""

    strategy: str
    source: str
    weight: float
    strength: float
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregation:
    """One signal's values, and how each came about."""

    signal_type: str
    strategy: str
    source: str
    description: str
    components: tuple[Component, ...]
    strategy_preference: str
    strength: float
    base_confidence: float
    boost: str
    n_sources: int
    agreement_boost: float
    confidence: float
    rank_score: float
    is_conflicting: bool
    place: int  # among the signals of the close, 1 the best
    n_at_close: int
    steps: Mapping[str, str]  # value -> the sum that gives it


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricing:
    """One signal's prices in quote currency, and how far the stop is away."""

    signal_type: str
    entry_price: float
    atr_14: float | None
    stop_atr_multiple: float
    risk: float | None  # R; None for an ALERT
    risk_step: str
    stop_loss_price: float | None
    target_prices: Mapping[str, float] | None  # at 1, 2 and 3 aims
    aim: float | None  # R, or the predicted reach of the next bar where that is nearer and the settings ask for it
    aim_step: str | None  # by which prediction the targets were drawn in; None where the aim is R
    created_at: datetime
    expiry_bars: int
    expires_at: datetime


def aggregations(signals: Iterable[TradingSignal], groups: Sequence[Combined], rules: Rules) -> list[Aggregation]:
    """How each signal of a bar was aggregated.

    ``groups`` are all that were kept at the close, of every series, best first: the place of a signal is among them.
    """
    places = {(g.series, g.signal_type): place for place, g in enumerate(groups, start=1)}
    by_key = {(g.series, g.signal_type): g for g in groups}
    return [
        _aggregation(s, by_key[s.series, s.signal_type], places[s.series, s.signal_type], len(groups), rules)
        for s in signals
    ]


def _aggregation(signal: TradingSignal, group: Combined, place: int, n_at_close: int, rules: Rules) -> Aggregation:
    weigh = weights_of(rules.strategy_preference, rules.families)
    components = tuple(
        Component(
            strategy=s.strategy,
            source=s.source.value,
            weight=PLAIN_WEIGHT if weigh is None else weigh(s),
            strength=s.strength,
            confidence=s.confidence,
        )
        for s in group.components
    )
    return Aggregation(
        signal_type=signal.signal_type.value,
        strategy=signal.strategy,
        source=signal.source,
        description=signal.description,
        components=components,
        strategy_preference=StrategyPreference(rules.strategy_preference).value,
        strength=signal.strength,
        base_confidence=signal.base_confidence,
        boost=Boost(rules.boost).value,
        n_sources=len(group.sources),
        agreement_boost=signal.agreement_boost,
        confidence=signal.confidence,
        rank_score=signal.rank_score,
        is_conflicting=signal.is_conflicting,
        place=place,
        n_at_close=n_at_close,
        steps={
            "strength": _mean([(c.weight, c.strength) for c in components], signal.strength),
            "base_confidence": _mean([(c.weight, c.confidence) for c in components], signal.base_confidence),
            "agreement_boost": _boost(signal, len(group.sources), rules),
            "confidence": f"min({rounded(signal.base_confidence)} + {rounded(signal.agreement_boost)}, 1)"
            f" = {rounded(signal.confidence)}",
            "rank_score": _rank(signal, components, is_weighed=weigh is not None),
        },
    )


def _mean(parts: Sequence[tuple[float, float]], result: float) -> str:
    if len(parts) == 1:
        return f"{rounded(result)}, of its only component"
    total = fsum(weight for weight, _ in parts)
    products = " + ".join(f"{rounded(weight)} x {rounded(value)}" for weight, value in parts)
    return f"({products}) / {rounded(total)} = {rounded(result)}"


def _boost(signal: TradingSignal, n_sources: int, rules: Rules) -> str:
    kinds = "1 kind of source" if n_sources == 1 else f"{n_sources} kinds of source agree"
    return f"{rounded(signal.agreement_boost)}, for {kinds} (boost {Boost(rules.boost).value})"


def _rank(signal: TradingSignal, components: Sequence[Component], *, is_weighed: bool) -> str:
    sums = (
        f"{rounded(CONFIDENCE_SHARE)} x {rounded(signal.confidence)}"
        f" + {rounded(STRENGTH_SHARE)} x {rounded(signal.strength)}"
    )
    if not is_weighed:
        return f"{sums} = {rounded(signal.rank_score)}"
    mean = fsum(c.weight for c in components) / len(components)
    return f"({sums}) x {rounded(mean)} / {rounded(PREFERRED_WEIGHT)} = {rounded(signal.rank_score)}"


def pricings(signals: Iterable[TradingSignal], bar: BarValues, profile: RiskProfile, rules: Rules) -> list[Pricing]:
    """How each signal of a bar was priced, and until when it stands."""
    found = []
    for signal in signals:
        risk, step = (None, "an ALERT has an entry only")
        if signal.signal_type is not SignalType.ALERT:
            risk, step = risk_of(signal.entry_price, bar["atr_14"], profile.stop_atr_multiple)
        aim, aim_step = (
            (risk, None) if risk is None else aim_of(signal.signal_type, signal.entry_price, risk, bar, rules)
        )
        timeframe = signal.series.timeframe
        found.append(
            Pricing(
                signal_type=signal.signal_type.value,
                entry_price=signal.entry_price,
                atr_14=bar["atr_14"],
                stop_atr_multiple=profile.stop_atr_multiple,
                risk=risk,
                risk_step=step,
                stop_loss_price=signal.stop_loss_price,
                target_prices=signal.target_prices,
                aim=aim,
                aim_step=aim_step,
                created_at=signal.created_at,
                expiry_bars=rules.expiry_bars.get(timeframe, 1),
                expires_at=signal.expires_at,
            )
        )
    return found


def risk_of(close: float, atr: float | None, multiple: float) -> tuple[float, str]:
    """R in quote currency, and which of its rules gave it; `pricing.prices` places stop and targets by it."""
    limits = HOUSE_RULES
    if atr is None:
        risk = limits.risk_without_atr * close
        return risk, f"{limits.risk_without_atr:.1%} of the entry, as ATR 14 is unknown = {rounded(risk)}"
    wanted, least, most = multiple * atr, limits.min_risk * close, limits.max_risk * close
    step = f"{written(multiple)} x ATR 14 {rounded(atr)} = {rounded(wanted, least, most)}"
    if wanted < least:
        return least, f"{step}, raised to {limits.min_risk:.1%} of the entry = {rounded(least, wanted)}"
    if wanted > most:
        return most, f"{step}, cut to {limits.max_risk:.1%} of the entry = {rounded(most, wanted)}"
    return wanted, step


def aim_of(
    signal_type: SignalType, close: float, risk: float, bar: BarValues, rules: Rules
) -> tuple[float, str | None]:
    """How far off the first target lies, in quote currency, and what drew it in; `pricing.prices` places it by that."""
    distance, name = aim(risk, close, reach_of(signal_type, bar, rules)), REACHES[signal_type]
    if distance == risk:
        return risk, None
    return distance, f"drawn in to the predicted {name} {100.0 * (bar[name] or 0.0):+.3g} %"
