"""Questions that are asked so often that making a statement and its rows costs more than their answer.

SQLAlchemy writes the SQL, once for each shape of a question; the driver runs it, with values by their names, and makes
plain rows of what comes in binary. Use it for what every request asks; everything else is worth no second way.
"""

from collections.abc import Mapping
from typing import Any, cast

import psycopg
import sqlalchemy as sa
from psycopg.pq import Format
from sqlalchemy.types import TypeEngine

DIALECT = sa.make_url("postgresql+psycopg://").get_dialect()()
IN_BINARY = "signals_in_binary"  # an option of an execution


UNKNOWN = sa.types.NullType()


def parameter(name: str, kind: TypeEngine[Any] = UNKNOWN, value: object = None) -> sa.BindParameter[Any]:
    """A value by its name; where its type is unknown, whatever it is compared with says it."""
    return sa.bindparam(name, value, type_=kind)


def sql_of(query: sa.Select[tuple[Any, ...]]) -> str:
    """The SQL of a query whose values are `parameter`."""
    return str(query.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True}))


def plain(column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """A column as the driver reads it in binary, where it does not know enumerations, and makes ids slowly: as text."""
    return sa.cast(column, sa.Text).label(column.key) if isinstance(column.type, sa.Enum | sa.Uuid) else column


def plain_rows(conn: sa.Connection, sql: str, values: Mapping[str, object]) -> list[dict[str, Any]]:
    """The rows of `sql_of`, by the names of its columns."""
    with conn.exec_driver_sql(sql, dict(values), execution_options={IN_BINARY: True}) as result:
        cursor = cast("psycopg.Cursor[tuple[Any, ...]]", result.cursor)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row)) for row in cursor.fetchall()]  # noqa: B905 - strict takes longer than the rest


def let_binary_through(engine: sa.Engine) -> None:
    """Have an engine ask for binary rows where `plain_rows` does."""

    @sa.event.listens_for(engine, "before_cursor_execute")
    def ask(
        conn: sa.Connection,
        cursor: Any,
        statement: str,
        parameters: Any,
        context: sa.ExecutionContext | None,
        executemany: bool,
    ) -> None:
        if context is not None and IN_BINARY in context.execution_options:
            cursor.format = Format.BINARY
