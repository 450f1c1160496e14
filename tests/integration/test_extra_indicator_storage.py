"""Extra indicators in the table: the same bits back, written once, read by column; and the command that lists them."""

import json

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.extra_indicators import extra_rows, read_extra_block, store_extras
from pipeline.storage.history import Series, SeriesGroup
from pipeline.storage.universe import listed_at
from tests.support.database import a_series_of
from tests.support.extra_indicators import EXTRAS
from tests.support.market import random_walk, with_listing


def a_group(database: Database) -> SeriesGroup:
    symbols = ("BTC/USDT", "ETH/USDT")
    members = [Series(SeriesKey("binance", s, Timeframe.H1), a_series_of(database, s)) for s in symbols]
    return SeriesGroup("binance", Timeframe.H1, tuple(members))


def stored(database, group, block, is_wanted):
    with database.begin() as conn:
        return store_extras(conn, extra_rows(group, block, is_wanted))


@pytest.fixture
def block():
    candles = with_listing(random_walk(1, n_candles=90), "BTC/USDT", 30)
    found = EXTRAS["MACD"].compute(candles) | {"tiny": candles["close"] * 1e-300, "huge": candles["close"] * 1e300}
    return found, candles["close"].notna()


def test_what_is_stored_is_read_to_the_bit_and_nothing_where_it_is_unknown(database, block):
    group, (values, is_wanted) = a_group(database), block
    assert stored(database, group, values, is_wanted) == 150
    opens = is_wanted.index
    found = read_extra_block(database, list(values), group, opens[0].to_pydatetime(), opens[-1].to_pydatetime())
    for name, frame in values.items():
        assert np.array_equal(found[name].to_numpy(), frame.where(is_wanted).to_numpy(), equal_nan=True), name
    assert list(found["x"].columns) == group.symbols


def test_a_repeated_write_changes_nothing_and_another_value_one_row(database, block):
    group, (values, is_wanted) = a_group(database), block
    stored(database, group, values, is_wanted)
    assert stored(database, group, values, is_wanted) == 0
    values["x"].iloc[60, 0] = 1.0
    assert stored(database, group, values, is_wanted) == 1


def test_a_column_that_is_not_there_is_unknown(database, block):
    group, (values, is_wanted) = a_group(database), block
    stored(database, group, values, is_wanted)
    opens = is_wanted.index
    found = read_extra_block(database, ["nobody's"], group, opens[0].to_pydatetime(), opens[-1].to_pydatetime())
    assert found["nobody's"].isna().all(axis=None)


def test_unknown_values_are_null_in_the_object(database, block):
    group, (values, is_wanted) = a_group(database), block
    stored(database, group, values, is_wanted)
    e = tables.extra_indicators.c
    with database.begin() as conn:
        first = conn.execute(sa.select(e["values"], e.close_at - e.open_at).order_by(e.series_id, e.open_at)).first()
    assert first[0].keys() == {"x", "x_signal", "x_diff", "tiny", "huge"}
    assert (first[0]["x"], first[1]) == (None, pd.Timedelta(hours=1))


def test_where_a_series_begins_is_known(database):
    group = a_group(database)
    s = tables.series
    opened = random_walk(1, n_candles=1)["close"].index[0].to_pydatetime()
    with database.begin() as conn:
        conn.execute(sa.update(s).where(s.c.symbol == "BTC/USDT").values(listed_at=opened))
    assert listed_at(database, group) == {"BTC/USDT": opened}


def test_the_command_lists_every_indicator_with_what_is_refused(signals):
    said = signals("indicators")
    assert said.code == 0
    assert "StochasticOscillator" in said.out
    assert "window (to be given)" in said.out
    assert "refused: KSTIndicator: it takes the mean of all closes" in said.err
    found = {each["name"]: each for each in json.loads(signals("indicators", "--json").out)}
    assert found["StochasticOscillator"]["parameters"] == {"window": 14, "smooth_window": 3}
    assert found["StochasticOscillator"]["columns"] == ["NAME", "NAME_signal"]
    assert (found["MACD"]["memory"], found["MACD"]["warm_up"]) == ("fading", 656)
    assert found["SMAIndicator"]["required"] == ["window"]
    assert found["KSTIndicator"]["refused"].startswith("it takes the mean")
    assert found["know_sure_thing"]["source"] == "own"
