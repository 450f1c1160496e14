"""`signals config` and `signals doctor`: what is set, what is stored, what needs a person."""

import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.market.health import HealthStatus, SeriesState
from pipeline.storage.candles import ensure_series, record_health
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from tests.support.candle_rows import NOW, raw_rows
from tests.support.cli import line_with, words


def test_config_says_where_each_setting_comes_from(signals, tmp_path, monkeypatch):
    (tmp_path / "signals.toml").write_text(
        'position_size = 0.1\n\n[market]\nsource = "files"\n\n[strategies.rsi]\noversold = 25\n', encoding="utf-8"
    )
    monkeypatch.setenv("SIGNALS_RISK__MAX_ASSET_EXPOSURE", "0.1")
    monkeypatch.setenv("SIGNALS_MARKET__EXCHANGE", "")

    shown = signals("config", "--json").json

    assert shown["market.source"] == {"value": "files", "origin": "signals.toml:4"}
    assert shown["position_size"] == {"value": 0.1, "origin": "signals.toml:1"}
    assert shown["strategies.rsi.oversold"] == {"value": 25.0, "origin": "signals.toml:7"}
    assert shown["strategies.rsi.overbought"] == {"value": 70.0, "origin": "default"}
    assert shown["risk.max_asset_exposure"] == {"value": 0.1, "origin": "SIGNALS_RISK__MAX_ASSET_EXPOSURE"}
    assert shown["market.exchange"] == {"value": None, "origin": "default"}


def test_config_masks_the_password(signals, database):
    for arguments in (("config",), ("config", "--json")):
        said = signals(*arguments)
        assert database.address.password not in said.out
        assert ":***@" in said.out


def test_wrong_settings_end_every_command_with_the_line_that_is_wrong(signals, tmp_path):
    (tmp_path / "signals.toml").write_text('[market]\nsource = "file"\n', encoding="utf-8")
    for command in ("config", "list", "doctor"):
        said = signals(command)
        assert said.code == 2
        assert said.err.startswith("error: signals.toml:2: market.source must be")


