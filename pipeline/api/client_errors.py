"""What a client of the API raises: the server's refusals as they are told, and a server that is away."""

from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from pipeline.api.payloads import Error, ErrorAnswer, FieldError
from pipeline.domain.status import SignalStatus

Answer = TypeVar("Answer", bound=BaseModel)
AWAY = (429, 502, 503, 504)  # the same request may succeed later


class ClientError(Exception):
    """Everything that a client raises."""


class ApiError(ClientError):
    """The server refuses a request.

    Attributes
    ----------
    http_status
        422, 409 and the like.
    code
        A word to decide by, such as ``illegal_transition``; ``unknown`` where the answer is not the server's own.
    message
        A sentence for people.
    status
        Of ``illegal_transition``: the signal's status that stands.
    fields
        Of ``invalid_request``: every value that is wrong.
    reference
        Of ``internal_error``: what the server's log has it under.
    """

    def __init__(self, http_status: int, error: Error) -> None:
        super().__init__(f"{http_status} {error.code}: {error.message}")
        self.http_status, self.code, self.message = http_status, error.code, error.message
        self.status: SignalStatus | None = error.status
        self.fields: list[FieldError] = error.fields or []
        self.reference = error.reference


class InvalidRequestError(ClientError, ValueError):
    """What is asked for cannot be sent: a price that is no number, an instant without a time zone."""


class UnavailableError(ClientError):
    """The server, or what it needs, does not answer now; ``retry_after_s`` is when to come back, where it says so."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def error_of(answer: httpx.Response) -> ClientError:
    """The error that an answer of 400 or more tells; its body has been read."""
    try:
        error = ErrorAnswer.model_validate_json(answer.content).error
    except ValidationError:  # of a proxy in between
        error = Error(code="unknown", message=answer.reason_phrase or "no reason was told")
    if answer.status_code in AWAY:
        told = answer.headers.get("retry-after", "")
        retry_after_s = float(told) if told.isdigit() else None
        return UnavailableError(f"{answer.status_code} {error.code}: {error.message}", retry_after_s)
    return ApiError(answer.status_code, error)


def known(kind: type[Answer], answer: httpx.Response) -> Answer:
    """The answer as a model; `ApiError` where it is none, as of a newer server or of something in between."""
    try:
        return kind.model_validate_json(answer.content)
    except ValidationError as error:
        message = f"the answer is not one that this client knows: {error.errors()[0]['msg']}"
        raise ApiError(answer.status_code, Error(code="unknown", message=message)) from error
