"""A migrated database of ours for a test, a copy of one that is migrated once per test process; and rows for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.candles import ensure_series
from pipeline.storage.database import Database
from pipeline.storage.schema import migrate
from tests.support.candle_rows import START
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


@contextmanager
def a_database(server: DatabaseAddress, template: DatabaseAddress) -> Iterator[Database]:
    """A migrated, empty database, for tests that compare several."""
    fresh = Database(fresh_database(server, template))
    try:
        yield fresh
    finally:
        fresh.close()
        drop_database(fresh.address)


@contextmanager
def a_copy_of(origin: DatabaseAddress) -> Iterator[Database]:
    """A database that begins as ``origin`` is, to which nobody is connected."""
    with a_database(origin.with_database("postgres"), origin) as copy:
        yield copy


@pytest.fixture
def database(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[Database]:
    """A database of the test's own, migrated and empty."""
    with a_database(postgres_server, migrated_template) as fresh:
        yield fresh


def a_series_of(database: Database, symbol: str = "BTC/USDT") -> int:
    """The number of a 1h series of binance, which is made if there is none."""
    key = SeriesKey("binance", symbol, Timeframe.H1)
    with database.begin() as conn:
        return ensure_series(conn, [key])[key]


def a_stored_signal(series_id: int, **changes: Any) -> dict[str, Any]:
    """A right row of `trading_signals` with some values changed: BTC/USDT 1h BUY, live, from `START` for an hour."""
    row = {
        "symbol": "BTC/USDT",
        "signal_type": "BUY",
        "strategy": "SMA_CROSSOVER",
        "strength": 0.7,
        "confidence": 0.65,
        "source": "technical",
        "description": "SMA 20 crossed above SMA 50",
        "entry_price": 100.0,
        "target_prices": {"tp1": 102.0, "tp2": 104.0, "tp3": 106.0},
        "stop_loss_price": 98.0,
        "timeframe": "1h",
        "created_at": START,
        "expires_at": START + timedelta(hours=1),
        "metadata": {"component_signals": 1, "sources": ["technical"], "raw_data": {}},
        "series_id": series_id,
        "exchange": "binance",
        "candle_close_at": changes.get("created_at", START),
        "origin": "live",
        "scope": "default",
        "profile": "house",
        "revision": 1,
        "configuration_hash": "0123456789abcdef",
        "rank_score": 0.665,
        "base_confidence": 0.65,
        "agreement_boost": 0.0,
        "is_conflicting": False,
        "calibrated_confidence": None,
        "uncalibrated_because": "insufficient_outcomes(0<100)",
    } | changes
    number = uuid5(NAMESPACE_OID, repr(sorted(row.items(), key=lambda item: item[0])))
    return {"id": number, "signal_key": number} | row
