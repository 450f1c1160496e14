"""Signals: one strategy's advice, and what several of them add up to; both immutable.

Identity is computed, not drawn: the same bar judged twice gives the same id, so that a retry, a second
daemon or a repeated backfill adds nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID, uuid5

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey

NAMESPACE = UUID("6f1b7c1e-52b4-5c0a-9a39-0f6f5d6f6a11")  # ours; changing it would change every id


class SignalType(StrEnum):
    """What a signal advises."""

    BUY = "BUY"
    SELL = "SELL"
    ALERT = "ALERT"

    @property
    def opposite(self) -> "SignalType | None":
        """The advice that contradicts this one."""
        return {SignalType.BUY: SignalType.SELL, SignalType.SELL: SignalType.BUY}.get(self)


class Source(StrEnum):
    """Where advice comes from; the order is the one in which sources are joined and shown."""

    TECHNICAL = "technical"
    ML_MODEL = "ml_model"
    SENTIMENT = "sentiment"


class Origin(StrEnum):
    """Whether a row was made as its bar closed, or afterwards."""

    LIVE = "live"
    REPLAY = "replay"


DEFAULT_SCOPE = "default"
REQUESTED = "post:"  # begins the scope of signals that were asked for; a replay's name cannot have the colon
MULTI_STRATEGY = "MULTI_STRATEGY"


def reads_stored_rows(scope: str) -> bool:
    """Whether a scope's rows are made from stored indicators, predictions and texts, and not from computed ones."""
    return scope == DEFAULT_SCOPE or scope.startswith(REQUESTED)


def check_fraction(name: str, value: float, where: str) -> None:
    """Refuse a value outside [0, 1], NaN included."""
    if not 0.0 <= value <= 1.0:
        raise DataContractError(f"{name} must be in [0, 1], was {value} ({where})")


def check_aware(name: str, instant: datetime) -> None:
    """Refuse an instant without a time zone: it would mean another moment on another machine."""
    if instant.tzinfo is None:
        raise DataContractError(f"{name} must carry its time zone, was {instant.isoformat()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """One strategy's advice on one closed bar; immutable, so a correction is a new signal."""

    series: SeriesKey
    signal_type: SignalType
    strategy: str
    source: Source
    strength: float
    confidence: float
    created_at: datetime  # close of the candle, never the wall clock
    description: str
    inputs: Mapping[str, float | None] = field(default_factory=dict)  # what the strategy looked at on that bar

    def __post_init__(self) -> None:
        check_fraction("strength", self.strength, self.strategy)
        check_fraction("confidence", self.confidence, self.strategy)
        check_aware("created_at", self.created_at)

    @property
    def exchange(self) -> str:
        """Where the series is traded."""
        return self.series.exchange

    @property
    def symbol(self) -> str:
        """What is traded."""
        return self.series.symbol

    @property
    def timeframe(self) -> Timeframe:
        """How long the signal's bar lasted."""
        return self.series.timeframe


def signal_key(series: SeriesKey, close_at: datetime, signal_type: SignalType, profile: str, revision: int) -> UUID:
    """What a signal is about; equal for a live signal and its replay."""
    facts = (*series, close_at.astimezone(UTC).isoformat(), signal_type, profile, revision)
    return uuid5(NAMESPACE, "|".join(map(str, facts)))


def signal_id(key: UUID, origin: Origin, scope: str) -> UUID:
    """The stored row: a signal's key, and on which occasion it was made."""
    return uuid5(NAMESPACE, f"{key}|{origin}|{scope}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingSignal:
    """What is stored and served: filtered by risk, aggregated, priced and ranked."""

    series: SeriesKey
    signal_type: SignalType
    strategy: str
    source: str  # sources joined in fixed order, e.g. "technical, ml_model"
    strength: float
    confidence: float
    base_confidence: float
    agreement_boost: float
    rank_score: float
    is_conflicting: bool
    description: str
    entry_price: float
    stop_loss_price: float | None
    target_prices: Mapping[str, float] | None
    created_at: datetime  # close of the candle
    expires_at: datetime
    profile: str
    user_id: UUID | None
    metadata: Mapping[str, object]
    revision: int = 1

    @property
    def key(self) -> UUID:
        """What the signal is about; see `signal_key`."""
        return signal_key(self.series, self.created_at, self.signal_type, self.profile, self.revision)
