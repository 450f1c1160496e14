"""What the API answers, field by field: these models are the OpenAPI document, and every answer is held to them.

Names, order and types are the description's. Instants are ISO 8601 in UTC with ``Z``; what is unknown is null.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from pipeline.domain.access import Scope
from pipeline.domain.evaluation import Outcome
from pipeline.domain.signal import SignalType
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe


class FieldError(BaseModel):
    """One value that is wrong."""

    field: str = Field(description="where it stands: query.limit, path.signal_id, body.price")
    message: str


class Error(BaseModel):
    """What went wrong."""

    code: str = Field(description="a word to decide by, such as illegal_transition")
    message: str = Field(description="a sentence for people")
    fields: list[FieldError] | None = Field(None, description="of invalid_request: every value that is wrong")
    status: SignalStatus | None = Field(None, description="of illegal_transition: the status that stands")
    scope: Scope | None = Field(None, description="of scope_missing: what the key would have to open")
    reference: str | None = Field(None, description="of internal_error: what the server's log has it under")


class ErrorAnswer(BaseModel):
    """Any answer with a status of 400 or more; what does not apply to an error is left out."""

    success: Literal[False] = False
    error: Error


# What a signal in a list and one in full have in common.
Symbol = Annotated[str, Field(description="as ccxt writes it")]
Share = Annotated[float, Field(description="0 to 1")]
Sources = Annotated[str, Field(description="technical, ml_model, sentiment, or several of them with a comma between")]
Words = Annotated[str, Field(description="the advice in words")]
Entry = Annotated[float | None, Field(description="the close, in the quote currency")]
Close = Annotated[datetime, Field(description="the close that it was computed from")]
Expiry = Annotated[datetime, Field(description="from this instant on it is void")]


class Beside(BaseModel):
    """What stands behind the description's fields of a signal."""

    calibrated_confidence: float | None = Field(
        description="share of signals like it that had won when it came, 0 to 1; null where that is not known"
    )
    uncalibrated_because: str | None = Field(
        description="why calibrated_confidence is null: insufficient_outcomes(37<100), alert or not_calibrated_yet; "
        "null where it is not"
    )
    exchange: str
    profile: str = Field(description="the risk profile that let it pass: house, or one of a user's")
    is_conflicting: bool = Field(
        description="whether the same bar made an opposite signal for the same profile, whatever became of it"
    )
    rank_score: float = Field(description="what lists are ordered by: 0.7 confidence + 0.3 strength, 0 to 1")


class ListedTerms(BaseModel):
    """What a list tells of a signal, as the description has it."""

    signal_id: UUID
    symbol: Symbol
    signal_type: SignalType
    strength: Share
    confidence: Share
    source: Sources
    description: Words
    entry_price: Entry
    created_at: Close
    expires_at: Expiry


class ActiveSignal(Beside, ListedTerms):
    """An active signal in a list."""

    timeframe: Timeframe


class ActiveAnswer(BaseModel):
    """Signals that are active now, strongest first."""

    success: Literal[True] = True
    count: int = Field(description="signals in this answer")
    signals: list[ActiveSignal]
    next_cursor: str | None = Field(description="asks for what follows; null where nothing does")


class SignalTerms(BaseModel):
    """What a signal says, as the description has it."""

    signal_id: UUID
    symbol: Symbol
    signal_type: SignalType
    strength: Share
    confidence: Share
    source: Sources
    strategy: str = Field(description="MULTI_STRATEGY where several agree")
    description: Words
    entry_price: Entry
    target_prices: dict[str, float] | None = Field(description="tp1 to tp3; null for an ALERT")
    stop_loss_price: float | None = Field(description="null for an ALERT")
    timeframe: Timeframe
    created_at: Close
    expires_at: Expiry


class GeneratedSignal(Beside, SignalTerms):
    """What a signal says."""


class WholeTerms(SignalTerms):
    """Everything that a signal says, and what became of it, as the description has it."""

    status: SignalStatus
    executed_at: datetime | None
    execution_price: float | None
    profit_loss: float | None = Field(description="of the execution against the entry, a fraction, before fees")
    metadata: dict[str, Any] = Field(description="component_signals, sources, raw_data, components and more")


class SignalDetail(Beside, WholeTerms):
    """Everything that a signal says, and what became of it."""


class SignalAnswer(BaseModel):
    """One signal."""

    success: Literal[True] = True
    signal: SignalDetail


class Evaluation(BaseModel):
    """What was evaluated of one symbol, and why there is no signal, or not more."""

    symbol: Symbol
    exchange: str | None = Field(description="null where no series, or more than one, has the symbol")
    timeframe: Timeframe
    evaluated_close_at: datetime | None = Field(description="the close that was judged; null where none could be")
    outcome: Outcome = Field(
        description="signal; advice that risk dropped; a bar that is silenced; no_advice; a signal that ended by now; "
        "indicators that are not_computed; a series that is unknown"
    )
    reasons: list[str] = Field(description="why there is no signal, or not more: the words of risk_decisions")
    warnings: list[str] = Field(description="what was missing: old candles, models or texts that say nothing, and why")


class GenerationAnswer(BaseModel):
    """Signals that may be acted on, best first; and every symbol in the order asked for."""

    success: Literal[True] = True
    signals: list[GeneratedSignal]
    evaluations: list[Evaluation]


