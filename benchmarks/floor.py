"""The floor under a tick: what is left when everything but reading, arithmetic and writing is gone.

The rows of series that a tick reads, fetched by ADBC as they are; TA-Lib on contiguous columns; the rows that it wrote,
copied into tables without keys and committed. No pipeline that reads and stores what this one does can be faster here.
"""

import statistics
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa
import talib
from psycopg import sql

from benchmarks.measurement import Figures, median_seconds, processor_seconds, seconds_of
from benchmarks.stored_market import HISTORY_BARS, close_of, opened
from benchmarks.tick import run_stages
from pipeline.indicators.columns import Array
from pipeline.storage import tables
from pipeline.storage.bulk import literal_sql
from pipeline.storage.database import Database, Question
from pipeline.storage.history import CANDLE_COLUMNS

WRITTEN = (
    *("indicators", "price_levels", "chart_patterns", "market_conditions", "model_features"),
    *("direction_predictions", "price_range_predictions", "anomaly_scores"),
    *("candidate_signals", "risk_decisions", "trading_signals"),
)
CLOSES = ("close_at", "known_at", "completed_at", "candle_close_at")  # what a table calls a row's close
CANDLE_SHAPES = (
    *(talib.CDLENGULFING, talib.CDLHAMMER, talib.CDLHANGINGMAN, talib.CDLSHOOTINGSTAR, talib.CDLMORNINGSTAR),
    *(talib.CDLMORNINGDOJISTAR, talib.CDLEVENINGSTAR, talib.CDLEVENINGDOJISTAR, talib.CDLDOJI),
    *(talib.CDLLONGLEGGEDDOJI, talib.CDLDRAGONFLYDOJI, talib.CDLGRAVESTONEDOJI),
)
REPEATS = 5


def floor(home: Path, name: str, tick: int) -> Figures:
    """Case: the floor under one tick, which is made here."""
    at = close_of(HISTORY_BARS + tick)
    with opened(home, name) as database:
        address = database.address.libpq
        questions = _questions(database, at)
        with adbc.connect(address, autocommit=True) as reader, psycopg.connect(address) as writer:
            read_s = median_seconds(lambda: _read(reader, questions), REPEATS)
            tables_read = _read(reader, questions)
            candles = pa.concat_tables(each for each in tables_read if {*CANDLE_COLUMNS} <= {*each.column_names})
            candles = candles.sort_by([("series_id", "ascending"), ("open_at", "ascending")])
            n_series = len(candles["series_id"].unique())
            columns = {c: candles[c].to_numpy().astype(float).reshape(n_series, -1) for c in CANDLE_COLUMNS[:5]}
            talib_s = median_seconds(lambda: talib_block(columns), REPEATS)
            copied = {each: _copied(writer, each, at) for each in WRITTEN}
            copy_s = statistics.median(_write(writer, copied) for _ in range(REPEATS))
            before = processor_seconds(home)
            _read(reader, questions)
            talib_block(columns)
            _write(writer, copied)
            used = [after - begin for begin, after in zip(before, processor_seconds(home), strict=True)]
        with database.begin() as conn:
            written = sum(conn.execute(_counting(each, at)).scalar_one() for each in WRITTEN)
    return {
        "seconds": read_s + talib_s + copy_s,
        "read_s": read_s,
        "talib_s": talib_s,
        "copy_s": copy_s,
        "python_s": used[0],
        "server_s": used[1],
        "rows_read": sum(each.num_rows for each in tables_read),
        "rows_written": written,
    }


def talib_block(columns: dict[str, Array], *, with_shapes: bool = True) -> list[Array]:
    """What TA-Lib has of our indicators, for arrays of shape (n_symbols, n_candles); each row is contiguous."""
    found: list[Array] = []
    fields = ("open", "high", "low", "close", "volume")
    for start, high, low, close, volume in zip(*(columns[c] for c in fields), strict=True):
        found += [talib.SMA(close, window) for window in (20, 50, 200)]
        found += [talib.EMA(close, window) for window in (12, 26)]
        found += [talib.RSI(close), *talib.MACD(close), *talib.BBANDS(close, 20, 2, 2)]
        found += [talib.ATR(high, low, close), talib.ADX(high, low, close), talib.OBV(close, volume)]
        if with_shapes:
            found += [shape(start, high, low, close) for shape in CANDLE_SHAPES]
    return found


def contiguous(block_values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Array:
    """Values of shape (n_candles, n_symbols) as (n_symbols, n_candles), each series in one piece of memory."""
    return np.ascontiguousarray(block_values.T)


def _questions(database: Database, at: datetime) -> list[str]:
    """What a tick asks for in bulk, as ADBC takes it: candles and stored columns of all series."""
    asked: list[str] = []
    ask = database.frames

    def frames(queries: Sequence[Question]) -> list[pd.DataFrame]:
        asked.extend(literal_sql(query) for query in queries)
        return ask(queries)

    with patch.object(database, "frames", frames):
        run_stages(database, at)
    return asked


def _read(reader: adbc.Connection, questions: list[str]) -> list[pa.Table]:
    found = []
    with reader.cursor() as cursor:
        for question in questions:
            cursor.execute(question)
            found.append(cursor.fetch_arrow_table())
    return found


def _counting(name: str, at: datetime) -> sa.Select[Any]:
    """How many rows of a table belong to one close."""
    table = tables.metadata.tables[name]
    return sa.select(sa.func.count()).select_from(table).where(table.c[_close_at(table)] == at)


def _close_at(table: sa.Table) -> str:
    return next(name for name in CLOSES if name in table.c)


def _copied(conn: psycopg.Connection, name: str, at: datetime) -> bytes:
    """The rows of a table that belong to one close, as COPY writes them; beside it a table of their kind to fill."""
    close_at = _close_at(tables.metadata.tables[name])
    target = sql.Identifier(f"floor_{name}")
    conn.execute(sql.SQL("CREATE TABLE IF NOT EXISTS {} AS TABLE {} WITH NO DATA").format(target, sql.Identifier(name)))
    question = sql.SQL("COPY (SELECT * FROM {} WHERE {} = {}) TO STDOUT (FORMAT BINARY)").format(
        sql.Identifier(name), sql.Identifier(close_at), sql.Literal(at)
    )
    with conn.cursor().copy(question) as copy:
        return b"".join(bytes(part) for part in copy)


def _write(conn: psycopg.Connection, copied: dict[str, bytes]) -> float:
    def write() -> None:
        for name, content in copied.items():
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(f"floor_{name}"))
            with conn.cursor().copy(statement) as copy:
                copy.write(content)
            conn.commit()  # as the stages do: each table is a transaction that waits for the disk

    return seconds_of(write)
