"""What this installation occupies: measured, recorded once a day, and read back as growth.

How growth follows from sizes is told in `pipeline.growth`.
"""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.growth import WINDOW, Growth, growth
from pipeline.storage import tables
from pipeline.storage.server import DAGSTER_DATABASE

SIGNALS, DAGSTER, LOGS, HOME = "signals_database", "dagster_database", "logs", "home"


def measure(conn: sa.Connection, home: Path) -> dict[str, int]:
    """Bytes of our database, of Dagster's beside it, of log files, and of the whole home.

    The home holds both databases where their server is the embedded one. A database that is missing, or that this
    user may not connect to, is left out.
    """
    sizes = {}
    for what, name in ((SIGNALS, conn.engine.url.database), (DAGSTER, DAGSTER_DATABASE)):
        try:
            with conn.begin_nested():
                sizes[what] = int(conn.scalar(sa.select(sa.func.pg_database_size(sa.cast(name, sa.Text)))) or 0)
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, psycopg.errors.InvalidCatalogName | psycopg.errors.InsufficientPrivilege):
                raise
    folder = home.resolve()
    sizes[LOGS] = sum(map(_occupied, (folder / "logs", folder / "dagster")))
    sizes[HOME] = _occupied(folder)
    return sizes


def record(conn: sa.Connection, measured_at: datetime, sizes: Mapping[str, int]) -> None:
    """Note the sizes; those of the same instant are replaced."""
    rows = [{"what": what, "measured_at": measured_at, "bytes": size} for what, size in sizes.items()]
    statement = insert(tables.storage_sizes).values(rows)
    conn.execute(
        statement.on_conflict_do_update(
            index_elements=tables.storage_sizes.primary_key, set_={"bytes": statement.excluded.bytes}
        )
    )


def read_growth(conn: sa.Connection, sizes: Mapping[str, int], as_of: datetime) -> dict[str, Growth]:
    """Growth of each, from what was recorded up to ``as_of`` and what it occupies now."""
    t = tables.storage_sizes.c
    recorded: defaultdict[str, dict[datetime, int]] = defaultdict(dict)
    query = sa.select(t.what, t.measured_at, t.bytes).where(t.measured_at > as_of - WINDOW, t.measured_at <= as_of)
    for what, measured_at, size in conn.execute(query):
        recorded[what][measured_at] = size
    return {what: growth({**recorded[what], as_of: size}, size) for what, size in sizes.items()}


def free_bytes(home: Path) -> int:
    """What the home's disk still takes; 0 for a home that is not there."""
    return shutil.disk_usage(home).free if home.exists() else 0


def _occupied(folder: Path) -> int:
    """Bytes of the disk below a folder, as `du` counts them; what vanishes meanwhile counts nothing."""
    return sum(_blocks(entry) for entry in _entries(folder))


def _entries(folder: Path) -> Iterator[str]:
    for parent, folders, names in os.walk(folder):
        yield from (os.path.join(parent, name) for name in (*folders, *names))


def _blocks(path: str) -> int:
    try:
        return os.lstat(path).st_blocks * 512
    except OSError:
        return 0
