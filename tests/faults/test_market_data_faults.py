"""Bad market data through the whole chain: what the tables and `source_health` hold afterwards."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.storage.candles import accept_jumps
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from tests.support.chain import FAR_FUTURE, days, raw_rows, rows, run, store_block
from tests.support.market import flat_market, random_walk

SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
BARS = 60 * 24  # from 2024-01-01; the last close is 2024-03-01 00:00
LAST_DAY = date(2024, 2, 29)


def _market() -> Block:
    return random_walk(seed=21, n_candles=BARS, symbols=SYMBOLS, timeframe=Timeframe.H1)


def _without(block: Block, symbol: str, places: range) -> Block:
    """The block with some bars of a symbol missing."""
    opens = block["close"].index[list(places)]
    gapped = {name: frame.copy() for name, frame in block.items()}
    for frame in gapped.values():
        frame.loc[opens, symbol] = np.nan
    return gapped


def _health(database: Database, symbol: str = "BTC/USDT") -> tuple[str, str | None]:
    query = "SELECT status, reason FROM source_health WHERE subject LIKE %s"
    with database.begin() as conn:
        row = conn.exec_driver_sql(query, (f"% {symbol} %",)).one()
    return row.status, row.reason


def _signals(database: Database, symbol: str = "BTC/USDT") -> list[datetime]:
    found = rows(database, "candidate_signals", f"symbol = '{symbol}'")
    return [row["candle_close_at"] for row in found]


def test_f03_a_few_filled_bars_are_stored_as_such_and_give_no_signal(database):
    block = _without(_market(), "BTC/USDT", range(BARS - 30, BARS - 22))
    store_block(database, block)

    days(database, date(2024, 2, 1), LAST_DAY)

    filled = rows(database, "candles", "is_filled")
    assert [row["volume"] for row in filled] == [0.0] * 8
    assert _health(database) == ("PARTIAL", "filled(1.6%)")
    assert not set(_signals(database)) & {row["close_at"] for row in filled}
    assert _health(database, "ETH/USDT") == ("OK", None)


def test_f03_many_filled_bars_block_the_series_until_they_are_far_enough_away(database):
    gap = range(BARS - 600, BARS - 560)
    store_block(database, _without(_market(), "BTC/USDT", gap))
    gap_ends = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=gap.stop)

    days(database, date(2024, 1, 20), LAST_DAY)

    reasons = rows(database, "market_conditions", "block_reason IS NOT NULL")
    assert {row["block_reason"].partition("(")[0] for row in reasons} == {"gapped"}
    blocked = {row["close_at"] for row in reasons}
    assert min(blocked) > gap_ends - timedelta(hours=20)
    assert not blocked & set(_signals(database))
    assert _signals(database), "signals come back once fewer than one bar in twenty is filled"


def test_f06_a_refused_row_leaves_the_symbol_partial_and_the_rest_goes_on(database):
    raw = raw_rows(_market(), "binance", Timeframe.H1)
    is_bad = (raw["symbol"] == "BTC/USDT") & (raw["open_at"] == datetime(2024, 2, 29, 12, tzinfo=UTC))
    raw.loc[is_bad, "high"] = raw.loc[is_bad, "low"] * 0.5
    intake = import_candles(database, raw, FAR_FUTURE)

    days(database, LAST_DAY, LAST_DAY)

    assert intake.refused == {"broken_range": 1}
    assert [row["reason"] for row in rows(database, "candle_quarantine")] == ["broken_range"]
    assert _health(database) == ("PARTIAL", "refused(1 rows)")
    assert _health(database, "ETH/USDT") == ("OK", None)


def test_f08_a_jump_blocks_its_symbol_from_there_on_until_it_is_accepted(database):
    block = {name: frame.copy() for name, frame in _market().items()}
    jumped = block["close"].index[BARS - 200 :]
    for field in ("open", "high", "low", "close"):
        block[field].loc[jumped, "BTC/USDT"] *= 2.0
    store_block(database, block)
    jump_at = jumped[0].to_pydatetime()
    days(database, date(2024, 2, 1), LAST_DAY)
    assert _health(database) == ("BLOCKED", "price_jump")
    assert _signals(database)
    assert max(_signals(database)) <= jump_at
    assert max(_signals(database, "ETH/USDT")) > jump_at

    with database.begin() as conn:
        assert accept_jumps(conn, "BTC/USDT") == 1
    days(database, date(2024, 2, 1), LAST_DAY)

    assert max(_signals(database)) > jump_at
    assert _health(database) == ("OK", None)


def test_f09_a_flat_market_has_rsi_50_and_no_signal(database):
    flat = flat_market(n_candles=BARS, symbols=("BTC/USDT",))
    moving = {name: frame[["ETH/USDT"]] for name, frame in _market().items()}
    store_block(database, flat)
    store_block(database, moving)

    days(database, date(2024, 2, 1), LAST_DAY)

    ids = {row["symbol"]: row["series_id"] for row in rows(database, "series")}
    values = {row["rsi_14"] for row in rows(database, "indicators", f"series_id = {ids['BTC/USDT']}")}
    assert values == {50.0}
    assert _signals(database) == []
    assert _signals(database, "ETH/USDT")


@pytest.mark.parametrize("n_bars", [1, 13, 27, 99])
def test_f10_a_short_history_is_a_state_and_never_an_exception(database, n_bars):
    newest = {name: frame[["BTC/USDT"]].iloc[-n_bars:] for name, frame in _market().items()}
    store_block(database, newest)
    store_block(database, {name: frame[["ETH/USDT", "SOL/USDT"]] for name, frame in _market().items()})

    run(database, {"signals/as_of": "2024-03-01T00:00:00+00:00"}, "2024-03-01")

    assert _health(database) == ("PARTIAL", f"insufficient_history({n_bars}<448)")
    assert _health(database, "ETH/USDT") == ("OK", None)
    assert len(rows(database, "indicators", "close_at = '2024-03-01 00:00+00'")) == 3


def test_f11_a_stale_series_is_blocked_and_the_others_go_on(database):
    block = _without(_market(), "BTC/USDT", range(BARS - 30, BARS))
    store_block(database, block)

    run(database, {"signals/as_of": "2024-02-29T23:00:00+00:00", "signals/origin": "live"}, "2024-02-29")

    assert _health(database) == ("BLOCKED", "stale(newest close 2024-02-28 18:00)")
    assert _health(database, "ETH/USDT") == ("OK", None)


def test_f11_a_run_with_most_series_stale_fails_and_says_what_to_do(database):
    store_block(database, _market())

    with pytest.raises(DataContractError, match=r"at most half of the series may be blocked, 3 of 3 are"):
        run(database, {"signals/as_of": "2024-05-01T00:00:00+00:00", "signals/origin": "live"}, "2024-05-01")

    assert _health(database)[0] == "BLOCKED"
    assert rows(database, "trading_signals") == []
