"""Rows in and out in bulk: binary COPY to a staging table and one merge; Arrow reads.

Row-by-row writing of series data does not exist here. A write is repeatable: where the key exists the new values
win, and a row whose values are the same is left alone, so that a repeated run writes nothing.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from adbc_driver_manager import AdbcStatusCode
from pgpq import ArrowToPostgresBinaryEncoder
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, insert

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.storage.address import DatabaseAddress

BOOKKEEPING = frozenset({"recorded_at", "first_seen_at"})  # written once, never compared
BATCH_ROWS = 65_536
ADDED_AT_ONCE = 5_000  # rows that are first taken to be new
CAST_TYPES = (JSONB, postgresql.ENUM, sa.Uuid)  # which a staging table holds as text
ANALYZED_FROM, ANALYZED_SHARE = 5_000, 0.2  # rows written at once, and as a share of the table


class Reader:
    """Arrow reads over one ADBC connection, which is opened at the first read and kept.

    Whether a kept one still stands shows only in use: after a restart of the server it does not. A read changes
    nothing, so that it is done again over a new connection; a ping before each would cost as much as a small read.
    """

    def __init__(self, address: DatabaseAddress) -> None:
        self._address = address
        self._connection: adbc.Connection | None = None

    def frame(self, query: sa.Select[tuple[object, ...]] | sa.TextClause) -> pd.DataFrame:
        """The rows of ``query``; instants as UTC with microseconds, SQL NULL as NaN, NaT or None."""
        frame: pd.DataFrame = self.table(query).to_pandas()
        return frame

    def table(self, query: sa.Select[tuple[object, ...]] | sa.TextClause) -> pa.Table:
        """The rows of ``query`` as they came, for whoever does not want an object for every text."""
        statement, is_kept = literal_sql(query), self._connection is not None
        try:
            return self._fetched(statement)
        except adbc.Error as error:
            if not is_kept or error.status_code != AdbcStatusCode.IO:
                raise
            return self._fetched(statement)

    def _fetched(self, statement: str) -> pa.Table:
        if self._connection is None:
            self._connection = adbc.connect(self._address.libpq, autocommit=True)
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetch_arrow_table()
        except adbc.Error:
            self.close()
            raise

    def close(self) -> None:
        """Give the connection back; the next read opens a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def literal_sql(query: sa.Select[tuple[object, ...]] | sa.TextClause) -> str:
    """``query`` as text with its values written out, quoted by SQLAlchemy: ADBC binds no lists."""
    compiled = query.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
    return str(compiled).replace("%%", "%")


def typed(table: sa.Table, rows: pd.DataFrame) -> pd.DataFrame:
    """``rows`` with instants and numbers as ``table`` keeps them, also where a frame is empty or has only None."""
    kinds = {name: table.c[name].type for name in rows.columns}
    return rows.astype(
        {name: f"datetime64[{TIME_UNIT}, UTC]" for name, kind in kinds.items() if isinstance(kind, sa.TIMESTAMP)}
        | {name: "float64" for name, kind in kinds.items() if isinstance(kind, sa.Double)}
    )


