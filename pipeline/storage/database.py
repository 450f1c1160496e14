"""One database: its engine, its transactions, its bulk reads. Everything else in `storage` takes a connection."""

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import sqlalchemy as sa

from pipeline.domain.errors import DatabaseUnavailableError
from pipeline.domain.signal import DEFAULT_SCOPE
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.bulk import Reader

CHAIN_LOCK = 0x7369676E  # "sign": one run of the chain at a time, whoever started it


class Database:
    """A PostgreSQL database of ours, already migrated; see `storage.schema`."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        self.engine = sa.create_engine(
            address.sqlalchemy,
            pool_pre_ping=True,
            connect_args={"connect_timeout": 10, "options": "-c timezone=UTC"},
        )
        self._reader = Reader(address)

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction: committed at the end, rolled back on any error."""
        with _unavailable(), self.engine.begin() as conn:
            yield conn

    def frame(self, query: sa.Select[tuple[object, ...]] | sa.TextClause) -> pd.DataFrame:
        """The rows of ``query`` by Arrow, outside any transaction; see `bulk.Reader.frame`."""
        return self._reader.frame(query)

    @contextmanager
    def chain_lock(self, scope: str = DEFAULT_SCOPE) -> Iterator[None]:
        """Hold the session-level lock of the chain in a scope; a second run of it waits here, then finds nothing to do.

        Scopes do not wait for each other: a long replay under a name of its own never holds up a tick.
        """
        key = sa.func.hashtext(scope)
        with _unavailable(), self.engine.connect() as conn:
            conn.execute(sa.select(sa.func.pg_advisory_lock(CHAIN_LOCK, key)))
            conn.commit()
            try:
                yield
            finally:
                conn.execute(sa.select(sa.func.pg_advisory_unlock(CHAIN_LOCK, key)))
                conn.commit()

    def close(self) -> None:
        """Give every connection back."""
        self._reader.close()
        self.engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        if error.connection_invalidated or "connection" in str(error.orig):
            raise DatabaseUnavailableError(f"the database did not answer: {error.orig}") from error
        raise
