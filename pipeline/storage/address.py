"""Where the database is: one address, spelled as each of its readers wants it.

Add a spelling here when another program reads the address. Connecting belongs to `pipeline.storage`'s
engine, starting a server to `pipeline.storage.server`.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Self
from urllib.parse import parse_qsl, quote, unquote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

from pipeline.domain.errors import ConfigurationError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2")
SECRET_PARAMETERS = frozenset({"password", "sslpassword"})
EXAMPLE = "postgresql://user:password@host:5432/database"

# A password may hold @ : # as they are; / and ? end the host and must be percent-encoded.
_URL = re.compile(
    r"(?P<scheme>[^:/?#]+)://(?:(?P<login>[^/?]*)@)?(?P<host>[^/?@]*)(?:/(?P<database>[^?@/]*))?(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^:,\[\]\s]*)(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseAddress:
    """One database of one PostgreSQL server.

    The readers disagree about the scheme: SQLAlchemy takes ``postgresql://`` for psycopg 3, with which
    Dagster's storage fails, and libpq (ADBC, psql) knows no drivers at all. So the parts are kept, decoded,
    and each reader gets a spelling of its own; nobody else builds or cuts a URL. ``str`` and ``repr`` never
    show the password.
    """

    host: str  # name, address or [IPv6], with :port if given; empty for a Unix socket or libpq's default
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    parameters: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read any usual PostgreSQL URL; a ``ConfigurationError`` never shows the password.

        ``?host=/folder`` and ``%2Ffolder`` in the host's place both mean a Unix socket.
        """
        found = _URL.fullmatch(url.strip())
        if found is None:
            raise ConfigurationError(
                f"database URL must read like {EXAMPLE}, with any / ? @ in the password written %2F %3F %40"
            )
        if (scheme := found["scheme"].lower()) not in SCHEMES:
            raise ConfigurationError(
                f"database URL must start with postgresql:// (PostgreSQL is the only database that is "
                f"supported), was {scheme}://"
            )
        user, _, password = (found["login"] or "").partition(":")
        host, parameters = found["host"], dict(parse_qsl(found["query"] or "", keep_blank_values=True))
        if host.lower().startswith("%2f"):
            host, parameters = "", {"host": unquote(host), **parameters}
        numbered = _HOST.fullmatch(host)
        if numbered is None or not 0 < int((numbered[2] or ":5432")[1:]) < 65_536:
            raise ConfigurationError(
                "database URL must name one host and a numeric port, such as host:5432, "
                "with any / ? @ in the password written %2F %3F %40"
            )
        database = parameters.pop("dbname", "") or unquote(found["database"] or "")
        if not database:
            raise ConfigurationError(f"database URL must name a database, as in {EXAMPLE}")
        address = cls(
            host=host,
            database=database,
            user=unquote(user) or None,
            password=unquote(password) or None,
            parameters=tuple(parameters.items()),
        )
        try:
            conninfo_to_dict(address.libpq)
        except psycopg.ProgrammingError as error:
            raise ConfigurationError(
                f"database URL must have parameters that PostgreSQL knows: {str(error).strip()}"
            ) from error
        return address

    @property
    def sqlalchemy(self) -> str:
        """For our own engine: psycopg 3."""
        return self._spell("postgresql+psycopg")

    @property
    def dagster(self) -> str:
        """For Dagster's storage: psycopg 2, because its ``NOTIFY run_events`` fails with psycopg 3."""
        return self._spell("postgresql+psycopg2")

    @property
    def libpq(self) -> str:
        """For ADBC, psql and other programs."""
        return self._spell("postgresql")

    @property
    def masked(self) -> str:
        """For people: every secret is ``***``."""
        hidden = tuple((name, "***" if name in SECRET_PARAMETERS else value) for name, value in self.parameters)
        return replace(self, password=self.password and "***", parameters=hidden).libpq

    def with_database(self, name: str) -> Self:
        """Another database of the same server."""
        return replace(self, database=name)

    def _spell(self, scheme: str) -> str:
        user, password, database = (quote(part or "", safe="*") for part in (self.user, self.password, self.database))
        login = f"{user}:{password}@" if password else f"{user}@" if user else ""
        query = urlencode(self.parameters, quote_via=quote, safe="/*")
        return f"{scheme}://{login}{self.host}/{database}" + (f"?{query}" if query else "")

    def __str__(self) -> str:
        return self.masked
