"""Values as JSON has them, for whoever writes JSON: the command line and the API.

Instants are ISO 8601 in UTC with ``Z`` at the end; what JSON does not know becomes text or null.
"""

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID


def iso(value: datetime) -> str:
    """An instant for programs: ISO 8601 in UTC, ``Z`` at the end."""
    if value.tzinfo is None:
        return value.isoformat()
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def json_value(value: Any) -> Any:
    """A value with nothing in it that JSON does not know; NaN and infinities are null."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str | UUID | timedelta):
        return str(value)
    if isinstance(value, Decimal):
        return json_value(float(value)) if value % 1 or not value.is_finite() else int(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [json_value(item) for item in value]
    return value.hex() if isinstance(value, bytes) else str(value)


def json_text(value: Any, indent: int | None = 2) -> str:
    """A value as JSON."""
    return json.dumps(json_value(value), indent=indent, ensure_ascii=False, allow_nan=False)
