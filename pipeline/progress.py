"""How far a long step has come, told to whoever watches: a terminal's bar, or nobody.

A step reports without knowing its watcher, so that it looks the same under Dagster, in a test and in a terminal.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Report = Callable[[int, int], None]  # parts done, parts in all
Watcher = Callable[[str, int, int], None]  # step, parts done, parts in all


def _nobody(step: str, done: int, total: int) -> None:
    """Nobody watches."""


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=_nobody)


def report(step: str, done: int, total: int) -> None:
    """Say that ``done`` of ``total`` parts of ``step`` are finished."""
    _watcher.get()(step, done, total)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell ``watcher`` about every report made inside the block."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)
