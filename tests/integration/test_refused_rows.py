"""Rows that are refused: kept in the quarantine, or stopped by the schema itself; against a real PostgreSQL."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.market.cleaning import clean
from pipeline.storage import tables
from pipeline.storage.candles import quarantine
from pipeline.storage.database import Database
from pipeline.storage.intake import Intake, import_candles
from tests.support.candle_rows import NOW, START, a_row
from tests.support.database import a_series_of, a_stored_signal

HOUR = timedelta(hours=1)


def store(database: Database, rows: pd.DataFrame) -> Intake:
    return import_candles(database, rows, NOW)


def rows_of(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.begin() as conn:
        return [tuple(row) for row in conn.execute(sa.text(query))]


# The quarantine


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (np.float32("inf"), "inf"),
        (np.int64(-3), -3),
        (np.bool_(True), True),
        (None, None),
        (Decimal("NaN"), "NaN"),
        (START.replace(tzinfo=None), "2024-01-01T00:00:00"),
        (START, "2024-01-01T00:00:00+00:00"),
        ("a\x00b\ud800", "a\N{REPLACEMENT CHARACTER}b?"),
        (2**70, str(2**70)),
    ],
    ids=repr,
)
def test_f53_a_refused_row_is_kept_as_json_whatever_its_values_are(database, value, kept):
    done = store(database, a_row(close=value))

    assert done.quarantined == 1
    assert rows_of(database, "SELECT row->'close' FROM candle_quarantine") == [(kept,)]


def test_f53_a_value_that_json_does_not_know_never_reaches_the_database(database):
    refused = clean(a_row(close=-1.0), NOW).refused
    refused.at[0, "row"] = {"close": float("nan")}
    with pytest.raises(ValueError, match="not JSON compliant"), database.begin() as conn:
        quarantine(conn, refused)


def test_a_refused_row_says_its_series_time_and_reason_and_a_time_that_cannot_be_read_is_null(database):
    store(database, pd.concat([a_row(high=1.0), a_row(open_at="soon")], ignore_index=True))

    found = rows_of(database, "SELECT symbol, timeframe, open_at, reason FROM candle_quarantine ORDER BY reason")
    assert found == [
        ("BTC/USDT", "1h", START, "broken_range"),
        ("BTC/USDT", "1h", None, "unreadable_time"),
    ]


# What the schema itself refuses


def insert_into(database: Database, table: sa.Table, values: dict[str, Any]) -> None:
    with database.begin() as conn:
        conn.execute(sa.insert(table).values(values))


A_CANDLE = {
    "series_id": 1,
    "open_at": START,
    "close_at": START + HOUR,
    "open": 100.0,
    "high": 110.0,
    "low": 90.0,
    "close": 105.0,
    "volume": 1.0,
}


def test_a_right_candle_is_accepted_by_the_schema(database):
    insert_into(database, tables.candles, A_CANDLE)
    assert rows_of(database, "SELECT count(*) FROM candles") == [(1,)]


@pytest.mark.parametrize(
    ("wrong", "constraint"),
    [
        ({"low": -1.0}, "prices_are_positive"),
        ({"low": 0.0}, "prices_are_positive"),
        ({"high": 104.0}, "range_holds"),
        ({"low": 101.0}, "range_holds"),
        ({"high": float("inf")}, "values_are_finite"),
        ({"high": float("nan")}, "values_are_finite"),
        ({"close": float("nan")}, "range_holds"),
        ({"volume": float("nan")}, "values_are_finite"),
        ({"volume": -1.0}, "volume_is_not_negative"),
        ({"close_at": START}, "closes_after_open"),
        ({"close": None}, "close"),
    ],
    ids=str,
)
def test_f54_the_schema_refuses_a_wrong_candle(database, wrong, constraint):
    with pytest.raises(sa.exc.IntegrityError, match=constraint):
        insert_into(database, tables.candles, A_CANDLE | wrong)


def test_a_right_signal_is_accepted_by_the_schema_and_says_its_group_of_sources(database):
    insert_into(database, tables.trading_signals, a_stored_signal(a_series_of(database), source="technical, ml_model"))
    assert rows_of(database, "SELECT status, source_group FROM trading_signals") == [("ACTIVE", "multi")]


WRONG_SIGNALS: Sequence[tuple[dict[str, Any], str]] = [
    ({"strength": 1.0000001}, "strength_is_a_fraction"),
    ({"confidence": -0.1}, "confidence_is_a_fraction"),
    ({"confidence": float("nan")}, "confidence_is_a_fraction"),
    ({"expires_at": None}, "expires_at"),
    ({"expires_at": START}, "expires_after_creation"),
    ({"expires_at": START - HOUR}, "expires_after_creation"),
    ({"entry_price": -1.0}, "entry_price_is_a_price"),
    ({"entry_price": 0.0}, "entry_price_is_a_price"),
    ({"stop_loss_price": float("nan")}, "stop_loss_price_is_a_price"),
    ({"stop_loss_price": float("inf")}, "stop_loss_price_is_a_price"),
    ({"status": "EXECUTED"}, "execution_is_complete"),
    ({"executed_at": START, "execution_price": 1.0}, "execution_is_complete"),
    (
        {"signal_type": "ALERT", "status": "EXECUTED", "executed_at": START, "execution_price": 1.0},
        "alert_is_never_executed",
    ),
    ({"created_at": START - HOUR, "candle_close_at": START}, "created_at_the_close"),
    ({"origin": "imagined"}, "origin_is_known"),
]


@pytest.mark.parametrize(("wrong", "constraint"), WRONG_SIGNALS, ids=str)
def test_f54_the_schema_refuses_a_wrong_signal(database, wrong, constraint):
    with pytest.raises(sa.exc.IntegrityError, match=constraint):
        insert_into(database, tables.trading_signals, a_stored_signal(a_series_of(database), **wrong))


@pytest.mark.parametrize("name", ["signal_type", "status"])
def test_f54_the_schema_refuses_words_outside_its_enums(database, name):
    with pytest.raises(sa.exc.DataError, match="MAYBE"):
        insert_into(database, tables.trading_signals, a_stored_signal(a_series_of(database), **{name: "MAYBE"}))
