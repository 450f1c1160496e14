"""What a strategy declares about itself: its parameters, its rule, and what callers need to know of both.

Nothing here knows a rule. A strategy is one file beside this one with a parameters class and a decorated
function. `pipeline.strategies.registry` finds it, `pipeline.strategies.emission` makes signals of its sides.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.signal import MULTI_STRATEGY, Source
from pipeline.strategies.checks import Check
from pipeline.strategies.columns import PREDICTION, PREDICTIONS, READABLE, SENTIMENT, SENTIMENTS, is_readable
from pipeline.strategies.crossing import ALERT, BUY, SELL
from pipeline.strategies.higher_timeframe import TREND, TrendFilter, warning

# One underscore at a time: two of them separate the levels of a setting in an environment variable.
KEY_PATTERN = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
NAME_PATTERN = r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*"

# The settings that say how much each signal weighs, of strategies that do not take that from the bar.
STATED = ("strength", "confidence")

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Trigger = Literal["cross", "level"]


class StrategyParameters(BaseModel):
    """What an operator may set about every strategy, under ``[strategies.<key>]`` of signals.toml.

    A subclass gives a default to each field and refuses combinations that cannot work. It has the fields of `STATED`,
    unless its strategy derives them from the bar.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    is_enabled: bool = True
    higher_timeframe_trend: TrendFilter = TrendFilter.OFF

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """``true`` would silently become 1, the strictest threshold there is."""
        annotation = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and annotation is not bool:
            raise ValueError("must be a number")
        return value


P = TypeVar("P", bound=StrategyParameters)
Weight = tuple[float, float]  # strength and confidence, both in [0, 1]


@dataclass(frozen=True, eq=False, kw_only=True)
class Strategy:
    """A rule over indicator columns with everything that its callers need to know; made by `strategy`."""

    key: str
    names: Mapping[int, str]  # by side: what its signals are called
    parameters: type[StrategyParameters]
    family: str
    source: Source
    lookback: int  # bars of its columns, besides the bar itself, that a verdict may depend on
    shows_previous: bool  # whether its signals also state the values of the bar before
    summary: str
    module: str
    rule: Callable[[Block, Any], pd.DataFrame]
    reads: Callable[[Any], tuple[str, ...]]
    wording: Callable[[int, Mapping[str, float], Any], str]
    questions: Callable[[Block, Any], tuple[Check, ...]] | None = None
    weighing: Callable[[int, Mapping[str, float], Any], Weight] | None = None

    @property
    def reach(self) -> int:
        """Bars before a judged one that are read, to judge it or to state what was seen."""
        return max(self.lookback, int(self.shows_previous))

    def columns(self, parameters: StrategyParameters) -> tuple[str, ...]:
        """Name the columns that the rule and its filter read under these parameters."""
        own = self._own(parameters)
        names = self.reads(own)
        return names if own.higher_timeframe_trend is TrendFilter.OFF or TREND in names else (*names, TREND)

    def sides(self, columns: Block, parameters: StrategyParameters) -> pd.DataFrame:
        """Judge every bar of the block.

        Parameters
        ----------
        columns : Block
            At least the frames that `columns` names, shape (n_candles, n_symbols), oldest first. A verdict is
            the one from full history where `lookback` bars of these columns stand before it.
        parameters : StrategyParameters
            Of this strategy's own class.

        Returns
        -------
        DataFrame of shape (n_candles, n_symbols), int8
            ``+1`` BUY, ``-1`` SELL, ``+2`` ALERT, ``0`` nothing or unknown.

        Raises
        ------
        DataContractError
            When a column is missing, or the rule answers in another shape or type, or with a side that has no name.
        """
        names = self.columns(parameters)
        if missing := [name for name in names if name not in columns]:
            raise DataContractError(
                f"columns for strategy {self.key} must hold {', '.join(missing)}, were {', '.join(sorted(columns))}"
            )
        sides = self.rule(columns, parameters)
        values, expected = sides.to_numpy(), columns[names[0]].shape
        if values.shape != expected or values.dtype != np.int8:
            raise DataContractError(
                f"sides of strategy {self.key} must be int8 of shape {expected}, "
                f"were {values.dtype} of shape {values.shape}"
            )
        lowest, highest = int(values.min(initial=0)), int(values.max(initial=0))
        nameless = (side for side in range(lowest, highest + 1) if side and side not in self.names)
        if wrong := [side for side in nameless if (values == side).any()]:
            named = ", ".join(f"{side} ({name})" for side, name in self.names.items())
            raise DataContractError(
                f"sides of strategy {self.key} must be {named} or 0, were also {', '.join(map(str, wrong))}; "
                "name the signals of each side that the rule takes in its declaration"
            )
        return sides

    def describe(self, side: int, inputs: Mapping[str, float], parameters: StrategyParameters) -> str:
        """Say in one phrase why a bar with these ``inputs`` (column -> value) got this ``side``."""
        own = self._own(parameters)
        return self.wording(side, inputs, own) + warning(own.higher_timeframe_trend, side, inputs)

    def checks(self, columns: Block, parameters: StrategyParameters) -> tuple[Check, ...] | None:
        """Say of one bar what the rule asks for each side, what it found, and whether that was enough.

        Parameters
        ----------
        columns : Block
            As `sides` takes them, of one symbol: shape (n_candles, 1), the judged bar last, up to `lookback` bars
            before it.

        Returns
        -------
        tuple of Check, or None where the strategy declares none
            A side whose checks are all met is the one that `sides` gives the bar.
        """
        own = self._own(parameters)
        return None if self.questions is None else self.questions(columns, own)

    def stated(self, side: int, inputs: Mapping[str, float], parameters: StrategyParameters) -> Weight:
        """Give the strength and the confidence of a signal of this ``side`` on a bar with these ``inputs``.

        Where the strategy has no ``weighing``, they are those of its settings, whatever the bar.
        """
        own: Any = self._own(parameters)
        return (own.strength, own.confidence) if self.weighing is None else self.weighing(side, inputs, own)

    def _own(self, parameters: StrategyParameters) -> StrategyParameters:
        if not isinstance(parameters, self.parameters):
            raise DataContractError(
                f"parameters of strategy {self.key} must be {self.parameters.__name__}, "
                f"were {type(parameters).__name__}"
            )
        return parameters


