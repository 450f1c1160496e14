"""No look-ahead in the whole chain: a database that ends at a close says the same about it as one that goes on."""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.storage.database import Database
from tests.support.chain import days, rows, run, store_block
from tests.support.model_chain import SPOKEN, a_direction, publish_each_kind
from tests.support.postgres import drop_database, fresh_database
from tests.support.real_market import real_block

N_SYMBOLS = 20  # points are all pairs of them and the closes
FIRST, LAST = date(2024, 3, 1), date(2024, 3, 20)
APART = ("id", "series_id")


def _points(seed: int, n_closes: int) -> tuple[list[str], list[datetime]]:
    """Symbols and closes at random, among the hours of the backfilled days."""
    random = Random(seed)
    opens = pd.date_range(FIRST, LAST, freq="h", tz="UTC").to_pydatetime().tolist()
    block = real_block("genetrader_binance_2024", "1h", n_candles=1)
    return random.sample(list(block["close"].columns), N_SYMBOLS), sorted(random.sample(opens[1:], n_closes))


@pytest.mark.parametrize("n_closes", [3, pytest.param(10, marks=pytest.mark.long)])
def test_a_database_that_ends_at_a_close_says_the_same_at_60_or_200_points(database, postgres_server, n_closes):
    symbols, closes = _points(2024, n_closes)
    block = real_block("genetrader_binance_2024", "1h", n_candles=24 * 90)
    names = {symbol: f"{symbol.removesuffix('USDT')}/USDT" for symbol in symbols}
    store_block(database, {field: frame[symbols].rename(columns=names) for field, frame in block.items()})
    for week in (6, 8):  # the newer models begin to speak among the days
        publish_each_kind(database, week, direction=a_direction(week))
    database.close()  # a database is copied only while nobody is connected
    ends = {close_at: Database(fresh_database(postgres_server, database.address)) for close_at in closes}
    days(database, FIRST, LAST)

    compared = 0
    for close_at, cut in ends.items():
        with cut.begin() as conn:
            conn.execute(sa.text("DELETE FROM candles WHERE close_at > :at"), {"at": close_at})
        run(cut, {"signals/as_of": close_at.isoformat()}, f"{close_at:%Y-%m-%d}")
        for table in ("candidate_signals", "indicators", *SPOKEN):
            column = "candle_close_at" if table == "candidate_signals" else "close_at"
            where = f"{column} = '{close_at.isoformat()}'"
            full = rows(database, table, where, APART)
            assert rows(cut, table, where, APART) == full, (table, close_at)
            compared += len(full)
        cut.close()
        drop_database(cut.address)

    assert compared > 5 * n_closes * N_SYMBOLS  # every point has indicators, features, predictions; some have signals


def test_the_first_close_after_midnight_belongs_to_the_day_that_begins(database):
    block = real_block("genetrader_binance_2024", "1h", n_candles=24 * 60)
    store_block(database, {field: frame[["BTCUSDT"]].set_axis(["BTC/USDT"], axis=1) for field, frame in block.items()})

    days(database, date(2024, 2, 10), date(2024, 2, 10))

    closes = {row["close_at"] for row in rows(database, "indicators")}
    begins = datetime(2024, 2, 10, tzinfo=UTC)
    assert begins in closes
    assert max(closes) == begins + timedelta(hours=23)
