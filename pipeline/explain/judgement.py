"""What risk decided about the candidates of one bar: each filter with its numbers, conflicts, and what was tied up.

Verdicts are those of `generation.judge` and of the filters themselves; here is only what they compared.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from pipeline.aggregation import WEAKER_OF_CONFLICT, Combined, ConflictPolicy, combine_all, weights_of
from pipeline.domain.signal import Signal, SignalType
from pipeline.domain.universe import base_of
from pipeline.generation import BarKey, Decision, Rules, strategy_filters
from pipeline.risk.conditions import MEDIAN_MULTIPLE, MIN_BARS, MarketConditions
from pipeline.risk.exposure import ExposureGroup, Pending, Position, Verdict, fold
from pipeline.risk.filters import (
    FILTERS,
    RiskFilter,
    blocked_market,
    filled_bar,
    high_volatility,
    low_confidence,
    outside_trading_hours,
)
from pipeline.risk.profile import RiskProfile
from pipeline.strategies.checks import rounded, written
from pipeline.strategies.higher_timeframe import TREND

EXPOSURE_REASONS = frozenset({"asset_exposure", "total_exposure"})
AFTER_FILTERS = EXPOSURE_REASONS | {WEAKER_OF_CONFLICT}


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterFinding:
    """One filter on one candidate."""

    filter: str
    found: str
    wanted: str
    reason: str | None  # why it drops the candidate; None lets it pass


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFinding:
    """One strategy's advice and what became of it."""

    strategy: str
    signal_type: str
    source: str
    strength: float
    confidence: float
    description: str
    inputs: Mapping[str, float | None]
    filters: tuple[FilterFinding, ...]
    is_kept: bool
    reasons: tuple[str, ...]  # filters, conflict and exposure together; empty if kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Something that ties up money at the close, or when the signals were asked for."""

    kind: str  # position, pending (kept at an earlier close), or this close (kept before at the same one)
    symbol: str
    timeframe: str | None  # of the signal; None for a position
    weight: float  # fraction of the portfolio
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExposureFinding:
    """What the bar's BUY would tie up, beside what is tied up and the limits; all fractions of the portfolio."""

    weight: float
    position_size: float
    confidence: float  # the highest among its candidates: weight = position_size x confidence
    asset: str
    asset_exposure: float
    max_asset_exposure: float
    total_exposure: float
    max_total_exposure: float
    is_kept: bool
    reasons: tuple[str, ...]
    holdings: tuple[Holding, ...]  # all that is tied up, oldest first


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictFinding:
    """A BUY and a SELL on the same bar."""

    policy: str
    buy_score: float
    sell_score: float
    dropped: str | None  # BUY or SELL, under `drop_weaker`; None if both stand or exposure has dropped the BUY


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """What else a close holds that decides on exposure: the other candidates, and what is tied up already."""

    signals: Sequence[Signal] = ()
    conditions: Mapping[BarKey, MarketConditions] = ()  # type: ignore[assignment]
    pending: Sequence[Pending] = ()
    positions: Sequence[Position] = ()
    asked_at: datetime | None = None  # of signals on request: what is tied up counts as of then, not of the close


def candidate_findings(
    decisions: Iterable[Decision], profile: RiskProfile, market: MarketConditions, rules: Rules
) -> list[CandidateFinding]:
    """Each decision with what every filter saw, that of its own strategy last."""
    return [
        CandidateFinding(
            strategy=d.signal.strategy,
            signal_type=d.signal.signal_type.value,
            source=d.signal.source.value,
            strength=d.signal.strength,
            confidence=d.signal.confidence,
            description=d.signal.description,
            inputs=dict(d.signal.inputs),
            filters=(
                *(_filter_finding(judge, d.signal, profile, market) for judge in FILTERS),
                *_trend_finding(d.signal, profile, market, rules),
            ),
            is_kept=d.is_kept,
            reasons=d.reasons,
        )
        for d in decisions
    ]


def _filter_finding(judge: RiskFilter, signal: Signal, profile: RiskProfile, market: MarketConditions) -> FilterFinding:
    found, wanted = SHOWN[judge](signal, profile, market)
    return FilterFinding(filter=judge.__name__, found=found, wanted=wanted, reason=judge(signal, profile, market))


