"""Places among signals or changes as one opaque word: what an answer gives, and the next request gives back."""

import base64
import json
import re

from pydantic import TypeAdapter

from pipeline.domain.errors import DataContractError
from pipeline.domain.universe import SYMBOL_PATTERN
from pipeline.storage.changes import BEGINNING, Mark
from pipeline.storage.paging import Place

MAX_LENGTH = 400
PLACE = TypeAdapter(Place)
MARK_PATTERN = r"^(0|[1-9][0-9]{0,17}-[0-9a-f]{12})$"


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


def written_mark(mark: Mark) -> str:
    """The cursor of a change; ``0`` before the first one."""
    return "0" if mark == BEGINNING else f"{mark.number}-{mark.words}"


def read_mark(cursor: str) -> Mark:
    """The mark of a cursor of changes; `DataContractError` for anything that is none."""
    if not re.fullmatch(MARK_PATTERN, cursor):
        raise DataContractError("must be the id or cursor of a change, unchanged, or 0 for all there are")
    number, _, words = cursor.partition("-")
    return Mark(int(number), words)
