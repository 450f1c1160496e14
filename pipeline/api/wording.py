"""What is wrong with a request, in words for people where the validation speaks of its own types and patterns."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipeline.api.parameters import ONE_LINE
from pipeline.domain.status import SignalStatus
from pipeline.domain.universe import EXCHANGE_PATTERN
from pipeline.json_values import iso

DATABASE_INSTANT = r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00\b"
JSON_TYPE = r"application/([\w.-]+\+)?json\s*(;.*)?"  # what the framework reads as JSON
VARIANTS = frozenset(SignalStatus)  # name the variants of a body, and no places in it
OBJECT_TYPES = frozenset({"model_type", "model_attributes_type", "dict_type"})
TAG_TYPES = frozenset({"union_tag_invalid", "union_tag_not_found"})
PATTERNS = {
    ONE_LINE: "must be one line of text: not empty, and without characters that control how it is shown",
    EXCHANGE_PATTERN: "must be the name of an exchange in lower case, such as binance",
}
STATUSES = "must be EXECUTED or INVALIDATED"


def wrong_fields(errors: Iterable[Mapping[str, Any]], content_type: str | None) -> list[dict[str, str]]:
    """Each wrong value by its place, ``query.limit``, ``body.price``, and what it must be; never the value itself.

    ``errors`` are those of pydantic, ``content_type`` is the header of the request.
    """
    return [_wrong(each, content_type) for each in errors]


def _wrong(error: Mapping[str, Any], content_type: str | None) -> dict[str, str]:
    kind, place = error["type"], _place(error["loc"])
    if kind in OBJECT_TYPES:
        if place == "body" and not re.fullmatch(JSON_TYPE, content_type or "", re.IGNORECASE):
            was = "was not there" if content_type is None else "was another"
            return {"field": "header.content-type", "message": f"must be application/json, {was}"}
        return {"field": place, "message": "must be a JSON object"}
    if kind in TAG_TYPES:
        name = error["ctx"]["discriminator"].strip("'")
        return {"field": f"{place}.{name}", "message": STATUSES}
    if kind == "string_pattern_mismatch" and error["ctx"]["pattern"] in PATTERNS:
        return {"field": place, "message": PATTERNS[error["ctx"]["pattern"]]}
    return {"field": place, "message": str(error["msg"]).removeprefix("Value error, ")}


def _place(parts: Sequence[str | int]) -> str:
    place = ".".join(str(part) for part in parts if part not in VARIANTS)
    return place.encode("utf-8", "replace").decode()  # a key of JSON may hold half a character


def with_our_instants(text: str) -> str:
    """A sentence of the database with its instants as answers have them: ``2024-06-01T12:00:00Z``."""
    return re.sub(DATABASE_INSTANT, lambda found: iso(datetime.fromisoformat(f"{found[0]}:00")), text)
