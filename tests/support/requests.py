"""A market whose newest closes a live run has judged, models among the judges; and requests about it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from tests.support.api import SIGNALS, an_api
from tests.support.chain import rows, store_block, tick
from tests.support.database import a_copy_of, a_database
from tests.support.lifecycle import HOUR
from tests.support.market import random_walk
from tests.support.model_chain import a_direction, publish_each_kind

SYMBOLS = ("ADA/USDT", "BTC/USDT", "ETH/USDT", "LTC/USDT", "SOL/USDT", "XRP/USDT")
CLOSE = datetime(2024, 2, 13, 5, tzinfo=UTC)  # of the newest bar that is judged
SOON = CLOSE + HOUR / 6
REQUEST = {
    "symbols": list(SYMBOLS),
    "signal_types": ["technical", "ml", "sentiment"],
    "timeframe": "1h",
}
JUDGED = ("candidate_signals", "risk_decisions", "trading_signals")
APART = ("id", "origin", "scope")  # where a row that was asked for may differ from a live one
ASKED = "origin = 'replay' AND scope LIKE 'post:%'"


@pytest.fixture(scope="session")
def judged_market(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """Six weeks of hours of `SYMBOLS`, models, and a live run at `CLOSE`, to copy; later candles are not judged."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=21, n_candles=44 * 24, symbols=SYMBOLS))
        publish_each_kind(database, 4, direction=a_direction(bias=0.5))
        tick(database, CLOSE)
        database.close()
        yield database.address


@pytest.fixture
def market(judged_market: DatabaseAddress) -> Iterator[Database]:
    """A judged market of the test's own."""
    with a_copy_of(judged_market) as database:
        yield database


@pytest.fixture
def client(market: Database) -> Iterator[httpx.Client]:
    """A client of a server over it, some minutes after the close."""
    with an_api(market, at=SOON) as client:
        yield client


def ask(client: httpx.Client, *, key: str | None = None, **changes: Any) -> httpx.Response:
    """Post `REQUEST` with some fields changed; None leaves a field out."""
    body = {name: value for name, value in (REQUEST | changes).items() if value is not None}
    return client.post(SIGNALS, json=body, headers={} if key is None else {"Idempotency-Key": key})


def answered(client: httpx.Client, **changes: Any) -> dict[str, Any]:
    """What a request is answered that goes well."""
    answer = ask(client, **changes)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def held(client: httpx.Client, weights: Mapping[str, float]) -> None:
    """Say all that the house holds from now on."""
    positions = [{"symbol": symbol, "weight": weight} for symbol, weight in weights.items()]
    answer = client.put("/api/v1/ai/positions", json={"positions": positions})
    assert answer.status_code == 200, answer.text


def evaluation(answer: dict[str, Any], symbol: str) -> dict[str, Any]:
    """What an answer tells of one symbol."""
    (found,) = [each for each in answer["evaluations"] if each["symbol"] == symbol]
    return dict(found)


def asked_rows(database: Database, ignore: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """All rows that requests have made."""
    return {table: rows(database, table, ASKED, ignore) for table in JUDGED}


def live_rows(database: Database, close_at: datetime = CLOSE) -> dict[str, list[dict[str, Any]]]:
    """The rows that the live run of a close has made, but for what tells them from others."""
    return {table: rows(database, table, f"origin = 'live' AND created_at = '{close_at}'", APART) for table in JUDGED}


@pytest.fixture(scope="module")
def shared(judged_market: DatabaseAddress) -> Iterator[httpx.Client]:
    """A client for what needs no market of its own."""
    with a_copy_of(judged_market) as database, an_api(database, at=SOON) as client:
        yield client


def changed(database: Database, statement: str) -> int:
    """Run a statement; returns how many rows it changed."""
    with database.begin() as conn:
        return conn.execute(sa.text(statement)).rowcount
