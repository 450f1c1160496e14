"""One of a crowd that changes the same signals at once, each by a way of its own, and counts what it changed."""

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import psycopg
import sqlalchemy as sa

from pipeline.domain.errors import DatabaseUnavailableError, DataContractError
from pipeline.domain.status import SignalStatus
from pipeline.storage import tables
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.transitions import Ending, expire, invalidate, transition
from tests.support.candle_rows import START
from tests.support.lifecycle import HOUR, a_life, plain

WANTED = 12  # so few of the newest are fought over
PRICE = 101.0


class Member:
    """A process of the crowd."""

    def __init__(self, database: Database, series_id: int, seed: int) -> None:
        self.database, self.series_id = database, series_id
        self.sql = plain(database)
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()

    def act(self, seconds: float) -> None:
        """Do one thing after another."""
        ways: list[Callable[[], None]] = [
            self.create,
            self.execute_by_python,
            self.execute_by_function,
            self.execute_by_update,
            self.invalidate_one,
            self.invalidate_some,
            self.sweep,
            self.take_back,
        ]
        self.create()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            way = self.random.choice(ways)
            try:
                way()
            except (DataContractError, psycopg.errors.IntegrityError):
                self.done["lost"] += 1
            except (DatabaseUnavailableError, psycopg.errors.DeadlockDetected):
                self.done["in conflict"] += 1

    def create(self) -> None:
        expires_at = START + timedelta(minutes=self.random.randint(1, 60))
        rows = [a_life(self.series_id, expires_at=expires_at, signal_type=kind) for kind in ("BUY", "SELL")]
        with self.database.begin() as conn:
            conn.execute(sa.insert(tables.trading_signals), rows)
        self.done["created"] += len(rows)

    def execute_by_python(self) -> None:
        (number,) = self._some(1)
        with self.database.begin() as conn:
            before = transition(conn, number, SignalStatus.EXECUTED, actor="crowd", at=START, price=PRICE)
        self.done["changed"] += before == SignalStatus.ACTIVE
        self.done["again"] += before == SignalStatus.EXECUTED

    def execute_by_function(self) -> None:
        (number,) = self._some(1)
        price = PRICE + self.random.randint(1, 1_000_000) / 1_000  # nobody else's, so that no other is the same
        self.sql.execute("SELECT execute_signal(%s, %s, %s)", [number, price, START])
        self.done["changed"] += 1

    def execute_by_update(self) -> None:
        (number,) = self._some(1)
        update = "UPDATE trading_signals SET status = 'EXECUTED', execution_price = 7, executed_at = created_at"
        self.done["changed"] += self.sql.execute(f"{update} WHERE id = %s AND status = 'ACTIVE'", [number]).rowcount

    def invalidate_one(self) -> None:
        (number,) = self._some(1)
        self.sql.execute("SELECT invalidate_signal(%s, 'the crowd')", [number])
        self.done["changed"] += 1

    def invalidate_some(self) -> None:
        endings = [Ending(signal_id=n, effective_at=START, reason="the crowd") for n in self._some(3)]
        with self.database.begin() as conn:
            count = invalidate(conn, endings)
        self.done["changed"] += count

    def sweep(self) -> None:
        as_of = START + timedelta(minutes=self.random.randint(0, 60))
        with self.database.begin() as conn:
            count = int(expire(conn, as_of)["signals"].sum())
        self.done["changed"] += count

    def take_back(self) -> None:
        with self.database.begin() as conn:
            expire(conn, START + HOUR)
            conn.rollback()

    def _some(self, n_signals: int) -> list[UUID]:
        query = "SELECT id FROM (SELECT id FROM trading_signals ORDER BY recorded_at DESC LIMIT %s) t ORDER BY random()"
        return [row[0] for row in self.sql.execute(f"{query} LIMIT %s", [WANTED, n_signals])]


def main(url: str, series_id: str, seconds: str, seed: str) -> None:
    """Act for a while once all are there, which a line of input says; then print what was done as JSON."""
    database = Database(DatabaseAddress.parse(url))
    member = Member(database, int(series_id), int(seed))
    print("ready", flush=True)
    sys.stdin.readline()
    with member.sql:
        member.act(float(seconds))
    database.close()
    print(json.dumps(member.done))


if __name__ == "__main__":
    main(*sys.argv[1:])
