"""Risk profiles: what a reader of signals is willing to take, as numbers that cannot contradict one another.

Add a field here when a filter, the exposure or the distance of a stop depends on who reads the signals. What
depends on the market goes to `pipeline.risk.conditions`, what holds for everybody is a setting.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from math import isfinite
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from pipeline.domain.errors import ConfigurationError

NAME_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"  # a name is part of a signal's key and is typed on command lines
_FRACTIONS = ("min_signal_confidence", "max_asset_exposure", "max_total_exposure")
_NUMBERS = (*_FRACTIONS, "trading_hours_start", "trading_hours_end", "stop_atr_multiple")


class RiskProfile(BaseModel):
    """The limits that signals are judged by; the defaults are the house's.

    A pydantic model and not a dataclass, so that a settings file, a command line and a stored row are read by
    one definition that refuses unknown names and reports every mistake at once. Frozen: decisions refer to
    the profile that they were made under, so a change is another profile (`with_overrides`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "house"
    min_signal_confidence: float = 0.5  # fraction; a signal below it is dropped, alerts included
    avoid_high_volatility: bool = True  # drop all but alerts in a volatile market
    trading_hours_start: int = 0  # UTC hour from which a bar's close is served, included
    trading_hours_end: int = 24  # UTC hour at which that ends, excluded; before the start = over midnight
    max_asset_exposure: float = 0.2  # fraction of the portfolio in one base currency
    max_total_exposure: float = 0.8  # fraction of the portfolio in all of them
    stop_atr_multiple: float = 1.5  # R, the distance of the stop, in ATR 14
    user_id: UUID | None = None  # whose profile; None is the house's

    @field_validator(*_NUMBERS, mode="before")
    @classmethod
    def _refuse_truth_values(cls, value: object) -> object:
        """``true`` would silently become 1, the strictest confidence there is."""
        if isinstance(value, bool):
            raise ValueError("must be a number")  # noqa: TRY004, pydantic reports ValueError with its place
        return value

    @field_validator("name")
    @classmethod
    def _name_can_be_typed(cls, value: str) -> str:
        if not re.match(NAME_PATTERN, value):
            raise ValueError("must be 1 to 64 letters, digits, '.', '_' or '-'")
        return value

    @field_validator(*_FRACTIONS)
    @classmethod
    def _is_fraction(cls, value: float) -> float:
        if not 0.0 <= value <= 1.0:
            raise ValueError("must be a fraction in [0, 1] (0.2 is 20 %)")
        return value

    @field_validator("trading_hours_start")
    @classmethod
    def _is_hour(cls, value: int) -> int:
        if not 0 <= value <= 23:
            raise ValueError("must be an hour from 0 to 23 (0 is midnight)")
        return value

    @field_validator("trading_hours_end")
    @classmethod
    def _is_closing_hour(cls, value: int) -> int:
        if not 0 <= value <= 24:
            raise ValueError("must be an hour from 0 to 24 (24 is the end of the day)")
        return value

    @field_validator("stop_atr_multiple")
    @classmethod
    def _is_positive(cls, value: float) -> float:
        if not (value > 0.0 and isfinite(value)):
            raise ValueError("must be greater than 0 and finite")
        return value

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.trading_hours_start == self.trading_hours_end:
            raise ValueError(
                "trading_hours_end must differ from trading_hours_start, both were"
                f" {self.trading_hours_start}; 0 to 24 is always"
            )
        if self.max_asset_exposure > self.max_total_exposure:
            raise ValueError(
                f"max_asset_exposure must be at most max_total_exposure ({self.max_total_exposure}),"
                f" was {self.max_asset_exposure}"
            )
        return self


class RiskLevel(StrEnum):
    """Three ready-made profiles for callers who name an appetite instead of numbers."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


RISK_LEVELS: Mapping[RiskLevel, RiskProfile] = MappingProxyType(
    {
        RiskLevel.LOW: RiskProfile(
            name="low",
            min_signal_confidence=0.7,
            max_asset_exposure=0.1,
            max_total_exposure=0.5,
            stop_atr_multiple=1.0,
        ),
        RiskLevel.MEDIUM: RiskProfile(name="medium"),
        RiskLevel.HIGH: RiskProfile(
            name="high",
            avoid_high_volatility=False,
            max_asset_exposure=0.3,
            max_total_exposure=1.0,
            stop_atr_multiple=2.5,
        ),
    }
)


def at_level(profile: RiskProfile, level: RiskLevel) -> RiskProfile:
    """The limits of a level for whoever ``profile`` is: their name, and so their positions, stay."""
    return RISK_LEVELS[level].model_copy(update={"name": profile.name, "user_id": profile.user_id})


def with_overrides(profile: RiskProfile, overrides: Mapping[str, Any]) -> RiskProfile:
    """``profile`` with some fields changed; values may be text, as a command line gives them.

    Raises
    ------
    ConfigurationError
        Naming every field that is unknown or wrong, what it must be and what it was. (`RiskProfile(...)`
        itself raises pydantic's error, which a settings tree collects with the place in the file.)
    """
    try:
        return RiskProfile.model_validate({**profile.model_dump(), **overrides})
    except ValidationError as error:
        problems = "; ".join(map(_problem, error.errors()))
        name = overrides.get("name", profile.name)
        raise ConfigurationError(f"risk profile {name!r}: {problems}") from error


def _problem(detail: ErrorDetails) -> str:
    """One of pydantic's findings as a sentence of ours: what, rule, value."""
    field = ".".join(map(str, detail["loc"]))
    rule = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        return f"{field} is not a setting of a risk profile; these are: {', '.join(RiskProfile.model_fields)}"
    if not field:
        return rule
    rule = rule.replace("Input should be", "must be").replace("Input must be", "must be")
    return f"{field} {rule}, was {detail['input']!r}"
