"""The registry: every strategy of this package, found by looking at its files.

Nothing is added here for a new strategy: a module in the folder that holds a decorated function is enough.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from pipeline.domain.errors import ConfigurationError
from pipeline.strategies.definition import Strategy, StrategyParameters, strategy

__all__ = ["MAX_REACH", "STRATEGIES", "Strategy", "StrategyParameters", "discover", "strategy"]


def discover(package: str) -> Mapping[str, Strategy]:
    """Import every module of ``package`` and collect the strategies that it holds, sorted by key.

    A list of strategies, or of imports, in one place would have to be edited for each new one; a file that is
    there counts. Nothing else is imported, and the names of the files do not decide on the order.
    A strategy that a second module imports, or that has two names in its module, is still one.

    Raises
    ------
    ConfigurationError
        When a module cannot be imported, or two strategies share a key or a signal name.
    """
    found: dict[str, Strategy] = {}
    emitters: dict[str, Strategy] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__, prefix=f"{package}."):
        for each in (value for value in vars(_import(info.name)).values() if isinstance(value, Strategy)):
            if (other := found.setdefault(each.key, each)) is not each:
                raise ConfigurationError(
                    f"strategy key must be unique, was {each.key!r} in {other.module} and {each.module}"
                )
            for name in each.names.values():
                if (other := emitters.setdefault(name, each)) is not each:
                    raise ConfigurationError(
                        f"signal name must belong to one strategy, was {name!r} in {other.module} and {each.module}"
                    )
    return MappingProxyType(dict(sorted(found.items())))


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ConfigurationError(
            f"strategy module {name} must import without an error, raised {type(error).__name__}: {error}; "
            "mend the file or take it out of the folder"
        ) from error


STRATEGIES: Mapping[str, Strategy] = discover("pipeline.strategies")
MAX_REACH: int = max(each.reach for each in STRATEGIES.values())
