"""`signals chart`: a picture of what is stored; against a real PostgreSQL."""

import io
from datetime import date, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from pipeline.charts.png import LARGE
from pipeline.domain.timeframe import Timeframe
from pipeline.storage import tables
from pipeline.storage.database import Database
from tests.support.candle_rows import START
from tests.support.chain import days, store_block
from tests.support.database import a_series_of, a_stored_signal
from tests.support.market import random_walk

HOUR = timedelta(hours=1)
LAST_DAY = date(2024, 1, 25)


@pytest.fixture
def history(database: Database) -> Database:
    """600 candles of BTC/USDT 1h, judged on the last five days."""
    store_block(database, random_walk(3, 600, symbols=("BTC/USDT",)))
    days(database, LAST_DAY - timedelta(days=4), LAST_DAY)
    return database


def few_candles(database: Database, n_candles: int = 3, symbol: str = "BTC/USDT") -> None:
    store_block(database, random_walk(3, n_candles, symbols=(symbol,)))


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        return picture.size


def test_the_newest_150_bars_are_drawn_into_a_file_named_by_the_series(signals, history, tmp_path):
    said = signals("chart", "BTCUSDT", "1h")

    assert said.code == 0, said.err
    assert said.out == "BTC-USDT-1h.png\n"
    assert said.err.startswith("150 bars, newest close 2024-01-26 00:00 UTC  |  ")
    assert " replay signals  |  " in said.err
    assert size_of(tmp_path / "BTC-USDT-1h.png") == LARGE


def test_a_page_holds_levels_patterns_and_signals_and_overwrites_what_was_there(signals, history, tmp_path):
    page = tmp_path / "btc.html"
    page.write_text("old", encoding="utf-8")

    said = signals("chart", "BTC/USDT", "1h", "-o", "btc.html", "--from", "2024-01-20", "--to", "2024-01-25")

    assert said.code == 0, said.err
    text = page.read_text(encoding="utf-8")
    assert "BTC/USDT  1h  binance" in text
    for name in ("candles", "SMA 200", "support", "resistance", "BUY", "SELL"):
        assert f'"name":"{name}"' in text
    with history.begin() as conn:
        n_signals = conn.scalar(
            sa.text(
                "SELECT count(*) FROM trading_signals WHERE created_at <= '2024-01-26' AND created_at >= '2024-01-20'"
            )
        )
        assert conn.scalar(sa.text("SELECT count(*) FROM price_levels")) > 0
    assert f"145 bars, newest close 2024-01-26 00:00 UTC  |  {n_signals} replay signals" in said.err


def test_live_signals_are_drawn_where_there_are_some_and_others_when_they_are_asked_for(signals, database):
    few_candles(database, 50)
    number = a_series_of(database)
    rows = [
        a_stored_signal(number, created_at=START + 40 * HOUR, expires_at=START + 42 * HOUR),
        *(
            a_stored_signal(number, created_at=at, expires_at=at + HOUR, origin="replay")
            for at in (START + 20 * HOUR, START + 30 * HOUR)
        ),
        a_stored_signal(
            number, created_at=START + 30 * HOUR, expires_at=START + 31 * HOUR, origin="replay", scope="fast"
        ),
    ]
    with database.begin() as conn:
        conn.execute(sa.insert(tables.trading_signals), rows)

    assert "1 live signal" in signals("chart", "BTC/USDT", "1h").err
    assert "2 replay signals" in signals("chart", "BTC/USDT", "1h", "--origin", "replay").err
    assert "1 replay fast signal" in signals("chart", "BTC/USDT", "1h", "--scope", "fast").err
    assert "2 replay signals" in signals("chart", "BTC/USDT", "1h", "--to", "2024-01-02T08:00").err


def test_a_series_of_three_candles_without_indicators_is_drawn(signals, database, tmp_path):
    few_candles(database)
    said = signals("chart", "BTC/USDT", "1h", "-o", "few.png")
    assert said.code == 0, said.err
    assert said.err.startswith("3 bars, newest close 2024-01-01 03:00 UTC")
    assert size_of(tmp_path / "few.png") == LARGE


def test_a_symbol_with_a_colon_has_a_file_name_without_one(signals, database, tmp_path):
    few_candles(database, symbol="BTC/USDT:USDT")
    said = signals("chart", "BTC/USDT:USDT", "1h")
    assert said.out == "BTC-USDT-USDT-1h.png\n"
    assert (tmp_path / "BTC-USDT-USDT-1h.png").is_file()


def test_what_is_not_stored_is_refused_with_what_is(signals, database):
    few_candles(database)
    for arguments, message in {
        ("ETH/USDT", "1h"): "series must be one that has candles, was binance ETH/USDT 1h: did you mean BTC/USDT?",
        ("BTC/USDT", "4h"): "of BTC/USDT there are 1h on binance",
        ("BTC/USDT", "1h", "--from", "2025-01-01"): "must begin at or before 2024-01-01 03:00, the newest close",
        ("BTC/USDT", "1h", "--to", "2023-12-01"): "must end at or after its first close, 2024-01-01 01:00",
    }.items():
        said = signals("chart", *arguments)
        assert said.code == 1
        assert message in said.err
        assert said.out == ""


def test_without_any_candle_the_message_says_how_to_get_some(signals, database):
    said = signals("chart", "BTC/USDT", "1h", "--exchange", "binance")
    assert said.code == 1
    assert "no candles are stored yet; `signals import candles PATH --exchange NAME` reads files" in said.err


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("btc.gif", "must end in .png or .html, was 'btc.gif'"),
        ("btc", "must end in .png or .html, was 'btc'"),
        ("nowhere/btc.png", "must be in a folder that exists, was nowhere/btc.png"),
        ("folder.png", "must be a file, folder.png is a folder"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_drawn(signals, tmp_path, output, message):
    (tmp_path / "folder.png").mkdir()
    said = signals("chart", "BTC/USDT", "1h", "-o", output)
    assert said.code == 2
    assert message in said.err


def test_more_bars_than_a_picture_can_hold_are_refused(signals, database, monkeypatch):
    few_candles(database, 12)
    monkeypatch.setattr("pipeline.charting.MOST_BARS", 10)
    said = signals("chart", "BTC/USDT", "1h", "--from", "2024-01-01")
    assert said.code == 1
    assert "a chart must have at most 10 bars, was to have 12; begin it later" in said.err


def test_the_exchange_that_alone_has_the_series_need_not_be_named(signals, database):
    few_candles(database)
    with database.begin() as conn:
        conn.execute(
            sa.insert(tables.series),
            {"exchange": "kraken", "symbol": "ETH/EUR", "timeframe": Timeframe.H1.value, "bar_seconds": 3600},
        )
    said = signals("chart", "BTC/USDT", "1h")
    assert said.code == 0, said.err


def test_a_replay_that_there_is_not_is_refused_and_missing_indicators_are_told(signals, database):
    store_block(database, random_walk(seed=3, n_candles=200, symbols=["BTC/USDT"]))

    refused = signals("chart", "BTC/USDT", "1h", "--scope", "nope")
    assert refused.code == 1
    assert "scope must be one that has rows (none), was nope" in refused.err
    assert "no indicators stored: `signals backfill` computes them" in signals("chart", "BTC/USDT", "1h").err
