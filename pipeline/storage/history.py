"""Blocks out: candles and stored columns of many series as wide frames, and what a cumulative indicator continues.

A block is read for one exchange and timeframe; its rows are the whole grid between two opens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.indicators.volume import Carry, obv
from pipeline.storage import tables
from pipeline.storage.database import READERS, Database

LARGE_ROWS = 40_000  # from so many on a block is read by several connections
SUMMED_AT_ONCE = 20  # whole histories in memory
CANDLE_COLUMNS = ("open", "high", "low", "close", "volume", "is_filled")


class Series(NamedTuple):
    """A series and its number."""

    key: SeriesKey
    series_id: int


@dataclass(frozen=True, slots=True)
class SeriesGroup:
    """All series of one exchange and timeframe, which are computed side by side; sorted by symbol."""

    exchange: str
    timeframe: Timeframe
    series: tuple[Series, ...]

    @property
    def symbols(self) -> list[str]:
        """Symbols in the order of a block's columns."""
        return [s.key.symbol for s in self.series]

    @property
    def ids(self) -> list[int]:
        """Series ids in the order of a block's columns."""
        return [s.series_id for s in self.series]

    def bar_keys(self, opens: pd.DatetimeIndex, places: npt.NDArray[np.intp]) -> dict[str, Any]:
        """The columns that say of which bar a row is; ``places`` has each row's column in a block."""
        series_ids = np.array(self.ids, dtype=np.int32)[places]
        return {"series_id": series_ids, "open_at": opens, "close_at": opens + self.timeframe.duration}


class BlockRequest(NamedTuple):
    """Columns of one of the big tables for the bars from ``first_open`` to ``last_open``, inclusive."""

    table: sa.FromClause
    columns: Sequence[str]
    first_open: datetime
    last_open: datetime


def read_block(
    database: Database,
    table: sa.FromClause,
    columns: Sequence[str],
    group: SeriesGroup,
    first_open: datetime,
    last_open: datetime,
) -> Block:
    """The block of one request; see `read_blocks`."""
    return read_blocks(database, group, [BlockRequest(table, columns, first_open, last_open)])[0]


