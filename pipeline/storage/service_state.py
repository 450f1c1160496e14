"""What somebody who watches the service asks: whether the database answers, how new the candles are, what is active."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from pipeline.domain.signal import SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.storage import tables
from pipeline.storage.queries import SignalFilter, conditions


class NewestClose(NamedTuple):
    """The newest close of any series of an exchange and timeframe that still trades."""

    exchange: str
    timeframe: Timeframe
    close_at: datetime

    def missing_bars(self, as_of: datetime) -> int:
        """How many bars have closed since."""
        return max(0, self.timeframe.position(as_of) - self.timeframe.position(self.close_at))


def newest_closes(conn: sa.Connection) -> list[NewestClose]:
    """Per exchange and timeframe, shorter ones first; one look at the index for each series, however long it is."""
    return [
        NewestClose(exchange, Timeframe(timeframe), close_at)
        for exchange, timeframe, close_at in conn.execute(_NEWEST_CLOSES)
    ]


_NEWEST_CLOSES = sa.text("""
SELECT s.exchange, s.timeframe, max(l.close_at) FROM series s
CROSS JOIN LATERAL (SELECT close_at FROM candles c WHERE c.series_id = s.series_id ORDER BY c.open_at DESC LIMIT 1) l
WHERE s.delisted_at IS NULL
GROUP BY s.exchange, s.timeframe, s.bar_seconds ORDER BY s.exchange, s.bar_seconds""")


def active_counts(conn: sa.Connection, as_of: datetime) -> Sequence[tuple[str, SignalType, int]]:
    """Exchange, type and number of the live signals that are active at an instant; pairs without any are left out."""
    t = tables.trading_signals.c
    query = (
        sa.select(t.exchange, t.signal_type, sa.func.count())
        .where(*conditions(SignalFilter(as_of=as_of)))
        .group_by(t.exchange, t.signal_type)
        .order_by(t.exchange, t.signal_type)
    )
    return [(exchange, SignalType(kind), count) for exchange, kind, count in conn.execute(query)]
