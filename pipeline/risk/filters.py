"""Risk filters: each says which signals it drops and why.

Add a filter here when it needs only the signal, the profile and the market's state. Filters that need open
positions live in `pipeline.risk.exposure`; fetching positions is a resource's work.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Signal, SignalType
from pipeline.domain.universe import SeriesKey
from pipeline.risk.conditions import MarketConditions
from pipeline.risk.profile import RiskProfile

Reason = str | None
RiskFilter = Callable[[Signal, RiskProfile, MarketConditions], Reason]
Conditions = Mapping[tuple[SeriesKey, datetime], MarketConditions] | Callable[[Signal], MarketConditions]


def low_confidence(signal: Signal, profile: RiskProfile, market: MarketConditions) -> Reason:
    """Drop what is less sure than the profile asks for; alerts too, for noise is noise."""
    return "low_confidence" if signal.confidence < profile.min_signal_confidence else None


def high_volatility(signal: Signal, profile: RiskProfile, market: MarketConditions) -> Reason:
    """Drop everything but alerts in a volatile market, if the profile asks for it; unknown passes.

    A bar that a model calls an anomaly counts as volatile: its market behaves as it seldom does.
    """
    is_volatile = market.is_volatile or market.is_anomalous
    blocked = profile.avoid_high_volatility and is_volatile and signal.signal_type is not SignalType.ALERT
    return "high_volatility" if blocked else None


def outside_trading_hours(signal: Signal, profile: RiskProfile, market: MarketConditions) -> Reason:
    """Drop what closed outside [start, end) in UTC; a start after the end spans midnight.

    The bar's close decides and not the clock, so that a replay and a late run judge alike.
    """
    hour = signal.created_at.astimezone(UTC).hour
    start, end = profile.trading_hours_start, profile.trading_hours_end
    is_open = start <= hour < end if start < end else hour >= start or hour < end
    return None if is_open else "outside_trading_hours"


def blocked_market(signal: Signal, profile: RiskProfile, market: MarketConditions) -> Reason:
    """Drop what stands on data that nobody should act on: ``blocked:stale`` and its like.

    Blocked series make no signals in the first place; this is the second lock on that door.
    """
    return None if market.block_reason is None else f"blocked:{market.block_reason}"


def filled_bar(signal: Signal, profile: RiskProfile, market: MarketConditions) -> Reason:
    """Drop what a made-up bar says; strategies are silent there, this is the second lock."""
    return "filled_bar" if market.is_filled else None


# In the order in which reasons are recorded: the description's, then the second locks.
FILTERS: tuple[RiskFilter, ...] = (
    low_confidence,
    high_volatility,
    outside_trading_hours,
    blocked_market,
    filled_bar,
)


@dataclass(frozen=True, slots=True)
class Screened:
    """What passed, and what did not with every reason; both in the order given."""

    kept: list[Signal] = field(default_factory=list)
    dropped: list[tuple[Signal, tuple[str, ...]]] = field(default_factory=list)

    def reasons(self) -> Counter[str]:
        """How often each reason was given; a signal with two reasons counts under both."""
        return Counter(reason for _, reasons in self.dropped for reason in reasons)


def screen(
    signals: Iterable[Signal], profile: RiskProfile, conditions: Conditions, others: Sequence[RiskFilter] = ()
) -> Screened:
    """Judge each signal by every filter, those of `FILTERS` and ``others``.

    Not the first reason that applies but all of them: who loosens one limit wants to know whether another
    stands behind it.

    Parameters
    ----------
    conditions : mapping of (series, close_at) to MarketConditions, or a function of the signal
        Say ``MarketConditions()`` where nothing is known.

    Raises
    ------
    DataContractError
        If the mapping has no conditions for a signal: forgotten is not the same as unknown.
    """
    screened = Screened()
    for signal in signals:
        market = _conditions_of(signal, conditions)
        judges = (*FILTERS, *others)
        reasons = tuple(reason for judge in judges if (reason := judge(signal, profile, market)) is not None)
        if reasons:
            screened.dropped.append((signal, reasons))
        else:
            screened.kept.append(signal)
    return screened


def _conditions_of(signal: Signal, conditions: Conditions) -> MarketConditions:
    if not isinstance(conditions, Mapping):
        return conditions(signal)
    try:
        return conditions[signal.series, signal.created_at]
    except KeyError:
        raise DataContractError(
            f"market conditions must be given for every signal, were missing for {signal.series}"
            f" at {signal.created_at.isoformat()} ({signal.strategy})"
        ) from None
