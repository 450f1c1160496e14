"""Wrong settings, explained: where each came from (variable, or file and line), what it must be, what it was.

Add a rule's wording here when pydantic's own says too little to act on; what is allowed stands in `pipeline.settings`.
"""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

PREFIX = "SIGNALS_"
NESTED = "settings_within"  # an error that holds the errors of a tree of its own
SECRETS = frozenset({"database_url"})
LONGEST_VALUE = 80  # characters of a value that a message repeats

# What pydantic calls the kind of an error -> what the value must be, with the bound where there is one.
_RULES = {
    "extra_forbidden": "is not a setting",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text, in quotes",
    "path_type": "must be a path, in quotes",
    "tuple_type": 'must be a list: ["A", "B"] in a file, A,B in a variable',
    "dict_type": "must be a section with keys of its own",
    "model_type": "must be a section with keys of its own",
    "greater_than": "must be above {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be below {lt:g}",
    "less_than_equal": "must be at most {le:g}",
}
_TOML_HINTS = {
    "Invalid value": "text stands in quotes, true and false in lower case, .9 is written 0.9",
    "Cannot overwrite a value": "the key stands there twice",
    "Invalid statement": 'a line reads key = "value" or [section], in UTF-8 without a byte order mark',
}


def explain(
    error: Exception,
    file: Path,
    environment: Mapping[str, str],
    changes: Mapping[str, Any],
    keys: Collection[str] = (),
) -> str:
    """All problems of one attempt to load the settings, a line each.

    Parameters
    ----------
    file, environment, changes
        The sources that were read, the last one winning; ``changes`` has dotted keys.
    keys
        Every setting there is, dotted, to say which one was meant.
    """
    if isinstance(error, ValidationError):
        return "\n".join(_problem(d, file, environment, changes, keys) for d in _flat(error.errors()))
    if isinstance(error, tomllib.TOMLDecodeError):
        return _toml_problem(error, file)
    if isinstance(error, UnicodeDecodeError):
        return f"{file} must be UTF-8 text, was not at byte {error.start}; save it as UTF-8"
    if unparsed := re.search(r'parsing value for field "(\w+)"', str(error)):
        name = unparsed[1]
        variable = _variable([name], environment) or variable_of(name)
        value = "" if name in SECRETS else f", was {_shown(environment.get(variable))}"
        return f"{variable}: {name} must be JSON, or a variable for each key, {variable}__KEY{value}"
    return str(error.__cause__ or error)


def settings_within(details: Sequence[ErrorDetails]) -> PydanticCustomError:
    """One error for a field that validates a tree of its own: pydantic keeps the place of the field only."""
    return PydanticCustomError(NESTED, "wrong settings", {"details": list(details)})


def variable_of(dotted: str) -> str:
    """The environment variable of a setting: ``SIGNALS_MARKET__SOURCE`` of ``market.source``."""
    return PREFIX + dotted.replace(".", "__").upper()


def meant(dotted: str, keys: Collection[str]) -> str | None:
    """The setting or section that somebody meant who wrote ``dotted``; None if nothing is near."""
    above, dot, last = dotted.rpartition(".")
    deeper = [key for key in keys if key.startswith(above + dot) and key.rpartition(".")[2] == last]
    if 1 <= len(deeper) <= 2:  # of two the one that is declared first; of more nobody can tell
        return deeper[0]
    names = sorted({*keys, *sections_of(keys)})
    if above in names:
        within = [name.removeprefix(above + dot) for name in names if name.startswith(above + dot)]
        return next((above + dot + near for near in get_close_matches(last, within, n=1, cutoff=0.75)), None)
    return next(iter(get_close_matches(dotted, names, n=1, cutoff=0.75)), None)


def sections_of(keys: Collection[str]) -> set[str]:
    """Every dotted name that has settings below it."""
    parts = [key.split(".") for key in keys]
    return {".".join(part[:depth]) for part in parts for depth in range(1, len(part))}


