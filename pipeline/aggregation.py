"""Aggregation: what several strategies say about one bar, as one signal with one rank.

Add here what turns signals of the same series, close and type into one, or orders the result. Which signals
get this far is risk's affair, at which prices they trade is pricing's.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from math import fsum

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.signal import MULTI_STRATEGY, Signal, SignalType, Source
from pipeline.domain.universe import SeriesKey

CONFIDENCE_SHARE, STRENGTH_SHARE = 0.7, 0.3  # of the rank
BOOST_PER_SOURCE, MAX_BOOST = 0.1, 0.2
PREFERRED_WEIGHT, PLAIN_WEIGHT = 2.0, 1.0
DESCRIBED = 3  # components whose descriptions are spelt out
WEAKER_OF_CONFLICT = "weaker_of_conflict"

Weights = Mapping[str, float] | Callable[[Signal], float]


class Boost(StrEnum):
    """How agreement between sources raises confidence."""

    SPEC = "spec"  # min(0.1 x sources, 0.2) from two sources on, so 0.2 always
    GRADED = "graded"  # 0.1 for each source beyond the first, at most 0.2


class ConflictPolicy(StrEnum):
    """What becomes of a BUY and a SELL for the same bar."""

    KEEP = "keep"
    DROP_WEAKER = "drop_weaker"


class StrategyPreference(StrEnum):
    """Whose advice a reader wants to weigh double."""

    BALANCED = "balanced"
    TECHNICAL = "technical"
    ML = "ml"
    SENTIMENT = "sentiment"
    TREND_FOLLOWING = "trend_following"
    MEAN_REVERSION = "mean_reversion"


PREFERRED_SOURCES = {
    StrategyPreference.TECHNICAL: Source.TECHNICAL,
    StrategyPreference.ML: Source.ML_MODEL,
    StrategyPreference.SENTIMENT: Source.SENTIMENT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """What is stored and served: one signal of a series, close and type, and what it was made of."""

    series: SeriesKey
    created_at: datetime  # the close of the bar
    signal_type: SignalType
    strategy: str  # the strategy's own name, or MULTI_STRATEGY
    source: str  # "technical, ml_model": joined in the order of `Source`
    strength: float
    confidence: float  # min(base_confidence + agreement_boost, 1)
    base_confidence: float  # the mean before the boost
    agreement_boost: float
    description: str
    rank_score: float
    sources: list[str]
    components: tuple[Signal, ...]  # by confidence, strategy, description
    is_conflicting: bool = False

    @property
    def component_signals(self) -> int:
        """How many strategies said so."""
        return len(self.components)


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Ranked signals, and those that a conflict cost, with the reason."""

    signals: list[Combined] = field(default_factory=list)
    dropped: list[tuple[Combined, tuple[str, ...]]] = field(default_factory=list)


def preference_weight(signal: Signal, preference: StrategyPreference, families: Mapping[str, Collection[str]]) -> float:
    """2 for a signal of the preferred source or family of strategies, 1 for any other.

    ``families`` lists the strategies of ``trend_following`` and ``mean_reversion``; a preference for a family
    that it lacks is a `ConfigurationError`, for it would silently prefer nothing.
    """
    if preference is StrategyPreference.BALANCED:
        return PLAIN_WEIGHT
    if preference in PREFERRED_SOURCES:
        is_preferred = signal.source is PREFERRED_SOURCES[preference]
    elif preference in families:
        is_preferred = signal.strategy in families[preference]
    else:
        known = ", ".join(sorted(families)) or "none"
        raise ConfigurationError(f"strategy families must list {preference}, were {known}")
    return PREFERRED_WEIGHT if is_preferred else PLAIN_WEIGHT


def combine(group: Sequence[Signal], *, boost: Boost | str = Boost.SPEC, weights: Weights | None = None) -> Combined:
    """Make one signal of the signals of one series, close and type.

    One stays what it is. Several become a ``MULTI_STRATEGY``: the means of strength and confidence, and more
    confidence if sources of different kinds agree. Two technical rules look at the same prices, so their
    agreement says less than a model's or a crowd's: sources count, not strategies.

    Parameters
    ----------
    group : Signal
        In any order; the result does not depend on it (components are sorted, sums are exact).
    boost : Boost
        ``spec`` or ``graded``.
    weights : mapping of strategy to weight (1 where it has none), or a function of the signal, optional
        In (0, 2]. They act in the means, and scale the rank by the components' mean weight over the largest,
        2, so that it stays in [0, 1] and a preferred lone signal outranks its equal. Without weights
        (``balanced``) all weigh the same and the rank stands as it is.

    Raises
    ------
    DataContractError
        If the group is empty, mixes series, closes or types, or a weight is out of range.
    """
    if len({(s.series, s.created_at, s.signal_type) for s in group}) != 1:
        raise DataContractError(f"a group must share one series, close and type, was {[str(s.series) for s in group]}")
    components = tuple(sorted(group, key=lambda s: (-s.confidence, s.strategy, s.description)))
    first = components[0]
    shares = [PLAIN_WEIGHT if weights is None else _weight(s, weights) for s in components]
    total = fsum(shares)
    strength = fsum(w * s.strength for w, s in zip(shares, components, strict=True)) / total
    base_confidence = fsum(w * s.confidence for w, s in zip(shares, components, strict=True)) / total
    if len(components) == 1:  # (w x c) / w may differ from c in the last bit
        strength, base_confidence = first.strength, first.confidence
    present = {s.source for s in components}
    sources = [source.value for source in Source if source in present]
    agreement_boost = _boost(len(sources), Boost(boost))
    confidence = min(base_confidence + agreement_boost, 1.0)
    preferred = 1.0 if weights is None else total / len(components) / PREFERRED_WEIGHT
    return Combined(
        series=first.series,
        created_at=first.created_at,
        signal_type=first.signal_type,
        strategy=first.strategy if len(components) == 1 else MULTI_STRATEGY,
        source=", ".join(sources),
        strength=strength,
        confidence=confidence,
        base_confidence=base_confidence,
        agreement_boost=agreement_boost,
        description=_describe(components),
        rank_score=min(CONFIDENCE_SHARE * confidence + STRENGTH_SHARE * strength, 1.0) * preferred,
        sources=sources,
        components=components,
    )


