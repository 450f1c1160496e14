"""Errors as statuses, in one place and one shape; no stack, SQL or secret leaves.

Add a row to `STATUSES` when callers must react differently to an error. Whatever nobody foresaw is a 500 with a
reference, under which the log has the rest.
"""

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.api.wording import with_our_instants, wrong_fields
from pipeline.domain.errors import (
    ChangesDeletedError,
    DatabaseUnavailableError,
    DataContractError,
    IllegalTransitionError,
    SignalsError,
    TemporaryError,
)
from pipeline.requesting import UnknownSymbolsError

LOG = logging.getLogger("pipeline.api")
RETRY_AFTER_S = 5
INVALID = "invalid_request"
UNREADABLE = "must be JSON in UTF-8"

AWAY = {
    "database_unavailable": "the database does not answer; try again later",
    "try_again_later": "too much is asked for at once; try again later",
    "request_in_progress": "a request with this Idempotency-Key is being answered; ask again for its answer",
}
HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}


class NotFoundError(DataContractError):
    """No stored signal has this id."""

    def __init__(self, signal_id: UUID) -> None:
        super().__init__(f"no signal has the id {signal_id}")


class RefusedError(HTTPException):
    """A request that is refused for who makes it, how, or how often; ``facts`` stand beside code and message."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **facts: Any
    ) -> None:
        super().__init__(status, message, headers=headers)
        self.code, self.facts = code, facts


class WrongFieldsError(DataContractError):
    """Values of a request that are wrong for what is stored; ``fields`` names them, as ``body.at``."""

    def __init__(self, message: str, *fields: str) -> None:
        super().__init__(message)
        self.fields = fields


class KeyInUseError(TemporaryError):
    """A request with the same Idempotency-Key is being answered."""


class KeyReusedError(DataContractError):
    """An Idempotency-Key came with another request before."""


class UnknownChangeError(DataContractError):
    """A cursor names a change that this database does not have."""

    def __init__(self) -> None:
        super().__init__(
            "the cursor is of another database, or of this one before it was restored from a backup; "
            "begin without a cursor, then ask for the active signals"
        )


# Error -> status and code, most specific first; what the error says is told where its words are meant for callers.
STATUSES: tuple[tuple[type[SignalsError], int, str], ...] = (
    (DatabaseUnavailableError, 503, "database_unavailable"),
    (KeyInUseError, 409, "request_in_progress"),
    (TemporaryError, 503, "try_again_later"),
    (IllegalTransitionError, 409, "illegal_transition"),
    (NotFoundError, 404, "not_found"),
    (KeyReusedError, 422, "idempotency_key_reused"),
    (UnknownChangeError, 410, "unknown_cursor"),
    (ChangesDeletedError, 410, "unknown_cursor"),
    (DataContractError, 422, INVALID),
)


def refusal(
    status: int, code: str, message: str, /, *, headers: Mapping[str, str] | None = None, **facts: Any
) -> JSONResponse:
    """An answer of `payloads.ErrorAnswer`'s shape; ``facts`` stand beside code and message."""
    error = {"code": code, "message": message, **facts}
    return JSONResponse({"success": False, "error": error}, status, headers=None if headers is None else dict(headers))


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of ours, of the framework and of validation in one shape."""
    app.add_exception_handler(SignalsError, _signals_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)


def answer_to(error: RefusedError | SignalsError) -> JSONResponse:
    """What is answered for an error; for what stands before the handlers."""
    if isinstance(error, RefusedError):
        return refusal(error.status_code, error.code, error.detail, headers=error.headers, **error.facts)
    found = next(((status, code) for kind, status, code in STATUSES if isinstance(error, kind)), None)
    if found is None:  # an operator's: the message may name places and settings of this machine
        return _unexpected(error)
    status, code = found
    if isinstance(error, TemporaryError):
        LOG.warning("unavailable code=%s error=%s", code, " ".join(str(error).split()))
        return refusal(status, code, AWAY[code], headers={"Retry-After": str(RETRY_AFTER_S)})
    message, facts = with_our_instants(str(error)), dict[str, Any]()
    if isinstance(error, IllegalTransitionError):
        facts["status"] = error.status
    elif isinstance(error, UnknownSymbolsError):
        facts["fields"] = [{"field": "body.symbols", "message": reason} for reason in error.reasons]
    elif isinstance(error, WrongFieldsError):
        facts["fields"] = [{"field": field, "message": message} for field in error.fields]
        message = f"{', '.join(error.fields)}: {message}"
    return refusal(status, code, message, **facts)


async def _signals_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, SignalsError)
    return answer_to(error)


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = wrong_fields(error.errors(), request.headers.get("content-type"))
    message = "; ".join(f"{each['field']}: {each['message']}" for each in fields)
    return refusal(422, INVALID, message, fields=fields)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error, RefusedError):
        return answer_to(error)
    if error.status_code == 400:  # the framework's word for a body that it cannot even decode
        return refusal(422, INVALID, f"body: {UNREADABLE}", fields=[{"field": "body", "message": UNREADABLE}])
    code = HTTP_CODES.get(error.status_code, "refused")
    return refusal(error.status_code, code, str(error.detail), headers=error.headers)


def _unexpected(error: Exception) -> JSONResponse:
    reference = uuid4().hex[:12]
    LOG.error("unexpected reference=%s", reference, exc_info=error)
    return refusal(500, "internal_error", f"something went wrong; the log has it as {reference}", reference=reference)


class UnexpectedErrors:
    """Answers what no handler knows, and keeps it from whoever asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an error before the answer has begun becomes a 500."""
        has_begun = False

        async def noting(message: Message) -> None:
            nonlocal has_begun
            has_begun = has_begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, noting)
        except Exception as error:
            if scope["type"] != "http" or has_begun:
                raise
            await _unexpected(error)(scope, receive, send)
