"""One typed settings tree: environment > signals.toml > defaults; whatever is wrong is refused at start.

Add a setting where a person may want another value; facts about data and fixed rules stay with their module. The
settings that can change a signal are hashed into every row that they make (`fingerprint`).
"""

import hashlib
import json
import os
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pipeline import __version__
from pipeline.aggregation import Boost, ConflictPolicy, StrategyPreference
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.timeframe import Timeframe, parse_timeframe
from pipeline.domain.universe import EXCHANGE_PATTERN, parse_symbol
from pipeline.pricing import EXPIRY_BARS
from pipeline.risk.exposure import POSITION_SIZE
from pipeline.risk.profile import RiskProfile
from pipeline.settings_errors import explain
from pipeline.strategies.registry import STRATEGIES, StrategyParameters

PREFIX = "SIGNALS_"
CONFIG_VARIABLE = "SIGNALS_CONFIG"
# Read by the launcher or the tests, not by this tree.
OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, "SIGNALS_REAL_DATA", "SIGNALS_DAGSTER_URL", "SIGNALS_DAGSTER_FILES"})
SIMULATED_EXCHANGE = "simulated"
SIMULATED_SYMBOLS = (
    *("BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT", "ADA/USDT"),
    *("DOGE/USDT", "AVAX/USDT", "LINK/USDT", "DOT/USDT", "LTC/USDT", "UNI/USDT"),
)


def _split(value: object) -> object:
    """A comma-separated text, as environment variables give lists."""
    if isinstance(value, str) and not value.strip().startswith("["):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _as_value_error(parse: Any) -> Any:
    """Pydantic reports ValueError with its place; our own errors would end the collection at the first."""

    def parsed(value: str) -> Any:
        try:
            return parse(value)
        except DataContractError as error:
            raise ValueError(str(error)) from None

    return parsed


