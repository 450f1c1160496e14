"""Routes for whoever watches the service: whether it works, and its numbers for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import Response

from pipeline import __version__
from pipeline.api.answers import answered, json_of
from pipeline.api.dependencies import Served, Service
from pipeline.api.metrics import Metrics
from pipeline.api.payloads import DatabaseHealth, HealthAnswer, SeriesAge
from pipeline.api.requester import Reader
from pipeline.market.health import is_stale
from pipeline.storage.queries import versions
from pipeline.storage.service_state import newest_closes


async def health(service: Served) -> Response:
    """Whether the service works, its versions, and how new the newest candles are; 503 without a database."""
    return answered(await service.shared.computed(("health",), lambda: _health(service)))


def _health(service: Service) -> bytes:
    as_of = service.clock()
    with service.database.reading() as conn:
        server_version, schema_revision = versions(conn)
        newest = newest_closes(conn)
    return json_of(
        HealthAnswer,
        as_of=as_of,
        version=__version__,
        database=DatabaseHealth(schema_revision=schema_revision, server_version=server_version),
        newest_closes=[
            SeriesAge(
                exchange=each.exchange,
                timeframe=each.timeframe,
                newest_close_at=each.close_at,
                age_seconds=(as_of - each.close_at).total_seconds(),
                missing_bars=each.missing_bars(as_of),
                is_stale=is_stale(each.timeframe, as_of, each.close_at),
            )
            for each in newest
        ],
    )


def watching(metrics: Metrics) -> APIRouter:
    """The routes, with the numbers of one application."""
    router = APIRouter(tags=["service"])
    router.get("/health", response_model=HealthAnswer)(health)

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {metrics.CONTENT_TYPE: {"schema": {"type": "string"}}}}},
    )
    def numbers(asker: Reader) -> Response:
        """Requests, latencies, active signals and the age of candles, as Prometheus reads them."""
        return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)

    return router
