"""One typed settings tree: environment > signals.toml > defaults; whatever is wrong is refused at start.

Add a setting where a person may want another value; facts about data and fixed rules stay with their module. The
settings that can change a signal are hashed into every row that they make (`fingerprint`).
"""

import hashlib
import json
import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from pipeline import __version__
from pipeline.domain.errors import ConfigurationError
from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.extra.choice import KINDS, chosen, parameters_known, unreadable
from pipeline.indicators.extra.definition import ExtraParameters
from pipeline.risk.exposure import POSITION_SIZE
from pipeline.risk.profile import RiskProfile
from pipeline.settings_api import ApiSettings
from pipeline.settings_errors import PREFIX as PREFIX
from pipeline.settings_errors import explain, meant, sections_of, settings_within, variable_of
from pipeline.settings_outcomes import CalibrationSettings, OutcomeSettings
from pipeline.settings_sections import (
    AggregationSettings,
    ChartSettings,
    ContextSettings,
    ExpirySettings,
    LifecycleSettings,
    MarketSettings,
    ModelSettings,
    Real,
    RetentionSettings,
    ScheduleSettings,
    TrainingSettings,
)
from pipeline.settings_texts import SentimentSettings, TextSettings
from pipeline.strategies.registry import STRATEGIES, StrategyParameters

CONFIG_VARIABLE = "SIGNALS_CONFIG"
# Read by the launcher or the tests, not by this tree.
OTHER_VARIABLES = frozenset(
    {CONFIG_VARIABLE, "SIGNALS_REAL_DATA", "SIGNALS_DAGSTER_URL", "SIGNALS_DAGSTER_FILES", "SIGNALS_SERVICE_MARK"}
)


class Settings(BaseSettings):
    """Everything that may be set. Nested names join by two underscores: ``SIGNALS_MARKET__SOURCE=files``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Path(".signals")
    database_url: SecretStr | None = None
    market: MarketSettings = MarketSettings()
    indicators: dict[str, ExtraParameters] = Field(default_factory=dict)
    strategies: dict[str, StrategyParameters] = Field(default_factory=dict, validate_default=True)
    risk: RiskProfile = RiskProfile()
    position_size: Annotated[Real, Field(gt=0, le=1)] = POSITION_SIZE
    context: ContextSettings = ContextSettings()
    aggregation: AggregationSettings = AggregationSettings()
    expiry: ExpirySettings = ExpirySettings()
    lifecycle: LifecycleSettings = LifecycleSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    api: ApiSettings = ApiSettings()
    outcomes: OutcomeSettings = OutcomeSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    models: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
    charts: ChartSettings = ChartSettings()
    retention: RetentionSettings = RetentionSettings()
    texts: TextSettings = TextSettings()
    sentiment: SentimentSettings = SentimentSettings()

    @field_validator("indicators", mode="before")
    @classmethod
    def _typed_indicators(cls, value: object) -> dict[str, ExtraParameters]:
        """Every section with the parameters of the indicator that it names; every mistake with its place."""
        if not isinstance(value, Mapping):
            raise settings_within([_detail("dict_type", (), value)])
        typed, mistakes = chosen(value)
        if mistakes:
            raise settings_within(
                [
                    {"type": m.kind, "loc": m.place, "msg": m.message, "input": m.value, "ctx": dict(m.context or {})}
                    for m in mistakes
                ]
            )
        return typed

    @field_validator("strategies", mode="before")
    @classmethod
    def _typed_strategies(cls, value: object, info: ValidationInfo) -> dict[str, StrategyParameters]:
        """Every registered strategy with its own parameters class; every mistake is reported with its place."""
        if not isinstance(value, Mapping):
            raise settings_within([_detail("dict_type", (), value)])
        details = [_detail("extra_forbidden", (key,), value[key]) for key in value if key not in STRATEGIES]
        typed: dict[str, StrategyParameters] = {}
        for key in STRATEGIES:
            try:
                typed[key] = _parameters(key, value.get(key, {}))
            except ValidationError as error:
                details += [{**detail, "loc": (key, *detail["loc"])} for detail in error.errors()]
                continue
            if typed[key].is_enabled and "indicators" in info.data:
                columns = STRATEGIES[key].columns(typed[key])
                for message in unreadable(columns, info.data["indicators"]):
                    details.append({**_detail("value_error", (key,), None), "msg": message})
        if details:
            raise settings_within(details)
        return typed

    @model_validator(mode="after")
    def _texts_are_of_the_market(self) -> Self:
        """Texts that nobody would use are a mistake: those of one world say nothing about the other's prices."""
        is_made_up = self.market.source == "simulated"
        if self.texts.source not in (None, "none") and is_made_up != (self.texts.source == "simulated"):
            raise ValueError(
                f"texts.source must be of the same world as market.source ({self.market.source}), was "
                f"{self.texts.source}: simulated texts are used beside simulated candles alone, and there are no others"
            )
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

    @property
    def text_source(self) -> Literal["live", "simulated", "none"]:
        """Where texts come from: as the settings say, else as candles do; beside imported candles from nowhere."""
        beside: dict[str, Literal["live", "simulated", "none"]] = {"live": "live", "simulated": "simulated"}
        return self.texts.source or beside.get(self.market.source, "none")

    def fingerprint(self, profiles: Mapping[str, RiskProfile]) -> tuple[str, dict[str, Any]]:
        """Hash and content of everything that can change a signal under ``profiles``, secrets left out."""
        content = self.model_dump(mode="json", include=set(DECISIVE), serialize_as_any=True)
        for watched in ("source", "exchange", "exchange_url", "symbols", "timeframes"):
            content["market"].pop(watched)
        content["profiles"] = {name: p.model_dump(mode="json") for name, p in sorted(profiles.items())}
        content["code_version"] = __version__
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16], content


