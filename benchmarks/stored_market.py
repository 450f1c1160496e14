"""Databases with candles for the cases: random walks, loaded by COPY, as old as a case wants them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import pandas as pd
import psycopg
import sqlalchemy as sa
from psycopg import sql

from benchmarks.measurement import Figures
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_insert
from pipeline.storage.candles import ensure_series
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from pipeline.storage.schema import migrate
from pipeline.storage.server import embedded_server
from tests.support.chain import FAR_FUTURE, raw_rows
from tests.support.market import START, random_walk

EXCHANGE = "binance"
TIMEFRAME = Timeframe.H1
# More than a tick reads, which is 499 to 575 candles and 499 rows of market conditions of each series.
HISTORY_BARS = 1_100
SYMBOLS_AT_ONCE = 250  # loaded at a time
DERIVED_BARS = 750  # more than a tick reads back of derived rows
AGES = 9  # copies of the history that `deepen` puts before it

_DERIVED = (tables.indicators, tables.market_conditions, tables.model_features)


def symbols_of(n_symbols: int) -> list[str]:
    """Names for made-up series."""
    return [f"C{number:04d}/USDT" for number in range(n_symbols)]


def close_of(bar: int) -> datetime:
    """Close of a bar of the made-up markets."""
    return START + (bar + 1) * TIMEFRAME.duration


@contextmanager
def opened(home: Path, name: str) -> Iterator[Database]:
    """The database ``name`` of the home's server, made and migrated if there is none."""
    with embedded_server(home) as address:
        with psycopg.connect(address.libpq, autocommit=True) as conn:
            if conn.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        database = Database(address.with_database(name))
        try:
            migrate(database)
            yield database
        finally:
            database.close()


def load(home: Path, name: str, n_symbols: int, n_bars: int) -> Figures:
    """Case: fill a database with hourly candles of random walks.

    The first bar of each series goes the way of an import, which lists it; the rest is copied, since importing
    millions of candles is not what is measured here.
    """
    with opened(home, name) as database:
        symbols = symbols_of(n_symbols)
        for seed, start in enumerate(range(0, n_symbols, SYMBOLS_AT_ONCE)):
            some = symbols[start : start + SYMBOLS_AT_ONCE]
            _load(database, random_rows(seed, some, n_bars), some)
        settle(database)
    return {}


def random_rows(seed: int, symbols: list[str], n_bars: int) -> pd.DataFrame:
    """Raw rows of a random walk for each symbol."""
    return raw_rows(random_walk(seed, n_bars, symbols, TIMEFRAME), EXCHANGE, TIMEFRAME)


def _load(database: Database, rows: pd.DataFrame, symbols: list[str]) -> None:
    import_candles(database, rows[rows["open_at"] == START], FAR_FUTURE)
    with database.begin() as conn:
        ids = ensure_series(conn, [SeriesKey(EXCHANGE, symbol, TIMEFRAME) for symbol in symbols])
        number_of = {key.symbol: number for key, number in ids.items()}
        candles = rows[["open_at", "open", "high", "low", "close", "volume"]].assign(
            series_id=rows["symbol"].map(number_of).astype("int32"),
            close_at=rows["open_at"] + TIMEFRAME.duration,
            is_filled=False,
        )
        bulk_insert(conn, tables.candles, candles)


def derive(home: Path, name: str, bars: int = DERIVED_BARS) -> Figures:
    """Case: give candles derived rows, as months of ticks do; the values are those of the oldest that there are."""
    with opened(home, name) as database:
        with database.begin() as conn:
            for table in _DERIVED:
                conn.execute(_derived(table, bars))
        settle(database)
    return {}


def deepen(home: Path, name: str) -> Figures:
    """Case: make the history ten times as long, candles and what was derived from them; newer bars stay as they are."""
    with opened(home, name) as database:
        with database.begin() as conn:
            for table in (tables.candles, *_DERIVED):
                conn.execute(_aged(table))
            first = sa.select(sa.func.min(tables.candles.c.open_at)).scalar_subquery()
            conn.execute(sa.update(tables.series).values(listed_at=first))
            candles = conn.scalar(sa.select(sa.func.count()).select_from(tables.candles))
        settle(database)
    return {"candles": candles}


def _derived(table: sa.Table, bars: int) -> sa.Insert:
    """A row of ``table`` for each of ``bars`` candles before its first row, with the values of that row."""
    c, first = tables.candles.c, table.alias("first")
    begin = sa.select(sa.func.min(table.c.open_at)).scalar_subquery()
    earliest = begin - bars * TIMEFRAME.duration
    chosen = [c[k.name] if k.name in ("open_at", "close_at") else first.c[k.name] for k in table.c]
    rows = (
        sa.select(*chosen)
        .join_from(tables.candles, first, first.c.series_id == c.series_id)
        .where(first.c.open_at == begin, c.open_at < begin, c.open_at >= earliest)
    )
    return sa.insert(table).from_select([k.name for k in table.c], rows)


def _aged(table: sa.Table) -> sa.Insert:
    """The rows of ``table`` once more for each of `AGES`, as much earlier as its history is long."""
    age = sa.func.generate_series(1, AGES).table_valued("number").render_derived()
    shift = sa.literal(HISTORY_BARS * TIMEFRAME.seconds) * sa.literal_column("interval '1 second'") * age.c.number
    chosen = [k - shift if k.name in ("open_at", "close_at") else k for k in table.c]
    rows = sa.select(*chosen).join_from(table, age, sa.true()).where(table.c.open_at < close_of(HISTORY_BARS - 1))
    return sa.insert(table).from_select([k.name for k in table.c], rows)


def settle(database: Database) -> None:
    """What the server does by itself within minutes: statistics, and pages marked as visible to all."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE"))
        conn.execute(sa.text("CHECKPOINT"))
