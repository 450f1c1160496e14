"""One signal over HTTP: in full, explained, drawn; and how signals did."""

import io
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from PIL import Image

from pipeline.api import signals as api_signals
from pipeline.charts.png import SMALL
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.performance.payload import HEADLINE
from pipeline.storage import tables
from pipeline.storage.candles import ensure_series
from tests.support.api import SIGNALS, an_api, refused
from tests.support.candle_rows import START
from tests.support.chain import store_block
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, store
from tests.support.market import random_walk
from tests.support.postgres import end_connections

HOUR = timedelta(hours=1)
CLOSE = START + 100 * HOUR
N_CANDLES = 160


@pytest.fixture
def signal_id(database):
    """A signal on a bar in the middle of a stored series."""
    store_block(database, random_walk(3, N_CANDLES, symbols=("BTC/USDT",)))
    (number,) = store(database, [a_life(a_series_of(database), created_at=CLOSE, expires_at=CLOSE + HOUR)])
    return number


def test_an_explanation_is_what_the_command_prints(database, signal_id, signals, monkeypatch):
    monkeypatch.setenv("SIGNALS_MARKET__SOURCE", "files")
    with an_api(database) as client:
        answer = client.get(f"{SIGNALS}/{signal_id}/explain")

    said = signals("explain", "BTC/USDT", "1h", "--at", CLOSE.isoformat(), "--origin", "live", "--json")
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "explanation": said.json}
    assert answer.json()["explanation"]["stored"]["signals"][0]["id"] == str(signal_id)


def test_a_chart_is_drawn_where_none_is_kept_and_ends_soon_after_the_signal(database, signal_id):
    with an_api(database) as client:
        answer = client.get(f"{SIGNALS}/{signal_id}/chart")
        again = client.get(f"{SIGNALS}/{signal_id}/chart")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert (picture.format, picture.size) == ("PNG", SMALL)
    assert again.content == answer.content


def test_a_chart_that_is_kept_is_answered_as_it_is(database, signal_id):
    kept = {"signal_id": signal_id, "place": 1, "caption": "BTC", "until": CLOSE, "drawn_at": CLOSE, "png": b"kept"}
    with database.begin() as conn:
        conn.execute(sa.insert(tables.signal_charts).values(kept))
    with an_api(database) as client:
        assert client.get(f"{SIGNALS}/{signal_id}/chart").content == b"kept"


def test_who_waits_too_long_for_other_pictures_is_told_to_come_back(database, signal_id, monkeypatch):
    monkeypatch.setattr(api_signals, "DRAWING_WAIT_S", 0.05)
    with an_api(database) as client:
        with api_signals._drawing():
            answer = client.get(f"{SIGNALS}/{signal_id}/chart")
        refused(answer, 503, "try_again_later")
        assert client.get(f"{SIGNALS}/{signal_id}/chart").status_code == 200
    assert answer.headers["retry-after"] == "5"


def test_a_signal_of_any_origin_status_and_scope_is_found(database):
    number = a_series_of(database)
    changes = [{"origin": "replay", "scope": "fast"}, {"status": "INVALIDATED"}]
    ids = [each for change in changes for each in store(database, [a_life(number, **change)])]
    with an_api(database) as client:
        found = [client.get(f"{SIGNALS}/{each}").json()["signal"] for each in ids]
    assert [each["status"] for each in found] == ["ACTIVE", "INVALIDATED"]


def test_an_alert_has_no_targets(database):
    alert = {"signal_type": "ALERT", "target_prices": None, "stop_loss_price": None, "strategy": "MARKET_ANOMALY"}
    (number,) = store(database, [a_life(a_series_of(database), **alert)])
    with an_api(database) as client:
        found = client.get(f"{SIGNALS}/{number}").json()["signal"]
    assert (found["signal_type"], found["target_prices"], found["stop_loss_price"]) == ("ALERT", None, None)


@pytest.mark.parametrize("route", ["", "/explain", "/chart"])
def test_an_unknown_id_is_not_found(database, route):
    number = uuid4()
    with an_api(database) as client:
        error = refused(client.get(f"{SIGNALS}/{number}{route}"), 404, "not_found")
    assert str(number) in error["message"]


