"""Rows of `signal_outcomes` and of reports, as they are stored."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.performance.payload import payload
from pipeline.reporting import WINDOWS, report, window_of
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.performance import store_performance
from tests.support.candle_rows import START
from tests.support.chain import FILES
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, store


def a_stored_outcome(signal_id: object, series_id: int, at: datetime = START, **changes: Any) -> dict[str, Any]:
    """What following a live BUY brought over its expiry: a tenth of a per cent, if nothing else is said."""
    row = {
        "signal_id": signal_id,
        "horizon": "expiry",
        "series_id": series_id,
        "candle_close_at": at,
        "signal_type": "BUY",
        "strategy": "SMA_CROSSOVER",
        "strategies": ["SMA_CROSSOVER"],
        "source_group": "technical",
        "confidence": 0.65,
        "origin": "live",
        "scope": "default",
        "profile": "house",
        "exit_reason": "horizon",
        "bars_held": 1,
        "resolved_at": at + timedelta(hours=1),
        "net_return": 0.001,
        "r_multiple": 0.05,
        "ladder_return": 0.002,
        "long_return": 0.003,
        "targets_reached": 0,
        "is_ambiguous": False,
        "rules": "next_open fee=10bp slippage=2bp",
    }
    return row | changes


NO_ENTRY = {"exit_reason": "no_entry", "bars_held": 0} | dict.fromkeys(
    ("net_return", "r_multiple", "ladder_return", "long_return")
)


def live_reports(database: Database, start: datetime) -> None:
    """Sixty hourly live signals of one series with outcomes, and the reports of two instants on them."""
    number = a_series_of(database)
    closes = [start + timedelta(hours=hour) for hour in range(60)]
    ids = store(database, [a_life(number, created_at=at, expires_at=at + timedelta(hours=1)) for at in closes])
    outcomes = []
    for hour, (signal_id, at) in enumerate(zip(ids, closes, strict=True)):
        strategies = ["RSI_OVERSOLD", "SMA_CROSSOVER"] if hour % 3 == 0 else ["SMA_CROSSOVER"]
        brought = NO_ENTRY if hour == 7 else {"net_return": 0.001 * (hour % 5 - 2)}
        outcomes.append(a_stored_outcome(signal_id, number, at, strategies=strategies, **brought))
    with database.begin() as conn:
        conn.execute(sa.insert(tables.signal_outcomes).values(outcomes))
    for as_of in (start + timedelta(hours=40), start + timedelta(hours=62)):
        windows = [window_of(label, as_of, exchange="binance") for label in WINDOWS]
        reports = [payload(report(database, load_settings(FILES), window)) for window in windows]
        with database.begin() as conn:
            store_performance(conn, reports)