# Sections that can change a signal; which series are watched cannot, but for exposure, which rows show.
DECISIVE = (
    *("market", "indicators", "context", "strategies", "position_size", "aggregation", "expiry", "models"),
    "sentiment",
)


def _parameters(key: str, given: object) -> StrategyParameters:
    model = STRATEGIES[key].parameters
    if isinstance(given, Mapping):
        numbers = {name for name, field in model.model_fields.items() if field.annotation in (int, float)}
        # As text a truth value is refused like any other text that is no number.
        given = {name: str(v).lower() if isinstance(v, bool) and name in numbers else v for name, v in given.items()}
    return model.model_validate(given)


def _detail(kind: str, place: tuple[str, ...], value: object) -> ErrorDetails:
    return {"type": kind, "loc": place, "msg": kind, "input": value}


def keys_of(model: type[BaseModel] = Settings, above: str = "") -> Iterator[str]:
    """Every setting there is, dotted: ``market.source``, ``strategies.rsi.oversold`` ..."""
    for name, field in model.model_fields.items():
        dotted = above + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, f"{dotted}.")
        elif dotted == "strategies":
            for key, strategy in STRATEGIES.items():
                yield from keys_of(strategy.parameters, f"{dotted}.{key}.")
        elif dotted in ("expiry.bars", "context.higher_timeframes"):
            yield from (f"{dotted}.{timeframe}" for timeframe in Timeframe)
        elif dotted in ("sentiment.weights", "sentiment.author_cap"):
            yield from (f"{dotted}.{source}" for source in model.model_validate({}).__dict__[name])
        else:
            yield dotted


def config_file() -> Path:
    """The settings file: ``SIGNALS_CONFIG``, else ``signals.toml`` in the working folder."""
    return Path(os.environ.get(CONFIG_VARIABLE) or "signals.toml")


def load_settings(changes: Mapping[str, Any] | None = None) -> Settings:
    """The effective settings; ``changes`` (dotted key -> value) win over every other source.

    Raises
    ------
    ConfigurationError
        Naming each wrong key, symbol, timeframe or bound with the variable, or the file and line, it came from.
    """
    path = config_file()
    if os.environ.get(CONFIG_VARIABLE) and not path.is_file():
        raise ConfigurationError(f"{CONFIG_VARIABLE} must name a settings file, was {path}")
    keys = [*keys_of(), *_keys_of_indicators(path, changes or {})]
    _refuse_unknown_variables(keys)
    try:
        return Settings(**_nested(changes or {}))
    except (ValueError, OSError) as error:
        raise ConfigurationError(explain(error, path, os.environ, changes or {}, keys)) from error


def _keys_of_indicators(file: Path, changes: Mapping[str, Any]) -> Iterator[str]:
    """What may stand in the sections ``[indicators.<name>]``, whose names are the operator's own."""
    try:
        written = tomllib.loads(file.read_text(encoding="utf-8")).get("indicators", {}) if file.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return  # reported with its line when the file is read
    named: dict[str, dict[str, object]] = {}
    for name, section in written.items() if isinstance(written, dict) else ():
        named[name] = dict(section) if isinstance(section, dict) else {}
    variables = {name[len(PREFIX) :].lower().replace("__", "."): text for name, text in os.environ.items()}
    for dotted, value in [*variables.items(), *changes.items()]:
        match dotted.split("."):
            case ["indicators", name, key]:
                named.setdefault(name, {})[key] = value
            case ["indicators", name]:
                named.setdefault(name, {})
    for name, given in named.items():
        known = parameters_known(given)
        yield from (f"indicators.{name}.{key}" for key in dict.fromkeys((*KINDS, *(known or given))))


def _refuse_unknown_variables(keys: Collection[str]) -> None:
    """Pydantic reads the variables that it knows; a misspelt one would be ignored without a word."""
    known = {*keys, *sections_of(keys)}
    problems = []
    for name in sorted(os.environ):
        if not name.upper().startswith(PREFIX) or name.upper() in OTHER_VARIABLES:
            continue
        dotted = name[len(PREFIX) :].lower().replace("__", ".")
        if dotted not in known:
            near = meant(dotted, keys)
            said = f"did you mean {variable_of(near)}?" if near else "`signals config` lists them"
            problems.append(f"{name} is not a setting; {said}")
    if problems:
        raise ConfigurationError("\n".join(problems))


def _nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for dotted, value in changes.items():
        *parents, last = dotted.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
            if not isinstance(branch, dict):
                raise ConfigurationError(f"--set must name a section or its keys, was both in {dotted}")
        if isinstance(branch.get(last), dict):
            raise ConfigurationError(f"--set must name a section or its keys, was both in {dotted}")
        branch[last] = value
    return tree
