"""`Idempotency-Key`: a request that is repeated has its first answer, whatever happened meanwhile (F58)."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from pipeline.storage.idempotency import KEPT_FOR, claim, first_answer
from pipeline.storage.thinning import thin
from tests.support.api import an_api, refused, wrong_fields
from tests.support.lifecycle import HOUR
from tests.support.requests import SOON, ask, asked_rows, client, judged_market, market

__all__ = ["client", "judged_market", "market"]

KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
HOUSE_KEYS = "house"


def kept(database):
    with database.begin() as conn:
        return conn.execute(sa.text("SELECT * FROM idempotency_keys ORDER BY idempotency_key")).mappings().all()


def dated_back(database, hours: float) -> None:
    with database.begin() as conn:
        conn.execute(sa.text("UPDATE idempotency_keys SET recorded_at = now() - :h * interval '1 h'"), {"h": hours})


def test_f58_a_repeated_request_has_its_first_answer_byte_for_byte(market, client):
    first = ask(client, key=KEY)
    assert first.status_code == 200
    assert "idempotent-replayed" not in first.headers
    with market.begin() as conn:
        conn.execute(sa.text("DELETE FROM market_conditions"))

    again = ask(client, key=KEY)

    assert (again.status_code, again.content) == (200, first.content)
    assert (again.headers["idempotent-replayed"], again.headers["content-type"]) == ("true", "application/json")
    assert ask(client).content != first.content  # without the key it is judged anew


def test_f58_the_answer_is_the_first_one_an_hour_later_and_from_another_server(market, client):
    first = ask(client, key=KEY)
    with an_api(market, at=SOON + HOUR) as later:
        assert ask(later, key=KEY).content == first.content
        assert ask(later, key=f'"{KEY}"').content == first.content  # as the draft writes it


def test_f58_a_key_with_another_request_is_refused_and_changes_nothing(market, client):
    ask(client, key=KEY)
    before = asked_rows(market)

    error = refused(ask(client, key=KEY, risk_level="low"), 422, "idempotency_key_reused")

    assert "new key" in error["message"]
    assert asked_rows(market) == before
    assert ask(client, key=KEY, symbols=["btcusdt"]).status_code == 422
    assert ask(client, key="another", risk_level="low").status_code == 200


def test_f58_the_same_request_written_otherwise_is_the_same(client):
    first = ask(client, key=KEY, symbols=["BTC/USDT", "ETH/USDT"])
    again = ask(client, key=KEY, symbols=["btc_usdt", "ETHUSDT"], signal_types=["sentiment", "ml_model", "technical"])
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")


def test_f58_equal_requests_at_once_are_worked_on_once(market, client):
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: ask(client, key=KEY), range(8)))

    done = [answer for answer in answers if answer.status_code == 200]
    assert len([answer for answer in done if "idempotent-replayed" not in answer.headers]) == 1
    assert len({answer.content for answer in done}) == 1
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, 409, "request_in_progress")
            assert int(answer.headers["retry-after"]) > 0
    assert len(kept(market)) == 1


def test_f58_while_the_first_is_being_answered_a_second_is_told_to_come_back(market, client):
    with market.begin() as conn:
        assert claim(conn, HOUSE_KEYS, KEY)
        answer = ask(client, key=KEY)
        refused(answer, 409, "request_in_progress")
        assert ask(client, key="another").status_code == 200
    assert ask(client, key=KEY).status_code == 200


def test_a_key_is_forgotten_after_a_day(market, client):
    ask(client, key=KEY)
    dated_back(market, 23.9)
    refused(ask(client, key=KEY, risk_level="low"), 422, "idempotency_key_reused")
    dated_back(market, 24.1)

    answer = ask(client, key=KEY, risk_level="low")

    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers
    assert len(kept(market)) == 1


def test_old_keys_go_with_new_ones_and_with_the_daily_job(market, client):
    for key in ("a", "b"):
        ask(client, key=key)
    dated_back(market, 25)
    ask(client, key="c")
    assert [row["idempotency_key"] for row in kept(market)] == ["c"]
    dated_back(market, 25)
    assert thin(market, "idempotency_keys", datetime.now(UTC) - KEPT_FOR) == 1
    assert kept(market) == []


def test_an_error_is_not_kept(market, client):
    refused(ask(client, key=KEY, symbols=["NOT/THERE"]), 422, "invalid_request")
    with market.begin() as conn:
        conn.execute(sa.text("ALTER TABLE configurations RENAME TO away"))
    refused(ask(client, key=KEY), 500, "internal_error")
    assert kept(market) == []
    with market.begin() as conn:
        conn.execute(sa.text("ALTER TABLE away RENAME TO configurations"))
    assert ask(client, key=KEY).status_code == 200


def test_keys_of_one_requester_are_none_of_anothers(market, client):
    ask(client, key=KEY)
    with market.begin() as conn:
        assert first_answer(conn, "somebody else", KEY) is None
        assert first_answer(conn, HOUSE_KEYS, KEY) is not None


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä".encode()])
def test_a_key_that_is_none_is_refused_by_name(client, key):
    answer = client.post("/api/v1/ai/trading-signals", json={"symbols": ["BTC/USDT"]}, headers={"Idempotency-Key": key})
    assert wrong_fields(answer) == {"header.idempotency-key"}
