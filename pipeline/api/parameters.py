"""What a request may say, read as the command line reads it; whatever is wrong with it is told by field."""

from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from pipeline.aggregation import StrategyPreference
from pipeline.api.cursor import MARK_PATTERN, MAX_LENGTH, read_mark, read_place
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import SignalType, Source
from pipeline.domain.status import SignalStatus
from pipeline.domain.timeframe import Timeframe, parse_instant
from pipeline.domain.universe import EXCHANGE_PATTERN, parse_symbol
from pipeline.requesting import SignalRequest
from pipeline.risk.profile import NAME_PATTERN, RiskLevel
from pipeline.storage.changes import Change
from pipeline.storage.paging import Place
from pipeline.storage.queries import EVERY_PROFILE

T = TypeVar("T")
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
EVERY_EXCHANGE = "all"  # instead of the name of one
MAX_HOLDINGS = 1000
MAX_SYMBOLS = 50  # in one request for signals
MAX_PRICE = 1e15  # of the dearest pair in the cheapest currency, with much to spare; the database divides by entries
# Not blank, and nothing that would forge lines or turn them around where it is shown: controls, separators, directions.
_FORGING = r"\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
ONE_LINE = rf"^[^{_FORGING}]*[^{_FORGING}\s][^{_FORGING}]*$"
SOURCES = {"ml": "ml_model"}  # the name of a kind in requests -> the name of its source in rows