def test_doctor_is_content_with_what_is_complete(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    import_candles(database, raw_rows(24), NOW)

    said = signals("doctor")

    assert (said.code, said.err) == (0, "")
    assert line_with(said, "binance").split() == words(
        "binance BTC/USDT 1h 24 0 2024-01-01 01:00 2024-01-02 00:00 not judged yet - -"
    )
    assert said.out.endswith("Nothing needs you.\n")


def test_doctor_lists_what_is_refused_filled_and_blocked_and_what_to_do(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    rows = raw_rows(24).drop(index=[3, 4]).reset_index(drop=True)
    rows.loc[0, "volume"] = -1.0
    import_candles(database, rows, NOW)
    with database.begin() as conn:
        conn.execute(
            sa.text(
                """INSERT INTO source_health (source, subject, series_id, status, reason, as_of)
SELECT 'candles', 'binance BTC/USDT 1h', series_id, 'BLOCKED', 'stale(newest close 2024-01-02 00:00)', now()
FROM series"""
            )
        )

    said = signals("doctor")

    assert said.code == 1
    assert "needs you: BTC/USDT 1h is blocked: stale(newest close 2024-01-02 00:00); import candles" in said.err
    assert words(line_with(said, "binance   negative_volume"))[:4] == ["binance", "negative_volume", "1", "1"]
    found = signals("doctor", "--json").json
    assert [(row["bars"], row["filled_bars"], row["status"]) for row in found["series"]] == [(23, 2, "BLOCKED")]
    assert found["problems"][0] in said.err


def put_health(database: Database, states: dict[str, str | None]) -> None:
    """Judge series of binance by 'symbol timeframe': BLOCKED for the reason, OK where there is none."""
    with database.begin() as conn:
        for subject, reason in states.items():
            symbol, timeframe = subject.split()
            key = SeriesKey("binance", symbol, Timeframe(timeframe))
            state = SeriesState(HealthStatus.BLOCKED if reason else HealthStatus.OK, reason)
            record_health(conn, "candles", {key: state}, ensure_series(conn, [key]), NOW)


STALE = "stale(newest close 2024-01-02 00:00)"


@pytest.mark.parametrize(
    ("states", "advice"),
    [
        ({"BTC/USDT 1h": STALE}, "import candles that are newer (as of"),
        ({"BTC/USDT 1h": STALE, "ETH/USDT 1h": None}, "newer, or leave it out: market.symbols names those"),
        ({"BTC/USDT 1h": STALE, "BTC/USDT 4h": None}, "newer, or leave 1h out: market.timeframes names those"),
        ({"BTC/USDT 1h": "gapped(6.1%)", "ETH/USDT 1h": None}, "import what is missing, or leave it out: market.symb"),
        ({"BTC/USDT 1h": STALE, "ETH/USDT 1h": STALE, "SOL/USDT 1h": None}, "newer, or leave them out: market.symbols"),
    ],
    ids=str,
)
def test_doctor_says_how_to_leave_out_what_is_blocked_where_others_are_complete(
    signals, database, monkeypatch, states, advice
):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    for subject in states:
        symbol, timeframe = subject.split()
        import_candles(database, raw_rows(24, symbol=symbol, timeframe=Timeframe(timeframe)), NOW)
    put_health(database, states)

    problems = signals("doctor", "--json").json["problems"]

    assert len(problems) == 1
    assert problems[0].startswith("BTC/USDT")
    assert advice in problems[0]


def test_doctor_says_once_what_many_series_share(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    symbols = [f"{base}/USDT" for base in ("ADA", "BTC", "ETH", "SOL", "XRP")]
    for symbol in symbols:
        import_candles(database, raw_rows(3, symbol=symbol), NOW)
    put_health(database, {f"{symbol} 1h": STALE for symbol in symbols})

    problems = signals("doctor", "--json").json["problems"]

    assert len(problems) == 1
    assert problems[0].startswith("ADA/USDT, BTC/USDT, ETH/USDT and 2 more 1h are blocked: stale")


@pytest.mark.parametrize("settings", [{"SYMBOLS": "ETH/USDT"}, {"TIMEFRAMES": "4h"}], ids=str)
def test_what_the_settings_leave_out_needs_nobody(signals, database, monkeypatch, settings):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGNALS_MARKET__{name}", value)
    jumped = raw_rows(24)
    jumped.loc[12:, ["open", "high", "low", "close"]] *= 10
    import_candles(database, jumped, NOW)
    import_candles(database, raw_rows(24, symbol="ETH/USDT", timeframe=Timeframe.H4), NOW)
    put_health(database, {"BTC/USDT 1h": STALE, "ETH/USDT 4h": None})

    said = signals("doctor")

    assert (said.code, said.err) == (0, "")
    assert "Price jumps that nobody has accepted" in said.out


def test_f08_a_price_jump_needs_a_person_until_it_is_accepted(signals, database, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    rows = raw_rows(6)
    rows.loc[3:, ["open", "high", "low", "close"]] *= 10
    import_candles(database, rows, NOW)

    sick = signals("doctor")
    unknown = signals("doctor", "--accept-jump", "ETH/USDT")
    accepted = signals("doctor", "--accept-jump", "btcusdt")

    assert sick.code == 1
    assert "signals doctor --accept-jump BTC/USDT" in sick.err
    assert unknown.code == 1
    assert "symbol must have a price jump that is not accepted yet (BTC/USDT), was ETH/USDT" in unknown.err
    assert accepted.code == 0
    assert "signals backfill --from 2024-01-01" in accepted.out
    assert signals("doctor").code == 0


@pytest.mark.parametrize(
    ("exchanges", "settings", "problem"),
    [
        ([], {}, "signals import candles PATH --exchange NAME"),
        (["binance", "kraken"], {}, "market.exchange must be set, because several were imported: binance, kraken"),
        (["binance"], {"EXCHANGE": "kraken"}, "signals import candles PATH --exchange kraken"),
        (["binance"], {"SYMBOLS": "BTC/USDT,ETH/USDT"}, "ETH/USDT are not: import or leave them out"),
        (["binance"], {"TIMEFRAMES": "1h,4h"}, "market.timeframes must be stored on binance, 4h are not: import or le"),
    ],
    ids=str,
)
def test_doctor_says_when_the_settings_ask_for_what_is_not_there(
    signals, database, monkeypatch, exchanges, settings, problem
):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    for name, value in settings.items():
        monkeypatch.setenv(f"SIGNALS_MARKET__{name}", value)
    for exchange in exchanges:
        import_candles(database, raw_rows(3, exchange=exchange), NOW)

    said = signals("doctor")

    assert said.code == 1
    assert problem in said.err
