"""The Python client against a running server: what it gives, what it raises, what it repeats."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from uuid import uuid4

import pytest

from pipeline.api import client as client_module
from pipeline.api import client_stream
from pipeline.api.client import ApiError, InvalidRequestError, SignalsClient, UnavailableError
from pipeline.api.client_errors import ClientError
from pipeline.api.client_stream import Event, events_of
from pipeline.api.payloads import GenerationAnswer
from pipeline.domain.status import SignalStatus
from tests.support.api import an_api
from tests.support.candle_rows import START
from tests.support.chain import store_block
from tests.support.database import a_copy_of, a_series_of
from tests.support.http_server import Answer, Ending, HttpServer, Request
from tests.support.lifecycle import HOUR, a_life, around_now, store, stored
from tests.support.market import random_walk
from tests.support.real_data import ROOT
from tests.support.requests import CLOSE, SOON, SYMBOLS, judged_market

__all__ = ["judged_market"]

AWAY = Answer(b'{"success":false,"error":{"code":"database_unavailable","message":"away"}}', 503)
MADE = Answer(b'{"success":true,"signals":[],"evaluations":[]}')


@pytest.fixture
def client(database):
    with an_api(database, at=START + timedelta(minutes=5)) as http, SignalsClient(str(http.base_url)) as client:
        yield client


@pytest.fixture
def serve():
    """A server that gives answers in turn, then the last one for ever; and what it was asked."""
    servers = []

    def start(*answers: Answer) -> tuple[SignalsClient, list[Request]]:
        asked: list[Request] = []

        def handle(request: Request) -> Answer:
            asked.append(request)
            return answers[min(len(asked), len(answers)) - 1]

        server = HttpServer(handle)
        server.start()
        client = SignalsClient(f"http://127.0.0.1:{server.port}", api_key="sk_test", timeout_s=5)
        servers.append((server, client))
        return client, asked

    yield start
    for server, client in servers:
        client.close()
        server.stop()


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(client_module, "LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr(client_module, "_growing", lambda state: 0.01)
    monkeypatch.setattr(client_stream, "FIRST_PAUSE_S", 0.01)


# As docs/api.md says what is needed, and what these need themselves.
NEEDED = {"httpx", "pydantic", "tenacity"}
BENEATH = {
    *("annotated_types", "anyio", "certifi", "h11", "httpcore", "idna"),
    *("pydantic_core", "typing_extensions", "typing_inspection"),
}
WITHOUT_ALL_ELSE = f"""
import sys
class Refusing:
    def find_spec(self, name, *_):
        is_ours = name.partition(".")[0] in {NEEDED | BENEATH | {"pipeline"}} | sys.stdlib_module_names
        if not is_ours and not name.startswith("_"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refusing())
import pipeline.api.client
with pipeline.api.client.SignalsClient("http://127.0.0.1:1") as client:
    try:
        client.execute("x", 1.0)
    except pipeline.api.client.UnavailableError:
        print(*sys.modules)
