"""The sections of the settings: what may be set about the market, context, aggregation, expiry and schedules.

Add a section here, or a setting to one; `pipeline.settings` puts them together and says where a wrong one stands.
"""

import json
import re
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import NoDecode

from pipeline.aggregation import Boost, ConflictPolicy, StrategyPreference
from pipeline.domain.context import MarketContext
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import HIGHER_TIMEFRAMES, Timeframe, parse_timeframe
from pipeline.domain.universe import EXCHANGE_PATTERN, parse_symbol
from pipeline.pricing import EXPIRY_BARS

SIMULATED_EXCHANGE = "simulated"
SIMULATED_SYMBOLS = (
    *("BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT", "ADA/USDT"),
    *("DOGE/USDT", "AVAX/USDT", "LINK/USDT", "DOT/USDT", "LTC/USDT", "UNI/USDT"),
)


def split_names(value: object) -> object:
    """A comma-separated text, or a list as JSON: as environment variables give lists."""
    if not isinstance(value, str):
        return value
    if value.strip().startswith("["):
        with suppress(ValueError):
            return json.loads(value)
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


def _as_value_error(parse: Any) -> Any:
    """Pydantic reports ValueError with its place; our own errors would end the collection at the first."""

    def parsed(value: str) -> Any:
        try:
            return parse(value)
        except DataContractError as error:
            raise ValueError(str(error)) from None

    return parsed