def _read_by(parse: Callable[[str], T]) -> BeforeValidator:
    """Text read by one of our parsers, whose errors become errors of the field."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            raise ValueError("must be text")  # noqa: TRY004 - the one error that pydantic tells by field
        try:
            return parse(value)
        except DataContractError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(read)


def _text(**schema: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **schema})


def _source_group(value: Any) -> Any:
    return SOURCES.get(value, value) if isinstance(value, str) else value


Symbol = Annotated[
    str, _read_by(parse_symbol), _text(maxLength=40, description="BTC/USDT, BTCUSDT, BTC-USDT or btc_usdt")
]
Instant = Annotated[
    datetime, _read_by(parse_instant), _text(format="date-time", description="ISO 8601; UTC without an offset")
]
Exchange = Annotated[str, Field(pattern=EXCHANGE_PATTERN, max_length=40)]
Profile = Annotated[str, Field(pattern=NAME_PATTERN)]
SourceGroup = Annotated[
    Literal["technical", "ml_model", "sentiment", "multi"],
    BeforeValidator(_source_group),
    _text(enum=["technical", "ml", "ml_model", "sentiment", "multi"]),
]
SignalSource = Annotated[
    Source, BeforeValidator(_source_group), _text(enum=["technical", "ml", "ml_model", "sentiment"])
]
# The draft asks for a string of a structured header, in quotes; a bare word is meant alike.
IdempotencyKey = Annotated[str, Field(pattern=r"^[\x21-\x7e]+$", max_length=255)]
# Checked here and read by `ActiveFilters.after`: the framework takes every tuple for a parameter of several values.
Cursor = Annotated[str, _read_by(lambda cursor: read_place(cursor) and cursor), _text(maxLength=MAX_LENGTH)]
StreamCursor = Annotated[
    str, _read_by(lambda cursor: read_mark(cursor) and cursor), _text(pattern=MARK_PATTERN, maxLength=31)
]


class _Strict(BaseModel):
    """What is misspelt is refused, and not left out: a filter that filters nothing is worse than an error."""

    model_config = ConfigDict(extra="forbid")


class SignalFilters(_Strict):
    """Which signals are wanted."""

    symbol: Symbol | None = Field(None, description="only of this symbol: BTC/USDT, BTCUSDT, BTC-USDT")
    signal_type: SignalType | None = Field(None, description="only BUY, SELL or ALERT")
    min_confidence: float | None = Field(
        None, ge=0, le=1, allow_inf_nan=False, description="only of this confidence or more, 0 to 1"
    )
    source: SourceGroup | None = Field(
        None, description="only of this source; multi are signals of several, ml is ml_model"
    )
    timeframe: Timeframe | None = Field(None, description="only of bars of this duration")
    exchange: Exchange | None = Field(
        None, description="only of this exchange, all for every one; the settings' by default"
    )
    profile: Profile | None = Field(
        None,
        description="only of this risk profile, house or one of yours, or all that you may see; by default yours if "
        "scheduled runs make signals for it, else the house's",
    )

    def profile_of(self, asker: str) -> str | None:
        """Whose signals are wanted, by whose are meant where none is named; None for every profile."""
        return None if self.profile == EVERY_PROFILE else self.profile or asker


class ActiveFilters(SignalFilters):
    """Which active signals are wanted, and how many at a time."""

    since: Instant | None = Field(None, description="only of this close or later (created_at)")
    limit: int = Field(DEFAULT_LIMIT, ge=1, le=MAX_LIMIT, description="at most so many in one answer")
    cursor: Cursor | None = Field(None, description="next_cursor of the answer before: what follows it")

    @property
    def after(self) -> Place | None:
        """The place behind which the page begins; None for the first page."""
        return None if self.cursor is None else read_place(self.cursor)


class StreamFilters(SignalFilters):
    """Which changes are wanted, from where on."""

    after: StreamCursor | None = Field(
        None, description="from behind this change on, by its cursor, 0 for all there are; from now on by default"
    )
    until_caught_up: bool = Field(False, description="end when everything that there is now has been told")

    def lets_through(self, profile: str | None) -> Callable[[Change, Collection[str]], bool]:
        """Whether a stream tells a change of a profile, given the exchanges that are meant where it names none."""
        wanted = {
            "symbol": self.symbol,
            "signal_type": self.signal_type,
            "source_group": self.source,
            "timeframe": self.timeframe,
            "exchange": None if self.exchange == EVERY_EXCHANGE else self.exchange,
            "profile": profile,
        }
        equal = {name: str(value) for name, value in wanted.items() if value is not None}
        least = 0.0 if self.min_confidence is None else self.min_confidence

        def is_wanted(change: Change, meant: Collection[str]) -> bool:
            signal = change.signal
            return (
                (self.exchange is not None or signal["exchange"] in meant)
                and signal["confidence"] >= least
                and all(signal[name] == value for name, value in equal.items())
            )

        return is_wanted


class PerformanceWindow(_Strict):
    """Which signals are summed up."""

    timeframe: Literal["24h", "7d", "30d"] = Field("7d", description="of the last day, week or month, by close")
    exchange: Exchange | None = Field(None, description="of this exchange; the settings' by default")

    @field_validator("exchange")
    @classmethod
    def _is_one(cls, value: str | None) -> str | None:
        if value == EVERY_EXCHANGE:
            raise ValueError("must be one exchange: what several brought is not summed up")
        return value


Fraction = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]


class RiskLimits(_Strict):
    """The limits of a profile. What is null or left out is as in the settings."""

    min_signal_confidence: Fraction | None = None
    avoid_high_volatility: Annotated[bool, Field(strict=True)] | None = None
    trading_hours_start: Annotated[int, Field(ge=0, le=23, strict=True)] | None = None
    trading_hours_end: Annotated[int, Field(ge=0, le=24, strict=True)] | None = None
    max_asset_exposure: Fraction | None = None
    max_total_exposure: Fraction | None = None
    stop_atr_multiple: Annotated[float, Field(gt=0, le=100, strict=True, allow_inf_nan=False)] | None = None


class Holding(_Strict):
    """What one symbol takes of the portfolio."""

    symbol: Symbol
    weight: float = Field(gt=0, le=1, strict=True, allow_inf_nan=False, description="share of the portfolio")


class Holdings(_Strict):
    """All that is held from now on."""

    positions: Annotated[list[Holding], Field(max_length=MAX_HOLDINGS)]

    @field_validator("positions")
    @classmethod
    def _each_symbol_once(cls, value: list[Holding]) -> list[Holding]:
        seen = Counter(holding.symbol for holding in value)
        if twice := sorted(symbol for symbol, times in seen.items() if times > 1):
            raise ValueError(f"must have each symbol once, had {', '.join(twice)} several times")
        return value


class GenerationRequest(_Strict):
    """Which signals are wanted, and how they are judged; what is left out is as the settings have it."""

    symbols: Annotated[list[Symbol], Field(min_length=1, max_length=MAX_SYMBOLS)] = Field(
        description="BTC/USDT, BTCUSDT, BTC-USDT or btc_usdt; one that is named twice counts once"
    )
    signal_types: Annotated[list[SignalSource], Field(min_length=1)] = Field(
        list(Source), description="whose advice counts; ml is ml_model"
    )
    timeframe: Timeframe = Field(Timeframe.H1, description="of the bars that are judged")
    risk_level: RiskLevel | None = Field(
        None, description="limits that risk judges by; without it those of your profile, else the house's"
    )
    strategy_preference: StrategyPreference | None = Field(
        None, description="whose advice weighs double in the mean and the rank"
    )
    exchange: Exchange | None = Field(None, description="of this exchange; the settings' by default")

    @property
    def wanted(self) -> SignalRequest:
        """The request as the stages take it: every symbol once in the order asked for, sources in theirs."""
        return SignalRequest(
            symbols=tuple(dict.fromkeys(self.symbols)),
            timeframe=self.timeframe,
            sources=tuple(source for source in Source if source in self.signal_types),
            exchange=self.exchange,
            risk_level=self.risk_level,
            strategy_preference=self.strategy_preference,
        )


class Execution(_Strict):
    """Somebody acted on the signal."""

    status: Literal[SignalStatus.EXECUTED]
    price: float = Field(gt=0, le=MAX_PRICE, allow_inf_nan=False, strict=True, description="in the quote currency")
    at: Instant | None = Field(None, description="when; now by default. From the signal's close to before its expiry")


class Invalidation(_Strict):
    """The signal is taken back, for good."""

    status: Literal[SignalStatus.INVALIDATED]
    reason: str = Field(
        max_length=500, pattern=ONE_LINE, strict=True, description="why, in one line; it is kept with the signal"
    )


class NoChange(_Strict):
    """What nobody may ask for: nothing becomes ACTIVE again, and signals expire by themselves. Always a conflict."""

    status: Literal[SignalStatus.ACTIVE, SignalStatus.EXPIRED]


StatusChange = Annotated[Execution | Invalidation | NoChange, Field(discriminator="status")]
