"""The API on a port of this machine, in a thread of the test's process, over a real database."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from pipeline.api.application import build_application
from pipeline.api.serving import Server, listen, url_of
from pipeline.domain.access import Scope
from pipeline.domain.errors import ConfigurationError
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from pipeline.storage.keys import free_name, make_key
from pipeline.storage.users import add_user, user_of

SIGNALS = "/api/v1/ai/trading-signals"
UNLIMITED = {f"api.{scope}_per_minute": 0 for scope in Scope}
KEYS = {"api.require_keys": True}  # settings of a server that asks for keys as one does that others can reach


@contextmanager
def an_api(
    database: Database,
    *,
    at: datetime | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    settings: dict[str, Any] | None = None,
) -> Iterator[httpx.Client]:
    """A client of a server that answers from ``database``; its clock stands still at ``at``, if given.

    It allows as many requests as there are, unless ``settings`` say otherwise.
    """
    values = {"market.source": "files", **UNLIMITED, **(settings or {})}
    app = build_application(database, load_settings(values), clock=clock if at is None else lambda: at)
    is_ready = threading.Event()
    with listen("127.0.0.1", 0) as listener:
        server = Server(app, url_of(listener), lambda url: is_ready.set())
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        assert is_ready.wait(30)
        try:
            with httpx.Client(base_url=url_of(listener), timeout=60) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join(30)


def a_key(
    database: Database,
    *scopes: Scope,
    user: str = "alice",
    name: str | None = None,
    at: datetime | None = None,
    lifetime: timedelta = timedelta(days=30),
) -> str:
    """A key of a user, who is made if there is none; with every scope if none is named."""
    with database.begin() as conn:
        try:
            number = user_of(conn, user)
        except ConfigurationError:
            number = add_user(conn, user)
        called = free_name(conn, user) if name is None else name
        made_at = datetime.now(UTC) if at is None else at
        return make_key(conn, number, scopes or tuple(Scope), name=called, at=made_at, lifetime=lifetime)


def showing(key: str) -> dict[str, str]:
    """The header that shows a key."""
    return {"Authorization": f"Bearer {key}"}


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """What an answer says of its error, after a look at its status and shape."""
    body = answer.json()
    assert (answer.status_code, body["success"], body["error"]["code"]) == (status, False, code), answer.text
    assert set(body) == {"success", "error"}
    assert isinstance(body["error"]["message"], str)
    error: dict[str, Any] = body["error"]
    return error


def wrong_fields(answer: httpx.Response) -> set[str]:
    """The fields that a 422 is about."""
    return {each["field"] for each in refused(answer, 422, "invalid_request")["fields"]}
