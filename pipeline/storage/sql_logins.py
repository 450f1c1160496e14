"""Logins for analysts and bots: each in one of the group roles of `storage.roles`, and admitted to this database alone.

Roles belong to the server, databases to installations: a login is ours if it may enter our database by a right of its
own and is in one of the groups, and nobody else's login is ever changed.
"""

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal

import psycopg
import sqlalchemy as sa
from psycopg import sql

from pipeline.domain.errors import ConfigurationError, OperatorError
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.roles import BOT, READER

Kind = Literal["reader", "bot"]
GROUPS: dict[Kind, str] = {"reader": READER, "bot": BOT}
NAME = re.compile(r"(?!pg_)[a-z_][a-z0-9_]{0,62}")
CONNECTIONS = 20  # of a login at once: the server has a hundred for all
# Set for the login, which may set them otherwise for itself: they end what was forgotten, not what is meant ill.
SETTINGS = {"statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s", "timezone": "UTC"}
READING = {"default_transaction_read_only": "on"}
OURS_ALONE = frozenset({"user", "password", "passfile", "sslcert", "sslkey", "sslpassword", "options"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlLogin:
    """Somebody who may connect with psql, Grafana and the like."""

    name: str
    kind: Kind
    sessions: int  # open in this database now


def list_logins(conn: sa.Connection) -> list[SqlLogin]:
    """The logins of this database, by name."""
    kinds = {group: kind for kind, group in GROUPS.items()}
    return [
        SqlLogin(name=row.name, kind=kinds[row.role], sessions=row.sessions)
        for row in conn.execute(_LOGINS, {"groups": list(kinds)})
    ]


_LOGINS = sa.text(
    """SELECT DISTINCT l.rolname AS name, g.rolname AS role, (
  SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = l.oid AND a.datid = d.oid
) AS sessions
FROM pg_database d
CROSS JOIN LATERAL aclexplode(d.datacl) x
JOIN pg_roles l ON l.oid = x.grantee AND l.rolcanlogin
JOIN pg_auth_members m ON m.member = l.oid
JOIN pg_roles g ON g.oid = m.roleid AND g.rolname = ANY(:groups)
WHERE d.datname = current_database() AND x.privilege_type = 'CONNECT' AND l.oid <> d.datdba AND NOT m.admin_option
ORDER BY 1, 2"""
)


def add_login(conn: sa.Connection, name: str, kind: Kind) -> str:
    """Make a login and return its password, which nobody keeps.

    Raises
    ------
    ConfigurationError
        The name cannot be one, or the connection's role may not make logins; with the SQL for one that may.
    OperatorError
        The server has a role of that name already.
    """
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"the name of a login must be of a-z, 0-9 and _, begin with a letter and not with pg_, was {name!r}"
        )
    password, driver = secrets.token_urlsafe(24), _driver(conn)
    conn.execute(_STRETCHED)
    verifier = driver.pgconn.encrypt_password(password.encode(), name.encode()).decode()  # so that no log has it
    database = conn.scalar(sa.text("SELECT current_database()"))
    try:
        with _permitted(_statements(name, kind, str(database), "...")), conn.begin_nested():
            for statement in _statements(name, kind, str(database), verifier):
                driver.execute(statement)
    except psycopg.errors.DuplicateObject as error:
        raise OperatorError(
            f"the server has a role called {name} already; choose another name, or `signals sql-user remove {name}` "
            "first if it is one of these logins"
        ) from error
    return password


# As often as PostgreSQL does by default, for drivers that refuse less; what the server is set to is for our own role.
_STRETCHED = sa.text(
    """SELECT set_config('scram_iterations', '4096', true)
WHERE current_setting('server_version_num')::integer >= 160000"""
)


def remove_login(conn: sa.Connection, name: str) -> bool:
    """Shut a login out of this database and end its sessions here; True if it is gone from the server too.

    It stays where it has rights elsewhere: in another installation's database, or given by somebody else.

    Raises
    ------
    OperatorError
        This database has no such login.
    """
    if name not in {login.name for login in list_logins(conn)}:
        raise OperatorError(f"this database has no login called {name}; `signals sql-user list` shows them")
    driver, login = _driver(conn), sql.Identifier(name)
    database = sql.Identifier(str(conn.scalar(sa.text("SELECT current_database()"))))
    shut_out = sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(database, login)
    drop = sql.SQL("DROP ROLE {}").format(login)
    with _permitted([shut_out, drop]):
        driver.execute(shut_out)
        conn.execute(_END_SESSIONS, {"name": name})
        try:
            with conn.begin_nested():
                driver.execute(drop)
        except psycopg.errors.DependentObjectsStillExist:
            return False
    return True


_END_SESSIONS = sa.text(
    """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = :name AND datname = current_database() AND pg_has_role(current_user, usesysid, 'USAGE')"""
)


def address_of(address: DatabaseAddress, name: str, password: str) -> DatabaseAddress:
    """How a login reaches the database: as we do, without what is ours alone."""
    parameters = tuple((key, value) for key, value in address.parameters if key not in OURS_ALONE)
    return replace(address, user=name, password=password, parameters=parameters)


def _statements(name: str, kind: Kind, database: str, verifier: str) -> list[sql.Composed]:
    login = sql.Identifier(name)
    settings = SETTINGS | (READING if kind == "reader" else {})
    return [
        sql.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT {} PASSWORD {} IN ROLE {}").format(
            login, sql.Literal(CONNECTIONS), sql.Literal(verifier), sql.Identifier(GROUPS[kind])
        ),
        sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), login),
        *(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(login, sql.Identifier(setting), sql.Literal(value))
            for setting, value in settings.items()
        ),
    ]


@contextmanager
def _permitted(statements: list[sql.Composed]) -> Iterator[None]:
    """Say what somebody else must do where the connection's role may not."""
    try:
        yield
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject) as error:
        asked = "; ".join(statement.as_string() for statement in statements)
        raise ConfigurationError(
            f"the database's user may not make or drop logins ({str(error).partition(chr(10))[0]}); "
            f"what `signals doctor` asks for comes first, then a role that may can run: {asked}"
        ) from error


def _driver(conn: sa.Connection) -> psycopg.Connection:
    driver = conn.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
