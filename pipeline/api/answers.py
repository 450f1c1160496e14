"""Answers as bytes, held to their models in one go; the framework would do it once more, and in another thread."""

from typing import Any

from pydantic import BaseModel
from starlette.responses import Response


def json_of(kind: type[BaseModel], **values: Any) -> bytes:
    """An answer of a kind as JSON."""
    return kind.model_validate(values).model_dump_json().encode()


def answered(body: bytes) -> Response:
    """JSON that is ready, as it is sent."""
    return Response(body, media_type="application/json")
