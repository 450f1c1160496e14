"""Charts of what is stored: which bars, whose signals; what the command and the asset call.

Reading is `pipeline.storage.chart_data`'s, deciding what a picture shows `pipeline.charts`'s.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from pipeline.charts.building import build_scene
from pipeline.charts.png import SMALL, draw_png
from pipeline.charts.scene import Scene
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import DEFAULT_SCOPE, Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage.accounts import HOUSE
from pipeline.storage.chart_data import origins_of, read_material
from pipeline.storage.database import Database
from pipeline.storage.explaining import check_scope, find_series, newest_close
from pipeline.storage.history import Series
from pipeline.storage.universe import unknown_series

DEFAULT_BARS = 150
MOST_BARS = 100_000  # a page of more takes a browser minutes, a picture has 1,600 pixels
SIGNAL_BARS = 90  # of a small picture of one signal
BARS_AFTER = 30  # its expiry, in a picture that is drawn when somebody asks
FAR_FUTURE = datetime(9000, 1, 1, tzinfo=UTC)  # after every close


def series_scene(
    database: Database,
    key: SeriesKey,
    *,
    first_close: datetime | None = None,
    last_close: datetime | None = None,
    origin: Origin | None = None,
    scope: str = DEFAULT_SCOPE,
    profile: str = HOUSE,
) -> Scene:
    """The scene of a series.

    Parameters
    ----------
    first_close, last_close
        The bars that close between them, both inclusive. Without the first one the `DEFAULT_BARS` up to the last one,
        which is the newest where it is not given either.
    origin
        Whose signals; None takes live ones where the bars have some, else replayed ones.

    Raises
    ------
    DataContractError
        The series is not stored, has no candle in that range or too many; the message says what is stored.
    """
    with database.begin() as conn:
        series, first_open, last_open = _range(conn, key, first_close, last_close)
        stored = origins_of(conn, series, first_open, last_open, scope, profile)
        if not stored:
            check_scope(conn, scope)
        if origin is None:
            is_live = Origin.LIVE in stored or (not stored and scope == DEFAULT_SCOPE)
            origin = Origin.LIVE if is_live else Origin.REPLAY
    return build_scene(
        read_material(database, series, first_open, last_open, origin=origin, scope=scope, profile=profile)
    )


def signal_scene(database: Database, signal: Mapping[str, Any], until: datetime) -> Scene:
    """The scene of one stored signal: the bars before it and those up to ``until``, with its prices alone in full.

    ``signal`` is a row of `trading_signals`; its bar is there, or it would not have been made.
    """
    key = SeriesKey(signal["exchange"], signal["symbol"], Timeframe(signal["timeframe"]))
    first_close = signal["created_at"] - (SIGNAL_BARS - 1) * key.timeframe.duration
    with database.begin() as conn:
        series, first_open, last_open = _range(conn, key, first_close, max(until, signal["created_at"]))
    material = read_material(
        database,
        series,
        first_open,
        last_open,
        origin=Origin(signal["origin"]),
        scope=signal["scope"],
        profile=signal["profile"],
    )
    return build_scene(material, focus=signal["id"])


def signal_picture(database: Database, signal: Mapping[str, Any], as_of: datetime) -> bytes:
    """A picture of one stored signal, a PNG of 900 by 520 pixels like those that are kept in `signal_charts`.

    It ends some bars after the signal's expiry, or at ``as_of`` if that is earlier: of an old signal nobody wants the
    years since. ``signal`` is a row of `trading_signals`. Raises what `signal_scene` does.
    """
    until = signal["expires_at"] + BARS_AFTER * Timeframe(signal["timeframe"]).duration
    return draw_png(signal_scene(database, signal, min(until, as_of)), SMALL)


def _range(
    conn: sa.Connection, key: SeriesKey, first_close: datetime | None, last_close: datetime | None
) -> tuple[Series, datetime, datetime]:
    """The series, and the opens of the first and the last bar that are stored in the range."""
    stored = find_series(conn, key)
    if stored is None or stored.first_open is None:
        raise unknown_series(conn, key)
    step = key.timeframe.duration
    oldest = stored.first_open + step
    newest = newest_close(conn, stored.series, FAR_FUTURE if last_close is None else last_close)
    if newest is None:
        raise DataContractError(
            f"a chart of {key} must end at or after its first close, {oldest:%Y-%m-%d %H:%M}, "
            f"was to end at {last_close:%Y-%m-%d %H:%M}"
        )
    begin = newest - (DEFAULT_BARS - 1) * step if first_close is None else key.timeframe.ceil(first_close)
    if begin > newest:
        raise DataContractError(
            f"a chart of {key} must begin at or before {newest:%Y-%m-%d %H:%M}, the newest close that is stored, "
            f"was to begin at {begin:%Y-%m-%d %H:%M}"
        )
    begin = max(begin, oldest)
    n_bars = (newest - begin) // step + 1
    if n_bars > MOST_BARS:
        raise DataContractError(f"a chart must have at most {MOST_BARS:,} bars, was to have {n_bars:,}; begin it later")
    return stored.series, begin - step, newest - step
