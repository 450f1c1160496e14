"""Candles in the database: repeated, revised, gapped, jumping and refused; against a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.context import MarketContext
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.market.cleaning import clean
from pipeline.storage.candles import accept_jumps, ensure_series, store_candles
from pipeline.storage.database import Database
from pipeline.storage.intake import Intake, import_candles
from tests.support.candle_rows import NOW, START, a_row, raw_rows

HOUR = timedelta(hours=1)


def store(database: Database, rows: pd.DataFrame) -> Intake:
    return import_candles(database, rows, NOW)


def rows_of(database: Database, query: str, **values: Any) -> list[tuple[Any, ...]]:
    with database.begin() as conn:
        return [tuple(row) for row in conn.execute(sa.text(query), values)]


def closes(database: Database) -> list[tuple[int, float, bool]]:
    """Position, close and is_filled of every stored bar of BTC/USDT."""
    found = rows_of(database, "SELECT open_at, close, is_filled FROM v_candles WHERE symbol = 'BTC/USDT' ORDER BY 1")
    return [((open_at - START) // HOUR, close, is_filled) for open_at, close, is_filled in found]


def without(rows: pd.DataFrame, *positions: int) -> pd.DataFrame:
    return rows.drop(index=list(positions))


def changed(rows: pd.DataFrame, position: int, **values: float) -> pd.DataFrame:
    """One bar of the rows with other values."""
    return rows.iloc[[position]].assign(**values)


def with_price(rows: pd.DataFrame, position: int, price: float) -> pd.DataFrame:
    """The rows with all prices from one bar on at another level."""
    rows = rows.copy()
    rows.loc[position:, ["open", "high", "low", "close"]] = price
    return rows


# Repeating


def test_f51_storing_the_same_candles_again_adds_and_changes_nothing(database):
    first = store(database, raw_rows(30))
    before = rows_of(database, "SELECT * FROM candles ORDER BY open_at")
    again = store(database, raw_rows(30))

    assert (first.stored.written, again.stored.written) == (30, 0)
    assert again.stored.revised == 0
    assert rows_of(database, "SELECT * FROM candles ORDER BY open_at") == before
    assert rows_of(database, "SELECT count(*) FROM candle_revisions") == [(0,)]


def test_f51_a_bad_row_that_comes_again_is_quarantined_once(database):
    bad = pd.concat([a_row(close=-1.0), a_row(close=-1.0), a_row(close=-2.0)], ignore_index=True)

    first, again = store(database, bad), store(database, bad)

    assert (first.quarantined, again.quarantined) == (2, 0)
    assert (first.refused, again.refused) == ({"non_positive_price": 3}, {"non_positive_price": 3})


def test_two_who_store_overlapping_candles_at_once_leave_no_gap_between_them(database):
    rows = raw_rows(60)
    parts = [rows.iloc[:20], rows.iloc[15:35], rows.iloc[40:60]]

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda part: store(database, part), parts))

    assert [position for position, _, _ in closes(database)] == list(range(60))
    assert [position for position, _, is_filled in closes(database) if is_filled] == [35, 36, 37, 38, 39]


def test_a_series_keeps_its_number_and_repeated_imports_use_none_up(database):
    key = SeriesKey("binance", "BTC/USDT", Timeframe.H1)
    with database.begin() as conn:
        ids = [ensure_series(conn, [key])[key] for _ in range(20)]
        other = ensure_series(conn, [key, key._replace(symbol="ETH/USDT")])

    assert set(ids) == {ids[0]}
    assert sorted(other.values()) == [ids[0], ids[0] + 1]


def test_a_bar_that_is_not_closed_is_no_fault_and_is_taken_later(database):
    rows = raw_rows(3)
    early = import_candles(database, rows, START + 2 * HOUR)
    late = import_candles(database, rows, START + 3 * HOUR)

    assert (early.stored.written, early.not_closed, early.refused) == (2, 1, {})
    assert rows_of(database, "SELECT count(*) FROM candle_quarantine") == [(0,)]
    assert (late.stored.written, late.not_closed) == (1, 0)


_exchanges = (f"exchange{number}" for number in count())


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_batches_of_any_order_and_overlap_leave_the_candles_of_storing_all_at_once(database, data):
    n_rows = data.draw(st.integers(2, 12), label="bars")
    traded = data.draw(st.sets(st.integers(0, n_rows - 1), min_size=1), label="traded")
    prices = data.draw(st.lists(st.sampled_from([100.0, 110.0, 130.0, 131.0, 150.0]), min_size=n_rows, max_size=n_rows))
    rows = raw_rows(n_rows)
    for name in ("open", "high", "low", "close"):
        rows[name] = prices
    rows = rows.iloc[sorted(traded)]
    batches = data.draw(
        st.lists(st.sets(st.sampled_from(sorted(traded)), min_size=1), max_size=5).map(
            lambda drawn: [*drawn, set(traded).difference(*drawn) if drawn else set(traded)]
        ),
        label="batches",
    )
    at_once, in_parts = next(_exchanges), next(_exchanges)
    store(database, rows.assign(exchange=at_once))
    for batch in batches:
        if batch:
            store(database, rows.loc[sorted(batch)].assign(exchange=in_parts))

    def stored(exchange: str) -> list[list[tuple[Any, ...]]]:
        queries = (
            "SELECT open_at, close_at, open, high, low, close, volume, is_filled "
            "FROM v_candles WHERE exchange = :e ORDER BY open_at",
            "SELECT j.open_at, j.ratio FROM price_jumps j JOIN series USING (series_id) WHERE exchange = :e ORDER BY 1",
            "SELECT listed_at FROM series WHERE exchange = :e",
        )
        return [rows_of(database, query, e=exchange) for query in queries]

    assert stored(in_parts) == stored(at_once)


# Gaps


def test_f03_interior_gaps_are_filled_flat_with_volume_0(database):
    done = store(database, without(raw_rows(8), 2, 3, 6))

    assert done.stored.filled == 3
    assert closes(database)[1:5] == [(1, 102.0, False), (2, 102.0, True), (3, 102.0, True), (4, 105.0, False)]
    assert rows_of(database, "SELECT DISTINCT volume, open = close, high = low FROM candles WHERE is_filled") == [
        (0.0, True, True)
    ]


def test_f03_the_newest_bar_is_never_made_up(database):
    rows = raw_rows(8)
    store(database, rows.iloc[:3])
    assert closes(database)[-1] == (2, 103.0, False)

    store(database, rows.iloc[5:6])  # a later bar makes the gap an interior one

    assert [is_filled for _, _, is_filled in closes(database)] == [False, False, False, True, True, False]


def test_f03_a_late_candle_takes_the_place_of_a_filled_bar_and_what_was_made_up_after_it_follows(database):
    rows = raw_rows(6)
    store(database, without(rows, 2, 3, 4))
    done = store(database, rows.iloc[[3]])

    assert (done.stored.written, done.stored.revised, done.stored.filled) == (1, 1, 1)
    assert closes(database)[1:] == [
        (1, 102.0, False),
        (2, 102.0, True),
        (3, 104.0, False),
        (4, 104.0, True),
        (5, 106.0, False),
    ]
    kept = "SELECT open_at, close, is_filled FROM candle_revisions ORDER BY open_at"
    assert rows_of(database, kept) == [(START + 3 * HOUR, 102.0, True), (START + 4 * HOUR, 102.0, True)]


def test_f03_a_late_candle_keeps_the_instant_at_which_its_bar_was_first_seen(database):
    rows = raw_rows(3)
    store(database, without(rows, 1))
    seen = rows_of(database, "SELECT first_seen_at FROM candles ORDER BY open_at")
    store(database, rows)

    assert rows_of(database, "SELECT first_seen_at FROM candles ORDER BY open_at") == seen


def test_weeks_are_filled_from_monday_to_monday(database):
    rows = raw_rows(4, timeframe=Timeframe.W1)
    store(database, without(rows, 1))

    found = rows_of(database, "SELECT open_at, close_at FROM candles WHERE is_filled")
    assert found == [(START + timedelta(weeks=1), START + timedelta(weeks=2))]


# Jumps


def jumps(database: Database) -> list[tuple[int, float]]:
    found = rows_of(database, "SELECT open_at, ratio FROM price_jumps WHERE accepted_at IS NULL ORDER BY 1")
    return [((open_at - START) // HOUR, ratio) for open_at, ratio in found]


def test_f08_an_open_30_percent_from_the_close_before_is_no_jump_and_one_beyond_is(database):
    flat = with_price(raw_rows(4), 0, 100.0)
    store(database, with_price(flat, 2, 130.0))
    assert jumps(database) == []

    done = store(database, with_price(flat, 2, 130.01).assign(symbol="ETH/USDT"))

    assert done.stored.jumps == 1
    assert jumps(database) == [(2, pytest.approx(1.3001))]


def test_f08_a_fall_by_more_than_30_percent_is_a_jump_too(database):
    store(database, with_price(with_price(raw_rows(4), 0, 100.0), 2, 69.9))
    assert jumps(database) == [(2, pytest.approx(0.699))]


def test_f08_a_market_that_falls_within_its_bars_is_no_jump(database):
    rows = with_price(raw_rows(3), 0, 100.0)
    rows.loc[1, ["low", "close"]] = 50.0
    rows.loc[2, ["open", "high", "low", "close"]] = 50.0
    store(database, rows)
    assert jumps(database) == []


def test_f08_a_jump_is_seen_across_a_gap_and_between_two_batches(database):
    rows = with_price(with_price(raw_rows(6), 0, 100.0), 3, 10.0)
    store(database, rows.iloc[:2])
    store(database, rows.iloc[4:])
    assert jumps(database) == [(4, pytest.approx(0.1))]


def test_f08_an_operator_ends_a_jump_and_it_stays_ended(database):
    rows = with_price(with_price(raw_rows(4), 0, 100.0), 2, 10.0)
    store(database, rows)
    with database.begin() as conn:
        assert (accept_jumps(conn, "ETH/USDT"), accept_jumps(conn, "BTC/USDT")) == (0, 1)
    again = store(database, rows)

    assert (jumps(database), again.stored.jumps) == ([], 0)


def test_f08_a_jump_that_a_corrected_candle_mends_is_forgotten(database):
    rows = with_price(raw_rows(4), 0, 100.0)
    store(database, pd.concat([rows.iloc[:2], with_price(rows, 0, 10.0).iloc[2:3], rows.iloc[3:]]))
    assert [position for position, _ in jumps(database)] == [2, 3]

    store(database, rows.iloc[[2]])

    assert jumps(database) == []


# Revisions


def watermark(database: Database, asset: str, processed_to: datetime, started_after: datetime = START) -> None:
    """Live runs processed every series from one instant to another."""
    insert = """INSERT INTO watermarks (asset, series_id, processed_to, reached, started_after)
