"""Active signals a page at a time, in an order that signals which come and go do not disturb.

A page goes on behind the last signal of the one before it, wherever that now stands, and not after a number of rows:
what is stored or ends between two pages neither repeats nor hides a signal that is active all the while.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.signal import SignalType
from pipeline.storage import tables
from pipeline.storage.queries import CALIBRATION, SignalFilter, calibrated_rank, conditions

# What a list tells of a signal beside its id, in the API's order.
SHOWN = (
    *("symbol", "signal_type", "strength", "confidence", "source", "description", "entry_price"),
    *("created_at", "expires_at"),
    *CALIBRATION,
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
    def of(cls, row: RowMapping) -> Self:
        """Of a row of `active_page`."""
        return cls(
            calibrated_rank=row["calibrated_rank"],
            rank_score=row["rank_score"],
            confidence=row["confidence"],
            strength=row["strength"],
            symbol=row["symbol"],
            signal_type=SignalType(row["signal_type"]),
            signal_id=row["id"],
        )


def active_page(conn: sa.Connection, wanted: SignalFilter, after: Place | None = None) -> Sequence[RowMapping]:
    """The next signals behind a place, best first, as `list_signals` orders them; `wanted.limit` of them at most.

    Returns
    -------
    sequence of RowMapping
        The columns of `SHOWN`, and those of `Place`.
    """
    t = tables.trading_signals.c
    order = wanted.best_first()
    first = 0 if wanted.is_by_calibrated else 1  # of `Place`
    columns = (t[name] for name in ("id", *SHOWN, "rank_score"))
    query = sa.select(*columns, calibrated_rank().label("calibrated_rank")).where(*conditions(wanted))
    if after is not None:
        place = [
            *(sa.literal(-value, sa.Double) for value in after[:4]),
            sa.literal(after.symbol, t.symbol.type),
            sa.literal(after.signal_type.value, t.signal_type.type),
            sa.literal(after.signal_id, t.id.type),
        ]
        query = query.where(sa.tuple_(*order) > sa.tuple_(*place[first:]))
    return conn.execute(query.order_by(*order).limit(wanted.limit)).mappings().all()
