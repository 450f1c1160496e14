"""A place in the order of signals as one opaque word: what an answer gives, and the next request gives back."""

import base64
import json
import re

from pydantic import TypeAdapter

from pipeline.domain.errors import DataContractError
from pipeline.domain.universe import SYMBOL_PATTERN
from pipeline.storage.paging import Place

MAX_LENGTH = 400
PLACE = TypeAdapter(Place)


def written(place: Place) -> str:
    """The cursor of a place; numbers keep every bit."""
    text = json.dumps(place, default=str, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_place(cursor: str) -> Place:
    """The place of a cursor; `DataContractError` for anything that is none."""
    try:
        if len(cursor) <= MAX_LENGTH:
            text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            place = PLACE.validate_json(text)
            if re.fullmatch(SYMBOL_PATTERN, place.symbol):
                return place
    except ValueError:  # of base64 and of pydantic
        pass
    raise DataContractError("cursor must be the next_cursor of an earlier answer, unchanged")