def _not_a_truth_value(value: object) -> object:
    """``true`` would silently become 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")  # noqa: TRY004, pydantic reports ValueError with its place
    return value


Whole = Annotated[int, BeforeValidator(_not_a_truth_value)]
Real = Annotated[float, BeforeValidator(_not_a_truth_value)]
Symbol = Annotated[str, AfterValidator(_as_value_error(parse_symbol))]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_names)]
TimeframeName = Annotated[Timeframe, BeforeValidator(_as_value_error(parse_timeframe))]


class Section(BaseModel):
    """Frozen, and strict about what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MarketSettings(Section):
    """Where candles come from, and of what."""

    source: Literal["live", "files", "simulated"] = "simulated"
    exchange: str | None = None  # None: simulated, or the one imported
    exchange_url: str | None = None  # instead of the exchange's own address: a mirror, a proxy, a test
    symbols: Annotated[tuple[Symbol, ...] | None, BeforeValidator(split_names)] = None  # None: all that is imported
    timeframes: Annotated[tuple[TimeframeName, ...] | None, BeforeValidator(split_names)] = None
    simulation_seed: Whole = 7

    @field_validator("exchange")
    @classmethod
    def _exchange_can_be_stored(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(EXCHANGE_PATTERN, value):
            raise ValueError("must be an exchange in lower case, such as binance")
        return value

    @field_validator("exchange_url")
    @classmethod
    def _url_is_whole(cls, value: str | None) -> str | None:
        if value is not None and not re.match(r"https?://[^/]", value):
            raise ValueError("must begin with http:// or https://, such as http://127.0.0.1:8080")
        return value

    @field_validator("symbols", "timeframes")
    @classmethod
    def _named_once(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if value is not None:
            if not value:
                raise ValueError("must name one at least; leave it out for all")
            if twice := sorted({v for v in value if value.count(v) > 1}):
                raise ValueError(f"must name each once, {', '.join(twice)} stands there twice")
        return value

    @model_validator(mode="after")
    def _source_and_exchange_agree(self) -> Self:
        if self.source == "simulated" and self.exchange not in (None, SIMULATED_EXCHANGE):
            raise ValueError(
                f"exchange must be left out for the simulated market, was {self.exchange!r}; for imported candles "
                'say source = "files"'
            )
        if self.source == "live" and self.exchange in (None, SIMULATED_EXCHANGE):
            raise ValueError("exchange must be named for source = 'live', such as binance or kraken")
        if self.source == "live" and self.symbols is None:
            raise ValueError(
                "symbols must be named for source = 'live'; `signals symbols --exchange "
                f"{self.exchange} --top 20` suggests some"
            )
        return self

    @property
    def cadence(self) -> Timeframe:
        """The shortest timeframe that is configured: how often the chain runs."""
        return min(self.timeframes or (Timeframe.H1,), key=lambda timeframe: timeframe.seconds)


class ContextSettings(Section):
    """What strategies may see beside a series' own columns: a reference symbol's, and a higher timeframe's."""

    reference_symbol: Symbol = "BTC/USDT"  # of the same exchange and timeframe
    higher_timeframes: dict[TimeframeName, TimeframeName] = Field(default_factory=dict, validate_default=True)

    @field_validator("higher_timeframes")
    @classmethod
    def _are_higher(cls, value: dict[Timeframe, Timeframe]) -> dict[Timeframe, Timeframe]:
        """To name one says nothing about another. Each must close whenever a bar of the other one does."""
        for lower, higher in value.items():
            if higher.seconds <= lower.seconds or higher.seconds % lower.seconds:
                raise ValueError(f"{lower} must name a whole number of its bars, and more than one, was {higher}")
        return {**HIGHER_TIMEFRAMES, **value}

    @property
    def beside(self) -> MarketContext:
        """The settings as the stages take them."""
        return MarketContext(self.reference_symbol, self.higher_timeframes)


class AggregationSettings(Section):
    """How candidates become signals."""

    boost: Boost = Boost.SPEC
    conflict_policy: ConflictPolicy = ConflictPolicy.KEEP
    strategy_preference: StrategyPreference = StrategyPreference.BALANCED


class ExpirySettings(Section):
    """How long a signal stands, in bars of its timeframe; one where nothing is said."""

    bars: dict[TimeframeName, Annotated[Whole, Field(ge=1, le=1000)]] = Field(
        default_factory=dict, validate_default=True
    )

    @field_validator("bars")
    @classmethod
    def _others_keep_their_defaults(cls, value: dict[Timeframe, int]) -> dict[Timeframe, int]:
        """To set one timeframe says nothing about another."""
        return {**EXPIRY_BARS, **value}


class LifecycleSettings(Section):
    """What ends a live signal before its expiry, beside people, bots and revised data."""

    invalidate_on_stop: bool = True  # a closed bar that reaches the stop before the expiry
    opposite_policy: Literal["keep", "invalidate_weaker"] = "keep"  # when a stronger opposite signal comes later


class ScheduleSettings(Section):
    """When the chain runs by itself."""

    is_enabled: bool = True
    grace_seconds: Annotated[Real, Field(ge=0, le=600)] = 5.0  # live fetching waits so long after a close
    straggler_seconds: Annotated[Real, Field(ge=0, le=600)] = 15.0  # and so long for a candle that is late
    ui_port: Annotated[Whole, Field(ge=1, le=65535)] = 3000


class ModelSettings(Section):
    """Which models speak, and what becomes of what they say."""

    is_enabled: bool = True  # bars are predicted where a model is there for them
    max_age_days: Annotated[Whole, Field(ge=1, le=3650)] = 98  # since the newest bar that a model learned from
    tighten_targets: bool = False  # the first take-profit price no further off than the predicted range reaches

    @property
    def max_age(self) -> timedelta:
        """How long a model speaks after the newest bar that it learned from."""
        return timedelta(days=self.max_age_days)


class TrainingSettings(Section):
    """What models learn from, and how they are judged."""

    weeks: Annotated[Whole, Field(ge=4, le=520)] = 104  # learned from, before the day that a model is trained through
    folds: Annotated[Whole, Field(ge=1, le=26)] = 1  # of the walk forward that judges a model before it is served
    fold_weeks: Annotated[Whole, Field(ge=1, le=52)] = 13
    seed: Whole = 7
    tolerance: Annotated[Real, Field(ge=0, le=1)] = 0.001  # by how much of its loss a newer model may be worse
    anomaly_share: Annotated[Real, Field(gt=0, le=0.05)] = 0.01  # of the training bars that count as unusual
    needs_skill: bool = True  # a model whose loss is above that of the base rate, or the ATR band, must not speak


class ChartSettings(Section):
    """Pictures of active signals that are drawn every hour."""

    signals: Annotated[Whole, Field(ge=0, le=50)] = 6  # the strongest few; 0 draws none


Days = Annotated[Whole, Field(ge=1, le=3650)]


class RetentionSettings(Section):
    """How long what only tells how rows were made is kept; rows themselves are thinned where a number is given."""

    is_enabled: bool = True
    scheduled_runs_days: Days = 3  # runs that a schedule started and that went well: hundreds a day at a short cadence
    runs_days: Days = 30  # other runs that went well, ticks, backfills, changes of freshness
    failed_runs_days: Days = 90  # runs and ticks that failed, or were cancelled
    log_days: Days = 30  # what runs printed, of those runs too that are kept
    max_minutes: Annotated[Whole, Field(ge=1, le=100)] = 30  # of a day's work; what is left waits for the next day
    disk_days: Days = 30  # `signals doctor` warns of a disk that would be full by then
    live_passes_days: Days | None = None  # None: for ever, as everything else of ours
    replay_drift_days: Days | None = None
    candle_quarantine_days: Days | None = None
    document_quarantine_days: Days | None = None
    signal_changes_days: Days | None = None  # how long a client of the stream may be away

    @property
    def thinned(self) -> dict[str, timedelta]:
        """Tables of ours whose old rows go, and how long each keeps them."""
        fields = {name: getattr(self, f"{name}_days") for name in THINNABLE}
        return {name: timedelta(days=days) for name, days in fields.items() if days is not None}


# Tables that tell how rows came about and when, and on which no signal depends.
THINNABLE = ("live_passes", "replay_drift", "candle_quarantine", "document_quarantine", "signal_changes")
