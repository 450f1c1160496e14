"""What most commands need first: the settings, and a database that is up and current."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.domain.errors import ConfigurationError
from pipeline.settings import Settings
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from pipeline.storage.server import embedded_server, ensure_database


@contextmanager
def database_address(settings: Settings) -> Iterator[DatabaseAddress]:
    """Where the database is: ``SIGNALS_DATABASE_URL``, else the home's embedded server, started if need be."""
    if settings.database_url is not None:
        try:
            address = DatabaseAddress.parse(settings.database_url.get_secret_value())
        except ConfigurationError as error:
            raise ConfigurationError(f"SIGNALS_DATABASE_URL (database_url): {error}") from error
        ensure_database(address)
        yield address
    else:
        with embedded_server(settings.home) as address:
            yield address


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """The database, migrated to this version; an embedded server stops with its last user."""
    with database_address(settings) as address:
        database = Database(address)
        try:
            migrate(database)
            yield database
        finally:
            database.close()
