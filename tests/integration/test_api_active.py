"""Active signals over HTTP: which ones, in which order, and a page at a time while others come and go."""

from datetime import timedelta

import httpx
import pytest
import sqlalchemy as sa

from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.storage import tables
from pipeline.storage.candles import ensure_series
from tests.support.api import SIGNALS, an_api, wrong_fields
from tests.support.candle_rows import START
from tests.support.lifecycle import a_life, store

HOUR = timedelta(hours=1)
AT = START + timedelta(minutes=30)
RANKED = {"calibration.ranks_signals": "true"}


def a_number(database, symbol="BTC/USDT", timeframe=Timeframe.H1, exchange="binance"):
    key = SeriesKey(exchange, symbol, timeframe)
    with database.begin() as conn:
        return ensure_series(conn, [key])[key]


def an_active(database, rank_score=0.665, symbol="BTC/USDT", timeframe=Timeframe.H1, exchange="binance", **changes):
    """Store a signal; its id."""
    number = a_number(database, symbol, timeframe, exchange)
    place = {"symbol": symbol, "timeframe": timeframe.value, "exchange": exchange, "rank_score": rank_score}
    return store(database, [a_life(number, **place, **changes)])[0]


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["signal_id"] for each in answer.json()["signals"]]


def pages(client: httpx.Client, limit: int, **parameters: str):
    """Every page of an order, each with its ids."""
    cursor = None
    while True:
        given = {"limit": str(limit), **parameters, **({} if cursor is None else {"cursor": cursor})}
        answer = client.get(f"{SIGNALS}/active", params=given)
        yield ids(answer)
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            return


@pytest.mark.parametrize("spelling", ["BTC/USDT", "BTCUSDT", "BTC-USDT", "btc_usdt", " btc/usdt "])
def test_a_symbol_may_be_written_in_every_usual_form(database, spelling):
    wanted = an_active(database)
    an_active(database, symbol="ETH/USDT")
    with an_api(database, at=AT) as client:
        assert ids(client.get(f"{SIGNALS}/active", params={"symbol": spelling})) == [str(wanted)]


@pytest.mark.parametrize(
    ("source", "groups"),
    [
        ("technical", ["technical"]),
        ("ml", ["ml_model"]),
        ("ml_model", ["ml_model"]),
        ("sentiment", ["sentiment"]),
        ("multi", ["technical, sentiment"]),
    ],
)
def test_a_source_is_that_of_the_group_that_reports_count_by(database, source, groups):
    for stored in ("technical", "ml_model", "sentiment", "technical, sentiment"):
        an_active(database, source=stored)
    with an_api(database, at=AT) as client:
        found = client.get(f"{SIGNALS}/active", params={"source": source}).json()["signals"]
    assert [each["source"] for each in found] == groups


def test_timeframe_since_and_exchange_filter(database):
    hour = an_active(database, 0.9)
    quarter = an_active(database, 0.8, timeframe=Timeframe.M15, created_at=START + timedelta(minutes=15))
    kraken = an_active(database, 0.7, exchange="kraken")
    with an_api(database, at=AT, settings={"market.exchange": "binance"}) as client:

        def found(**parameters):
            return ids(client.get(f"{SIGNALS}/active", params=parameters))

        assert found() == [str(hour), str(quarter)]  # of the settings' exchange
        assert found(timeframe="15m") == [str(quarter)]
        assert found(since="2024-01-01T00:15:00Z") == found(since="2024-01-01T00:15") == [str(quarter)]
        assert found(exchange="kraken") == [str(kraken)]
        assert client.get(f"{SIGNALS}/active", params={"exchange": "bitstamp"}).status_code == 422
        a_number(database, "DOGE/USDT")
        assert found(symbol="DOGE/USDT") == []


def test_without_a_choice_every_imported_exchange_is_shown_but_not_the_simulated_one(database):
    shown = [an_active(database, 0.9), an_active(database, 0.8, exchange="kraken")]
    an_active(database, 0.7, exchange="simulated")
    with an_api(database, at=AT) as client:
        assert ids(client.get(f"{SIGNALS}/active")) == [str(each) for each in shown]


def test_only_live_signals_between_their_close_and_their_expiry_are_active(database):
    stands = an_active(database)
    an_active(database, created_at=START - HOUR, expires_at=AT)
    an_active(database, created_at=AT + HOUR, expires_at=AT + 2 * HOUR)
    an_active(database, status="INVALIDATED")
    an_active(database, origin="replay")
    an_active(database, scope="another")
    with an_api(database, at=AT) as client:
        assert ids(client.get(f"{SIGNALS}/active")) == [str(stands)]
    with an_api(database, at=START) as client:
        assert str(stands) in ids(client.get(f"{SIGNALS}/active"))