def resolve_conflicts(signals: Iterable[Combined], policy: ConflictPolicy | str = ConflictPolicy.KEEP) -> Aggregated:
    """Mark a BUY and a SELL for the same bar as conflicting, drop the weaker if asked, and rank the rest.

    Both are kept by default: the reader sees that the evidence is split, which either alone would hide. The
    weaker has the lower rank score, then confidence, then strength; of two equals the BUY goes, since
    leaving a position risks less than entering one. The one that stays remains marked.
    """
    drops_weaker = ConflictPolicy(policy) is ConflictPolicy.DROP_WEAKER
    by_bar: defaultdict[tuple[SeriesKey, datetime], list[Combined]] = defaultdict(list)
    for signal in signals:
        by_bar[signal.series, signal.created_at].append(signal)
    result = Aggregated()
    for at_bar in by_bar.values():
        types = {signal.signal_type for signal in at_bar}
        opposed = [replace(s, is_conflicting=True) for s in at_bar if s.signal_type.opposite in types]
        result.signals.extend(s for s in at_bar if s.signal_type.opposite not in types)
        if opposed and drops_weaker:
            weaker = min(opposed, key=lambda s: (*_merit(s), s.signal_type is SignalType.SELL))
            opposed.remove(weaker)
            result.dropped.append((weaker, (WEAKER_OF_CONFLICT,)))
        result.signals.extend(opposed)
    return Aggregated(rank(result.signals), sorted(result.dropped, key=lambda drop: _rank_order(drop[0])))


def rank(signals: Iterable[Combined]) -> list[Combined]:
    """Best first: rank score, confidence, strength; then by name, so that no two runs differ."""
    return sorted(signals, key=_rank_order)


def combine_all(
    signals: Iterable[Signal], *, boost: Boost | str = Boost.SPEC, weights: Weights | None = None
) -> list[Combined]:
    """One `Combined` for each series, close and type among ``signals``, ranked."""
    groups: defaultdict[tuple[SeriesKey, datetime, SignalType], list[Signal]] = defaultdict(list)
    for signal in signals:
        groups[signal.series, signal.created_at, signal.signal_type].append(signal)
    return rank(combine(group, boost=boost, weights=weights) for group in groups.values())


def aggregate(
    signals: Iterable[Signal],
    *,
    boost: Boost | str = Boost.SPEC,
    preference: StrategyPreference | str = StrategyPreference.BALANCED,
    families: Mapping[str, Collection[str]] | None = None,
    conflict_policy: ConflictPolicy | str = ConflictPolicy.KEEP,
) -> Aggregated:
    """Group, combine, settle conflicts and rank: `combine_all`, then `resolve_conflicts`.

    Callers that drop whole groups in between (exposure does) call the two themselves, so that a BUY that was
    dropped leaves no SELL marked as conflicting.
    """
    return resolve_conflicts(
        combine_all(signals, boost=boost, weights=weights_of(preference, families or {})), conflict_policy
    )


def weights_of(
    preference: StrategyPreference | str, families: Mapping[str, Collection[str]]
) -> Callable[[Signal], float] | None:
    """The weights of `combine` for a preference; ``None`` for ``balanced``."""
    chosen = StrategyPreference(preference)
    if chosen is StrategyPreference.BALANCED:
        return None
    return lambda signal: preference_weight(signal, chosen, families)


def _weight(signal: Signal, weights: Weights) -> float:
    value = weights(signal) if callable(weights) else weights.get(signal.strategy, PLAIN_WEIGHT)
    if not 0.0 < value <= PREFERRED_WEIGHT:
        raise DataContractError(f"weight of {signal.strategy} must be in (0, {PREFERRED_WEIGHT}], was {value}")
    return value


def _boost(n_sources: int, boost: Boost) -> float:
    if n_sources < 2:
        return 0.0
    counted = n_sources if boost is Boost.SPEC else n_sources - 1
    return min(BOOST_PER_SOURCE * counted, MAX_BOOST)


def _describe(components: Sequence[Signal]) -> str:
    parts = [component.description for component in components[:DESCRIBED]]
    if len(components) > DESCRIBED:
        parts.append(f"and {len(components) - DESCRIBED} more signals")
    return "; ".join(parts)


def _merit(signal: Combined) -> tuple[float, float, float]:
    return signal.rank_score, signal.confidence, signal.strength


def _rank_order(signal: Combined) -> tuple[float, float, float, str, str, str, int, datetime]:
    score, confidence, strength = _merit(signal)
    exchange, symbol, timeframe = signal.series
    names = (symbol, signal.signal_type, exchange, timeframe.seconds, signal.created_at)
    return -score, -confidence, -strength, *names
