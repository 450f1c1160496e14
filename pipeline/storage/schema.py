"""The schema's version: migrate an older database, refuse a newer one, keep views and triggers current.

Tables change through Alembic revisions in `migrations/versions`; views and functions are code (`storage.views`,
`storage.triggers`, `storage.outcome_days`) and are made again whenever their text changes. Who may read them is looked
at each time (`storage.roles`).
"""

import hashlib
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from pipeline.domain.errors import SchemaVersionError
from pipeline.storage import outcome_days, roles, triggers, views
from pipeline.storage.database import Database

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"
MIGRATION_LOCK = 0x6D696772  # "migr"


def alembic_config() -> Config:
    """Alembic's configuration, which stands in pyproject.toml."""
    return Config(toml_file=str(PROJECT))


def migrate(database: Database) -> bool:
    """Bring the schema to this code's version in one transaction; True if anything changed.

    Two processes may call it at once: the second waits, then finds nothing to do. A database written by newer
    code is refused with `SchemaVersionError` and left as it is.
    """
    config = alembic_config()
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    with database.begin() as conn:
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        current = MigrationContext.configure(conn).get_current_revision()
        known = {revision.revision for revision in script.walk_revisions()}
        if current is not None and current not in known:
            raise SchemaVersionError(
                f"the database's schema must be {head} or older, was {current}: it was written by a newer version; "
                "update this checkout, or point SIGNALS_DATABASE_URL at another database"
            )
        if current != head:
            config.attributes["connection"] = conn
            command.upgrade(config, "head")
        renewed = _renew_code_objects(conn)
        roles.secure(conn)
    return current != head or renewed


def _renew_code_objects(conn: sa.Connection) -> bool:
    """Create views, functions and triggers again if their text has changed since the last time."""
    statements = [*views.statements(), *triggers.statements(), *outcome_days.statements()]
    digest = hashlib.sha256("\n".join(statements).encode()).hexdigest()
    stored = conn.scalar(sa.text("SELECT obj_description('public'::regnamespace)"))
    if stored == f"signals {digest}":
        return False
    for statement in statements:
        conn.exec_driver_sql(statement.replace("%", "%%"))
    conn.exec_driver_sql(f"COMMENT ON SCHEMA public IS 'signals {digest}'")
    return True
