"""What an extra indicator is, and what a file of one's own declares to become one.

Nothing here knows a formula. Those of `ta` are described in `pipeline.indicators.extra.ta_rules`; one of a user's own
is a file beside this one. `pipeline.indicators.extra.compute` computes both.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.indicators.catalogue import Memory

# One underscore at a time: two of them separate the levels of a setting in an environment variable.
NAME_PATTERN = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"
OUTPUT_PATTERN = r"[a-z0-9]+(_[a-z0-9]+)*"
FIELDS = ("open", "high", "low", "close", "volume")
MAX_WINDOW = 1_000  # bars
MAX_WARM_UP = 20_000  # bars; a longer one would load years for a single close

Window = Annotated[int, Field(ge=1, le=MAX_WINDOW)]


class ExtraParameters(BaseModel):
    """What an operator sets in one section ``[indicators.<name>]``."""

    # Defaults too: 2 and 2.0 must be the same settings, by their hash as well.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """``true`` would silently become a window of 1."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("must be a number")
        return value


class OwnParameters(ExtraParameters):
    """Parameters of an indicator of one's own; a subclass adds fields, each with a default."""

    own: str = ""


P = TypeVar("P", bound=OwnParameters)


@dataclass(frozen=True, eq=False, kw_only=True)
class ExtraIndicator:
    """One section of the settings, ready to be computed."""

    name: str  # of the section
    columns: tuple[str, ...]
    inputs: tuple[str, ...]  # candle fields
    warm_up: int  # bars before the first one whose value is to be trusted; 0 for a cumulative one
    memory: Memory
    function: Callable[[Block], tuple[pd.DataFrame, ...]]  # a frame per column, in their order

    def compute(self, candles: Block) -> Block:
        """The columns by name, each of the candles' shape; NaN where unknown, and where the formula gives no number.

        Raises
        ------
        DataContractError
            When the function answers in another shape or number of frames.
        """
        given = {field: candles[field] for field in self.inputs}
        like = given[self.inputs[0]]
        if like.empty:
            return dict.fromkeys(self.columns, like)
        frames = self.function(given)
        if len(frames) != len(self.columns) or any(frame.shape != like.shape for frame in frames):
            raise DataContractError(
                f"indicator {self.name} must give {len(self.columns)} frames of shape {like.shape}, "
                f"were {', '.join(str(frame.shape) for frame in frames)}"
            )
        return {
            column: pd.DataFrame(_finite(frame), index=like.index, columns=like.columns, copy=False)
            for column, frame in zip(self.columns, frames, strict=True)
        }


@dataclass(frozen=True, eq=False, kw_only=True)
class OwnIndicator:
    """A function of candles with what its callers need to know; made by `indicator`."""

    key: str
    outputs: tuple[str, ...]  # empty for one that has a single column
    inputs: tuple[str, ...]
    parameters: type[OwnParameters]
    memory: Memory
    summary: str
    module: str
    formula: Callable[[Block, Any], pd.DataFrame | tuple[pd.DataFrame, ...]]
    bars: Callable[[Any], int]

    def warm_up(self, parameters: OwnParameters) -> int:
        """Bars before the first one whose value is to be trusted."""
        return 0 if self.memory is Memory.CUMULATIVE else self.bars(parameters)

    def columns(self, name: str) -> tuple[str, ...]:
        """What its columns are called in a section of this name."""
        return tuple(f"{name}_{output}" for output in self.outputs) or (name,)

    def in_section(self, name: str, parameters: OwnParameters) -> ExtraIndicator:
        """The indicator of one section of the settings."""

        def function(candles: Block) -> tuple[pd.DataFrame, ...]:
            result = self.formula(candles, parameters)
            return result if isinstance(result, tuple) else (result,)

        return ExtraIndicator(
            name=name,
            columns=self.columns(name),
            inputs=self.inputs,
            warm_up=self.warm_up(parameters),
            memory=self.memory,
            function=function,
        )


def indicator(
    *,
    key: str,
    inputs: tuple[str, ...],
    warm_up: int | Callable[[P], int],
    outputs: tuple[str, ...] = (),
    parameters: type[P] = OwnParameters,  # type: ignore[assignment]
    memory: Memory = Memory.WINDOW,
) -> Callable[[Callable[[Block, P], pd.DataFrame | tuple[pd.DataFrame, ...]]], OwnIndicator]:
    """Make an indicator of a function ``(candles, parameters) -> frame`` or, with several outputs, a tuple of frames.

    The function gets a frame of shape (n_candles, n_symbols) per field, oldest first, NaN before a symbol's first
    candle and after its last, and answers in that shape: NaN where unknown. It is called with some hundred bars at a
    time, so that a value may depend on `warm_up` bars before it and on nothing later.

    Parameters
    ----------
    key
        Its name in the settings: ``own = "<key>"``.
    inputs
        Those of `FIELDS` that it reads.
    warm_up
        Bars that must stand before one so that its value equals the one from the whole history, to 1e-9; or a
        function of the parameters that says so. Tests hold every indicator of this folder to it.
    outputs
        Names of its columns after that of the section; empty for a single column.
    memory
        `CUMULATIVE` where no warm-up is enough: then every computation begins at the series' first stored candle.

    Raises
    ------
    ConfigurationError
        When a declaration cannot work; raised while the file is imported.
    """

    def declare(formula: Callable[[Block, P], pd.DataFrame | tuple[pd.DataFrame, ...]]) -> OwnIndicator:
        if not re.fullmatch(NAME_PATTERN, key):
            raise ConfigurationError(f"indicator key must read like rsi or close_location, was {key!r}")
        if unknown := [name for name in inputs if name not in FIELDS] or not inputs:
            raise ConfigurationError(f"inputs of an indicator must be of {', '.join(FIELDS)}, were {unknown} ({key})")
        if wrong := [name for name in outputs if not re.fullmatch(OUTPUT_PATTERN, name)]:
            raise ConfigurationError(f"outputs of an indicator must read like upper or k, were {wrong} ({key})")
        if required := [name for name, field in parameters.model_fields.items() if field.is_required()]:
            raise ConfigurationError(f"each parameter must have a default, had none for {', '.join(required)} ({key})")
        bars = warm_up if callable(warm_up) else lambda _: warm_up
        if not 0 <= (default := bars(parameters.model_validate({}))) <= MAX_WARM_UP:
            raise ConfigurationError(f"warm_up must be 0 to {MAX_WARM_UP} bars, was {default} ({key})")
        documentation = (formula.__doc__ or "").strip()
        if not documentation:
            raise ConfigurationError(f"an indicator must have a docstring with its formula, had none ({key})")
        return OwnIndicator(
            key=key,
            outputs=outputs,
            inputs=inputs,
            parameters=parameters,
            memory=memory,
            summary=documentation.splitlines()[0],
            module=formula.__module__,
            formula=formula,
            bars=bars,
        )

    return declare


def parameter_names(model: type[BaseModel]) -> Mapping[str, Any]:
    """Default by parameter, what says which indicator it is left out; `...` where there is none."""
    return {
        name: ... if field.is_required() else field.default
        for name, field in model.model_fields.items()
        if name not in ("ta", "own")
    }


def _finite(frame: pd.DataFrame) -> Any:
    values = frame.to_numpy(dtype=np.float64)
    return np.where(np.isfinite(values), values + 0.0, np.nan)  # + 0.0: JSON numbers have no negative zero
