"""Steps are done again from their beginning when the database was away for a moment, or in conflict."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from pipeline.storage.database import Database


def retried(step: Callable[..., Any]) -> Callable[..., Any]:
    """Let a step's function survive what passes by itself; see `Database.retried`.

    It has a parameter ``database``, or ``unlocked_database`` where it does not hold the chain's lock.

    A generator's results are collected, so that nothing is reported before all of it was stored.
    """

    @wraps(step)
    def returning(*arguments: Any, **named: Any) -> Any:
        return _database(named).retried(lambda: step(*arguments, **named))

    @wraps(step)
    def yielding(*arguments: Any, **named: Any) -> Any:
        yield from _database(named).retried(lambda: list(step(*arguments, **named)))

    return yielding if inspect.isgeneratorfunction(step) else returning


def _database(named: Mapping[str, Any]) -> Database:
    found: Database = named["database"] if "database" in named else named["unlocked_database"]
    return found
