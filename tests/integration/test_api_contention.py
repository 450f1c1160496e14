"""Sixteen clients and the expiry sweep want the same signals: each ends once, and all are told what became of it."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa

from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.transitions import expire
from tests.support.api import SIGNALS, an_api, refused
from tests.support.candle_rows import START
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, inconsistent, store

CLIENTS = 16
LATE = START + timedelta(days=30)  # no sweep comes so far
EXECUTED_AT = START + timedelta(seconds=1)  # before anything expires
PRICES = (101.0, 102.0, 103.0)  # few, so that clients repeat each other's executions
SWEPT = 3  # every so many-th signal expires as the clients come to it


class Answered(NamedTuple):
    """What a client asked of a signal, and was told."""

    number: UUID
    change: dict[str, Any]
    answer: httpx.Response


class Contest:
    """Signals in the order in which all clients want them, and how far the first of these has come."""

    def __init__(self, database: Database, n_signals: int) -> None:
        series = a_series_of(database)
        lives = [LATE if place % SWEPT else self.expiry(place) for place in range(n_signals)]
        self.ids = store(database, [a_life(series, expires_at=expires_at) for expires_at in lives])
        self.front, self.is_over = -1, threading.Event()

    @staticmethod
    def expiry(place: int) -> Any:
        return START + timedelta(minutes=1 + place)

    def take_part(self, url: str, seed: int, start: threading.Barrier) -> list[Answered]:
        """Execute or invalidate every signal."""
        chance, answered = random.Random(seed), []
        with httpx.Client(base_url=url, timeout=60) as client:
            start.wait()
            for place, number in enumerate(self.ids):
                self.front = max(self.front, place)
                change: dict[str, Any] = {"status": "INVALIDATED", "reason": f"client {seed}"}
                if chance.random() < 0.6:
                    change = {"status": "EXECUTED", "price": chance.choice(PRICES), "at": EXECUTED_AT.isoformat()}
                answered.append(Answered(number, change, client.patch(f"{SIGNALS}/{number}/status", json=change)))
        return answered

    def sweep(self, address: Any) -> int:
        """Expire over and over what the clients have come to; how many signals that ended."""
        swept, database = 0, Database(address)
        while not self.is_over.is_set():
            with database.begin() as conn:
                swept += int(expire(conn, self.expiry(self.front))["signals"].sum())
            time.sleep(0.001)
        database.close()
        return swept


@pytest.mark.parametrize("n_signals", [100, pytest.param(1_000, marks=pytest.mark.long)])
def test_each_signal_ends_once_and_everybody_is_told_what_stands(database, n_signals):
    contest, start = Contest(database, n_signals), threading.Barrier(CLIENTS)
    with an_api(database) as client, ThreadPoolExecutor(CLIENTS + 1) as crowd:
        sweep = crowd.submit(contest.sweep, database.address)
        url = str(client.base_url)
        try:
            clients = [crowd.submit(contest.take_part, url, seed, start) for seed in range(CLIENTS)]
            answered = [each for one in clients for each in one.result()]
        finally:
            contest.is_over.set()
        n_swept = sweep.result()

    with database.begin() as conn:
        standing = {row.id: row for row in conn.execute(sa.select(tables.trading_signals))}
        ends = {row.signal_id: row for row in conn.execute(sa.select(tables.signal_events))}
        n_events = conn.scalar(sa.select(sa.func.count()).select_from(tables.signal_events))
    assert inconsistent(database) == []
    assert n_events == len(ends) == n_signals
    winners = Counter(each.number for each in answered if each.answer.status_code == 200)
    for number, change, answer in answered:
        signal = standing[number]
        if answer.status_code == 200:
            assert is_what_became_of(signal, ends[number], change)
            assert answer.json()["signal"]["status"] == signal.status
        else:
            assert refused(answer, 409, "illegal_transition")["status"] == signal.status
            assert not is_what_became_of(signal, ends[number], change)
    by_status = Counter(row.status for row in standing.values())
    assert set(by_status) == {"EXECUTED", "INVALIDATED", "EXPIRED"}  # or nobody has competed
    assert by_status["EXPIRED"] == n_swept == n_signals - len(winners)
    assert by_status["INVALIDATED"] == sum(standing[number].status == "INVALIDATED" for number in winners)
    assert all(count == 1 or standing[number].status == "EXECUTED" for number, count in winners.items())
    n_told = sum(winners.values())
    print(
        f"{len(answered):,} requests for {n_signals:,} signals: {dict(by_status)}, {n_told:,} times 200, the rest 409"
    )


def is_what_became_of(signal: Any, end: Any, change: dict[str, Any]) -> bool:
    """Whether a signal is as somebody wanted it."""
    if change["status"] == "EXECUTED":
        return (signal.status, signal.execution_price, signal.executed_at) == ("EXECUTED", change["price"], EXECUTED_AT)
    return (signal.status, end.reason, end.actor) == ("INVALIDATED", change["reason"], "api")