Symbol = Annotated[str, AfterValidator(_as_value_error(parse_symbol))]
TimeframeName = Annotated[Timeframe, BeforeValidator(_as_value_error(parse_timeframe))]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class MarketSettings(_Section):
    """Where candles come from, and of what."""

    source: Literal["live", "files", "simulated"] = "simulated"
    exchange: str | None = Field(default=None, pattern=EXCHANGE_PATTERN)  # None: simulated, or the one imported
    symbols: Annotated[tuple[Symbol, ...] | None, BeforeValidator(_split)] = None  # None: all that is imported
    timeframes: Annotated[tuple[TimeframeName, ...] | None, BeforeValidator(_split)] = None
    simulation_seed: int = 7

    @field_validator("symbols", "timeframes")
    @classmethod
    def _named_once(cls, value: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if value is not None:
            if not value:
                raise ValueError("must name one at least; leave it out for all")
            if twice := sorted({v for v in value if value.count(v) > 1}):
                raise ValueError(f"must name each once, {', '.join(twice)} stands there twice")
        return value

    @property
    def cadence(self) -> Timeframe:
        """The shortest timeframe that is configured: how often the chain runs."""
        return min(self.timeframes or (Timeframe.H1,), key=lambda timeframe: timeframe.seconds)


class AggregationSettings(_Section):
    """How candidates become signals."""

    boost: Boost = Boost.SPEC
    conflict_policy: ConflictPolicy = ConflictPolicy.KEEP
    strategy_preference: StrategyPreference = StrategyPreference.BALANCED


class ExpirySettings(_Section):
    """How long a signal stands, in bars of its timeframe; one where nothing is said."""

    bars: dict[TimeframeName, Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=lambda: dict(EXPIRY_BARS))


class ScheduleSettings(_Section):
    """When the chain runs by itself."""

    is_enabled: bool = True
    grace_seconds: Annotated[float, Field(ge=0, le=600)] = 5.0  # live fetching waits so long after a close
    ui_port: Annotated[int, Field(ge=1, le=65535)] = 3000


class Settings(BaseSettings):
    """Everything that may be set. Nested names join by two underscores: ``SIGNALS_MARKET__SOURCE=files``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Path(".signals")
    database_url: SecretStr | None = None
    market: MarketSettings = MarketSettings()
    strategies: dict[str, StrategyParameters] = Field(default_factory=dict, validate_default=True)
    risk: RiskProfile = RiskProfile()
    position_size: Annotated[float, Field(gt=0, le=1)] = POSITION_SIZE
    aggregation: AggregationSettings = AggregationSettings()
    expiry: ExpirySettings = ExpirySettings()
    schedule: ScheduleSettings = ScheduleSettings()

    @field_validator("strategies", mode="before")
    @classmethod
    def _typed_strategies(cls, value: object) -> dict[str, StrategyParameters]:
        """Every registered strategy with its own parameters class; unknown keys are refused by name."""
        given = value if isinstance(value, Mapping) else {}
        if unknown := sorted(set(given) - set(STRATEGIES)):
            raise ValueError(f"no strategy is called {', '.join(unknown)}; there are {', '.join(STRATEGIES)}")
        return {key: _parameters(key, given.get(key, {})) for key in STRATEGIES}

    @model_validator(mode="after")
    def _simulated_is_an_exchange_of_its_own(self) -> Self:
        market = self.market
        if market.source == "simulated" and market.exchange not in (None, SIMULATED_EXCHANGE):
            raise ValueError(
                f"market.exchange must be left out for the simulated market, was {market.exchange}; for imported "
                'candles say market.source = "files"'
            )
        if market.source == "live":
            raise ValueError("market.source must be files or simulated: live exchanges are not there yet")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit values, then the environment, then the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file())

    @cached_property
    def families(self) -> dict[str, tuple[str, ...]]:
        """Signal names by family of strategies, for `strategy_preference`."""
        found: dict[str, tuple[str, ...]] = {}
        for strategy in STRATEGIES.values():
            found[strategy.family] = (*found.get(strategy.family, ()), *strategy.names.values())
        return found

    def fingerprint(self, profiles: Mapping[str, RiskProfile]) -> tuple[str, dict[str, Any]]:
        """Hash and content of everything that can change a signal under ``profiles``, secrets left out."""
        content = self.model_dump(mode="json", include=set(DECISIVE), serialize_as_any=True)
        for watched in ("symbols", "timeframes"):
            content["market"].pop(watched)
        content["profiles"] = {name: p.model_dump(mode="json") for name, p in sorted(profiles.items())}
        content["code_version"] = __version__
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16], content


# Sections that can change a signal; which series are watched cannot, but for exposure, which rows show.
DECISIVE = ("market", "strategies", "position_size", "aggregation", "expiry")


def _parameters(key: str, given: object) -> StrategyParameters:
    model = STRATEGIES[key].parameters
    if isinstance(given, StrategyParameters):
        return given
    try:
        return model.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, (key, *first["loc"])))
        raise ValueError(f"{where}: {first['msg'].removeprefix('Value error, ')}, was {first['input']!r}") from None


def config_file() -> Path:
    """The settings file: ``SIGNALS_CONFIG``, else ``signals.toml`` in the working folder."""
    return Path(os.environ.get(CONFIG_VARIABLE, "signals.toml"))


def load_settings(changes: Mapping[str, Any] | None = None) -> Settings:
    """The effective settings; ``changes`` (dotted key -> value) win over every other source.

    Raises
    ------
    ConfigurationError
        Naming each wrong key, symbol, timeframe or bound with the variable, or the file and line, it came from.
    """
    path = config_file()
    if CONFIG_VARIABLE in os.environ and not path.is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} must name a settings file, was {path}")
    _refuse_unknown_variables()
    try:
        return Settings(**_nested(changes or {}))
    except (ValidationError, ValueError) as error:
        raise ConfigurationError(explain(error, path, os.environ, changes or {})) from error


def _refuse_unknown_variables() -> None:
    """Pydantic reads the variables that it knows; a misspelt one would be ignored without a word."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES and name.split("__")[0] not in known:
            raise ConfigurationError(
                f"{name} is not a setting; sections are {', '.join(sorted(known))}, joined to a key by two underscores"
            )


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[last] = value
    return tree