def strategy(
    *,
    key: str,
    buy: str | None = None,
    sell: str | None = None,
    alert: str | None = None,
    parameters: type[P],
    family: str,
    source: Source,
    columns: tuple[str, ...] | Callable[[P], tuple[str, ...]],
    lookback: int,
    describe: Callable[[int, Mapping[str, float], P], str],
    shows_previous: bool = False,
    checks: Callable[[Block, P], tuple[Check, ...]] | None = None,
    stated: Callable[[int, Mapping[str, float], P], Weight] | None = None,
) -> Callable[[Callable[[Block, P], pd.DataFrame]], Strategy]:
    """Make a strategy of a function ``(columns, parameters) -> sides``.

    Parameters
    ----------
    key
        Its name in the settings: ``[strategies.<key>]``.
    buy, sell, alert
        What its signals are called, for each side that the rule takes; the same name twice where the side says enough.
    parameters
        Its parameters class, which must have a default for every field, and bounds for one that counts bars.
    family
        ``trend_following``, ``mean_reversion`` or a word of its own; preferences weigh families.
    source
        The kind of evidence behind it.
    columns
        Those of `READABLE` that it reads (or ``higher.<one>``, ``reference.<one>``, ``extra.<column>``,
        ``prediction.<one>``, ``sentiment.<one>``; see `pipeline.strategies.columns`), or a function of its parameters
        that names them.
    lookback
        Bars of these columns before the judged one that may matter, whatever the parameters are. Declared
        rather than inferred, because it decides how much history a run loads; tests hold every strategy to it,
        to the bar.
    describe
        ``(side, column -> value on the bar, parameters)`` to the phrase that a person reads.
    shows_previous
        True where the advice cannot be understood without the bar before.
    checks
        ``(columns of one symbol up to the judged bar, parameters)`` to the conditions of each side on that bar, for
        `signals explain`; see `Strategy.checks`. Without them a strategy is explained by its columns and its verdict.
    stated
        ``(side, column -> value on the bar, parameters)`` to the strength and the confidence of that bar's signal, for
        a strategy that knows how sure it is. Without it they are the settings ``strength`` and ``confidence``.

    Raises
    ------
    ConfigurationError
        When a declaration cannot work; raised while the file is imported.
    """

    def declare(rule: Callable[[Block, P], pd.DataFrame]) -> Strategy:
        if not re.fullmatch(KEY_PATTERN, key):
            raise ConfigurationError(f"strategy key must read like rsi or golden_cross, was {key!r}")
        names = {side: name for side, name in ((BUY, buy), (SELL, sell), (ALERT, alert)) if name is not None}
        if not names:
            raise ConfigurationError(
                f"a strategy must name the signals of a side at least, buy, sell or alert, had none ({key})"
            )
        for name in names.values():
            if not re.fullmatch(NAME_PATTERN, name) or name == MULTI_STRATEGY:
                raise ConfigurationError(
                    f"signal name must read like RSI_OVERSOLD, {MULTI_STRATEGY} apart, was {name!r} ({key})"
                )
        if lookback < 0:
            raise ConfigurationError(f"lookback must be 0 or more bars, was {lookback} ({key})")
        if required := [name for name, field in parameters.model_fields.items() if field.is_required()]:
            raise ConfigurationError(f"each parameter must have a default, had none for {', '.join(required)} ({key})")
        if stated is None and (lacking := [name for name in STATED if name not in parameters.model_fields]):
            raise ConfigurationError(
                f"{parameters.__name__} must have the fields {' and '.join(STATED)}, lacked {' and '.join(lacking)}; "
                f"add them, or give the strategy a function `stated` ({key})"
            )
        reads = columns if callable(columns) else lambda _: columns
        read = reads(parameters.model_validate({}))
        if not read:
            raise ConfigurationError(f"a strategy must read a column at least, read none ({key})")
        if unknown := [name for name in read if not is_readable(name)]:
            raise ConfigurationError(
                f"columns of a strategy must be of {', '.join(READABLE)}, or one of them behind higher. or reference., "
                f"{', '.join(PREDICTION + name for name in PREDICTIONS)}, "
                f"{', '.join(SENTIMENT + name for name in SENTIMENTS)}, or extra.<column>; "
                f"were {', '.join(unknown)} ({key})"
            )
        documentation = (rule.__doc__ or "").strip()
        if not documentation:
            raise ConfigurationError(f"a strategy must have a docstring with its rule, had none ({key})")
        return Strategy(
            key=key,
            names=MappingProxyType(names),
            parameters=parameters,
            family=family,
            source=source,
            lookback=lookback,
            shows_previous=shows_previous,
            summary=documentation.splitlines()[0],
            module=rule.__module__,
            rule=rule,
            reads=reads,
            wording=describe,
            questions=checks,
            weighing=stated,
        )

    return declare
