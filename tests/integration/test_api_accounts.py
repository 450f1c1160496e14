"""Risk profiles and positions over HTTP: whose they are, what is stored of them, what is refused."""

from datetime import UTC, datetime, timedelta

import pytest

from pipeline.domain.access import Scope
from pipeline.risk.exposure import Position
from pipeline.settings import load_settings
from pipeline.storage.accounts import read_positions, read_profile, write_position, write_profile
from tests.support.api import KEYS, a_key, an_api, refused, showing, wrong_fields
from tests.support.chain import store_block
from tests.support.market import random_walk

PROFILE, POSITIONS = "/api/v1/ai/risk-profile", "/api/v1/ai/positions"
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DEFAULTS = {
    "min_signal_confidence": 0.5,
    "avoid_high_volatility": True,
    "trading_hours_start": 0,
    "trading_hours_end": 24,
    "max_asset_exposure": 0.2,
    "max_total_exposure": 0.8,
    "stop_atr_multiple": 1.5,
}


@pytest.fixture
def client(database):
    with an_api(database, at=NOON) as client:
        yield client


def held(database, profile: str = "house") -> list[tuple[str, float, datetime, datetime | None]]:
    with database.begin() as conn:
        return [(p.symbol, p.weight, p.valid_from, p.valid_to) for p in read_positions(conn, profile)]


def weights(answer) -> dict[str, float]:
    assert answer.status_code == 200, answer.text
    return {each["symbol"]: each["weight"] for each in answer.json()["positions"]}


def put(client, **positions: float):
    listed = [{"symbol": f"{symbol}/USDT", "weight": weight} for symbol, weight in positions.items()]
    return client.put(POSITIONS, json={"positions": listed})


# Risk profiles


def test_without_a_key_it_is_the_houses_profile(client, database):
    before = client.get(PROFILE).json()
    assert before == {
        "success": True,
        "profile": "house",
        "is_scheduled": True,
        "risk_profile": DEFAULTS,
        "changed": [],
    }

    answer = client.put(PROFILE, json={"max_asset_exposure": 0.1, "avoid_high_volatility": False})

    assert answer.json() == client.get(PROFILE).json()
    assert answer.json()["risk_profile"] == {**DEFAULTS, "max_asset_exposure": 0.1, "avoid_high_volatility": False}
    assert answer.json()["changed"] == ["avoid_high_volatility", "max_asset_exposure"]
    with database.begin() as conn:
        assert read_profile(conn, load_settings().risk).max_asset_exposure == 0.1


def test_what_is_left_out_or_null_is_as_in_the_settings_again(client):
    client.put(PROFILE, json={"max_asset_exposure": 0.1, "trading_hours_start": 8, "stop_atr_multiple": 2})
    answer = client.put(PROFILE, json={"max_asset_exposure": None, "stop_atr_multiple": 2})
    assert answer.json()["risk_profile"] == {**DEFAULTS, "stop_atr_multiple": 2.0}
    assert client.put(PROFILE, json={}).json()["changed"] == []


def test_a_user_has_a_profile_of_their_own_that_no_other_user_sees(database):
    alice, bob = showing(a_key(database, user="alice")), showing(a_key(database, user="bob"))
    with an_api(database, settings=KEYS) as client:
        client.put(PROFILE, json={"min_signal_confidence": 0.9}, headers=alice)
        found = client.get(PROFILE, headers=alice).json()
        assert (found["profile"], found["is_scheduled"], found["risk_profile"]["min_signal_confidence"]) == (
            *("alice", False),
            0.9,
        )
        assert client.get(PROFILE, headers=bob).json()["risk_profile"] == DEFAULTS
    with an_api(database) as client:
        assert client.get(PROFILE).json()["risk_profile"] == DEFAULTS


def test_that_runs_make_signals_for_a_profile_is_not_for_its_user_to_say(database):
    alice = showing(a_key(database))
    with database.begin() as conn:
        write_profile(conn, load_settings().risk, "alice", {"is_scheduled": True})
    with an_api(database) as client:
        answer = client.put(PROFILE, json={"is_scheduled": False}, headers=alice)
        assert wrong_fields(answer) == {"body.is_scheduled"}
        assert client.put(PROFILE, json={"stop_atr_multiple": 1.0}, headers=alice).json()["is_scheduled"] is True
    with database.begin() as conn:
        assert read_profile(conn, load_settings().risk, "alice").user_id is not None


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_asset_exposure": 0.9}, "max_asset_exposure must be at most max_total_exposure (0.8), was 0.9"),
        ({"max_total_exposure": 0.1}, "max_asset_exposure must be at most max_total_exposure (0.1), was 0.2"),
        ({"trading_hours_start": 9, "trading_hours_end": 9}, "trading_hours_end must differ from trading_hours_start"),
    ],
)
def test_limits_that_contradict_one_another_are_refused_and_nothing_changes(client, limits, message):
    assert message in refused(client.put(PROFILE, json=limits), 422, "invalid_request")["message"]
    assert client.get(PROFILE).json()["risk_profile"] == DEFAULTS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("min_signal_confidence", value) for value in (-0.1, 1.1, "0.5", True, [])),
        *(("avoid_high_volatility", value) for value in (1, "yes", "true")),
        *(("trading_hours_start", value) for value in (-1, 24, 8.5, "8", True)),
        *(("stop_atr_multiple", value) for value in (0, -1, 1000, "1")),
        ("colour", "red"),
    ],
)
def test_a_limit_that_is_none_is_told_by_its_field(client, name, value):
    assert wrong_fields(client.put(PROFILE, json={name: value})) == {f"body.{name}"}


# Positions


