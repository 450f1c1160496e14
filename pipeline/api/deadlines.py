"""An end to every wait: a request that is not being answered after some time is told that the database is away.

Whatever it waits for goes on and ends by itself (`pipeline.storage.patience`); it keeps its thread, and its place where
it computes, until then. While a look at the service's health hangs like that, whoever asks for another is told at once.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.errors import answer_to
from pipeline.domain.errors import DatabaseUnavailableError

HEALTH = "/health"
HEALTH_S = 3.0  # who watches the service asks it with a patience of its own
READING_S = 15.0
WORKING_S = 30.0  # of what changes or makes something, and waits for its turn
ROUND_S = 0.25  # between looks at those that wait: a timer for each would cost more than all else here


class Deadlines:
    """Answers 503 in place of whatever has not begun to answer in time."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._waiting: set[_Wait] = set()
        self._n_hanging = 0  # looks at the service's health that have not ended though others have answered for them
        self._is_looking = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count the time in which it is not answered; that in which it comes is not meant."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_health = scope["path"] == HEALTH
        if is_health and self._n_hanging:
            await answer_to(DatabaseUnavailableError("an earlier look hangs"))(scope, receive, send)
            return
        wait = _Wait(scope, receive, send)
        self._waiting.add(wait)
        if not self._is_looking:
            self._is_looking = True
            wait.loop.call_later(ROUND_S, self._look)
        try:
            await self.app(scope, wait.receive, wait.send)
        finally:
            self._waiting.discard(wait)
            if is_health and wait.is_late:
                self._n_hanging -= 1

    def _look(self) -> None:
        """Answer for those that have waited too long; again after a round, as long as anybody waits."""
        for wait in [wait for wait in self._waiting if wait.is_over()]:
            self._waiting.discard(wait)
            self._n_hanging += wait.scope["path"] == HEALTH
            wait.answer()
        self._is_looking = bool(self._waiting)
        if self._is_looking:
            asyncio.get_running_loop().call_later(ROUND_S, self._look)


class _Wait:
    """One request that waits for its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self._receive, self._send = scope, receive, send
        self.loop = asyncio.get_running_loop()
        self._since: float | None = self.loop.time()  # None while it comes, and once it is being answered
        self._has_come = self._has_begun = False  # the request, whole; its answer
        self._late: asyncio.Task[None] | None = None

    @property
    def is_late(self) -> bool:
        """Whether it was answered in place of what was to answer it."""
        return self._late is not None

    @property
    def _seconds(self) -> float:
        if self.scope["path"] == HEALTH:
            return HEALTH_S
        return READING_S if self.scope["method"] in ("GET", "HEAD") else WORKING_S

    def is_over(self) -> bool:
        """Whether it has waited too long."""
        return self._since is not None and self.loop.time() - self._since > self._seconds

    def answer(self) -> None:
        """Say that the database is away; whatever is said later is not sent."""
        away = DatabaseUnavailableError(f"a request was not answered in {self._seconds:g} s")
        self._late = asyncio.create_task(answer_to(away)(self.scope, self._receive, self._send))

    async def receive(self) -> Message:
        """What comes next of the request; how long that takes is for others to judge."""
        if self._has_come or self._has_begun:
            return await self._receive()
        self._since = None
        message = await self._receive()
        self._has_come = not message.get("more_body", False)
        self._since = None if self._has_begun else self.loop.time()
        return message

    async def send(self, message: Message) -> None:
        """Send it, unless it comes too late."""
        if self._late is None:
            self._has_begun, self._since = True, None
            await self._send(message)
