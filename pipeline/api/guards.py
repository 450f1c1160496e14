"""From where may be asked: by programs, and by no web page that somebody's browser happens to show.

A page from elsewhere can make a browser post to 127.0.0.1, and by a name of its own that it lets resolve to 127.0.0.1
even read the answer. So the names that a request calls us by, and comes from, must be ours. Bodies have a limit.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.access import Access, is_loopback
from pipeline.api.errors import refusal
from pipeline.api.slow_clients import HEAD_TOO_LARGE, MAX_HEAD_BYTES

MAX_BODY_BYTES = 64 * 1024
HARDENING = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)


class OwnNames:
    """Refuses requests that call us by a foreign name, or that a page of another origin makes."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 400, 403 or 431."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *HARDENING]
            await send(message)

        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if _head_bytes(scope) > MAX_HEAD_BYTES:
            answer = refusal(431, "head_too_large", HEAD_TOO_LARGE)
        elif len(headers.getlist("host")) > 1:
            answer = refusal(400, "invalid_http", "a request must have one header Host, had several")
        elif not self._is_ours(_host_of(f"//{host}"), scope):
            names = "the header Host must name this server: 127.0.0.1, its own address, or one of api.public_hosts"
            answer = refusal(403, "foreign_host", names)
        elif origin is not None and origin.lower().partition("://")[2] != host.lower():
            answer = refusal(403, "foreign_origin", "the header Origin must be this server's own, or not be there")
        else:
            await self.app(scope, receive, hardened)
            return
        await answer(scope, receive, hardened)

    def _is_ours(self, name: str, scope: Scope) -> bool:
        own = scope["server"][0] if scope.get("server") else None  # where this connection has come to
        return is_loopback(name) or name in self.access.names or name == own


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _head_bytes(scope: Scope) -> int:
    """What came before the body, the method, the version and the ends of lines left out."""
    lines = sum(len(name) + len(value) for name, value in scope["headers"])
    return lines + len(scope["raw_path"]) + len(scope["query_string"])


class BodyLimit:
    """Refuses bodies of more than `MAX_BODY_BYTES`, announced or not."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 413; nothing of a body that is announced as too large is read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if int(Headers(scope=scope).get("content-length", "0")) > MAX_BODY_BYTES:  # a number, or the server refuses it
            await _too_large()(scope, receive, send)
            return
        n_bytes = 0

        async def counting() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > MAX_BODY_BYTES:
                raise HTTPException(413, TOO_LARGE, headers=CLOSED)
            return message

        await self.app(scope, counting, send)


CLOSED = {"Connection": "close"}  # what may still come of the body is not to be taken for another request
TOO_LARGE = f"a body must have at most {MAX_BODY_BYTES:,} bytes"


def _too_large() -> ASGIApp:
    return refusal(413, "body_too_large", TOO_LARGE, headers=CLOSED)
