"""`signals sql`: questions to the database in SQL, read-only; or its address for other programs."""

import csv
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
import psycopg

from pipeline.cli.display import Column, remark, show_table
from pipeline.cli.session import database_address, open_database
from pipeline.domain.errors import DatabaseUnavailableError, OperatorError
from pipeline.json_values import iso, json_text
from pipeline.settings import load_settings
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.views import contract

TIMEOUT_S = 60
TABLE_ROWS = 1000
OPTIONS = f"-c default_transaction_read_only=on -c statement_timeout={TIMEOUT_S}s -c timezone=UTC"

REWORDED = {  # the driver's words for what a person did
    "insert multiple commands into a prepared statement": "ask one statement at a time",
    "COPY cannot be used with this method": "ask for rows: SELECT with --format csv does what COPY TO STDOUT does",
}


@click.command("sql")
@click.argument("query", required=False)
@click.option("--format", "kind", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
@click.option("--url", is_flag=True, help="Print the database's address for other programs, password included.")
@click.option("--describe", is_flag=True, help="Print what every view and its columns mean, as Markdown.")
def sql_command(query: str | None, kind: str, url: bool, describe: bool) -> None:
    """Ask the database one question in SQL.

    Nothing can be changed, and after 60 s the question is given up. Without QUERY, or with -, it is read from stdin.
    Good places to start are v_candles, v_indicators, v_active_signals, trading_signals and risk_decisions; every table
    and column has a comment. A table shows 1,000 rows at most, csv and json have all.

    \b
    Examples:
      signals sql "SELECT strategy, count(*) FROM trading_signals GROUP BY 1 ORDER BY 2 DESC"
      signals sql --format csv < report.sql > report.csv
      psql "$(signals sql --url)"
      signals sql --describe
    """
    settings = load_settings()
    if url:
        with database_address(settings) as address:
            click.echo(address.libpq)
        if settings.database_url is None:
            remark(
                "the embedded server answers there only while something uses it: keep `signals up` "
                "running, or have it started by `signals up --prepare`"
            )
        return
    if describe:
        with open_database(settings) as database, database.begin() as conn:
            click.echo(contract.describe(contract.read(conn)), nl=False)
        return
    if query is None and sys.stdin.isatty():
        raise click.UsageError('say what to ask: signals sql "SELECT * FROM v_active_signals"')
    text = sys.stdin.read() if query in (None, "-") else query
    if not text or not text.strip():
        raise click.UsageError("the question must be a statement, was empty")
    with open_database(settings) as database, _answer(database.address, text) as cursor:
        if cursor.description is None:
            remark(cursor.statusmessage or "done")
            return
        columns = cursor.description
        names = [column.name for column in columns]
        if kind == "csv":
            _write_csv(names, cursor)
        elif kind == "json":
            click.echo(json_text([dict(zip(_distinct(names), row, strict=True)) for row in cursor]))
        else:
            _show(columns, cursor)


@contextmanager
def _answer(address: DatabaseAddress, query: str) -> Iterator[psycopg.Cursor]:
    """The answer to one statement, in a transaction that reads and is rolled back."""
    with _explained():
        conn = psycopg.connect(address.libpq, options=OPTIONS, connect_timeout=10)
        try:
            conn.execute("SET TRANSACTION READ ONLY")
            if conn.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,):
                conn.execute("SET LOCAL ROLE pg_read_all_data")  # a superuser could still run programs and read files
            yield conn.execute(query, prepare=True)  # prepared: one statement only
        finally:
            conn.close()


@contextmanager
def _explained() -> Iterator[None]:
    """PostgreSQL's errors as it tells them, with the place in the query, and no traceback."""
    try:
        yield
    except psycopg.errors.QueryCanceled as error:
        raise OperatorError(f"the answer must take {TIMEOUT_S} s at most, took longer; ask for less") from error
    except psycopg.errors.ReadOnlySqlTransaction as error:
        raise OperatorError(
            f"{str(error).strip()}; `signals sql` only reads: to write, connect with psql to `signals sql --url`"
        ) from error
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(f"the database did not answer: {error}") from error
    except psycopg.Error as error:
        said = str(error).strip()
        raise OperatorError(next((ours for theirs, ours in REWORDED.items() if theirs in said), said)) from error


def _show(columns: Sequence[psycopg.Column], cursor: psycopg.Cursor) -> None:
    rows = cursor.fetchmany(TABLE_ROWS)
    titles = [
        Column(title=column.name, is_number=any(isinstance(row[place], int | float) for row in rows[:20]))
        for place, column in enumerate(columns)
    ]
    show_table(titles, [[_plain(value) for value in row] for row in rows])
    if cursor.rowcount > len(rows):
        remark(f"{len(rows):,} of {cursor.rowcount:,} rows; --format csv gives all")


def _plain(value: Any) -> Any:
    """Numbers as the database has them: a question to a database wants its digits."""
    return repr(value) if isinstance(value, float) else str(value) if type(value) is int else value


def _write_csv(names: Sequence[str], rows: psycopg.Cursor) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_csv_value(value) for value in row] for row in rows)


def _csv_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, bool):
        return str(value).lower()
    return json_text(value, indent=None) if isinstance(value, dict | list) else value


def _distinct(names: Sequence[str]) -> list[str]:
    """Names of which no two are the same, as an object needs them: a, a_2, a_3."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return found