SELECT :asset, series_id, :until, :until, :after FROM series"""
    with database.begin() as conn:
        conn.execute(sa.text(insert), {"asset": asset, "until": processed_to, "after": started_after})


def an_indicator(database: Database, open_at: datetime) -> None:
    """A row of `indicators`, so that the series has something derived."""
    insert = "INSERT INTO indicators (series_id, open_at, close_at) SELECT series_id, :o, :c FROM series"
    with database.begin() as conn:
        conn.execute(sa.text(insert), {"o": open_at, "c": open_at + HOUR})


def test_f12_a_revised_candle_keeps_its_old_values_and_marks_what_was_derived_from_it(database):
    rows = raw_rows(10)
    store(database, rows)
    an_indicator(database, START + 9 * HOUR)
    for asset in ("candidate_signals", "risk_decisions", "trading_signals"):
        watermark(database, asset, START + 10 * HOUR)

    done = store(database, changed(rows, 4, close=104.5, volume=99.0))

    assert (done.stored.written, done.stored.revised) == (1, 1)
    old = rows_of(database, "SELECT open_at, close, volume, is_filled FROM candle_revisions")
    assert old == [(START + 4 * HOUR, 105.0, 14.0, False)]
    assert rows_of(database, "SELECT dirty_from FROM series") == [(START + 4 * HOUR,)]
    moved = rows_of(database, "SELECT DISTINCT processed_to, reached FROM watermarks")
    assert moved == [(START + 4 * HOUR, START + 10 * HOUR)]


def test_f12_of_several_revisions_the_earliest_bar_is_what_is_dirty_from(database):
    rows = raw_rows(10)
    store(database, rows)
    an_indicator(database, START + 9 * HOUR)
    for position in (6, 2, 8):
        store(database, changed(rows, position, volume=99.0))
    assert rows_of(database, "SELECT dirty_from FROM series") == [(START + 2 * HOUR,)]


def test_f12_each_revision_of_a_candle_is_kept(database):
    rows = raw_rows(3)
    for volume in (1.0, 2.0, 3.0):
        store(database, pd.concat([rows.iloc[:2], changed(rows, 2, volume=volume)]))
    assert rows_of(database, "SELECT volume FROM candle_revisions ORDER BY revised_at") == [(1.0,), (2.0,)]


def test_f12_history_that_is_imported_later_makes_everything_after_it_dirty(database):
    rows = raw_rows(10)
    store(database, rows.iloc[5:])
    an_indicator(database, START + 9 * HOUR)
    store(database, rows.iloc[:5])

    assert rows_of(database, "SELECT listed_at, dirty_from FROM series") == [(START, START)]


def test_f12_history_from_before_live_runs_began_is_left_to_backfills(database):
    rows = raw_rows(10)
    store(database, rows.iloc[5:])
    watermark(database, "trading_signals", START + 10 * HOUR, started_after=START + 8 * HOUR)
    store(database, rows.iloc[:5])

    assert rows_of(database, "SELECT processed_to FROM watermarks") == [(START + 8 * HOUR,)]


def test_new_bars_at_the_end_make_nothing_dirty(database):
    rows = raw_rows(10)
    store(database, rows.iloc[:5])
    an_indicator(database, START + 4 * HOUR)
    watermark(database, "trading_signals", START + 5 * HOUR)
    store(database, rows.iloc[7:])

    assert rows_of(database, "SELECT dirty_from FROM series") == [(None,)]
    assert rows_of(database, "SELECT processed_to FROM watermarks") == [(START + 5 * HOUR,)]


@pytest.mark.parametrize(
    ("revised", "dirty"),
    [
        # Every series of its exchange and timeframe is derived from the reference symbol's candles.
        ("BTC/USDT", {("binance", "BTC/USDT", "1h"), ("binance", "ETH/USDT", "1h")}),
        ("ETH/USDT", {("binance", "ETH/USDT", "1h")}),
    ],
)
def test_a_revision_leaves_clean_what_is_not_derived_from_it(database, revised, dirty):
    rows = {symbol: raw_rows(5, symbol=symbol) for symbol in ("BTC/USDT", "ETH/USDT")}
    store(database, pd.concat(rows.values(), ignore_index=True))
    store(database, raw_rows(5, symbol="ETH/USDT").assign(exchange="kraken"))
    store(database, raw_rows(5, symbol="ETH/USDT").iloc[::4].assign(timeframe="4h"))
    an_indicator(database, START + 4 * HOUR)
    store(database, changed(rows[revised], 2, volume=99.0))

    found = rows_of(database, "SELECT exchange, symbol, timeframe, dirty_from FROM series WHERE dirty_from IS NOT NULL")
    assert {tuple(row[:3]) for row in found} == dirty
    assert {row[3] for row in found} == {START + 2 * HOUR}


def test_a_bar_of_the_higher_timeframe_moves_back_only_the_watermarks_of_closes_that_know_it(database):
    hourly, daily = raw_rows(10, symbol="ETH/USDT"), raw_rows(9, symbol="ETH/USDT").iloc[::4].assign(timeframe="4h")
    store(database, hourly)
    store(database, daily.iloc[:1])
    watermark(database, "trading_signals", START + 9 * HOUR)
    moved = "SELECT timeframe, processed_to FROM watermarks JOIN series USING (series_id)"
    hourly_mark = dict(rows_of(database, moved))["1h"]

    store(database, daily.iloc[1:2])

    assert hourly_mark == START + 9 * HOUR
    assert dict(rows_of(database, moved))["1h"] == START + 7 * HOUR  # the close of 8 hours knows it, no earlier one


def test_a_failure_while_storing_leaves_nothing_of_the_batch(database):
    cleaned = clean(raw_rows(5), NOW).candles
    cleaned.loc[3, "low"] = 500.0  # what no source gets past cleaning

    def attempt() -> None:
        with database.begin() as conn:
            store_candles(conn, cleaned, MarketContext())

    with pytest.raises(sa.exc.IntegrityError):
        attempt()
    assert rows_of(database, "SELECT count(*) FROM candles") == [(0,)]
    assert rows_of(database, "SELECT count(*) FROM series") == [(0,)]
