"""A straight way for what is asked most: readings that are right at first sight.

To find a route, solve its dependencies and read its query takes FastAPI a third of what all else of an answer takes.
Here a GET of a path that is known, by somebody who may read, with a query that the route's model accepts, is given to
the route's own function. Everything else goes FastAPI's way, so that what is refused, and how, is decided there alone.
"""

import asyncio
import re
from collections.abc import Awaitable
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as Connection

from pipeline.api import performance, signals, watching
from pipeline.api.dependencies import Service
from pipeline.api.errors import answer_to
from pipeline.api.parameters import ActiveFilters, PerformanceWindow
from pipeline.api.requester import VISIT, Requester
from pipeline.domain.access import Scope
from pipeline.domain.errors import SignalsError

LOOKUPS_AT_ONCE = 4  # more threads only take the interpreter from one another, and p95 of 16 clients is later
Query = TypeVar("Query", bound=BaseModel)


class Straight:
    """Answers plain readings; stands before FastAPI and behind whatever every request passes through."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self._service = app, service
        self._lookups = asyncio.Semaphore(LOOKUPS_AT_ONCE)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        found = self._answer(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self.app(scope, receive, send)
            return
        route, answer = found
        scope["route"] = route
        try:
            response = await answer
        except SignalsError as error:
            response = answer_to(error)
        await response(scope, receive, send)

    def _answer(self, scope: Connection) -> tuple["Route", Awaitable[Response]] | None:
        """The route and the answer to come; None for whatever is to go FastAPI's way."""
        path, service, asker = scope["path"], self._service, scope[VISIT].requester
        if scope.get("root_path"):
            return None
        if path == HEALTH.path and not scope["query_string"]:
            return HEALTH, watching.health(service)
        if Scope.READ not in asker.scopes:
            return None
        if path == ACTIVE.path:
            filters = _read(ActiveFilters, scope)
            return None if filters is None else (ACTIVE, signals.active_signals(service, asker, filters))
        if path == PERFORMANCE.path:
            window = _read(PerformanceWindow, scope)
            return None if window is None else (PERFORMANCE, performance.signal_performance(service, asker, window))
        if (one := ONE_SIGNAL.fullmatch(path)) and not scope["query_string"]:
            return ONE, self._detail(asker, UUID(one[1]))
        return None

    async def _detail(self, asker: Requester, signal_id: UUID) -> Response:
        async with self._lookups:
            return await run_in_threadpool(signals.signal_detail, self._service, asker, signal_id)


class Route(NamedTuple):
    """What requests are counted under."""

    path: str


SIGNALS = signals.router.prefix
ACTIVE, PERFORMANCE, HEALTH = Route(f"{SIGNALS}/active"), Route(f"{SIGNALS}/performance"), Route("/health")
ONE = Route(f"{SIGNALS}/{{signal_id}}")
ONE_SIGNAL = re.compile(rf"{re.escape(SIGNALS)}/([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})")


def _read(kind: type[Query], scope: Connection) -> Query | None:
    """What a query asks for; None where it is not plainly right: a name twice, or anything that the model refuses."""
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    asked = dict(pairs)
    if len(asked) < len(pairs):
        return None
    try:
        return kind.model_validate(asked)
    except ValidationError:
        return None
