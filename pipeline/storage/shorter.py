"""The candles of shorter timeframes within some bars: what happened inside of them, and in which order."""

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.timeframe import Timeframe
from pipeline.outcomes.paths import FIELDS, Instants, ShorterBars
from pipeline.outcomes.walk import Bars, Whole
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup

BARS_AT_ONCE = 2_000  # of the longer timeframe


def read_shorter(
    database: Database, group: SeriesGroup, places: Whole, rows: Whole, opens: Instants
) -> list[ShorterBars]:
    """Per shorter timeframe that is stored the candles of the bars that are complete in it; the shortest first.

    Parameters
    ----------
    places, rows, opens : arrays of shape (n,)
        The bars asked about: column and row in the block, and when they open.
    """
    if not len(places):
        return []
    series_of = _shorter_series(database, group)
    found = []
    for timeframe in sorted({timeframe for timeframe, _ in series_of}, key=lambda each: each.seconds):
        numbers = np.array([series_of.get((timeframe, number), -1) for number in group.ids])[places]
        asked = np.nonzero(numbers >= 0)[0]
        count = group.timeframe.seconds // timeframe.seconds
        parts = [
            _complete(database, numbers[some], opens[some], group.timeframe, count, places[some], rows[some])
            for some in np.array_split(asked, max(1, -(-len(asked) // BARS_AT_ONCE)))
            if len(some)
        ]
        found += [part for part in parts if part.at]
    return found


def _shorter_series(database: Database, group: SeriesGroup) -> dict[tuple[Timeframe, int], int]:
    """Shorter timeframe and series id of the group -> series id of the same symbol in the shorter timeframe."""
    query = sa.text(
        """SELECT x.series_id AS number, s.timeframe, s.series_id FROM series x
JOIN series s ON s.exchange = x.exchange AND s.symbol = x.symbol
WHERE x.series_id = ANY(:ids) AND s.bar_seconds < :seconds AND :seconds % s.bar_seconds = 0"""
    )
    with database.begin() as conn:
        rows = conn.execute(query, {"ids": group.ids, "seconds": group.timeframe.seconds})
        return {(Timeframe(row.timeframe), row.number): row.series_id for row in rows}


def _complete(
    database: Database, numbers: Whole, opens: Instants, longer: Timeframe, count: int, places: Whole, rows: Whole
) -> ShorterBars:
    """Those of the bars of which all ``count`` shorter candles are stored."""
    query = sa.text(
        f"""SELECT a.n, c.open, c.high, c.low, c.close, c.is_filled
FROM unnest(:numbers, CAST(:opens AS timestamptz[])) WITH ORDINALITY AS a(number, open_at, n)
JOIN candles c ON c.series_id = a.number AND c.open_at >= a.open_at
  AND c.open_at < a.open_at + make_interval(secs => {longer.seconds})
ORDER BY a.n, c.open_at"""
    ).bindparams(
        sa.bindparam("numbers", numbers.tolist(), type_=ARRAY(sa.Integer)),
        sa.bindparam("opens", [f"{at}Z" for at in np.datetime_as_string(opens)], type_=ARRAY(sa.Text)),
    )
    candles = database.frame(query)
    sizes = candles.groupby("n").size()
    whole = sizes.index[sizes == count]
    kept = candles[candles["n"].isin(whole)]
    opened, high, low, close = (kept[name].to_numpy(dtype=np.float64).reshape(-1, count) for name in FIELDS)
    is_traded = ~kept["is_filled"].to_numpy(dtype=bool).reshape(-1, count)
    at = {(int(places[n - 1]), int(rows[n - 1])): row for row, n in enumerate(whole)}
    duration = np.timedelta64(longer.seconds * 1_000_000 // count, TIME_UNIT)
    return ShorterBars(duration, at, Bars(opened, high, low, close, is_traded))