"""


def test_it_works_where_nothing_is_installed_but_what_it_needs():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    assert " ".join(sorted(NEEDED)) in page
    loaded = subprocess.run(
        [sys.executable, "-c", WITHOUT_ALL_ELSE], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {name.partition(".")[0] for name in loaded.stdout.split()} >= NEEDED | {"httpcore"}


def test_it_turns_the_pages_of_active_signals(client, database):
    number = a_series_of(database)
    numbers = store(database, [a_life(number, rank_score=1 - 0.1 * place) for place in range(5)])
    assert [signal.signal_id for signal in client.active(limit=2)] == numbers
    assert [signal.signal_id for signal in client.active(symbol="BTCUSDT", since=START)] == numbers
    a_series_of(database, "ETH/USDT")
    assert list(client.active(symbol="ETH/USDT")) == []


def test_it_gives_one_signal_why_it_is_there_its_picture_and_the_service_s_state(database):
    store_block(database, random_walk(3, 100, symbols=("BTC/USDT",)))
    at = START + timedelta(hours=90)
    calibrated = {"calibrated_confidence": 0.41, "uncalibrated_because": None}
    (number,) = store(database, [a_life(a_series_of(database), created_at=at, expires_at=at + HOUR, **calibrated)])
    with an_api(database, at=at + timedelta(minutes=5)) as http, SignalsClient(str(http.base_url)) as client:
        signal = client.signal(number)
        assert (signal.signal_id, signal.status, signal.created_at) == (number, SignalStatus.ACTIVE, at)
        (listed,) = client.active()
        assert [(each.calibrated_confidence, each.uncalibrated_because) for each in (signal, listed)] == [
            (0.41, None)
        ] * 2
        assert "BTC/USDT" in json.dumps(client.explain(number))
        assert client.chart(str(number)).startswith(b"\x89PNG")
        assert client.health().database.is_reachable
        assert client.performance("24h").total_signals == 0


def test_it_says_what_became_of_a_signal(client, database):
    one, other = stored(database, 2, **around_now())
    assert client.execute(one, 101.5).profit_loss == pytest.approx(0.015)
    assert client.execute(one, 101.5).status is SignalStatus.EXECUTED
    assert client.invalidate(other, "the exchange halts trading").status is SignalStatus.INVALIDATED
    with pytest.raises(ApiError, match=r"409 illegal_transition: signal .* was executed") as refused:
        client.execute(one, 99.0)
    assert (refused.value.code, refused.value.status) == ("illegal_transition", SignalStatus.EXECUTED)


def test_a_refusal_says_what_is_wrong(client):
    with pytest.raises(ApiError) as unknown:
        client.signal(uuid4())
    assert (unknown.value.http_status, unknown.value.code) == (404, "not_found")
    with pytest.raises(ApiError) as wrong:
        list(client.active(min_confidence=2, limit=0))
    assert [each.field for each in wrong.value.fields] == ["query.min_confidence", "query.limit"]


def test_it_streams_changes_as_models_and_takes_a_stream_up_again(client, database):
    first, second = stored(database, 2)
    with client.stream(after="0", symbol="BTC/USDT") as changes:
        change = next(changes)
        assert (change.change, change.signal.signal_id) == ("new", first)
        assert changes.cursor == change.cursor
    told = list(client.stream(after=change.cursor, until_caught_up=True))
    assert [each.signal.signal_id for each in told] == [second]
    with pytest.raises(ApiError) as foreign:
        next(client.stream(after="1-0123456789ab"))
    assert foreign.value.code == "unknown_cursor"


def test_a_stream_that_breaks_off_goes_on_where_it_stood(client, serve):
    body = b": live signals\nid: 0\nretry: 2000\n\n: heartbeat\nid: 7-0123456789ab\n\nevent: signal\ndata: {half"
    caught_up = b'event: end\ndata: {"code":"caught_up","message":""}\nid: 8-0123456789ab\n\n'
    streaming, asked = serve(
        Answer(body, content_type="text/event-stream"),
        AWAY,
        Answer(body, ending=Ending.RESET),
        Answer(caught_up, content_type="text/event-stream"),
    )
    changes = streaming.stream()
    assert list(changes) == []
    assert changes.cursor == "8-0123456789ab"
    assert asked[0].headers.get("last-event-id") is None
    assert [each.headers["last-event-id"] for each in asked[1:3]] == ["7-0123456789ab"] * 2


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_are_found_in_whatever_pieces_they_come(size):
    text = ': words\n\nevent: signal\ndata: {"a": "\u2028é"}\nid: 5\n\nid: 6\r\n\r\nevent: end\ndata: cut off'.encode()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    assert list(events_of(pieces)) == [
        Event("", "", None),
        Event("signal", '{"a": "\u2028é"}', "5"),
        Event("", "", "6"),
    ]


REPEATED: list[Callable[[SignalsClient], object]] = [
    lambda client: client.health(),
    lambda client: client.execute(uuid4(), 1.0),
    lambda client: client.generate(["BTC/USDT"], idempotency_key="once"),
    lambda client: client.replace_positions({"BTC/USDT": 0.1}),
    lambda client: client.replace_risk_profile(),
]
ASKED_ONCE: list[Callable[[SignalsClient], object]] = [
    lambda client: client.invalidate(uuid4(), "why"),
    lambda client: client.generate(["BTC/USDT"]),
]


@pytest.mark.parametrize(("act", "times"), [*((a, 4) for a in REPEATED), *((a, 1) for a in ASKED_ONCE)])
@pytest.mark.parametrize("answer", [AWAY, Answer(b" " * 1000, ending=Ending.RESET)], ids=["503", "reset"])
def test_only_what_is_safe_to_repeat_is_repeated(serve, act, times, answer):
    client, asked = serve(answer)
    with pytest.raises(UnavailableError):
        act(client)
    assert len(asked) == times


def test_a_generation_sends_what_is_set_with_its_key_and_who_asks(serve):
    client, asked = serve(AWAY, MADE)
    made = client.generate(["BTC/USDT"], signal_types=["technical"], risk_level="low", idempotency_key="once")
    assert made == GenerationAnswer(signals=[], evaluations=[])
    assert [each.headers["idempotency-key"] for each in asked] == ["once", "once"]
    assert asked[0].headers["authorization"] == "Bearer sk_test"
    assert json.loads(asked[0].body) == {
        "symbols": ["BTC/USDT"],
        "signal_types": ["technical"],
        "risk_level": "low",
    }


def test_a_generation_is_answered_as_models(judged_market):
    with (
        a_copy_of(judged_market) as database,
        an_api(database, at=SOON) as http,
        SignalsClient(str(http.base_url)) as client,
    ):
        made = client.generate(SYMBOLS, exchange="binance")
        best = made.signals[0]
        assert best.entry_price is not None
        assert client.signal(best.signal_id).created_at == best.created_at == CLOSE
        assert [each.symbol for each in made.evaluations] == list(SYMBOLS)
        assert {each.exchange for each in made.evaluations} == {"binance"}
        with pytest.raises(ApiError, match="no symbol can be evaluated"):
            client.generate(SYMBOLS, exchange="kraken")


def test_it_says_by_which_limits_to_judge_and_what_is_held(client):
    changed = client.replace_risk_profile(max_asset_exposure=0.1)
    assert changed == client.risk_profile()
    assert (changed.risk_profile.max_asset_exposure, changed.changed) == (0.1, ["max_asset_exposure"])
    held = client.replace_positions({"BTCUSDT": 0.1})
    assert held == client.positions()
    assert [(each.symbol, each.weight) for each in held.positions] == [("BTC/USDT", 0.1)]
    assert client.replace_positions({}).positions == []


NAIVE = datetime(2024, 5, 1)  # noqa: DTZ001, what is refused
UNSENDABLE: list[Callable[[SignalsClient], object]] = [
    lambda client: client.execute(uuid4(), float("nan")),
    lambda client: client.execute(uuid4(), float("inf")),
    lambda client: client.execute(uuid4(), 1.0, at=NAIVE),
    lambda client: list(client.active(since=NAIVE)),
    lambda client: client.replace_positions({"BTC/USDT": float("nan")}),
    lambda client: client.generate(["BTC/USDT"], idempotency_key="schl\u00fcssel \u2026"),
]


@pytest.mark.parametrize("act", UNSENDABLE)
def test_what_cannot_be_sent_is_an_error_of_the_client_s_own(serve, act):
    client, asked = serve(MADE)
    with pytest.raises(InvalidRequestError) as refused:
        act(client)
    assert isinstance(refused.value, ClientError)
    assert asked == []


def test_an_answer_that_is_not_the_server_s_own_is_an_error_too(serve):
    client, _ = serve(Answer(b"<html>", 404, "text/html"), Answer(b"<html>", 200, "text/html"))
    with pytest.raises(ApiError, match="404 unknown: Not Found"):
        client.health()
    with pytest.raises(ApiError, match="200 unknown: the answer is not one that this client knows"):
        client.health()


def test_signals_are_read_until_the_caller_has_enough(client, database):
    stored(database, 7)
    assert len(list(islice(client.active(limit=2), 3))) == 3
