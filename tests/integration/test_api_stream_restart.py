"""The stream to a client that comes and goes, while changes happen and the database restarts: each once, in order."""

import random
import threading
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pipeline.api.client import SignalsClient
from pipeline.domain.errors import DatabaseUnavailableError, IllegalTransitionError
from pipeline.domain.status import SignalStatus
from pipeline.storage import server, tables
from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from pipeline.storage.transitions import Ending, expire, invalidate, transition
from tests.support.api import an_api
from tests.support.candle_rows import START
from tests.support.database import a_series_of
from tests.support.lifecycle import HOUR, a_life

N_WRITERS = 3
BATCH = 5


class Writer(threading.Thread):
    """Stores signals and ends them, in transactions of its own, until it has made so many changes."""

    def __init__(self, database: Database, series_id: int, n_changes: int, seed: int) -> None:
        super().__init__()
        self.database, self.series_id, self.n_changes = database, series_id, n_changes
        self.chance = random.Random(seed)
        self.n_made = 0

    def run(self) -> None:
        while self.n_made < self.n_changes:
            try:
                self._make()
            except (DatabaseUnavailableError, IllegalTransitionError):  # away, or another one's sweep was faster
                continue  # what was committed the table knows

    def _make(self) -> None:
        signals = [a_life(self.series_id) for _ in range(BATCH)]
        with self.database.begin() as conn:
            conn.execute(sa.insert(tables.trading_signals), signals)
        self.n_made += BATCH
        with self.database.begin() as conn:
            executed, void, *_ = (signal["id"] for signal in signals)
            transition(conn, executed, SignalStatus.EXECUTED, actor="bot", at=START, price=101.0)
            invalidate(conn, [Ending(signal_id=void, effective_at=START, reason="no liquidity")])
            if self.chance.random() < 0.5:
                conn.execute(sa.text("SELECT pg_sleep(0.01)"))
        self.n_made += 2
        with self.database.begin() as conn:
            self.n_made += int(expire(conn, START + HOUR)["signals"].sum())


@pytest.mark.parametrize(
    ("n_changes", "n_connections"), [(500, 5), pytest.param(10_000, 11, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_every_change_is_told_once_and_in_order_to_a_client_that_reconnects_while_the_database_restarts(
    tmp_path: Path, n_changes: int, n_connections: int
):
    with server.embedded_server(tmp_path) as address:
        database = Database(address)
        migrate(database)
        number = a_series_of(database)
        told: list[str] = []
        with an_api(database) as http, SignalsClient(str(http.base_url)) as client:
            writers = [Writer(database, number, n_changes // N_WRITERS, seed) for seed in range(N_WRITERS)]
            cursor = "0"
            for writer in writers:
                writer.start()
            for connection in range(n_connections - 1):
                with client.stream(after=cursor) as changes:
                    for change in changes:
                        told.append(change.cursor)
                        if len(told) >= (connection + 1) * n_changes // n_connections:
                            break
                    cursor = str(changes.cursor)
                if connection == n_connections // 2:
                    server.stop(tmp_path)
                    assert server.ensure_running(tmp_path, address)
            for writer in writers:
                writer.join(300)
            told += [change.cursor for change in client.stream(after=cursor, until_caught_up=True)]
        with database.begin() as conn:
            c = tables.signal_changes.c
            made = list(conn.scalars(sa.select(c.change_id).order_by(c.change_id)))
        database.close()
    assert len(made) >= n_changes
    assert [int(cursor.partition("-")[0]) for cursor in told] == made


def test_a_stream_that_is_open_while_the_database_restarts_goes_on(tmp_path: Path):
    with server.embedded_server(tmp_path) as address:
        database = Database(address)
        migrate(database)
        number = a_series_of(database)
        with an_api(database) as http, http.stream("GET", "/api/v1/ai/trading-signals/stream") as answer:
            body = answer.iter_text()
            assert "id: 0" in next(body)

            server.stop(tmp_path)
            assert server.ensure_running(tmp_path, address)

            later = [
                a_life(number, created_at=START + timedelta(minutes=1), candle_close_at=START + timedelta(minutes=1))
            ]
            with database.begin() as conn:
                conn.execute(sa.insert(tables.trading_signals), later)
            assert str(later[0]["id"]) in next(body)
        database.close()