def _trend_finding(
    signal: Signal, profile: RiskProfile, market: MarketConditions, rules: Rules
) -> Iterator[FilterFinding]:
    """The filter that a strategy may have switched on; its signals state the trend that they saw."""
    if TREND in signal.inputs:
        trend = signal.inputs[TREND]
        yield FilterFinding(
            filter="higher_timeframe_trend",
            found="unknown" if trend is None else {1.0: "up", -1.0: "down"}.get(trend, "neither up nor down"),
            wanted="any: alerts pass"
            if signal.signal_type is SignalType.ALERT
            else "up for a BUY, down for a SELL, where it is required",
            reason=next((judge(signal, profile, market) for judge in strategy_filters(rules)), None),
        )


def _confidence(signal: Signal, profile: RiskProfile, market: MarketConditions) -> tuple[str, str]:
    least = profile.min_signal_confidence
    return f"confidence {rounded(signal.confidence, least)}", f"at least {written(least)}"


def volatility_in_words(market: MarketConditions) -> str:
    """Whether a bar's market is volatile, with the numbers that say so."""
    if market.is_anomalous:
        usual = volatility_in_words(replace(market, is_anomalous=False))
        return f"volatile: a model calls the bar an anomaly; else {usual}"
    if market.atr_ratio is None:
        return "unknown: ATR 14 is not known"
    if market.threshold is None or market.median_ratio is None:
        return f"unknown: ATR/close {rounded(market.atr_ratio)}, {market.bars} of {MIN_BARS} bars"
    word, multiple = "volatile" if market.is_volatile else "not volatile", MEDIAN_MULTIPLE * market.median_ratio
    return (
        f"{word}: ATR/close {rounded(market.atr_ratio, market.threshold, multiple)}, "
        f"95th percentile {rounded(market.threshold, market.atr_ratio)}, "
        f"median {rounded(market.median_ratio, market.atr_ratio / MEDIAN_MULTIPLE)}"
        f" of {market.bars} bars"
    )


def _volatility(signal: Signal, profile: RiskProfile, market: MarketConditions) -> tuple[str, str]:
    if not profile.avoid_high_volatility:
        return volatility_in_words(market), "any: avoid_high_volatility is off"
    if signal.signal_type is SignalType.ALERT:
        return volatility_in_words(market), "any: alerts pass"
    return volatility_in_words(market), f"below the 95th percentile, or below {written(MEDIAN_MULTIPLE)} x the median"


def _hours(signal: Signal, profile: RiskProfile, market: MarketConditions) -> tuple[str, str]:
    start, end = profile.trading_hours_start, profile.trading_hours_end
    over = ", over midnight" if start > end else ""
    return f"closed in hour {signal.created_at.astimezone(UTC).hour} UTC", f"in [{start}, {end}){over}"


def _block(signal: Signal, profile: RiskProfile, market: MarketConditions) -> tuple[str, str]:
    return market.block_reason or "not blocked", "not blocked"


def _filled(signal: Signal, profile: RiskProfile, market: MarketConditions) -> tuple[str, str]:
    return "made up for a gap" if market.is_filled else "traded", "traded"


# What each filter compares, and with what.
SHOWN: Mapping[RiskFilter, Callable[[Signal, RiskProfile, MarketConditions], tuple[str, str]]] = {
    low_confidence: _confidence,
    high_volatility: _volatility,
    outside_trading_hours: _hours,
    blocked_market: _block,
    filled_bar: _filled,
}


def came_to_exposure(decisions: Iterable[Decision]) -> list[Decision]:
    """The decisions that neither a filter nor a conflict made: kept, or dropped by exposure."""
    return [d for d in decisions if EXPOSURE_REASONS.issuperset(d.reasons)]


def exposure_verdicts(
    decisions: Iterable[Decision],
    groups: Iterable[Combined],
    profile: RiskProfile,
    company: Company,
) -> list[Verdict]:
    """The fold that `generation.judge` did for decisions that `came_to_exposure`, with the exposures that it compared.

    ``groups`` are the decisions' candidates, `combined`; the fold weighs those of type BUY.
    """
    of_bar = {(d.signal.series, d.signal.created_at): d for d in decisions if d.signal.signal_type is SignalType.BUY}
    weighed = []
    for group in groups:
        if group.signal_type is SignalType.BUY:
            decision = of_bar[group.series, group.created_at]
            weighed.append(
                ExposureGroup(
                    series=group.series,
                    close_at=group.created_at,
                    weight=decision.exposure_weight or 0.0,
                    rank_score=group.rank_score,
                    expires_at=decision.expires_at,
                )
            )
    return fold(weighed, profile, company.pending, company.positions, as_of=company.asked_at)


