"""Wrong settings, explained: where each came from (variable, or file and line), what it must be, what it was."""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails


def explain(error: Exception, file: Path, environment: Mapping[str, str], changes: Mapping[str, Any]) -> str:
    """All problems of one attempt to load the settings, a line each."""
    if isinstance(error, ValidationError):
        return "\n".join(_problem(detail, file, environment, changes) for detail in error.errors())
    if isinstance(error, tomllib.TOMLDecodeError):
        return f"{file} is not TOML: {error}"
    return str(error.__cause__ or error)


def _problem(detail: ErrorDetails, file: Path, environment: Mapping[str, str], changes: Mapping[str, Any]) -> str:
    path = [str(part) for part in detail["loc"]]
    rule = detail["msg"].removeprefix("Value error, ")
    strategy = re.match(r"([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*): (.*)", rule) if path == ["strategies"] else None
    if strategy:
        path, rule = ["strategies", *strategy[1].split(".")], strategy[2]
    name = ".".join(path)
    rule = rule.replace("Input should be", "must be").replace("Extra inputs are not permitted", "is not a setting")
    value = "" if ", was " in rule or not path or isinstance(detail["input"], dict) else f", was {detail['input']!r}"
    return f"{_place(path, file, environment, changes)}{name} {rule}{value}".strip()


def _place(path: list[str], file: Path, environment: Mapping[str, str], changes: Mapping[str, Any]) -> str:
    """Where a setting was written: a variable, the command line, or a line of the file."""
    if ".".join(path) in changes:
        return "--set "
    for depth in range(len(path), 0, -1):
        variable = "SIGNALS_" + "__".join(path[:depth]).upper()
        if variable in environment:
            return f"{variable}: "
    line = _line_of(path, file)
    return f"{file}:{line}: " if line else ""


def _line_of(path: list[str], file: Path) -> int | None:
    """The line of the file that sets ``path``, or the nearest table above it."""
    if not file.is_file():
        return None
    table: list[str] = []
    nearest = None
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if header := re.match(r"\s*\[+([^\]]+)\]+", text):
            table = [part.strip().strip("\"'") for part in header[1].split(".")]
            key = table
        elif assignment := re.match(r"\s*([\w.\"'-]+)\s*=", text):
            key = [*table, *(part.strip("\"'") for part in assignment[1].split("."))]
        else:
            continue
        if key == path[: len(key)] and (len(key) > len(table) or key == path or nearest is None):
            nearest = number
            if len(key) >= len(path) or len(key) > len(table):
                return number
    return nearest
