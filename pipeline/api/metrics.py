"""What the service did and what is stored, as Prometheus reads it.

Labels take few values: a request counts under its route's template, never under its path, which anybody can make up.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.dependencies import Service
from pipeline.api.slow_clients import ANSWERED
from pipeline.domain.errors import DatabaseUnavailableError
from pipeline.domain.signal import SignalType
from pipeline.storage.service_state import active_counts, newest_closes

LOG = logging.getLogger("pipeline.api")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE, OTHER_METHOD = "none", "other"
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The numbers of one application."""

    CONTENT_TYPE = CONTENT_TYPE_LATEST

    def __init__(self, service: Service) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route")
        self._requests = Counter(
            "signals_api_requests", "Requests that were answered", (*labels, "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "signals_api_request_seconds",
            "From a request's first byte to the last of its answer",
            labels,
            buckets=BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(_Stored(service))

    def watch_streams(self, count: Callable[[], int]) -> None:
        """Tell how many streams are open, asked each time."""
        Gauge("signals_api_streams", "Streams that are open", registry=self._registry).set_function(count)

    def text(self) -> bytes:
        """All of them in Prometheus' text format; those of the database are asked for now."""
        return generate_latest(self._registry)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)


class _Stored(Collector):
    """What the database says; without it, only that it is away."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        as_of = self._service.clock()
        try:
            with self._service.database.reading() as conn:
                active, newest = active_counts(conn, as_of), newest_closes(conn)
        except DatabaseUnavailableError:
            yield GaugeMetricFamily("signals_database_up", UP, value=0)
            return
        yield GaugeMetricFamily("signals_database_up", UP, value=1)
        signals = GaugeMetricFamily(
            "signals_active", "Live signals that are active now", labels=("exchange", "signal_type")
        )
        counted = {(exchange, kind): count for exchange, kind, count in active}
        exchanges = {each.exchange for each in newest} | {exchange for exchange, _ in counted}
        for exchange in sorted(exchanges):
            for kind in SignalType:
                signals.add_metric((exchange, kind.value), counted.get((exchange, kind), 0))
        yield signals
        ages = GaugeMetricFamily(
            "signals_newest_close_age_seconds",
            "Age of the newest candle's close",
            labels=("exchange", "timeframe"),
        )
        for each in newest:
            ages.add_metric((each.exchange, each.timeframe.value), (as_of - each.close_at).total_seconds())
        yield ages


UP = "Whether the database answers"


class Measured:
    """Counts and logs every request, under its route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and note what came of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status, is_noted = time.perf_counter(), 0, False

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                note()

        def note() -> None:
            nonlocal is_noted
            if is_noted:
                return
            is_noted = True
            seconds = time.perf_counter() - began
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            route = getattr(scope.get("route") or _route_of(scope), "path", NO_ROUTE)
            answered = scope.get(ANSWERED, status)
            self.metrics.note(method, route, answered, seconds)
            LOG.info("request method=%s route=%s status=%d ms=%.1f", method, route, answered, seconds * 1000)

        try:
            await self.app(scope, receive, noting)
        finally:  # an answer that broke off has no last part
            note()


def _route_of(scope: Scope) -> Route | None:
    """The route of a request that was refused before one was looked for."""
    found = (route for route in _routes(scope["app"].routes) if route.matches(scope)[0] is Match.FULL)
    return next(found, None)


def _routes(routes: Iterable[BaseRoute]) -> Iterator[Route]:
    """Those of an application and of the routers in it, in their order."""
    for route in routes:
        if isinstance(route, Route):
            yield route
        elif (router := getattr(route, "original_router", None)) is not None:
            yield from _routes(router.routes)
