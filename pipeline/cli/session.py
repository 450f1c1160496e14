"""What most commands need first: the settings, and a database that is up and current."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import sqlalchemy as sa

from pipeline.domain.errors import ConfigurationError
from pipeline.settings import Settings
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.home import require_home
from pipeline.storage.schema import migrate
from pipeline.storage.server import embedded_server
from pipeline.storage.server_access import ensure_database


@contextmanager
def database_address(settings: Settings) -> Iterator[DatabaseAddress]:
    """Where the database is: ``SIGNALS_DATABASE_URL``, else the home's embedded server, started if need be."""
    if settings.database_url is not None:
        try:
            address = DatabaseAddress.parse(settings.database_url.get_secret_value())
            ensure_database(address)
        except ConfigurationError as error:
            raise ConfigurationError(f"SIGNALS_DATABASE_URL (database_url): {error}") from error
        yield address
    else:
        require_home(settings.home)
        with embedded_server(settings.home) as address:
            yield address


def check_market(settings: Settings) -> None:
    """Refuse an exchange that does not exist, or does not offer a timeframe: now, and not at the next close."""
    if settings.market.source == "live" and settings.market.exchange is not None:
        from resources.exchange_client import check_exchange

        check_exchange(settings.market.exchange, settings.market.timeframes or ())


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database, migrated to this version; an embedded server stops with its last user."""
    with database_address(settings) as address:
        database = Database(address)
        try:
            with _permitted(address):
                migrate(database)
            yield database
        finally:
            database.close()


@contextmanager
def _permitted(address: DatabaseAddress) -> Iterator[None]:
    """Say what a role of a server that somebody set up by hand lacks."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        if not isinstance(error.orig, psycopg.errors.InsufficientPrivilege | psycopg.errors.ReadOnlySqlTransaction):
            raise
        raise ConfigurationError(
            f"the database's user must own it, or be allowed to make tables in it, at {address}: "
            f"{str(error.orig).partition(chr(10))[0]}"
        ) from error
