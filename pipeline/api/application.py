"""The application: routes in their order, and around them what every request passes through."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from pipeline import __version__
from pipeline.api import accounts, generation, performance, signals, stream
from pipeline.api.access import LOOPBACK, Access, access_of
from pipeline.api.computing import places
from pipeline.api.deadlines import Deadlines
from pipeline.api.dependencies import Service
from pipeline.api.errors import UnexpectedErrors, add_error_handlers
from pipeline.api.examples import EXAMPLES, REFUSALS
from pipeline.api.following import Following
from pipeline.api.guards import BodyLimit, OwnNames
from pipeline.api.heads import HeadAsGet
from pipeline.api.key_watch import KeyWatch
from pipeline.api.metrics import Measured, Metrics
from pipeline.api.page import add_page
from pipeline.api.payloads import ErrorAnswer
from pipeline.api.questions import UNDERSTOOD
from pipeline.api.requester import OPEN, Identified
from pipeline.api.straight import Straight
from pipeline.api.watching import watching
from pipeline.settings import Settings
from pipeline.storage.database import Database
from pipeline.storage.patience import wait_only_so_long

ABOUT = """Ranked, explainable crypto trading signals. Every error has one shape: `success` is false, `error.code` is a
word to decide by, `error.message` a sentence for people."""


def _refusal(status: int, description: str, **headers: str) -> dict[str, Any]:
    code, message = REFUSALS[status]
    error = {"code": code, "message": message, **({"scope": "execute"} if code == "scope_missing" else {})}
    return {
        "model": ErrorAnswer,
        "description": description,
        "content": {"application/json": {"example": {"success": False, "error": error}}},
        "headers": {name.replace("_", "-"): {"schema": {"type": kind}} for name, kind in headers.items()},
    }


# What any route may answer; each is told with its reason in `ErrorAnswer`.
ERRORS: dict[int | str, dict[str, Any]] = {
    400: _refusal(400, "a key in the URL, which is to be taken back"),
    401: _refusal(401, "no key, or none that opens anything (any more); `code` says which", WWW_Authenticate="string"),
    403: _refusal(403, "a key without the `scope`, or a foreign Host or Origin"),
    408: {"model": ErrorAnswer, "description": "a request that took too long to come"},
    413: {"model": ErrorAnswer, "description": "a body that is too large"},
    422: {"model": ErrorAnswer, "description": "a value that is wrong; `fields` says which"},
    429: _refusal(429, "too often; try again after Retry-After seconds", Retry_After="integer"),
    431: {"model": ErrorAnswer, "description": "too much before the body"},
    500: {"model": ErrorAnswer, "description": "nobody foresaw it; the log has it under `reference`"},
    503: _refusal(503, "the database does not answer; try again after Retry-After seconds", Retry_After="integer"),
}


class Application(FastAPI):
    """An application whose document shows examples as they are, and keys as this server asks for them."""

    keys_required = False

    def openapi(self) -> dict[str, Any]:
        """The document, made once; FastAPI itself would leave every null out of an example."""
        if self.openapi_schema is None:
            made = super().openapi()
            for name, example in EXAMPLES.items():
                made["components"]["schemas"][name]["examples"] = [example]
            for path, operations in made["paths"].items():
                for operation in operations.values():
                    if path in OPEN:
                        operation["security"] = []
                        del operation["responses"]["401"]
                    elif not self.keys_required:
                        operation["security"].append({})  # or none
        document: dict[str, Any] = super().openapi()
        return document


def build_application(
    database: Database,
    settings: Settings,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    access: Access | None = None,
) -> FastAPI:
    """The API over a migrated database.

    Parameters
    ----------
    database
        Its connections wait only so long for the server from now on, so that no request waits for ever.
    settings
        Those of the start: which exchange is meant, how signals are ranked, by what a bar is explained.
    clock
        What time it is, aware: as of when signals are active, windows end and keys expire. Executions go by the
        database's clock.
    access
        Whom the server answers; by default one on a loopback address, as the settings have it.
    """
    wait_only_so_long(database.engine)
    access = access_of(LOOPBACK, settings.api) if access is None else access
    service = Service(database, settings, clock)
    following = Following(database, settings.market)
    metrics = Metrics(service)
    metrics.watch_streams(lambda: following.n_streams)
    app = Application(
        title="Trading signals",
        version=__version__,
        description=ABOUT,
        responses=ERRORS,
        dependencies=[UNDERSTOOD],
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        middleware=[  # the first one is the outermost
            Middleware(Measured, metrics=metrics),
            Middleware(OwnNames, access=access),
            Middleware(Deadlines),
            Middleware(UnexpectedErrors),
            Middleware(Identified, service=service, access=access),
            Middleware(HeadAsGet),
            Middleware(BodyLimit),
            Middleware(Straight, service=service),
        ],
    )
    app.keys_required = access.keys_required
    app.state.service = service
    app.state.following = following
    app.state.key_watch = KeyWatch(database, clock, following.wake)
    app.state.places = places()
    add_error_handlers(app)
    app.include_router(performance.router)  # before /{signal_id}, which would take it for an id
    app.include_router(stream.router)
    app.include_router(signals.router)
    app.include_router(accounts.router)
    app.include_router(generation.router)
    app.include_router(watching(metrics))
    add_page(app)
    return app
