"""Steps are done again from their beginning when the database was away for a moment, or in conflict."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any


def retried(step: Callable[..., Any]) -> Callable[..., Any]:
    """Let a step's function, which has a parameter ``database``, survive what passes by itself; see `Database.retried`.

    A generator's results are collected, so that nothing is reported before all of it was stored.
    """

    @wraps(step)
    def returning(*arguments: Any, **named: Any) -> Any:
        return named["database"].retried(lambda: step(*arguments, **named))

    @wraps(step)
    def yielding(*arguments: Any, **named: Any) -> Any:
        yield from named["database"].retried(lambda: list(step(*arguments, **named)))

    return yielding if inspect.isgeneratorfunction(step) else returning
