"""Who asks, by which key, and what that key opens.

`Identified` stands before all routes: it finds out who asks, and counts. A route says with `needs` which scope it asks
for, and is given the `Requester`:

    @router.get("/{signal_id}")
    def signal_detail(service: Served, asker: Annotated[Requester, needs(Scope.READ)], signal_id: UUID) -> ...
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import parse_qsl, unquote
from uuid import UUID

from fastapi import Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPBearer, SecurityScopes
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from pipeline.api.access import Access
from pipeline.api.dependencies import Service
from pipeline.api.errors import RefusedError, answer_to
from pipeline.api.limits import Allowance, Caller, Limits, caller_at
from pipeline.domain.access import Scope
from pipeline.domain.errors import SignalsError
from pipeline.json_values import iso
from pipeline.storage import accounts
from pipeline.storage.keys import KEY_PATTERN, StoredKey, find_key, note_use

OPEN = frozenset({"/health"})  # for whoever watches the service, without a key
PAGES = ("/docs", "/openapi.json")  # no routes of ours, so that they cannot say what they need: read
KEY_NAMES = frozenset({"api_key", "apikey", "key", "token", "access_token", "x_api_key", "authorization"})
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
# Whatever is asked by these methods counts under the scope that their routes need; everything else is read.
COUNTED = {"POST": Scope.GENERATE, "PATCH": Scope.EXECUTE, "PUT": Scope.EXECUTE}
VISIT = "signals.visit"
REALM = 'Bearer realm="signals"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Requester:
    """Who asks: a user by one of their keys or, without a key, somebody on this machine, who acts for the house."""

    user_id: UUID | None  # None: without a key; sees every signal
    name: str | None  # of the key
    scopes: frozenset[Scope]
    profile: str = accounts.HOUSE  # whose signals are meant where a request names none

    def may_see(self, owner: UUID | None) -> bool:
        """Whether signals of a user, or of the house (None), are there for them."""
        return self.user_id is None or owner is None or owner == self.user_id

    @property
    def actor(self) -> str:
        """What events have of them."""
        return "api" if self.name is None else f"api:{self.name}"


HOUSE = Requester(user_id=None, name=None, scopes=frozenset(Scope))


@dataclass(slots=True)
class _Visit:
    requester: Requester
    caller: Caller
    allowance: Allowance | None = None


BEARER = HTTPBearer(
    scheme_name="bearer", bearerFormat="signals_...", description="`Authorization: Bearer KEY`", auto_error=False
)
HEADER = APIKeyHeader(name="X-API-Key", scheme_name="header", description="`X-API-Key: KEY`", auto_error=False)


async def _admitted(
    request: Request,
    needed: SecurityScopes,
    bearer: Annotated[object, Security(BEARER)],  # these two are read by `Identified`, and told in the document here
    header: Annotated[object, Security(HEADER)],
) -> Requester:
    requester: Requester = request.scope[VISIT].requester
    for scope in needed.scopes:
        _check(requester, Scope(scope))
    return requester


def needs(scope: Scope) -> Any:
    """What a route writes behind the `Requester` that it is given: 403 to those whose key does not have the scope."""
    return Security(_admitted, scopes=[scope.value])


Reader = Annotated[Requester, needs(Scope.READ)]
Generator = Annotated[Requester, needs(Scope.GENERATE)]
Executor = Annotated[Requester, needs(Scope.EXECUTE)]


def _check(requester: Requester, scope: Scope) -> None:
    if scope not in requester.scopes:
        raise RefusedError(
            403,
            "scope_missing",
            f"the key {requester.name} must have the scope {scope}, has {', '.join(sorted(requester.scopes))}",
            headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            scope=scope,
        )


class Identified:
    """Finds out who asks before anything of the request is looked at, and how often they have."""

    def __init__(self, app: ASGIApp, service: Service, access: Access) -> None:
        self.app, self._service, self._access = app, service, access
        self._limits = Limits(service.settings.api)

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Pass the request on with its `Requester`, or answer 400, 401 or 429; 503 where no key can be looked up."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        visit = scope[VISIT] = _Visit(HOUSE, caller_at(scope["client"][0]))

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and visit.allowance is not None:
                MutableHeaders(scope=message).update(visit.allowance.headers)
            await send(message)

        try:
            _refuse_key_in_url(scope)
            await self._identify(scope, visit)
            self._count(scope, visit)
            if scope["path"].startswith(PAGES):
                _check(visit.requester, Scope.READ)
        except (RefusedError, SignalsError) as error:
            await answer_to(error)(scope, receive, counted)
            return
        await self.app(scope, receive, counted)

    async def _identify(self, scope: Connection, visit: _Visit) -> None:
        if scope["path"] in OPEN:
            return
        headers = Headers(scope=scope)
        try:
            key = _key_of(headers)
            if key is None:
                self._let_in_without(headers)
                return
            stored = await run_in_threadpool(self._known, key)
        except RefusedError:
            self._count(scope, visit)  # who tries keys out is an address, however many there are
            raise
        visit.requester = Requester(
            user_id=stored.user_id,
            name=stored.name,
            scopes=stored.scopes,
            profile=stored.profile or accounts.HOUSE,
        )
        visit.caller = Caller("key", str(stored.key_id))

    def _let_in_without(self, headers: Headers) -> None:
        if self._access.keys_required:
            raise _unauthorized(
                "key_missing", "a key is needed: Authorization: Bearer KEY; `signals keys add` makes one"
            )
        if any(name in headers for name in FORWARDED):
            raise _unauthorized(
                "key_missing", "a proxy has passed this on, so that it may come from anywhere: a key is needed"
            )

    def _known(self, key: str) -> StoredKey:
        """The key that this is; in a thread, as the database is asked."""
        at = self._service.clock()
        with self._service.database.reading() as conn:
            stored = find_key(conn, key)
        if stored is None:
            raise _unauthorized(
                "key_unknown",
                "this server knows no key like the one shown: a part of it may be lost, or it is another server's; "
                "`signals keys add` makes one",
            )
        state = stored.state(at)
        if state != "active":  # who has the whole key may know what became of it
            ended_at = stored.revoked_at or stored.expires_at
            raise _unauthorized(f"key_{state}", f"the key {stored.name} {ENDED[state]} at {iso(ended_at)}")
        if stored.is_use_to_be_noted(at):
            with self._service.database.begin() as conn:
                note_use(conn, stored, at)
        return stored

    def _count(self, scope: Connection, visit: _Visit) -> None:
        visit.allowance = self._limits.take(visit.caller, COUNTED.get(scope["method"], Scope.READ))
        if visit.allowance is not None and visit.allowance.retry_after_s is not None:
            counted = visit.allowance
            raise RefusedError(
                429,
                "too_many_requests",
                f"requests of scope {counted.scope} must be at most {counted.quota} in {counted.window_s:g} s; "
                f"the next one may come in {counted.headers['Retry-After']} s",
            )


ENDED = {"expired": "expired", "revoked": "was revoked"}


def _key_of(headers: Headers) -> str | None:
    """The one key that a request shows; None if it shows none."""
    shown = set(headers.getlist("x-api-key"))
    for value in headers.getlist("authorization"):
        scheme, _, key = value.partition(" ")
        if scheme.lower() != "bearer":
            raise _unauthorized("key_unknown", "the header Authorization must read: Bearer KEY")
        shown.add(key.strip())
    if len(shown) > 1:
        raise _unauthorized("key_unknown", "a request must show one key, showed several")
    return next(iter(shown), None)


def _unauthorized(code: str, message: str) -> RefusedError:
    challenge = REALM if code == "key_missing" else f'{REALM}, error="invalid_token"'
    return RefusedError(401, code, message, headers={"WWW-Authenticate": challenge})


def _refuse_key_in_url(scope: Connection) -> None:
    """URLs end in logs, histories and referrers, ours left out: whatever is in one is no secret any more."""
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    has_key = any(name.lower().replace("-", "_") in KEY_NAMES for name, _ in query)
    written = [scope["path"], *(unquote(part) for pair in query for part in pair)]
    if has_key or any(re.search(KEY_PATTERN, text) for text in written):
        raise RefusedError(
            400,
            "key_in_url",
            "a key must be in a header, Authorization: Bearer KEY, and never in a URL, which logs keep; if there was "
            "one in this, take it back now: `signals keys revoke`",
        )
