"""What a database of ours holds, for comparing two of them: every table, but for what is allowed to differ.

That follows from the tables themselves, so that a new table is compared without a line here: wall-clock columns
count as set or not, numbers that the database hands out are left out, and a series is known by its name. Which run
of Dagster did something is left out too.
"""

from collections import Counter

import psycopg
import sqlalchemy as sa

from pipeline.storage import tables
from pipeline.storage.address import DatabaseAddress

WALL_CLOCK = "wall clock"  # how the comments of such columns begin
RUN = "run_id"


def _rows_of(table: sa.Table) -> str:
    """A query that gives each row of a table as text."""
    dropped = [c.name for c in table.c if c.identity is not None or c.name in (RUN, "series_id")]
    clocks = [c.name for c in table.c if (c.comment or "").startswith(WALL_CLOCK)]
    added = [f"'{name}', t.{name} IS NOT NULL" for name in clocks]
    if "series_id" in table.c:
        name = "SELECT concat_ws(' ', s.exchange, s.symbol, s.timeframe) FROM series s WHERE s.series_id = t.series_id"
        added.append(f"'series', ({name})")
    names = ", ".join(f"'{name}'" for name in (*dropped, *clocks))
    return (
        f"SELECT '{table.name}' AS name, "
        f"((to_jsonb(t) - ARRAY[{names}]::text[]) || jsonb_build_object({', '.join(added)}))::text AS row "
        f"FROM {table.name} t"
    )


ALL_ROWS = " UNION ALL ".join(_rows_of(table) for table in tables.metadata.sorted_tables)


def digest(address: DatabaseAddress) -> str:
    """A fingerprint of everything, as of one instant."""
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        statement = f"SELECT md5(string_agg(name || row, E'\\n' ORDER BY name, row)) FROM ({ALL_ROWS}) a"
        return str(conn.execute(statement).fetchall()[0][0])


def contents(address: DatabaseAddress) -> Counter[tuple[str, str]]:
    """Every row with its table, and how often it is there."""
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        return Counter(conn.execute(ALL_ROWS).fetchall())