def copy_to_staging(conn: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> sa.Table:
    """COPY ``rows`` to a temporary table with the columns of ``table`` that they have.

    The table has no constraints and goes with the transaction. NaN becomes NULL. JSONB columns take JSON text.
    """
    name = f"staging_{table.name}"
    columns = [sa.Column(c, _staging_type(table.c[c])) for c in rows.columns]
    staging = sa.Table(name, sa.MetaData(), *columns, prefixes=["TEMPORARY"], postgresql_on_commit="DROP")
    conn.execute(sa.text(f'DROP TABLE IF EXISTS pg_temp."{name}"'))
    staging.create(conn)
    _copy(conn, staging, rows)
    return staging


def _copy(conn: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> None:
    arrow = pa.Table.from_pandas(rows, schema=_arrow_schema(table, rows.columns), preserve_index=False)
    encoder = ArrowToPostgresBinaryEncoder(arrow.schema)
    names = ", ".join(f'"{c}"' for c in rows.columns)
    cursor = conn.connection.cursor()
    with cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN (FORMAT BINARY)') as copy:
        copy.write(encoder.write_header())
        for batch in arrow.to_batches(max_chunksize=BATCH_ROWS):
            copy.write(encoder.write_batch(batch))
        copy.write(encoder.finish())


@dataclass(frozen=True, slots=True)
class Changes:
    """What storing a stage's rows did to the table."""

    written: int  # rows inserted or changed
    removed: int  # rows deleted (replay) or superseded (live)


def bulk_upsert(
    conn: sa.Connection, table: sa.Table, rows: pd.DataFrame, *, keep: Collection[str] = (), is_staged: bool = True
) -> int:
    """COPY ``rows`` to a staging table, then merge; returns the rows inserted or really changed.

    Where the primary key exists the new values win, but for the columns in ``keep``; a row whose values are the
    same is left alone, so that a repeated run writes nothing. Where nobody asks for the staging table afterwards,
    ``is_staged`` false, few rows are first taken to be new, and then need none.
    """
    if rows.empty:
        return 0
    if not is_staged and len(rows) <= ADDED_AT_ONCE and _are_added(conn, table, rows):
        return len(rows)
    staging = copy_to_staging(conn, table, rows)
    merged = insert(table).from_select(list(rows.columns), staged_rows(staging, table))
    kept = {c.name for c in table.primary_key} | BOOKKEEPING | set(keep)
    changed: dict[str, sa.ColumnElement[Any]] = {
        name: merged.excluded[name] for name in rows.columns if name not in kept
    }
    if not changed:
        return affected(conn, merged.on_conflict_do_nothing())
    differs = sa.or_(*(table.c[n].is_distinct_from(v) for n, v in changed.items()))
    if "recorded_at" in table.c:
        changed["recorded_at"] = sa.func.now()
    merged = merged.on_conflict_do_update(index_elements=list(table.primary_key), set_=changed, where=differs)
    return _counted(conn, table, affected(conn, merged))


def _are_added(conn: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> bool:
    """Add rows of which none is there yet, as a tick's are, without a staging table; False, and nothing, if one is.

    Only where COPY takes every column as it is: JSON, enumerations and identifiers are cast on their way.
    """
    if any(isinstance(table.c[name].type, CAST_TYPES) for name in rows.columns):
        return False
    try:
        with conn.begin_nested():
            _copy(conn, table, rows)
    except psycopg.errors.UniqueViolation:
        return False
    return True


def bulk_insert(conn: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> int:
    """Add the rows whose key is not there yet; returns how many were added. The others are duplicates."""
    if rows.empty:
        return 0
    staging = copy_to_staging(conn, table, rows)
    added = insert(table).from_select(list(rows.columns), staged_rows(staging, table)).on_conflict_do_nothing()
    return affected(conn, added)


def _counted(conn: sa.Connection, table: sa.Table, written: int) -> int:
    """``written``; where a table has grown much the planner is told, whose next guess would be about the one before."""
    if written < ANALYZED_FROM:
        return written
    known = conn.scalar(
        sa.text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)"), {"name": table.name}
    )
    if written >= ANALYZED_SHARE * (known or 0):
        indexed = {c.name for c in table.primary_key} | {c.name for index in table.indexes for c in index.columns}
        conn.execute(sa.text(f'ANALYZE "{table.name}" ({", ".join(sorted(indexed))})'))
    return written


def staged_rows(staging: sa.Table, table: sa.Table) -> sa.Select[tuple[object, ...]]:
    """The staged rows with the types of ``table``."""
    return sa.select(*(sa.cast(c, table.c[c.name].type).label(c.name) for c in staging.c))


def affected(conn: sa.Connection, statement: sa.Executable) -> int:
    """Run ``statement``; how many rows it wrote, which SQLAlchemy tells of an INSERT only when asked."""
    return int(conn.execute(statement, execution_options={"preserve_rowcount": True}).rowcount)


def _staging_type(column: sa.Column[object]) -> sa.types.TypeEngine[Any]:
    if isinstance(column.type, CAST_TYPES):
        return sa.Text()
    return column.type


_ARROW_TYPES: dict[type[sa.types.TypeEngine[Any]], pa.DataType] = {
    sa.Boolean: pa.bool_(),
    sa.SmallInteger: pa.int16(),
    sa.BigInteger: pa.int64(),
    sa.Integer: pa.int32(),
    sa.Double: pa.float64(),
    sa.REAL: pa.float32(),
    sa.Text: pa.string(),
    sa.LargeBinary: pa.binary(),
    sa.TIMESTAMP: pa.timestamp("us", tz="UTC"),
    postgresql.ARRAY: pa.list_(pa.string()),
}


def _arrow_schema(table: sa.Table, columns: Collection[str]) -> pa.Schema:
    kinds = {name: table.c[name].type for name in columns}
    return pa.schema([(n, next(a for t, a in _ARROW_TYPES.items() if isinstance(k, t))) for n, k in kinds.items()])