def read_blocks(database: Database, group: SeriesGroup, requests: Sequence[BlockRequest]) -> list[Block]:
    """Blocks of the same series, read side by side; a large one in parts.

    Returns frames of shape (n_bars, n_symbols), float64 (objects for text), NaN where there is no row or NULL.
    """
    queries: list[sa.Select[tuple[object, ...]]] = []
    parts_of = []
    for request in requests:
        n_rows = len(group.ids) * ((request.last_open - request.first_open) // group.timeframe.duration + 1)
        n_parts = READERS if n_rows >= LARGE_ROWS else 1
        parts = [part.tolist() for part in np.array_split(group.ids, n_parts)]
        parts_of.append(range(len(queries), len(queries) + len(parts)))
        queries += [_query(request, ids) for ids in parts]
    found = database.frames(queries)
    return [
        _block(group, request, found[places[0]] if len(places) == 1 else pd.concat([found[n] for n in places]))
        for request, places in zip(requests, parts_of, strict=True)
    ]


def _query(request: BlockRequest, ids: Sequence[int]) -> sa.Select[tuple[object, ...]]:
    c = request.table.c
    return sa.select(c.series_id, c.open_at, *(c[name] for name in request.columns)).where(
        c.series_id.in_(ids), c.open_at.between(request.first_open, request.last_open)
    )


def _block(group: SeriesGroup, request: BlockRequest, rows: pd.DataFrame) -> Block:
    timeframe = group.timeframe
    index = bar_index(timeframe, request.first_open, request.last_open)
    n_bars = len(index)
    opens = rows["open_at"].to_numpy(dtype="datetime64[us]").view(np.int64)
    start = int(request.first_open.timestamp()) * 1_000_000
    bars = (opens - start) // (timeframe.seconds * 1_000_000)
    places = np.empty(max(group.ids, default=0) + 1, dtype=np.intp)
    places[group.ids] = np.arange(len(group.ids))
    cells = places[rows["series_id"].to_numpy()] * n_bars + bars
    n_cells = n_bars * len(group.ids)
    # Most often the rows are all there, in the order of the key.
    is_grid = len(cells) == n_cells and np.array_equal(cells, np.arange(n_cells))
    return {
        name: _scattered(rows[name], None if is_grid else cells, n_cells, index, group.symbols)
        for name in request.columns
    }


def bar_index(timeframe: Timeframe, first_open: datetime, last_open: datetime) -> pd.DatetimeIndex:
    """Every open of the grid from ``first_open`` to ``last_open``, inclusive: the rows of a block."""
    n_bars = timeframe.position(last_open) - timeframe.position(first_open) + 1
    return pd.date_range(first_open, periods=n_bars, freq=timeframe.duration).as_unit(TIME_UNIT)


def _scattered(
    values: "pd.Series[float]",
    cells: npt.NDArray[np.int64] | None,
    n_cells: int,
    index: pd.DatetimeIndex,
    symbols: list[str],
) -> pd.DataFrame:
    """A column as a frame; without ``cells`` its values stand in the frame's order, series by series."""
    is_text = isinstance(values.dtype, pd.StringDtype)
    flat: npt.NDArray[Any]
    if is_text:
        flat = values.astype(object).where(values.notna(), None).to_numpy()
    else:
        flat = values.to_numpy(dtype=np.float64, na_value=np.nan)
    if cells is not None:
        found, flat = flat, np.full(n_cells, None if is_text else np.nan, dtype=flat.dtype)
        flat[cells] = found
    return pd.DataFrame(flat.reshape(len(symbols), len(index)).T, index=index, columns=symbols, copy=False)


def obv_carry(database: Database, group: SeriesGroup, before: datetime) -> Carry:
    """On-balance volume and close of each series on its newest bar that opens before ``before``.

    The stored level where it may be trusted; else it is summed up from the series' first stored candle. A series
    without candles before has no entry.
    """
    c, i, s = tables.candles.c, tables.indicators.c, tables.series.c
    previous_open = before - group.timeframe.duration
    stored = database.frame(
        sa.select(c.series_id, c.close, i.obv)
        .join_from(tables.candles, tables.series, c.series_id == s.series_id)
        .outerjoin(
            tables.indicators,
            sa.and_(
                i.series_id == c.series_id,
                i.open_at == c.open_at,
                sa.or_(s.dirty_from.is_(None), s.dirty_from > previous_open),
            ),
        )
        .where(c.series_id.in_(group.ids), c.open_at == previous_open)
    )
    symbol_of = {each.series_id: each.key.symbol for each in group.series}
    known = stored[stored["obv"].notna()]
    carry = {
        symbol_of[number]: (level, close)
        for number, level, close in zip(known["series_id"], known["obv"], known["close"], strict=True)
    }
    unknown = stored.loc[stored["obv"].isna(), "series_id"].tolist()
    for start in range(0, len(unknown), SUMMED_AT_ONCE):
        some = unknown[start : start + SUMMED_AT_ONCE]
        histories = database.frame(
            sa.select(c.series_id, c.close, c.volume)
            .where(c.series_id.in_(some), c.open_at < before)
            .order_by(c.series_id, c.open_at)
        )
        for number in some:
            history = histories[histories["series_id"] == number]
            levels = obv(history["close"], history["volume"])
            carry[symbol_of[number]] = (float(levels.iloc[-1]), float(history["close"].iloc[-1]))
    return carry


def open_jumps(database: Database, group: SeriesGroup) -> dict[str, datetime]:
    """Open of the first price jump that nobody has accepted, by symbol."""
    jumps = tables.price_jumps.c
    query = (
        sa.select(jumps.series_id, sa.func.min(jumps.open_at).label("open_at"))
        .where(jumps.accepted_at.is_(None), jumps.series_id.in_(group.ids))
        .group_by(jumps.series_id)
    )
    symbol_of = {each.series_id: each.key.symbol for each in group.series}
    with database.begin() as conn:
        return {symbol_of[number]: open_at for number, open_at in conn.execute(query)}
