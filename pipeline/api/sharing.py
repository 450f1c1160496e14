"""One computation for all who ask the same at once, of what is the same for everybody and takes the database long."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from starlette.concurrency import run_in_threadpool

T = TypeVar("T")


class Shared(Generic[T]):
    """Computations by what is asked; of each at most one runs, and one waits for it to end.

    Nobody is given what was computed before he asked: who comes while one runs is given the next one, together with all
    who come until that begins. An error is everybody's too. Of one event loop.
    """

    def __init__(self) -> None:
        self._waiting: dict[Hashable, asyncio.Task[T]] = {}
        self._running: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def computed(self, asked: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` returns, called in a thread after this was asked, by whoever asked first."""
        task = self._waiting.get(asked)
        if task is None:
            task = self._waiting[asked] = asyncio.create_task(self._computed(asked, compute))
        return await asyncio.shield(task)  # that one gives up takes nothing from the others

    async def _computed(self, asked: Hashable, compute: Callable[[], Any]) -> T:
        async with self._running.setdefault(asked, asyncio.Lock()):
            del self._waiting[asked]
            found: T = await run_in_threadpool(compute)
            return found
