"""One database: its engine, its transactions, its bulk reads. Everything else in `storage` takes a connection."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

import adbc_driver_manager
import pandas as pd
import psycopg
import pyarrow as pa
import sqlalchemy as sa
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from pipeline.domain.errors import DatabaseUnavailableError
from pipeline.domain.signal import DEFAULT_SCOPE
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.bulk import Reader
from pipeline.storage.plain import let_binary_through

CHAIN_LOCK = 0x7369676E  # "sign": one run of the chain at a time, whoever started it
ATTEMPTS = 6
READERS = 2
CONNECTIONS = 16  # at once; opened as they are needed, and kept: a new one costs more than most requests
# Classes and codes of SQLSTATE after which the same transaction may succeed: the connection, a conflict with another
# transaction, too many connections, an operator's or a timeout's intervention, a lock that was not to be had.
PASSING_CLASSES = ("08", "40", "57")
PASSING_CODES = ("53300", "55P03")

T = TypeVar("T")
Question = sa.Select[tuple[object, ...]] | sa.TextClause


class Database:
    """A PostgreSQL database of ours, already migrated; see `storage.schema`."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.address = address
        self.engine = sa.create_engine(
            address.sqlalchemy,
            pool_pre_ping=True,
            pool_size=CONNECTIONS,
            max_overflow=0,
            connect_args={"connect_timeout": 10, "options": "-c timezone=UTC"},
        )
        let_binary_through(self.engine)
        self._readers = [Reader(address) for _ in range(READERS)]
        self._idle: SimpleQueue[Reader] = SimpleQueue()
        for reader in self._readers:
            self._idle.put(reader)
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._locks: list[_Lock] = []

    @contextmanager
    def begin(self) -> Iterator[sa.Connection]:
        """One transaction: committed at the end, rolled back on any error."""
        with _passing_errors(), self.engine.begin() as conn:
            yield conn

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection that only reads, without a transaction around its statements.

        Each of them sees what is committed when it begins, as within `begin`, which takes the server two answers more.
        """
        with _passing_errors(), self.engine.connect() as conn:
            yield conn.execution_options(isolation_level="AUTOCOMMIT")

    def frame(self, query: Question) -> pd.DataFrame:
        """The rows of ``query`` by Arrow, outside any transaction; see `bulk.Reader.frame`."""
        return self.frames([query])[0]

    def frames(self, queries: Sequence[Question]) -> list[pd.DataFrame]:
        """The rows of each query, `READERS` of them read at a time.

        Most of what a large read takes is spent in the server, which gives each connection a processor of its own.
        """
        return self._each(Reader.frame, queries)

    def tables(self, queries: Sequence[Question]) -> list[pa.Table]:
        """The rows of each query as Arrow gives them, outside any transaction, as `frames` reads them."""
        return self._each(Reader.table, queries)

    def _each(self, read: Callable[[Reader, Question], T], queries: Sequence[Question]) -> list[T]:
        def answer(query: Question) -> T:
            with self._reader() as reader:
                return read(reader, query)

        with _passing_errors():
            return [answer(query) for query in queries] if len(queries) == 1 else [*self._threads.map(answer, queries)]

    @contextmanager
    def _reader(self) -> Iterator[Reader]:
        reader = self._idle.get()
        try:
            yield reader
        finally:
            self._idle.put(reader)

    def retried(self, work: Callable[[], T]) -> T:
        """Do ``work`` again from its beginning, with growing pauses, while the database is away or in conflict.

        Whether a commit that broke off took place need not be known: our writes can be repeated. The chain's lock went
        with its connection and is taken anew.
        """
        for attempt in Retrying(
            retry=retry_if_exception_type(DatabaseUnavailableError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(multiplier=0.2, max=10) + wait_random(0, 0.2),  # 6 s in all: a server's restart
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number > 1:
                    self._renew_locks()
                return work()
        raise AssertionError("tenacity returns or raises")

    @contextmanager
    def chain_lock(self, scope: str = DEFAULT_SCOPE) -> Iterator[None]:
        """Hold the session-level lock of the chain in a scope; a second run of it waits here, then finds nothing to do.

        Scopes do not wait for each other: a long replay under a name of its own never holds up a tick.
        """
        lock = _Lock(scope, self.retried(lambda: self._locked(scope)))
        self._locks.append(lock)
        try:
            yield
        finally:
            self._locks.remove(lock)
            with suppress(sa.exc.DBAPIError, sa.exc.ResourceClosedError):  # where it has ended, the lock has too
                lock.connection.execute(sa.select(sa.func.pg_advisory_unlock_all()))
                lock.connection.commit()
            lock.connection.close()

    def _locked(self, scope: str) -> sa.Connection:
        """A connection that holds the lock of a scope."""
        with _passing_errors():
            connection = self.engine.connect()
            try:
                connection.execute(sa.select(sa.func.pg_advisory_lock(CHAIN_LOCK, sa.func.hashtext(scope))))
                connection.commit()
            except BaseException:
                connection.invalidate()  # given back alive it might hold the lock for ever
                connection.close()
                raise
        return connection

    def _renew_locks(self) -> None:
        """Take locks anew whose connections have ended; a run that came between is waited for."""
        for lock in self._locks:
            if not _answers(lock.connection):
                lock.connection.close()
                lock.connection = self._locked(lock.scope)

    def close(self) -> None:
        """Give every connection back."""
        self._threads.shutdown()
        for reader in self._readers:
            reader.close()
        self.engine.dispose()


@dataclass(slots=True)
class _Lock:
    scope: str
    connection: sa.Connection


def _answers(connection: sa.Connection) -> bool:
    if connection.closed:  # it had ended at an earlier attempt, which did not get another
        return False
    try:
        connection.execute(sa.select(1))
        connection.commit()
    except sa.exc.DBAPIError:
        connection.invalidate()
        return False
    return True


@contextmanager
def _passing_errors() -> Iterator[None]:
    """Raise `DatabaseUnavailableError` for whatever may pass by itself."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise DatabaseUnavailableError(f"no connection to the database was free: {error}") from error
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated or _may_pass(error.orig):
            raise DatabaseUnavailableError(f"the database did not answer: {error.orig}") from error
        raise
    except (psycopg.Error, adbc_driver_manager.Error) as error:  # from COPY and Arrow, which pass by SQLAlchemy
        if _may_pass(error):
            raise DatabaseUnavailableError(f"the database did not answer: {error}") from error
        raise


def _may_pass(error: BaseException | None) -> bool:
    code = getattr(error, "sqlstate", None)
    if code:
        return code.startswith(PASSING_CLASSES) or code in PASSING_CODES
    if isinstance(error, adbc_driver_manager.Error):
        return error.status_code == adbc_driver_manager.AdbcStatusCode.IO
    return isinstance(error, psycopg.OperationalError)  # no answer, and so no code