def _flat(details: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    for detail in details:
        if detail["type"] == NESTED:
            for inner in _flat(detail["ctx"]["details"]):
                yield {**inner, "loc": (*detail["loc"], *inner["loc"])}
        else:
            yield detail


def _problem(
    detail: ErrorDetails, file: Path, environment: Mapping[str, str], changes: Mapping[str, Any], keys: Collection[str]
) -> str:
    # The place in a list, and pydantic's mark for the key of a mapping, say nothing that the value does not.
    path = [str(part) for part in detail["loc"] if not isinstance(part, int) and part != "[key]"]
    rule = _rule(detail)
    if isinstance(detail["input"], Mapping) and detail["type"] == "value_error":
        # About several keys of one section: the message begins with the one that it names, and any may be to blame.
        named = [word for word in re.findall(r"[a-z][a-z0-9_]*", rule) if ".".join([*path, word]) in keys]
        depths = [_depth([*path, word], file, environment, changes) for word in named]
        blamed = next((word for word, depth in zip(named, depths, strict=True) if depth > len(path)), None)
        place = _place([*path, blamed] if blamed else path, file, environment, changes)
        return f"{place}{'.'.join(path)}.{rule}"
    shows_value = ", was " not in rule and not isinstance(detail["input"], Mapping) and path[0] not in SECRETS
    value = f", was {_shown(detail['input'])}" if shows_value else ""
    hint = _hint(".".join(path), keys) if detail["type"] == "extra_forbidden" else ""
    return f"{_place(path, file, environment, changes)}{'.'.join(path)} {rule}{value}{hint}"


def _rule(detail: ErrorDetails) -> str:
    if template := _RULES.get(detail["type"]):
        return template.format(**detail.get("ctx", {}))
    message = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    # The name of the thing stands before it already.
    return re.sub(r"^(timeframe|symbol|length) must", "must", message)


def _hint(dotted: str, keys: Collection[str]) -> str:
    if near := meant(dotted, keys):
        return f"; did you mean {near}?"
    parent = dotted.rpartition(".")[0]
    depth = len(parent.split(".")) if parent else 0
    beside = dict.fromkeys(key.split(".")[depth] for key in keys if not parent or key.startswith(f"{parent}."))
    return f"; there are {', '.join(beside)}" if beside else ""


def _shown(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}..."


def _place(path: Sequence[str], file: Path, environment: Mapping[str, str], changes: Mapping[str, Any]) -> str:
    """Where a setting was written: the command line, a variable, or a line of the file; "" if nowhere."""
    depth, place = max(_traces(path, file, environment, changes), key=lambda trace: trace[0])
    return place if depth else ""


def _depth(path: Sequence[str], file: Path, environment: Mapping[str, str], changes: Mapping[str, Any]) -> int:
    """How many parts of ``path`` some source writes out."""
    return max(depth for depth, _ in _traces(path, file, environment, changes))


def _traces(
    path: Sequence[str], file: Path, environment: Mapping[str, str], changes: Mapping[str, Any]
) -> Iterator[tuple[int, str]]:
    """How much of ``path`` each source writes out, and what to call the place; the source that wins comes first."""
    yield max((_shared(key.split("."), path) for key in changes), default=0), "--set "
    variables = {name: _shared(_parts(name), path) for name in environment if name.upper().startswith(PREFIX)}
    deepest = max(variables, key=lambda name: variables[name], default="")
    yield variables.get(deepest, 0), f"{deepest}: "
    depth, line = _written(list(path), file)
    yield depth, f"{file}:{line}: "
    yield 0, ""


def _shared(key: Sequence[str], path: Sequence[str]) -> int:
    """Parts that ``path`` shares with ``key``, if one goes on where the other ends; else 0."""
    length = min(len(key), len(path))
    return length if list(key[:length]) == list(path[:length]) else 0


def _parts(variable: str) -> list[str]:
    return variable[len(PREFIX) :].lower().split("__")


def _variable(path: list[str], environment: Mapping[str, str]) -> str | None:
    return next((name for name in environment if name.upper().startswith(PREFIX) and _parts(name) == path), None)


def line_of(path: list[str], file: Path) -> int | None:
    """The line of the file that sets ``path``, or the nearest table above it."""
    return _written(path, file)[1]


def _written(path: list[str], file: Path) -> tuple[int, int | None]:
    """How many parts of ``path`` the file writes out, and the first line that does."""
    deepest: tuple[int, int | None] = 0, None
    if not file.is_file():
        return deepest
    table: list[str] = []
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if header := re.match(r"\s*\[+([^\]]+)\]+\s*(#|$)", text):
            key = table = _key(header[1])
        elif assignment := re.match(r"\s*([\w.\"' /-]+?)\s*=", text):
            key = [*table, *_key(assignment[1])]
        else:
            continue
        if (depth := _shared(key, path)) > deepest[0]:
            deepest = depth, number
    return deepest


def _key(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]


def _toml_problem(error: tomllib.TOMLDecodeError, file: Path) -> str:
    found = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(error), flags=re.DOTALL)
    if found is None:
        return f"{file} must be TOML: {error}"
    message, line, column = found.groups()
    hint = f"; {_TOML_HINTS[message]}" if message in _TOML_HINTS else ""
    if line is None:
        return f"{file} must be TOML, was not at its end: {message}{hint}"
    return f"{file}:{line}: must be TOML, was not at column {column}: {message}{hint}"