def a_report(exchange: str, as_of: datetime, **changes):
    """A row of `signal_performance` of the last week, as little as it may hold."""
    counts = ("total_signals", "executed_signals", "expired_signals", "profitable_signals", "losing_signals")
    return {
        "exchange": exchange,
        "origin": "live",
        "scope": "default",
        "timeframe": "7d",
        "horizon": "expiry",
        "as_of": as_of,
        "started_at": as_of - timedelta(days=7),
        **dict.fromkeys((*counts, "breakeven_signals", "outcomes", "pending", "wins"), 0),
        **dict.fromkeys(("execution_rate", "win_rate", "avg_profit_loss"), 0.0),
        **dict.fromkeys(name for name in HEADLINE if name != "wins"),
        "by_source": {},
        "figures": {},
        "reliability": [],
    } | changes


def test_outcomes_come_from_the_newest_report_of_the_window_that_was_made_by_then(database):
    a_series_of(database)
    now = datetime(2024, 3, 1, 12, 30, tzinfo=UTC)
    reports = [
        a_report("binance", now - 2 * HOUR, hit_rate=0.1),
        a_report("binance", now - HOUR, outcomes=114, pending=6, wins=41, hit_rate=0.36, p_value=0.4),
        a_report("binance", now + HOUR, hit_rate=0.9),
        a_report("binance", now - HOUR, origin="replay", hit_rate=0.8),
        a_report("binance", now - HOUR, timeframe="24h", hit_rate=0.7),
        a_report("kraken", now - HOUR, hit_rate=0.6),
    ]
    with database.begin() as conn:
        conn.execute(sa.insert(tables.signal_performance), reports)
    with an_api(database, at=now) as client:
        week = client.get(f"{SIGNALS}/performance").json()["performance"]["outcomes"]
        month = client.get(f"{SIGNALS}/performance", params={"timeframe": "30d"}).json()["performance"]
        kraken = client.get(f"{SIGNALS}/performance", params={"exchange": "kraken"}).json()["performance"]["outcomes"]
    assert [week[name] for name in ("outcomes", "pending", "wins", "hit_rate", "p_value")] == [114, 6, 41, 0.36, 0.4]
    assert (week["as_of"], week["hit_low"]) == ("2024-03-01T11:30:00Z", None)
    assert (month["timeframe"], month["outcomes"]) == ("30d", None)
    assert (kraken["exchange"], kraken["hit_rate"]) == ("kraken", 0.6)


def test_a_window_is_that_of_its_name_by_close_and_of_live_signals(database):
    number = a_series_of(database)
    with database.begin() as conn:
        ensure_series(conn, [SeriesKey("kraken", "BTC/USDT", Timeframe.H1)])
    now = START + timedelta(days=60)

    def ended(days: float, **changes):
        at = now - timedelta(days=days)
        return a_life(number, status="EXPIRED", created_at=at, candle_close_at=at, expires_at=at + HOUR, **changes)

    store(database, [ended(0.5), ended(3), ended(6.9), ended(20), ended(31), ended(1, origin="replay")])
    with an_api(database, at=now) as client:

        def total(**parameters):
            return client.get(f"{SIGNALS}/performance", params=parameters).json()["performance"]["total_signals"]

        assert [total(timeframe=each) for each in ("24h", "7d", "30d")] == [1, 3, 4]
        assert total() == 3
        assert total(exchange="kraken") == 0


def test_answers_hold_no_number_that_json_does_not_know(database, signal_id):
    with an_api(database) as client:
        for route in ("", "/explain"):
            text = client.get(f"{SIGNALS}/{signal_id}{route}").text
            json.loads(text, parse_constant=pytest.fail)


def test_after_a_restart_of_the_database_the_first_explanation_and_chart_are_answered(database, signal_id):
    routes = [f"{SIGNALS}/{signal_id}/{route}" for route in ("explain", "chart")]
    with an_api(database) as client:
        assert [client.get(route).status_code for route in routes] == [200, 200]  # the connections are made, and kept
        for route in routes:
            assert end_connections(database.address) > 1
            assert client.get(route).status_code == 200
