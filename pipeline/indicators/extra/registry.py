"""Indicators of one's own, found by looking at the files of this folder; a file that is there is available."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pipeline.domain.errors import ConfigurationError
from pipeline.indicators.extra.definition import OwnIndicator

PACKAGE = "pipeline.indicators.extra"


@cache
def own_indicators(package: str = PACKAGE) -> Mapping[str, OwnIndicator]:
    """Import every module of ``package`` and collect the indicators that it holds, by key, sorted.

    Called where a setting names one, and by `signals indicators`: where none is used, no file is read.

    Raises
    ------
    ConfigurationError
        When a module cannot be imported, or two indicators share a key.
    """
    found: dict[str, OwnIndicator] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__, prefix=f"{package}."):
        try:
            module = importlib.import_module(info.name)
        except Exception as error:
            raise ConfigurationError(
                f"indicator module {info.name} must import without an error, raised {type(error).__name__}: {error}; "
                "mend the file or take it out of the folder"
            ) from error
        for each in (value for value in vars(module).values() if isinstance(value, OwnIndicator)):
            if (other := found.setdefault(each.key, each)) is not each:
                raise ConfigurationError(
                    f"indicator key must be unique, was {each.key!r} in {other.module} and {each.module}"
                )
    return MappingProxyType(dict(sorted(found.items())))
