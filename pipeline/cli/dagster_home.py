"""Dagster's part of a ``SIGNALS_HOME``: the environment that its processes need, and its schema.

Whoever starts a Dagster process, or loads Dagster's instance, takes both from here. Keeping processes alive
is told in `pipeline.cli.supervision`, what `signals up` serves in `pipeline.cli.service`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import psycopg
from psycopg import sql

from pipeline.domain.errors import ConfigurationError, OperatorError
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.home import unusable
from pipeline.storage.log_files import last_lines
from pipeline.storage.server import DAGSTER_DATABASE
from pipeline.storage.server_access import ensure_database

CHECKOUT = Path(__file__).resolve().parents[2]
SCHEMA_LOCK = 0x64616773  # "dags": one process at a time makes or migrates Dagster's tables
MIGRATION_TIMEOUT_S = 600.0


def dagster_environment(home: Path, address: DatabaseAddress) -> dict[str, str]:
    """The variables that every Dagster process of this home needs; makes ``<home>/dagster`` for it.

    Dagster lets a ``.env`` file in the working folder override the environment, so that one which says
    otherwise is refused: half of the processes would work on another database.
    """
    folder = home.resolve() / "dagster"
    variables = {
        "DAGSTER_HOME": str(folder),
        "SIGNALS_HOME": str(home.resolve()),
        "SIGNALS_DATABASE_URL": address.libpq,
        "SIGNALS_DAGSTER_URL": address.with_database(DAGSTER_DATABASE).dagster,
        "SIGNALS_DAGSTER_FILES": str(folder / "files"),
    }
    for name, value in _dotenv(Path.cwd()).items():
        if value != variables.get(name, value):
            raise ConfigurationError(
                f"{name} must not be set in {Path.cwd() / '.env'}, because Dagster would prefer it to what "
                "`signals` found out; set it in the environment or in signals.toml"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _copy_settings(CHECKOUT / "dagster.yaml", folder / "dagster.yaml")
    except OSError as error:
        raise unusable(home, error) from error
    return variables


def prepare_dagster(environment: Mapping[str, str]) -> bool:
    """Make or migrate Dagster's tables; ``False`` if they are what this Dagster made already.

    ``environment`` comes from `dagster_environment`. Asking Dagster itself takes 2 s, so that what it left is
    noted in the home and compared with the database.
    """
    address = DatabaseAddress.parse(environment["SIGNALS_DAGSTER_URL"])
    noted = Path(environment["DAGSTER_HOME"]) / "schema.json"
    ensure_database(address)
    with psycopg.connect(address.libpq, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [SCHEMA_LOCK])
        if noted.exists() and json.loads(noted.read_text(encoding="utf-8")) == _schema(conn):
            return False
        migrated = subprocess.run(
            [sys.executable, "-m", "dagster", "instance", "migrate"],
            env={**os.environ, **environment},
            cwd=environment["DAGSTER_HOME"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # Ctrl-C waits for it rather than leaving half of the tables
            timeout=MIGRATION_TIMEOUT_S,
        )
        if migrated.returncode != 0:
            raise OperatorError(
                f"Dagster's tables at {address} could not be made or migrated\n{last_lines(migrated.stdout)}"
            )
        # Each event of a run is a commit. Should the machine lose power, the last moments of Dagster's log may be
        # lost with it; our own tables, which say what was done, wait for the disk.
        conn.execute(
            sql.SQL("ALTER DATABASE {} SET synchronous_commit TO off").format(sql.Identifier(address.database))
        )
        noted.write_text(json.dumps(_schema(conn)), encoding="utf-8")
    return True


def _schema(conn: psycopg.Connection) -> dict[str, str]:
    """Which Dagster made which tables."""
    known = conn.execute("SELECT to_regclass('public.alembic_version') IS NOT NULL").fetchone()
    revision = conn.execute("SELECT version_num FROM alembic_version").fetchone() if known == (True,) else None
    return {
        "dagster": version("dagster"),
        "dagster-postgres": version("dagster-postgres"),
        "revision": revision[0] if revision else "",
    }


def _dotenv(folder: Path) -> dict[str, str | None]:
    if not (folder / ".env").exists():
        return {}
    from dotenv import dotenv_values  # Dagster's own reader, so that both read the same

    return dotenv_values(folder / ".env")


def _copy_settings(source: Path, target: Path) -> None:
    text = source.read_text(encoding="utf-8")
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        fresh = target.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(target)
