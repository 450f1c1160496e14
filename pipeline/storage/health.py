"""What is known about each series as of an instant, from its stored candles; the verdict is `pipeline.market`'s."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from pipeline.domain.universe import SeriesKey
from pipeline.market.health import FILLED_WINDOW, HealthStatus, SeriesState, series_state
from pipeline.storage.history import Series


class SeriesExtent(NamedTuple):
    """How far the stored candles of a series reach; None where it has none yet."""

    first_open: datetime | None
    last_open: datetime | None


def series_extents(conn: sa.Connection, series: Sequence[Series]) -> dict[SeriesKey, SeriesExtent]:
    """First and last stored bar, whatever instant a run is about: what is fetched must join what is stored."""
    rows = conn.execute(
        sa.text(
            """SELECT s.series_id, s.listed_at, l.open_at
FROM series s LEFT JOIN LATERAL (
  SELECT open_at FROM candles c WHERE c.series_id = s.series_id ORDER BY c.open_at DESC LIMIT 1) l ON true
WHERE s.series_id = ANY(:ids)"""
        ),
        {"ids": [each.series_id for each in series]},
    )
    found = {number: SeriesExtent(first if last else None, last) for number, first, last in rows}
    return {each.key: found[each.series_id] for each in series}


def series_states(
    conn: sa.Connection, series: Sequence[Series], as_of: datetime, n_needed: int
) -> dict[SeriesKey, SeriesState]:
    """The state of every series as of an instant; one that was not listed by then is left out.

    Bars among the newest 500 of which only a refused row came make a series PARTIAL, ``refused(3 rows)``. A series has
    a bar at every open since it was listed, since its gaps are filled; so filled ones alone need counting.
    """
    rows = conn.execute(
        sa.text(
            """SELECT s.series_id, s.listed_at, l.open_at AS last_open, f.filled, r.close_at AS newest_close,
  EXISTS (SELECT FROM price_jumps j WHERE j.series_id = s.series_id AND j.accepted_at IS NULL
          AND j.open_at < :as_of) AS is_jumped, q.refused
FROM series s
JOIN LATERAL (SELECT open_at FROM candles c WHERE c.series_id = s.series_id AND c.open_at < :as_of
  AND c.close_at <= :as_of ORDER BY c.open_at DESC LIMIT 1) l ON true
LEFT JOIN LATERAL (SELECT close_at FROM candles c WHERE c.series_id = s.series_id AND c.open_at <= l.open_at
  AND NOT c.is_filled ORDER BY c.open_at DESC LIMIT 1) r ON true
LEFT JOIN LATERAL (SELECT count(*) AS filled FROM candles c WHERE c.series_id = s.series_id AND c.is_filled
  AND c.open_at <= l.open_at AND c.open_at > l.open_at - make_interval(secs => s.bar_seconds) * :window) f ON true
LEFT JOIN LATERAL (SELECT count(*) AS refused FROM candle_quarantine q
  WHERE q.exchange = s.exchange AND q.symbol = s.symbol AND q.timeframe = s.timeframe
    AND q.open_at BETWEEN l.open_at - make_interval(secs => s.bar_seconds) * :window AND :as_of
    AND NOT EXISTS (SELECT FROM candles c WHERE c.series_id = s.series_id AND c.open_at = q.open_at
                    AND NOT c.is_filled)) q ON true
WHERE s.series_id = ANY(:ids)"""
        ),
        {"as_of": as_of, "ids": [each.series_id for each in series], "window": FILLED_WINDOW},
    )
    by_id = {each.series_id: each.key for each in series}
    states = {}
    for row in rows:
        key = by_id[row.series_id]
        n_bars = (row.last_open - row.listed_at) // key.timeframe.duration + 1
        state = series_state(
            key.timeframe,
            as_of,
            newest_close=row.newest_close,
            share_filled=row.filled / min(n_bars, FILLED_WINDOW),
            is_jumped=row.is_jumped,
            n_bars=n_bars,
            n_needed=n_needed,
        )
        if state.status is HealthStatus.OK and row.refused:
            state = SeriesState(HealthStatus.PARTIAL, f"refused({row.refused} rows)")
        states[key] = state
    return states
