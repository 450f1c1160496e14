"""One run of the chain at a time in each scope; scopes do not wait for each other."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from pipeline.storage.database import Database


def entered(database: Database, scope: str, seen: Event) -> None:
    with database.chain_lock(scope):
        seen.set()


def test_f40_a_second_run_of_a_scope_waits_and_one_of_another_does_not(database: Database) -> None:
    first, same, other = Event(), Event(), Event()
    with ThreadPoolExecutor(2) as threads:
        with database.chain_lock():
            first.set()
            threads.submit(entered, database, "default", same)
            threads.submit(entered, database, "patient", other)
            assert other.wait(timeout=10)
            assert not same.wait(timeout=0.5)
        assert same.wait(timeout=10)
