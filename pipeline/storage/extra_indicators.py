"""Extra indicators in and out: one JSON object per bar, which is written whole and read column by column."""

import json
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import Block
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_upsert
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup, read_block

BARS_AT_ONCE = 50_000  # rows whose text is in memory


def extra_rows(group: SeriesGroup, extras: Block, is_wanted: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table for the wanted bars, by series, oldest first; ``values`` is JSON text, NaN is null.

    ``extras`` holds at least one column; its frames and ``is_wanted`` share index and columns. Numbers are written so
    that the same bits are read again.
    """
    places, bars = np.nonzero(is_wanted.to_numpy().T)
    cells = np.stack([frame.to_numpy(dtype=np.float64)[bars, places] for frame in extras.values()], axis=1)
    objects = cells.astype(object)
    objects[np.isnan(cells)] = None
    values = [json.dumps(dict(zip(extras, row, strict=True)), allow_nan=False) for row in objects]
    return pd.DataFrame(group.bar_keys(pd.DatetimeIndex(is_wanted.index)[bars], places) | {"values": values})


def store_extras(conn: sa.Connection, rows: pd.DataFrame) -> int:
    """Write rows of `extra_rows`; returns how many are new or really changed.

    A bar's object is replaced whole: what the settings no longer name goes with the next computation of the bar.
    """
    return sum(
        bulk_upsert(conn, tables.extra_indicators, rows.iloc[start : start + BARS_AT_ONCE])
        for start in range(0, len(rows), BARS_AT_ONCE)
    )


def read_extra_block(
    database: Database, names: Sequence[str], group: SeriesGroup, first_open: datetime, last_open: datetime
) -> Block:
    """Columns, by their names without ``extra.``, for the bars from ``first_open`` to ``last_open``, inclusive.

    Returns frames of shape (n_bars, n_symbols), float64; NaN where there is no row, no such column, or no value.
    """
    e = tables.extra_indicators.c
    numbers = (sa.cast(e["values"][name].astext, sa.Double).label(name) for name in names)
    table = sa.select(e.series_id, e.open_at, *numbers).subquery()
    return read_block(database, table, names, group, first_open, last_open)
