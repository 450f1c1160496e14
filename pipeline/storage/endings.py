"""Which live signals the market made void before anybody acted: broken stops, stronger opposites, delistings.

Each is judged as of the close at which it happened, so that a tick that comes late finds what one on time would have.
Who has the money in a signal does not matter here: such ends leave exposure as it is (`FREES_EXPOSURE`), since replays
have none and must judge alike.
"""

from datetime import datetime

import sqlalchemy as sa

from pipeline.settings_sections import LifecycleSettings
from pipeline.storage.transitions import Ending, invalidate

DATA_REVISION = "data_revision"
DELISTED = "delisted"
STOP_BREACHED = "stop_breached"
OPPOSED = "opposed:"  # and the id of the stronger signal

# Of the events ``e`` of a signal: those after which it ties up no money any longer.
FREES_EXPOSURE = f"""(e.to_status = 'EXECUTED'
  OR e.to_status = 'INVALIDATED' AND e.reason <> '{STOP_BREACHED}' AND NOT starts_with(e.reason, '{OPPOSED}'))"""


def end_standing(conn: sa.Connection, as_of: datetime, lifecycle: LifecycleSettings) -> int:
    """Invalidate live signals that stand though their stop broke, or a stronger opposite came; returns how many."""
    return invalidate(conn, find_endings(conn, as_of, lifecycle))


def invalidate_delisted(conn: sa.Connection, as_of: datetime) -> int:
    """Invalidate live signals that still stand on series that are offered no longer; returns how many."""
    query = sa.text(
        """SELECT x.id FROM trading_signals x JOIN series s USING (series_id)
WHERE x.origin = 'live' AND x.status = 'ACTIVE' AND x.expires_at > :as_of AND s.delisted_at IS NOT NULL"""
    )
    numbers = conn.scalars(query, {"as_of": as_of})
    return invalidate(conn, [Ending(signal_id=n, effective_at=as_of, reason=DELISTED) for n in numbers])


def find_endings(
    conn: sa.Connection, as_of: datetime, lifecycle: LifecycleSettings, *, staged: bool = False
) -> list[Ending]:
    """Live signals that stand, or staged ones that are past, with how each ended before its expiry, if it did.

    Of several ends the first counts, and at the same close the stop. What is judged is known at a close before the
    expiry: at the expiry itself a signal is void in any case. Staged are rows for `trading_signals` that are not in it
    yet; an opposite of theirs is staged with them, as a series' closes are stored in order.
    """
    ends = []
    if lifecycle.invalidate_on_stop:
        ends.append(_STOP)
    if lifecycle.opposite_policy == "invalidate_weaker":
        ends.append(_OPPOSITE)
    if not ends:
        return []
    table = "pg_temp.staging_trading_signals" if staged else "trading_signals"
    status = "EXPIRED" if staged else "ACTIVE"
    query = f"""WITH x AS (
  SELECT * FROM {table} WHERE origin = 'live' AND status = '{status}' AND created_at < :as_of
)
SELECT DISTINCT ON (id) id::uuid, ended_at, reason FROM ({" UNION ALL ".join(ends)}) ends
ORDER BY id, ended_at, place"""
    rows = conn.execute(sa.text(query.replace("{table}", table)), {"as_of": as_of})
    return [Ending(signal_id=number, effective_at=at, reason=reason) for number, at, reason in rows]


# A bar that was filled in had no trade, and so breaks nothing. A gap beyond the stop is a low, or a high, beyond it.
_STOP = f"""SELECT x.id, b.close_at AS ended_at, '{STOP_BREACHED}' AS reason, 1 AS place
FROM x CROSS JOIN LATERAL (
  SELECT c.close_at FROM candles c
  WHERE c.series_id = x.series_id AND c.open_at >= x.created_at AND c.open_at < x.expires_at
    AND c.close_at < x.expires_at AND c.close_at <= :as_of AND NOT c.is_filled
    AND CASE x.signal_type::text WHEN 'BUY' THEN c.low <= x.stop_loss_price
      WHEN 'SELL' THEN c.high >= x.stop_loss_price END
  ORDER BY c.open_at LIMIT 1
) b"""
# What became of the stronger one later does not matter, but that revised data took it back.
_OPPOSITE = f"""SELECT x.id, o.created_at, '{OPPOSED}' || o.id, 2
FROM x CROSS JOIN LATERAL (
  SELECT w.id, w.created_at FROM (
    SELECT * FROM {{table}} y
    WHERE y.symbol = x.symbol AND y.created_at > x.created_at AND y.created_at < x.expires_at AND y.created_at <= :as_of
    OFFSET 0 -- by the index of symbols, and no other
  ) w
  WHERE (w.series_id, w.origin, w.scope, w.profile) = (x.series_id, x.origin, x.scope, x.profile)
    AND (x.signal_type::text, w.signal_type::text) IN (('BUY', 'SELL'), ('SELL', 'BUY'))
    AND w.rank_score > x.rank_score
    AND NOT EXISTS (SELECT FROM signal_events e WHERE e.signal_id = w.id::uuid AND e.reason = '{DATA_REVISION}')
  ORDER BY w.created_at, w.rank_score DESC, w.id LIMIT 1
) o"""