def combined(decisions: Iterable[Decision], rules: Rules) -> list[Combined]:
    """The groups of some decisions' candidates, best first."""
    weights = weights_of(rules.strategy_preference, rules.families)
    return combine_all([d.signal for d in decisions], boost=rules.boost, weights=weights)


def exposure_finding(
    bar: BarKey,
    decisions: Sequence[Decision],
    groups: Sequence[Combined],
    profile: RiskProfile,
    rules: Rules,
    company: Company,
) -> ExposureFinding | None:
    """What exposure compared for the bar's BUY; None where no BUY came so far.

    ``decisions`` are those of the close that `came_to_exposure`, of all series, ``groups`` their candidates.
    """
    series, close_at = bar
    mine = [
        d.signal.confidence for d in decisions if d.signal.series == series and d.signal.signal_type is SignalType.BUY
    ]
    if not mine:
        return None
    verdicts = exposure_verdicts(decisions, groups, profile, company)
    place = next(n for n, v in enumerate(verdicts) if v.group.series == series)
    verdict = verdicts[place]
    asset = base_of(series.symbol)
    held = _holdings(close_at, company, [v.group for v in verdicts[:place] if v.is_kept])
    return ExposureFinding(
        weight=verdict.group.weight,
        position_size=rules.position_size,
        confidence=max(mine),
        asset=asset,
        asset_exposure=verdict.asset_exposure,
        max_asset_exposure=profile.max_asset_exposure,
        total_exposure=verdict.total_exposure,
        max_total_exposure=profile.max_total_exposure,
        is_kept=verdict.is_kept,
        reasons=verdict.reasons,
        holdings=tuple(held),
    )


def _holdings(close_at: datetime, company: Company, before: Iterable[ExposureGroup]) -> list[Holding]:
    """What ties up money at a close, as the fold counts it; ``before`` was kept at the same close."""
    instant = company.asked_at or close_at
    held = [
        Holding(kind="position", symbol=p.symbol, timeframe=None, weight=p.weight, since=p.valid_from, until=p.valid_to)
        for p in company.positions
        if p.valid_from <= instant and (p.valid_to is None or p.valid_to > instant)
    ]
    for p in company.pending:
        until = min(p.expires_at, p.ended_at or p.expires_at)
        if p.close_at < close_at and instant < until:
            timeframe = p.timeframe.value
            held.append(
                Holding(
                    kind="pending", symbol=p.symbol, timeframe=timeframe, weight=p.weight, since=p.close_at, until=until
                )
            )
    held.sort(key=lambda each: (each.since, each.symbol))
    for group in before:
        _, symbol, timeframe = group.series
        held.append(
            Holding(
                kind="this close",
                symbol=symbol,
                timeframe=timeframe.value,
                weight=group.weight,
                since=group.close_at,
                until=group.expires_at,
            )
        )
    return held


def conflict_finding(decisions: Iterable[Decision], profile: RiskProfile, rules: Rules) -> ConflictFinding | None:
    """How a bar's BUY and SELL were weighed against each other; None where the filters left but one of them."""
    weighed = [d for d in decisions if AFTER_FILTERS.issuperset(d.reasons)]
    by_type: defaultdict[SignalType, list[Decision]] = defaultdict(list)
    for decision in weighed:
        by_type[decision.signal.signal_type].append(decision)
    if SignalType.BUY not in by_type or SignalType.SELL not in by_type:
        return None
    scores = {group.signal_type: group.rank_score for group in combined(weighed, rules)}
    lost = {d.signal.signal_type.value for d in weighed if d.reasons and not EXPOSURE_REASONS.intersection(d.reasons)}
    return ConflictFinding(
        policy=ConflictPolicy(rules.conflict_policy).value,
        buy_score=scores[SignalType.BUY],
        sell_score=scores[SignalType.SELL],
        dropped=next(iter(lost), None),
    )
