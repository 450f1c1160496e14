"""Whether each parameter of a URL is one that its route has, and there once: what is ignored misleads whoever asks."""

from collections import Counter

from fastapi import Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

UNKNOWN = "is no parameter of this route"


async def _understood(request: Request) -> None:
    """Refuse what would be ignored: 422 by name."""
    route = request.scope["route"]
    if not request.scope["query_string"] or not route.include_in_schema:
        return
    known = _known(route)
    counted = Counter(name for name, _ in request.query_params.multi_items())
    wrong = {name: f"must be there once, was there {times} times" for name, times in counted.items() if times > 1}
    if known is not None:
        wrong |= {name: UNKNOWN for name in counted if name not in known}
    if wrong:
        raise RequestValidationError(
            [{"type": "value_error", "loc": ("query", name), "msg": message} for name, message in wrong.items()]
        )


def _known(route: APIRoute) -> frozenset[str] | None:
    """The parameters of a route; None where a model has them, which judges the names together with the values."""
    fields = route.dependant.query_params
    kinds = [field.field_info.annotation for field in fields]
    if any(isinstance(kind, type) and issubclass(kind, BaseModel) for kind in kinds):
        return None
    return frozenset(field.alias for field in fields)


UNDERSTOOD = Depends(_understood)