def test_pages_give_every_signal_once_and_the_strongest_first(database):
    number = a_number(database)
    alike = [a_life(number, rank_score=0.5) for _ in range(12)]  # told apart by their ids alone
    better = [a_life(number, rank_score=0.6 + place / 100, confidence=0.7) for place in range(5)]
    store(database, alike + better)
    expected = [row["id"] for row in reversed(better)] + sorted(row["id"] for row in alike)
    with an_api(database, at=AT) as client:
        found = list(pages(client, 4))
        whole = client.get(f"{SIGNALS}/active").json()
    assert [len(page) for page in found] == [4, 4, 4, 4, 1]
    assert [each for page in found for each in page] == [str(each) for each in expected]
    assert (whole["count"], whole["next_cursor"]) == (17, None)


def test_a_page_that_is_just_full_is_the_last_one(database):
    store(database, [a_life(a_number(database)) for _ in range(4)])
    with an_api(database, at=AT) as client:
        assert [len(page) for page in pages(client, 2)] == [2, 2]


def test_what_is_stored_or_ends_between_two_pages_repeats_and_hides_nothing(database):
    standing = [an_active(database, 0.9 - place / 100) for place in range(9)]
    with an_api(database, at=AT) as client:
        walk = pages(client, 3)
        seen = next(walk)
        an_active(database, 0.99)  # before the place where the next page begins: it was not there in time
        behind = an_active(database, 0.001)
        with database.begin() as conn:
            t = tables.trading_signals
            conn.execute(sa.delete(t).where(t.c.id.in_([standing[2], standing[4]])))  # the place itself among them
        seen += [each for page in walk for each in page]
    expected = [*standing[:4], *standing[5:], behind]
    assert seen == [str(each) for each in expected]


def test_by_calibrated_confidence_those_without_come_last_on_their_own_pages(database):
    def calibrated(value, rank_score):
        return an_active(database, rank_score, calibrated_confidence=value, uncalibrated_because=None)

    low, high = calibrated(0.2, 0.5), calibrated(0.6, 0.45)
    without = [an_active(database, rank, uncalibrated_because="alert") for rank in (0.95, 0.3)]
    with an_api(database, at=AT, settings=RANKED) as client:
        found = [each for page in pages(client, 1) for each in page]
    assert found == [str(each) for each in (high, low, *without)]


def test_a_cursor_goes_with_other_filters_and_another_limit(database):
    symbols = ["BTC/USDT", "ETH/USDT"] * 3
    standing = [an_active(database, 0.9 - place / 100, symbol) for place, symbol in enumerate(symbols)]
    with an_api(database, at=AT) as client:
        cursor = client.get(f"{SIGNALS}/active", params={"limit": 2}).json()["next_cursor"]
        rest = ids(client.get(f"{SIGNALS}/active", params={"cursor": cursor, "symbol": "ETHUSDT"}))
    assert rest == [str(standing[3]), str(standing[5])]


@pytest.mark.parametrize("cursor", ["", "x", "Wy0xLjBd", "é" * 10, "A" * 5000, "3a36da77-b915-4191-bc2d-443ea19bb157"])
def test_a_cursor_that_no_answer_gave_is_refused(database, cursor):
    with an_api(database, at=AT) as client:
        assert wrong_fields(client.get(f"{SIGNALS}/active", params={"cursor": cursor})) == {"query.cursor"}


def test_active_signals_are_found_by_the_index_of_those_that_stand(database):
    number = a_number(database)
    old = START - timedelta(days=9)
    store(database, [a_life(number, status="EXPIRED", created_at=old, expires_at=old + HOUR) for _ in range(2000)])
    store(database, [a_life(number) for _ in range(20)])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE trading_signals"))
    statements: list[str] = []

    def note(conn, cursor, statement, parameters, context, executemany):
        if "trading_signals" in statement:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            statements.append("\n".join(line for (line,) in cursor.fetchall()))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    with an_api(database, at=AT) as client:
        (signal_id, *_) = ids(client.get(f"{SIGNALS}/active", params={"limit": 5}))
        client.get(f"{SIGNALS}/{signal_id}")
        client.get(f"{SIGNALS}/performance")
    active, one, counts = statements
    assert "ix_trading_signals_active" in active
    assert "pk_trading_signals" in one
    assert "Index Only Scan using ix_trading_signals_close" in counts
