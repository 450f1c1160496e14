"""Readings that go the straight way: byte for byte what FastAPI's way answers, and nothing but plain ones."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from pipeline.api import signals as api_signals
from pipeline.api.straight import LOOKUPS_AT_ONCE, Straight
from pipeline.domain.access import Scope
from pipeline.storage.queries import detail, shown_signal, signal_of
from tests.support.api import KEYS, SIGNALS, a_key, an_api, showing
from tests.support.candle_rows import START
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, store
from tests.support.processes import until

AT = START + timedelta(minutes=30)
LIVES = (
    {"rank_score": 0.9, "calibrated_confidence": 0.4, "uncalibrated_because": None},
    {"rank_score": 0.8, "signal_type": "SELL", "source": "technical, ml_model", "confidence": 1 / 3},
    {"rank_score": 0.7, "signal_type": "ALERT", "target_prices": None, "stop_loss_price": None, "entry_price": None},
    {"status": "EXECUTED", "executed_at": START, "execution_price": 101.5, "profit_loss": 0.015},
    {"metadata": {"component_signals": 1, "sources": ["technical"], "raw_data": {'é"\\': [None, 1, 1e300, {}]}}},
)


@pytest.fixture(scope="module")
def database(postgres_server, migrated_template):
    with a_database(postgres_server, migrated_template) as database:
        yield database


@pytest.fixture(scope="module")
def ids(database):
    number = a_series_of(database)
    return store(database, [a_life(number, **life) for life in LIVES])


def told(answer):
    """Status, headers and body of an answer, without what every answer has of its own."""
    headers = [(name, value) for name, value in answer.headers.raw if name.lower() not in (b"date", b"ratelimit")]
    return answer.status_code, headers, answer.content


PLAIN = [
    "active",
    "active?limit=2",
    "active?symbol=btc_usdt&min_confidence=.5&timeframe=1h&exchange=binance&source=technical&signal_type=BUY",
    "active?since=2024-01-01T00:00:00%2B00:00",
    "active?symbol=ETH%2FUSDT",
    "{cursor}",
    *(f"{{{place}}}" for place in range(len(LIVES))),
    "{unknown}",
    "performance",
    "performance?timeframe=30d&exchange=kraken",
    "../../../../health",
]
OTHERS = [
    "active?limit=0",
    "active?limit=1&limit=2",
    "active?limit=",
    "active?limits=1",
    "active?symbol=",
    "active?min_confidence=nan",
    "active?cursor=x",
    "active/",
    "performance?timeframe=1h",
    "no-uuid",
    "{upper}",
    "{0}?what=ever",
    "../../../../health?what=ever",
    "{0}/",
]


def path_of(wanted: str, client, ids) -> str:
    if wanted == "{cursor}":
        return f"active?limit=2&cursor={client.get(f'{SIGNALS}/active?limit=2').json()['next_cursor']}"
    return wanted.format(*ids, unknown=uuid4(), upper=str(ids[0]).upper())


@pytest.mark.parametrize("wanted", [*PLAIN, *OTHERS])
def test_both_ways_answer_the_same_byte_for_byte(database, ids, monkeypatch, wanted):
    with an_api(database, at=AT) as client:
        path = f"{SIGNALS}/{path_of(wanted, client, ids)}"
        straight = told(client.get(path))
        with monkeypatch.context() as patched:
            patched.setattr(Straight, "_answer", lambda self, scope: None)
            framework = told(client.get(path))
        counted = client.get("/metrics").text
    assert straight == framework
    counts = [line for line in counted.splitlines() if line.startswith("signals_api_requests_total{")]
    (number,) = (line.rpartition(" ")[2] for line in counts if f'status="{straight[0]}"' in line)  # of one route
    assert float(number) >= 2


@pytest.mark.parametrize(("wanted", "is_straight"), [*((p, True) for p in PLAIN), *((p, False) for p in OTHERS)])
def test_what_is_plainly_right_needs_nothing_of_the_framework(database, ids, monkeypatch, wanted, is_straight):
    with an_api(database, at=AT) as client:
        path = f"{SIGNALS}/{path_of(wanted, client, ids)}"
        passed_on = []

        async def refuse(scope, receive, send):
            passed_on.append(scope["path"])
            raise ValueError("nobody is to come here")

        answer = Straight.__call__

        async def watched(self, scope, receive, send):
            self.app = refuse
            await answer(self, scope, receive, send)

        monkeypatch.setattr(Straight, "__call__", watched)
        client.get(path)
    assert bool(passed_on) is not is_straight


def test_a_key_that_may_not_read_is_refused(database, ids):
    with an_api(database, at=AT, settings=KEYS) as client:
        shown = showing(a_key(database, Scope.EXECUTE, user="bob", at=AT))
        for path in ("active", str(ids[0]), "performance"):
            assert client.get(f"{SIGNALS}/{path}", headers=shown).status_code == 403
            assert client.get(f"{SIGNALS}/{path}").status_code == 401


def test_at_once_only_those_share_an_answer_who_ask_the_same_and_see_the_same(database, monkeypatch):
    apart = threading.Barrier(4)  # each of these is at work while the others are, or it breaks

    def answer(service, asker, filters):
        apart.wait(20)
        return f"{asker.user_id} {filters.symbol}".encode()

    monkeypatch.setattr(api_signals, "_active", answer)
    shown = [showing(a_key(database, user=user, at=AT)) for user in ("carol", "dave")]
    asked = [(f"{SIGNALS}/active", {}), *((f"{SIGNALS}/active", each) for each in shown)]
    asked.append((f"{SIGNALS}/active?symbol=BTCUSDT", {}))
    with an_api(database, at=AT) as client, ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda each: client.get(each[0], headers=each[1]).text, asked))
    assert (answers[0], answers[3]) == ("None None", "None BTC/USDT")
    assert len(set(answers)) == 4


def test_lookups_that_wait_for_the_database_take_few_threads_and_every_one_is_answered(database, ids):
    wait_for_lock = """SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'"""
    crowd = ThreadPoolExecutor(2 * LOOKUPS_AT_ONCE)
    with an_api(database) as client, crowd, database.begin() as holder, database.reading() as looking:
        holder.execute(sa.text("LOCK TABLE trading_signals IN ACCESS EXCLUSIVE MODE"))
        asked = [crowd.submit(client.get, f"{SIGNALS}/{ids[0]}") for _ in range(2 * LOOKUPS_AT_ONCE)]
        until(lambda: looking.scalar(sa.text(wait_for_lock)) == LOOKUPS_AT_ONCE)
        assert client.get(f"{SIGNALS}/performance?exchange=all").status_code == 422  # others are answered meanwhile
        assert looking.scalar(sa.text(wait_for_lock)) == LOOKUPS_AT_ONCE
        holder.rollback()
        assert [each.result().status_code for each in asked] == [200] * len(asked)


@pytest.mark.parametrize("place", range(len(LIVES)))
def test_plain_rows_have_the_values_that_rows_of_sqlalchemy_have(database, ids, place):
    with database.reading() as conn:
        (found, row) = shown_signal(conn, ids[place]), signal_of(conn, ids[place])
    expected = detail(row) | {"signal_id": str(ids[place])}
    assert found == expected
    assert list(found) == list(expected)
    assert [type(value) for value in found.values()] == [type(value) for value in expected.values()]
