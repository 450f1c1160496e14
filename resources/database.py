"""The database as a Dagster resource: one per run, holding the lock that keeps two runs of the chain apart."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import dagster as dg

from pipeline.domain.errors import ConfigurationError
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database

ADDRESS_VARIABLE = "SIGNALS_DATABASE_URL"


class DatabaseResource(dg.ConfigurableResource[Database]):
    """Our database, migrated by whoever started Dagster.

    The address is read when a run starts and not when definitions are loaded, so that the code location loads
    without a database. A second run of the chain waits for the first, then finds nothing to do.
    """

    url: str | None = None  # None: from the environment, which `signals` sets

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Database]:
        """Open the database for a run."""
        url = self.url or os.environ.get(ADDRESS_VARIABLE)
        if not url:
            raise ConfigurationError(
                f"{ADDRESS_VARIABLE} must be set where Dagster runs; `signals up` does it, and for `dagster dev`: "
                'eval "$(signals up --prepare)"'
            )
        database = Database(DatabaseAddress.parse(url))
        try:
            with self._guard(database):
                yield database
        finally:
            database.close()

    def _guard(self, database: Database) -> AbstractContextManager[None]:
        return database.chain_lock()


class UnlockedDatabaseResource(DatabaseResource):
    """Our database for jobs that lock what they write themselves, and so run beside the chain."""

    def _guard(self, database: Database) -> AbstractContextManager[None]:
        return nullcontext()
