"""Many who want the same costly thing at once: a few are served, the others come back, and reading goes on."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta
from itertools import islice
from uuid import uuid4

import httpx
import pytest

from pipeline.api import computing
from tests.support.api import SIGNALS, an_api, refused
from tests.support.candle_rows import START
from tests.support.chain import store_block
from tests.support.database import a_series_of
from tests.support.lifecycle import HOUR, a_life, plain, store
from tests.support.market import random_walk

CROWD = 48  # more than there are threads for routes, which are 40
SOON_S = 5.0  # also on a machine with other work
N_SENT_AWAY = CROWD - computing.PLACES
CLOSE = START + 100 * HOUR


@pytest.fixture
def signal_id(database):
    """A signal on a bar of a stored series."""
    store_block(database, random_walk(3, 110, symbols=("BTC/USDT",)))
    life = {"created_at": CLOSE, "expires_at": CLOSE + timedelta(hours=1)}
    (number,) = store(database, [a_life(a_series_of(database), **life)])
    return number


def asked_by(crowd, client, path, n_times=CROWD):
    return [crowd.submit(httpx.get, f"{client.base_url}{path}", timeout=60) for _ in range(n_times)]


def statuses(asked):
    return Counter(each.result().status_code for each in asked)


@pytest.mark.parametrize(("route", "is_read_by_it"), [("explain", "risk_decisions"), ("chart", "indicators")])
def test_reads_are_answered_while_a_crowd_computes(database, signal_id, monkeypatch, route, is_read_by_it):
    monkeypatch.setattr(computing, "WAIT_S", 1.0)
    cheap = ("/health", f"{SIGNALS}/active", f"{SIGNALS}/{signal_id}", f"{SIGNALS}/performance")
    with an_api(database) as client, plain(database) as slow, ThreadPoolExecutor(CROWD) as crowd:
        slow.autocommit = False
        slow.execute(f"LOCK TABLE {is_read_by_it}")  # who computes takes as long as this is held
        asked = asked_by(crowd, client, f"{SIGNALS}/{signal_id}/{route}")
        try:
            for _ in range(5):
                began = time.monotonic()
                assert [client.get(path, timeout=SOON_S).status_code for path in cheap] == [200] * len(cheap)
                assert time.monotonic() - began < SOON_S
                time.sleep(0.1)
            for each in islice(as_completed(asked), N_SENT_AWAY):
                answer = each.result()
                refused(answer, 503, "try_again_later")
                assert answer.headers["retry-after"] == "5"
            assert sum(each.done() for each in asked) == N_SENT_AWAY
        finally:
            slow.rollback()
        assert statuses(asked) == {503: N_SENT_AWAY, 200: computing.PLACES}


def test_a_crowd_that_has_the_time_is_served_in_full_and_leaves_every_place_free(database, signal_id, monkeypatch):
    monkeypatch.setattr(computing, "WAIT_S", 50.0)
    with an_api(database) as client, ThreadPoolExecutor(CROWD) as crowd:
        for number, status, n_times in ((signal_id, 200, 5), (uuid4(), 404, CROWD), ("no-id", 422, CROWD)):
            asked = asked_by(crowd, client, f"{SIGNALS}/{number}/explain", n_times)
            assert statuses(asked) == {status: n_times}
        assert client.get(f"{SIGNALS}/{signal_id}/explain").status_code == 200
