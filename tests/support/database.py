"""A migrated database of ours for a test, a copy of one that is migrated once per test process."""

from collections.abc import Iterator

import pytest

from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from tests.support.postgres import drop_database, fresh_database


@pytest.fixture(scope="session")
def migrated_template(postgres_server: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """An empty database with our schema, to copy; nobody stays connected to it."""
    address = fresh_database(postgres_server)
    template = Database(address)
    migrate(template)
    template.close()
    yield address
    drop_database(address)


@pytest.fixture
def database(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[Database]:
    """A database of the test's own, migrated and empty."""
    fresh = Database(fresh_database(postgres_server, migrated_template))
    yield fresh
    fresh.close()
    drop_database(fresh.address)
