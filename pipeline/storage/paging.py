"""Active signals a page at a time, in an order that signals which come and go do not disturb.

A page goes on behind the last signal of the one before it, wherever that now stands, and not after a number of rows:
what is stored or ends between two pages neither repeats nor hides a signal that is active all the while.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, Self
from uuid import UUID

import sqlalchemy as sa

from pipeline.domain.signal import SignalType
from pipeline.storage import tables
from pipeline.storage.plain import parameter, plain, plain_rows, sql_of
from pipeline.storage.queries import CALIBRATION, OCCASION, SignalFilter, best_first, calibrated_rank, conditions_of

# What a list tells of a signal beside its id, in the API's order.
SHOWN = (
    *("symbol", "signal_type", "strength", "confidence", "source", "description", "entry_price"),
    *("created_at", "expires_at"),
    *CALIBRATION,
    *OCCASION,
    "timeframe",
)


class Place(NamedTuple):
    """Where a signal stands in the order of `SignalFilter`: what it is compared by, in turn."""

    calibrated_rank: float  # `UNCALIBRATED` where it is unknown; looked at only where signals are ranked by it
    rank_score: float
    confidence: float
    strength: float
    symbol: str
    signal_type: SignalType
    signal_id: UUID

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Of a row of `active_page`."""
        return cls(
            calibrated_rank=row["calibrated_rank"],
            rank_score=row["rank_score"],
            confidence=row["confidence"],
            strength=row["strength"],
            symbol=row["symbol"],
            signal_type=SignalType(row["signal_type"]),
            signal_id=UUID(row["signal_id"]),
        )


def active_page(conn: sa.Connection, wanted: SignalFilter, after: Place | None = None) -> list[dict[str, Any]]:
    """The next signals behind a place, best first, as `list_signals` orders them; `wanted.limit` of them at most.

    Returns
    -------
    list of dict
        `signal_id` as text, the columns of `SHOWN`, and those of `Place`.
    """
    values = wanted.values
    sql = _page(tuple(values), wanted.is_by_calibrated, after is not None)
    place = {} if after is None else _values_of(after)
    return plain_rows(conn, sql, {**values, **place, "most": wanted.limit})


@cache
def _page(names: tuple[str, ...], is_by_calibrated: bool, is_behind: bool) -> str:
    """A page's SQL, with the values of a filter, of a place and ``most`` as its parameters."""
    t = tables.trading_signals.c
    order = best_first(is_by_calibrated=is_by_calibrated)
    shown = (plain(t[name]) for name in SHOWN)
    query = sa.select(plain(t.id).label("signal_id"), *shown, calibrated_rank().label("calibrated_rank"))
    query = query.where(*conditions_of(dict.fromkeys(names)))
    if is_behind:
        kinds = (*(sa.Double() for _ in range(4)), t.symbol.type, t.signal_type.type, t.id.type)
        place = [parameter(name, kind) for name, kind in zip(PLACE_NAMES, kinds, strict=True)]
        query = query.where(sa.tuple_(*order) > sa.tuple_(*place[0 if is_by_calibrated else 1 :]))
    return sql_of(query.order_by(*order).limit(parameter("most", sa.Integer())))


PLACE_NAMES = tuple(f"after_{name}" for name in Place._fields)


def _values_of(place: Place) -> dict[str, object]:
    """What the columns that are ordered by are compared with: the better, the less."""
    values = (*(-value for value in place[:4]), place.symbol, place.signal_type.value, place.signal_id)
    return dict(zip(PLACE_NAMES, values, strict=True))