class SourcePerformance(BaseModel):
    """Executed and expired signals of one source."""

    total: int
    executed: int
    expired: int
    avg_profit_loss: float = Field(description="a fraction; 0 where no profit is known")
    win_rate: float = Field(description="of the executed ones with a known profit; 0 where there is none")


class BySource(BaseModel):
    """The same figures of each source; multi are signals of several."""

    technical: SourcePerformance
    ml_model: SourcePerformance
    sentiment: SourcePerformance
    multi: SourcePerformance


class Outcomes(BaseModel):
    """What following every BUY and SELL would have brought, executed or not, after costs: the newest stored report."""

    exchange: str
    horizon: str
    started_at: datetime
    as_of: datetime = Field(description="when the report was made; it is made every hour, or day for 7d and 30d")
    outcomes: int = Field(description="signals whose outcome was known")
    pending: int = Field(description="signals that waited for candles")
    wins: int = Field(description="outcomes with a net return above 0")
    hit_rate: float | None = Field(description="wins of those that could be entered")
    hit_low: float | None = Field(description="lower end of its 95 % interval")
    hit_high: float | None = Field(description="upper end of its 95 % interval")
    mean_return: float | None = Field(description="net, a fraction")
    median_return: float | None
    profit_factor: float | None
    expectancy_r: float | None = Field(description="mean net return in units of the planned risk")
    information_coefficient: float | None
    max_drawdown: float | None
    total_return: float | None
    ladder_return: float | None
    long_return: float | None
    random_return: float | None = Field(description="what entries at random brought instead")
    excess_return: float | None = Field(description="mean net return above that")
    p_value: float | None = Field(description="how likely entries at random would have done as well")


class Performance(BaseModel):
    """What was executed, counted now, and what all advice was worth."""

    timeframe: Literal["24h", "7d", "30d"]
    total_signals: int = Field(description="executed and expired ones, by close; ALERTs among them")
    executed_signals: int
    expired_signals: int
    execution_rate: float = Field(description="executed ones of those that could be, ALERTs aside")
    profitable_signals: int
    losing_signals: int = Field(description="a profit of exactly 0 among them")
    win_rate: float = Field(description="profitable ones of the executed ones with a known profit; 0 without any")
    avg_profit_loss: float = Field(description="a fraction; 0 where no profit is known")
    by_source: BySource
    outcomes: Outcomes | None = Field(description="null where no report is stored yet, or several exchanges are meant")


class PerformanceAnswer(BaseModel):
    """How signals did."""

    success: Literal[True] = True
    performance: Performance


class ExplanationAnswer(BaseModel):
    """Why there was a signal: what `signals explain --json` prints of its bar."""

    success: Literal[True] = True
    explanation: dict[str, Any]


class Limits(BaseModel):
    """What a profile lets pass."""

    min_signal_confidence: float = Field(description="signals below are dropped, 0 to 1")
    avoid_high_volatility: bool = Field(description="whether BUY and SELL are dropped in a volatile market")
    trading_hours_start: int = Field(description="first hour (UTC) in which signals pass")
    trading_hours_end: int = Field(description="hour (UTC) from which they do not pass; 0 to 24 is always")
    max_asset_exposure: float = Field(description="largest share of the portfolio in one asset, 0 to 1")
    max_total_exposure: float = Field(description="largest share of the portfolio in all assets, 0 to 1")
    stop_atr_multiple: float = Field(description="distance of the stop in ATR 14")


class RiskProfileAnswer(BaseModel):
    """The risk profile by which a user's signals are judged; the house's for who asks without a key."""

    success: Literal[True] = True
    profile: str = Field(description="its name: the user's, or house")
    is_scheduled: bool = Field(description="whether scheduled runs make signals for it")
    risk_profile: Limits
    changed: list[str] = Field(description="what is set for this profile; all else is as in the settings")


class PositionHeld(BaseModel):
    """What one symbol takes of a portfolio."""

    symbol: Symbol
    weight: float = Field(description="share of the portfolio, above 0 to 1")
    valid_from: datetime
    valid_to: datetime | None = Field(description="held until before this instant; null without an end")


class PositionsAnswer(BaseModel):
    """What a portfolio holds now or will hold, so that exposure limits have something to count."""

    success: Literal[True] = True
    profile: str = Field(description="whose portfolio: the user's, or house")
    as_of: datetime
    positions: list[PositionHeld]
    warnings: list[str] = Field(description="what may be a slip: weights above 1 in sum, symbols without candles")


class SeriesAge(BaseModel):
    """How new the newest candle of an exchange and timeframe is."""

    exchange: str
    timeframe: Timeframe
    newest_close_at: datetime
    age_seconds: float
    missing_bars: int = Field(description="bars that have closed since")
    is_stale: bool = Field(description="older than two bars and five minutes: nothing is made of it")


class DatabaseHealth(BaseModel):
    """The database that answered."""

    is_reachable: Literal[True] = True
    schema_revision: str
    server_version: str


class HealthAnswer(BaseModel):
    """The service works; old candles are told, and no failure of the service."""

    success: Literal[True] = True
    status: Literal["ok"] = "ok"
    as_of: datetime
    version: str = Field(description="of this software")
    database: DatabaseHealth
    newest_closes: list[SeriesAge]
