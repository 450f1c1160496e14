"""The section ``[indicators.*]`` of the settings: which extra indicators are on, with which parameters.

Whatever cannot work is said here, all at once, each with its place; `pipeline.settings` adds file and line.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from pydantic import ValidationError

from pipeline.indicators.catalogue import Memory
from pipeline.indicators.extra import registry, ta_catalogue
from pipeline.indicators.extra.definition import (
    MAX_WARM_UP,
    NAME_PATTERN,
    ExtraIndicator,
    ExtraParameters,
    OwnParameters,
)
from pipeline.indicators.extra.ta_catalogue import TaParameters
from pipeline.indicators.extra.ta_rules import REFUSED_CLASSES, REFUSED_PARAMETERS, TA

PREFIX = "extra."  # before the name of a column that a strategy reads
KINDS = ("ta", "own")
SAYS_NO = (False, "false", "False", "0")


class Mistake(NamedTuple):
    """What is wrong at one place below ``indicators``; ``kind`` and ``context`` as pydantic has them."""

    place: tuple[str, ...]
    message: str
    value: object
    kind: str = "value_error"
    context: Mapping[str, Any] | None = None


def chosen(sections: Mapping[str, object]) -> tuple[dict[str, ExtraParameters], list[Mistake]]:
    """The typed parameters by section, and all that is wrong with them."""
    typed: dict[str, ExtraParameters] = {}
    mistakes: list[Mistake] = []
    for name, given in sections.items():
        found = _checked(name, given)
        if isinstance(found, ExtraParameters):
            typed[name] = found
        else:
            mistakes += found
    owners: dict[str, str] = {}
    for extra in () if mistakes else extras_of(typed):
        if extra.warm_up > MAX_WARM_UP:
            message = f"must need at most {MAX_WARM_UP:,} bars of warm-up, was {extra.warm_up:,}; take shorter windows"
            mistakes.append(Mistake((extra.name,), message, None))
        for column in extra.columns:
            if (other := owners.setdefault(column, extra.name)) != extra.name:
                message = f"must give columns of its own, was {column}, which [indicators.{other}] gives too"
                mistakes.append(Mistake((extra.name,), message, None))
    return typed, mistakes


def extras_of(indicators: Mapping[str, ExtraParameters]) -> tuple[ExtraIndicator, ...]:
    """The indicators that the settings switch on, in the order of their names."""
    return tuple(
        ta_catalogue.in_section(name, each)
        if isinstance(each, TaParameters)
        else registry.own_indicators()[_own(each).own].in_section(name, _own(each))
        for name, each in sorted(indicators.items())
    )


def parameters_known(given: Mapping[str, object]) -> tuple[str, ...] | None:
    """What may stand in a section that says this; None where it does not say what it is."""
    if isinstance(name := given.get("ta"), str) and name in TA and name in ta_catalogue.classes():
        return (*ta_catalogue.parameters_of(name).model_fields, *REFUSED_PARAMETERS)
    if isinstance(key := given.get("own"), str) and key in registry.own_indicators():
        return tuple(registry.own_indicators()[key].parameters.model_fields)
    return None


def unreadable(columns: Sequence[str], indicators: Mapping[str, ExtraParameters]) -> Iterator[str]:
    """Why a strategy may not read some of the ``columns`` that it names, a phrase for each."""
    wanted = [column.removeprefix(PREFIX) for column in columns if column.startswith(PREFIX)]
    if not wanted:
        return
    by_column = {column: extra for extra in extras_of(indicators) for column in extra.columns}
    for column in wanted:
        if column not in by_column:
            near = get_close_matches(column, by_column, n=1, cutoff=0.75)
            said = f"did you mean {PREFIX}{near[0]}?" if near else f"a section [indicators.{column}] is missing"
            yield f"must read columns that [indicators.*] gives, was {PREFIX}{column}; {said}"
        elif by_column[column].memory is Memory.CUMULATIVE:
            yield (
                f"must not read the level of a sum, which depends on where the series begins, was {PREFIX}{column}; "
                "read an indicator with a window"
            )


def _own(parameters: ExtraParameters) -> OwnParameters:
    assert isinstance(parameters, OwnParameters)
    return parameters


def _checked(name: str, given: object) -> ExtraParameters | list[Mistake]:
    if isinstance(given, ExtraParameters):
        return given
    if not re.fullmatch(NAME_PATTERN, name):
        message = "must be named like stoch or slow_macd: small letters, digits, single underscores"
        return [Mistake((name,), f"{message}, was {name!r}", name)]
    if not isinstance(given, Mapping):
        return [Mistake((name,), "must be a section", given, "dict_type")]
    kinds = [kind for kind in KINDS if kind in given]
    if len(kinds) != 1:
        was = "both" if kinds else "neither"
        return [
            Mistake((name,), f'must say ta = "Class" or own = "key", was {was}; `signals indicators` lists them', 0)
        ]
    kind = kinds[0]
    if refused := _refused(kind, given[kind]):
        return [Mistake((name, kind), refused, given[kind])]
    mistakes = [
        Mistake((name, key), f"must be left out or false: {REFUSED_PARAMETERS[key]}", value)
        for key, value in given.items()
        if kind == "ta" and key in REFUSED_PARAMETERS and value not in SAYS_NO
    ]
    model = _model(kind, str(given[kind]))
    # `ta` calls its columns by what it is given; what is left out of it is false there too.
    rest = {key: value for key, value in given.items() if kind == "own" or key not in REFUSED_PARAMETERS}
    try:
        typed = model.model_validate(rest)
    except ValidationError as error:
        for detail in error.errors():
            place = (name, *(str(part) for part in detail["loc"]))
            if detail["type"] == "missing":
                mistakes.append(Mistake(place, "must be given, there is no default", given, "missing"))
            else:
                mistakes.append(Mistake(place, detail["msg"], detail["input"], detail["type"], detail.get("ctx")))
    return mistakes or typed


def _model(kind: str, name: str) -> type[ExtraParameters]:
    return ta_catalogue.parameters_of(name) if kind == "ta" else registry.own_indicators()[name].parameters


def _refused(kind: str, name: object) -> str | None:
    """Why there is no such indicator; None if there is."""
    if kind == "own":
        what, names = "an indicator of one's own", list(registry.own_indicators())
    else:
        if isinstance(name, str) and name in REFUSED_CLASSES:
            return f"must be an indicator that does not look ahead, was {name!r}: {REFUSED_CLASSES[name]}"
        what, names = "a class of ta", [each for each in TA if each in ta_catalogue.classes()]
    if isinstance(name, str) and name in names:
        return None
    near = get_close_matches(str(name), names, n=1, cutoff=0.6)
    said = f"did you mean {near[0]}?" if near else "`signals indicators` lists them"
    return f"must be {what}, was {name!r}; {said}"