def test_what_is_put_is_held_from_now_on_and_what_is_left_out_ends_now(client, database):
    with database.begin() as conn:
        for symbol, weight in (("BTC/USDT", 0.1), ("ETH/USDT", 0.2), ("SOL/USDT", 0.05)):
            write_position(conn, "house", Position(symbol=symbol, weight=weight, valid_from=NOON - HOUR))

    answer = put(client, BTC=0.1, ETH=0.3, XRP=0.01)

    assert weights(answer) == {"BTC/USDT": 0.1, "ETH/USDT": 0.3, "XRP/USDT": 0.01}
    assert answer.json() == client.get(POSITIONS).json()
    assert (answer.json()["profile"], answer.json()["as_of"]) == ("house", "2024-05-01T12:00:00Z")
    assert held(database) == [
        ("BTC/USDT", 0.1, NOON - HOUR, None),  # goes on, and so is left alone
        ("ETH/USDT", 0.2, NOON - HOUR, NOON),
        ("ETH/USDT", 0.3, NOON, None),
        ("SOL/USDT", 0.05, NOON - HOUR, NOON),
        ("XRP/USDT", 0.01, NOON, None),
    ]


def test_the_same_put_again_changes_nothing(client, database):
    put(client, BTC=0.1, ETH=0.2)
    before = held(database)
    with an_api(database, at=NOON + HOUR) as later:
        assert weights(put(later, BTC=0.1, ETH=0.2)) == {"BTC/USDT": 0.1, "ETH/USDT": 0.2}
    assert held(database) == before


def test_what_was_planned_or_would_have_ended_is_replaced_too(client, database):
    with database.begin() as conn:
        write_position(conn, "house", Position(symbol="BTC/USDT", weight=0.1, valid_from=NOON + HOUR))
        ending = Position(symbol="ETH/USDT", weight=0.2, valid_from=NOON - HOUR, valid_to=NOON + HOUR)
        write_position(conn, "house", ending)
    assert weights(client.get(POSITIONS)) == {"BTC/USDT": 0.1, "ETH/USDT": 0.2}
    put(client, ETH=0.2)
    assert held(database) == [("ETH/USDT", 0.2, NOON - HOUR, NOON), ("ETH/USDT", 0.2, NOON, None)]
    assert weights(put(client)) == {}
    assert held(database) == [("ETH/USDT", 0.2, NOON - HOUR, NOON)]


def test_what_is_past_is_not_shown_but_kept(client, database):
    with database.begin() as conn:
        past = Position(symbol="BTC/USDT", weight=0.1, valid_from=NOON - HOUR, valid_to=NOON)
        write_position(conn, "house", past)
    assert weights(client.get(POSITIONS)) == {}
    assert len(held(database)) == 1


def test_leverage_and_symbols_without_candles_are_taken_and_warned_of(client, database):
    store_block(database, random_walk(1, 5, symbols=("BTC/USDT", "ETH/USDT")))
    assert put(client, BTC=0.7, ETH=0.3).json()["warnings"] == []

    answer = put(client, BTC=0.7, ETH=0.7, DOGECOIN=0.01)

    assert weights(answer) == {"BTC/USDT": 0.7, "ETH/USDT": 0.7, "DOGECOIN/USDT": 0.01}
    assert (
        answer.json()["warnings"]
        == client.get(POSITIONS).json()["warnings"]
        == [
            "weights add up to 1.41 of the portfolio, which is leverage: every BUY is dropped (total_exposure)",
            "no candles are stored of DOGECOIN/USDT, its weight counts all the same: there are BTC/USDT, ETH/USDT",
        ]
    )


def test_a_users_positions_are_theirs(database):
    alice = showing(a_key(database))
    with an_api(database, at=NOON) as client:
        symbol = {"symbol": "btc_usdt", "weight": 0.25}
        assert weights(client.put(POSITIONS, json={"positions": [symbol]}, headers=alice)) == {"BTC/USDT": 0.25}
        assert weights(client.get(POSITIONS)) == {}
    assert held(database, "alice") == [("BTC/USDT", 0.25, NOON, None)]


def test_who_may_only_read_sees_and_changes_nothing(database):
    shown = showing(a_key(database, Scope.READ))
    with an_api(database, settings=KEYS) as client:
        assert [client.get(path, headers=shown).status_code for path in (PROFILE, POSITIONS)] == [200, 200]
        for path, body in ((PROFILE, {}), (POSITIONS, {"positions": []})):
            assert refused(client.put(path, json=body, headers=shown), 403, "scope_missing")["scope"] == "execute"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        ({}, "body.positions"),
        ({"positions": {}}, "body.positions"),
        ({"positions": [], "profile": "bob"}, "body.profile"),
        *(({"positions": [{"symbol": "?", "weight": 0.1}]}, "body.positions.0.symbol"),),
        *(({"positions": [{"symbol": "BTC/USDT", "weight": w}]}, "body.positions.0.weight") for w in (0, -1, 1.5, "1")),
        ({"positions": [{"symbol": "BTC/USDT"}]}, "body.positions.0.weight"),
        (
            {"positions": [{"symbol": "BTC/USDT", "weight": 0.1}, {"symbol": "BTCUSDT", "weight": 0.2}]},
            "body.positions",
        ),
        ({"positions": [{"symbol": "BTC/USDT", "weight": 0.1, "valid_to": None}]}, "body.positions.0.valid_to"),
        ({"positions": [{"symbol": f"A{n}/USDT", "weight": 0.0001} for n in range(1001)]}, "body.positions"),
    ],
)
def test_positions_that_are_none_are_told_by_their_place_and_change_nothing(client, database, body, field):
    put(client, BTC=0.1)
    assert wrong_fields(client.put(POSITIONS, json=body)) == {field}
    assert held(database) == [("BTC/USDT", 0.1, NOON, None)]
