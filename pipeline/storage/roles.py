"""Who may read and do what in SQL: two group roles, and what everybody else is denied.

`signals_reader` reads the views; `signals_bot` reads them and calls `execute_signal` and `invalidate_signal`, which
lend it what they need (`storage.triggers`). Neither has any right on a table. Roles belong to the whole server, so that
two databases of ours on one server share them; what a login may enter is granted to the login itself, database by
database (`storage.sql_logins`).

Rights are looked at on every start and mended where ours is the role that may; what takes another role is told by
`signals doctor`, in SQL. Add a right to `lacking`: what is missing, and the statements that give it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa

from pipeline.storage.server import DAGSTER_DATABASE
from pipeline.storage.views import VIEWS

READER, BOT = "signals_reader", "signals_bot"
BOT_FUNCTIONS = ("execute_signal(uuid, float8, timestamptz)", "invalidate_signal(uuid, text)")
OWNER_FUNCTIONS = ("end_signal(uuid, signal_status_enum, float8, timestamptz)", *BOT_FUNCTIONS)
# What may go wrong where another database's start does the same at this moment, or where the rights do not suffice
# after all: it is lacking still, and the next start or `signals doctor` finds it.
PASSING = (
    psycopg.errors.InsufficientPrivilege,
    psycopg.errors.DuplicateObject,
    psycopg.errors.UniqueViolation,
    psycopg.errors.InternalError_,  # tuple concurrently updated
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A right that stands, or is missing, otherwise than it should."""

    statements: tuple[str, ...]  # that mend it
    is_ours: bool  # whether the role that asks may run them


def secure(conn: sa.Connection) -> None:
    """Mend whatever the role of ``conn`` may; whatever it may not stays `lacking`."""
    for lack in lacking(conn):
        if not lack.is_ours:
            continue
        try:
            with conn.begin_nested():
                for statement in lack.statements:
                    conn.exec_driver_sql(statement.replace("%", "%%"))
        except sa.exc.DBAPIError as error:
            if not isinstance(error.orig, PASSING):
                raise


def lacking(conn: sa.Connection) -> list[Lack]:
    """What is to be mended, in the order in which it can be; nothing where all is as it should be."""
    me = conn.execute(_ME).mappings().one()
    groups = set(
        conn.scalars(sa.text("SELECT rolname FROM pg_roles WHERE rolname IN (:r, :b)"), {"r": READER, "b": BOT})
    )
    return [
        *(
            Lack(statements=(f"CREATE ROLE {name} NOLOGIN",), is_ours=me["makes_roles"])
            for name in (READER, BOT)
            if name not in groups
        ),
        *_rights_of_groups(conn, groups, makes_roles=me["makes_roles"]),
        *_rights_of_everybody(conn, is_superuser=me["is_superuser"]),
    ]


_ME = sa.text(
    """SELECT rolsuper AS is_superuser, rolsuper OR rolcreaterole AS makes_roles
FROM pg_roles WHERE rolname = current_user"""
)

_GROUPS = sa.text("SELECT rolname FROM pg_roles WHERE rolname = ANY(:names)")


def _rights_of_groups(conn: sa.Connection, groups: set[str], *, makes_roles: bool) -> Iterator[Lack]:
    """Our own role owns views and functions, so that it may let anybody use them; once there is somebody."""
    for name in (READER, BOT):
        is_there = name in groups or makes_roles
        wanted = {"views": [view.name for view in VIEWS], "role": name}
        missing = conn.scalars(_UNREADABLE, wanted).all() if name in groups else wanted["views"]
        if missing:
            yield Lack(statements=(f"GRANT SELECT ON {', '.join(missing)} TO {name}",), is_ours=is_there)
    callable_by = {"role": BOT, "functions": list(BOT_FUNCTIONS)}
    if BOT not in groups or conn.scalar(_UNCALLABLE, callable_by):
        grant = f"GRANT EXECUTE ON FUNCTION {', '.join(BOT_FUNCTIONS)} TO {BOT}"
        yield Lack(statements=(grant,), is_ours=BOT in groups or makes_roles)


_UNREADABLE = sa.text(
    """SELECT name FROM unnest(CAST(:views AS text[])) WITH ORDINALITY AS v (name, place)
WHERE NOT has_table_privilege(:role, 'public.' || name, 'SELECT') ORDER BY place"""
)
_UNCALLABLE = sa.text(
    """SELECT EXISTS (SELECT FROM unnest(CAST(:functions AS text[])) AS f (name)
WHERE NOT has_function_privilege(:role, 'public.' || name, 'EXECUTE'))"""
)


def _rights_of_everybody(conn: sa.Connection, *, is_superuser: bool) -> Iterator[Lack]:
    """What PostgreSQL lets every login of a server do, unless it is told otherwise."""
    quoted = conn.dialect.identifier_preparer.quote
    for found in conn.execute(_OPEN, {"dagster": DAGSTER_DATABASE}).mappings():
        revoke = f"REVOKE {found['rights']} ON {found['kind']} {quoted(found['name'])} FROM PUBLIC"
        yield Lack(statements=(revoke,), is_ours=found["is_ours"])
    lent = {"role": "public", "functions": list(OWNER_FUNCTIONS)}
    if conn.scalar(_CALLABLE, lent):
        revoke = f"REVOKE EXECUTE ON FUNCTION {', '.join(OWNER_FUNCTIONS)} FROM PUBLIC"
        yield Lack(statements=(revoke,), is_ours=True)
    if writing := conn.scalars(_WRITING).all():
        functions = ", ".join(writing)
        yield Lack(
            statements=(
                f"REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC",
                f"GRANT EXECUTE ON FUNCTION {functions} TO pg_database_owner",
            ),
            is_ours=is_superuser,
        )


_OPEN = sa.text(
    """SELECT 'DATABASE' AS kind, datname AS name, pg_has_role(current_user, datdba, 'USAGE') AS is_ours,
  CASE WHEN datname = current_database() THEN 'CONNECT, TEMPORARY' ELSE 'CONNECT' END AS rights
FROM pg_database
WHERE datname IN (current_database(), :dagster) AND (has_database_privilege('public', oid, 'CONNECT')
  OR datname = current_database() AND has_database_privilege('public', oid, 'TEMPORARY'))
UNION ALL
SELECT 'SCHEMA', nspname, pg_has_role(current_user, nspowner, 'USAGE'), 'CREATE'
FROM pg_namespace WHERE nspname = 'public' AND has_schema_privilege('public', oid, 'CREATE')"""
)
_CALLABLE = sa.text(
    """SELECT EXISTS (SELECT FROM unnest(CAST(:functions AS text[])) AS f (name)
WHERE has_function_privilege(:role, 'public.' || name, 'EXECUTE'))"""
)
# Large objects fill the disk, and whoever holds the chain's advisory lock keeps it from running.
_WRITING = sa.text(
    """SELECT oid::regprocedure::text FROM pg_proc
WHERE pronamespace = 'pg_catalog'::regnamespace AND has_function_privilege('public', oid, 'EXECUTE')
  AND (proname ~ '^pg_(try_)?advisory_' OR proname IN ('lo_creat', 'lo_create', 'lo_from_bytea'))
ORDER BY 1"""
)


def statements_for_another(conn: sa.Connection) -> list[str]:
    """SQL for a role that may do what ours may not; none where nothing is lacking."""
    return [statement for lack in lacking(conn) if not lack.is_ours for statement in lack.statements]
