"""The indicators of `ta` by name: their parameters as a model, and their computation, series by series.

`ta` is imported when one of them is asked for, not before. What its answers are worth stands in
`pipeline.indicators.extra.ta_rules`.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, create_model

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.indicators.columns import Array, first_rows, unpack
from pipeline.indicators.extra.definition import FIELDS, ExtraIndicator, ExtraParameters, Window
from pipeline.indicators.extra.ta_rules import REFUSED_PARAMETERS, TA, TaRule

MODULES = ("momentum", "trend", "volatility", "volume", "others")

_Positive = Annotated[float, Field(gt=0, le=1_000)]
_Power = Annotated[int, Field(ge=1, le=50)]
# `ta` states int for some of these, and computes with any number.
_TYPES: Mapping[str, Any] = {
    "constant": _Positive,
    "max_step": Annotated[float, Field(gt=0, le=1)],
    "multiplier": _Positive,
    "offset": Annotated[int, Field(ge=0, le=1_000)],  # a negative one would look ahead
    "original_version": bool,
    "pow1": _Power,
    "pow2": _Power,
    "smoothing_factor": Window | None,
    "step": Annotated[float, Field(ge=0.001, le=1)],
    "weight1": _Positive,
    "weight2": _Positive,
    "weight3": _Positive,
    "window_dev": _Positive,
}


class TaParameters(ExtraParameters):
    """Parameters of an indicator of `ta`; `parameters_of` makes a subclass for each."""

    ta: str


@cache
def classes() -> Mapping[str, type]:
    """Every indicator class that the installed `ta` has, by name, refused ones included."""
    mixin = import_module("ta.utils").IndicatorMixin
    modules = [import_module(f"ta.{name}") for name in MODULES]
    found = {key: value for module in modules for key, value in vars(module).items() if inspect.isclass(value)}
    return {key: found[key] for key in sorted(found) if issubclass(found[key], mixin) and found[key] is not mixin}


def inputs_of(name: str) -> tuple[str, ...]:
    """The candle fields that a class takes."""
    return tuple(key for key in inspect.signature(classes()[name]).parameters if key in FIELDS)


@cache
def parameters_of(name: str) -> type[TaParameters]:
    """The model of a class' parameters: `ta`'s names and defaults, with bounds; every count of bars is a window."""
    fields: dict[str, Any] = {"ta": (Literal[name], name)}
    for key, parameter in inspect.signature(classes()[name]).parameters.items():
        if key not in FIELDS and key not in REFUSED_PARAMETERS:
            default = ... if parameter.default is inspect.Parameter.empty else parameter.default
            fields[key] = (_TYPES.get(key, Window), default)
    model: type[TaParameters] = create_model(f"{name}Parameters", __base__=TaParameters, **fields)
    return model


def columns_of(section: str, name: str) -> tuple[str, ...]:
    """What the columns of a class are called in a section of this name, in the order of its methods.

    The name of each method without the words that all begin with: ``slow_macd``, ``slow_macd_signal`` and
    ``slow_macd_diff``; one that has nothing left, or stands alone, is the section's name itself.
    """
    words = [method.split("_") for method in TA[name].first]
    shared = 0
    while all(len(each) > shared and each[shared] == words[0][shared] for each in words):
        shared += 1
    return tuple("_".join([section, *each[shared:]]) for each in words)


def in_section(section: str, parameters: TaParameters) -> ExtraIndicator:
    """The indicator of one section of the settings."""
    rule = TA[parameters.ta]
    given = parameters.model_dump(exclude={"ta"})
    return ExtraIndicator(
        name=section,
        columns=columns_of(section, parameters.ta),
        inputs=inputs_of(parameters.ta),
        warm_up=rule.warm_up(given),
        memory=rule.memory,
        function=_each_series(rule, classes()[parameters.ta], given),
    )


def _each_series(
    rule: TaRule, cls: Callable[..., Any], parameters: Mapping[str, Any]
) -> Callable[[Block], tuple[pd.DataFrame, ...]]:
    """A function of wide frames that asks `ta` for one series after the other: it knows no other way."""

    def function(candles: Block) -> tuple[pd.DataFrame, ...]:
        like = next(iter(candles.values()))
        arrays = {field: unpack(frame) for field, frame in candles.items()}
        begins, ends = _runs(arrays)
        outputs = [np.full(like.shape, np.nan) for _ in rule.first]
        for place, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            if end > begin:
                inputs = pd.DataFrame({field: array[place, begin:end] for field, array in arrays.items()})
                for output, values in zip(outputs, one_series(rule, cls, parameters, inputs), strict=True):
                    output[begin:end, place] = values
        return tuple(pd.DataFrame(output, index=like.index, columns=like.columns, copy=False) for output in outputs)

    return function


def one_series(
    rule: TaRule, cls: Callable[..., Any], parameters: Mapping[str, Any], inputs: pd.DataFrame
) -> list[Array]:
    """An array for each method of the rule: as long as ``inputs``, the candles of one series without a gap."""
    n_bars = len(inputs)
    first = {method: rows(parameters) for method, rows in rule.first.items()}
    unknown = np.full(n_bars, np.nan)
    if n_bars <= min(first.values()):
        return [unknown] * len(first)
    # A plain range as index: `ta` asks for bars by number in places, which a time index would take for an instant.
    guarded = inputs.reindex(range(-rule.guard, n_bars)).reset_index(drop=True)
    with np.errstate(all="ignore"):
        answers = cls(**{str(field): guarded[field] for field in guarded}, **parameters)
        found = []
        for method, rows in first.items():
            if n_bars <= rows:
                found.append(unknown)
                continue
            values = getattr(answers, method)().iloc[rule.guard :].reset_index(drop=True)
            values = values if rule.mend is None else rule.mend(inputs, values)
            array = values.to_numpy(dtype=np.float64, copy=True)
            array[:rows] = np.nan
            found.append(array)
    return found


def _runs(arrays: Mapping[str, Array]) -> tuple[list[int], list[int]]:
    """Where each series' candles begin and end (exclusive); refuses a hole, which `ta` would carry on for ever."""
    known = np.logical_and.reduce([~np.isnan(array) for array in arrays.values()])
    begins = first_rows(np.where(known, 0.0, np.nan))[:, 0]
    ends = begins + known.sum(axis=1)
    last = known.shape[1] - np.argmax(known[:, ::-1], axis=1)
    if (known.any(axis=1) & (ends != last)).any():
        raise DataContractError("the candles of a series must be one run, were not; fill the gaps or leave it out")
    return begins.tolist(), ends.tolist()
