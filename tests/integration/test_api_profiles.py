"""Whose signals are shown where several risk profiles are judged: one profile's, unless others are asked for."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.accounts import write_profile
from tests.support.api import KEYS, SIGNALS, a_key, an_api, refused, showing
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, store
from tests.support.streams import caught_up

PROFILES = ("house", "alice", "bob")


@pytest.fixture
def keys(database) -> dict[str, dict[str, str]]:
    """A header of each user's key; alice's and bob's profiles are scheduled, carol has none."""
    headers = {user: showing(a_key(database, user=user)) for user in ("alice", "bob", "carol")}
    for profile in PROFILES[1:]:
        schedule(database, profile)
    return headers


def schedule(database, profile: str, *, is_scheduled: bool = True) -> None:
    user = sa.select(tables.users.c.user_id).where(tables.users.c.name == profile).scalar_subquery()
    with database.begin() as conn:
        write_profile(conn, load_settings().risk, profile, {"is_scheduled": is_scheduled})
        row = sa.update(tables.risk_profiles).where(tables.risk_profiles.c.profile == profile)
        conn.execute(row.values(user_id=user))


@pytest.fixture
def advised(database, keys) -> dict[str, str]:
    """The same advice for each profile: profile -> id."""
    with database.begin() as conn:
        owners = dict(conn.execute(sa.select(tables.users.c.name, tables.users.c.user_id)).all())
    number = a_series_of(database)
    lives = [a_life(number, **around_now(), profile=name, user_id=owners.get(name)) for name in PROFILES]
    return dict(zip(PROFILES, map(str, store(database, lives)), strict=True))


@pytest.fixture
def client(database, advised):
    with an_api(database, settings=KEYS) as client:
        yield client


def shown(client, headers, **parameters) -> dict[str, str]:
    answer = client.get(f"{SIGNALS}/active", params=parameters, headers=headers)
    assert answer.status_code == 200, answer.text
    return {each["profile"]: each["signal_id"] for each in answer.json()["signals"]}


def only(advised, *profiles: str) -> dict[str, str]:
    return {name: advised[name] for name in profiles}


def test_who_has_a_scheduled_profile_is_shown_its_signals_alone(client, keys, advised):
    assert shown(client, keys["alice"]) == only(advised, "alice")
    assert shown(client, keys["carol"]) == only(advised, "house")


def test_another_profile_is_asked_for_by_name_and_all_are_those_that_one_may_see(client, keys, advised):
    assert shown(client, keys["alice"], profile="house") == only(advised, "house")
    assert shown(client, keys["alice"], profile="all") == only(advised, "house", "alice")
    assert shown(client, keys["carol"], profile="all") == only(advised, "house")
    assert shown(client, keys["alice"], profile="bob") == {}
    refused(client.get(f"{SIGNALS}/active?profile=a%20b", headers=keys["alice"]), 422, "invalid_request")


def test_a_profile_that_is_not_scheduled_any_more_leaves_the_houses_signals(client, database, keys, advised):
    schedule(database, "alice", is_scheduled=False)

    assert shown(client, keys["alice"]) == only(advised, "house")


def test_a_stream_tells_the_same_signals_as_the_list(client, keys, advised):
    def told(user: str, **parameters: str) -> dict[str, str]:
        changes = caught_up(client, headers=keys[user], **parameters)
        return {each["signal"]["profile"]: each["signal"]["signal_id"] for each in changes}

    assert told("alice") == only(advised, "alice")
    assert told("alice", profile="all") == only(advised, "house", "alice")
    assert told("carol") == only(advised, "house")


def test_without_a_key_they_are_the_houses(database, advised):
    with an_api(database) as client:
        assert shown(client, None) == only(advised, "house")
        assert shown(client, None, profile="all") == advised


def test_each_shape_of_a_signal_says_whose_it_is_and_whether_the_bar_says_the_opposite_too(client, database, keys):
    close = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    life = {"created_at": close, "candle_close_at": close, "expires_at": close + timedelta(hours=2)}
    (number,) = store(database, [a_life(a_series_of(database), **life, is_conflicting=True, rank_score=0.9)])

    one = client.get(f"{SIGNALS}/{number}", headers=keys["carol"]).json()["signal"]
    listed = client.get(f"{SIGNALS}/active?limit=1", headers=keys["carol"]).json()["signals"][0]
    (streamed,) = (
        each["signal"]
        for each in caught_up(client, headers=keys["carol"])
        if each["signal"]["signal_id"] == str(number)
    )

    for each in (one, listed, streamed):
        assert (each["profile"], each["exchange"], each["timeframe"]) == ("house", "binance", "1h")
        assert (each["is_conflicting"], each["rank_score"]) == (True, 0.9)


def test_performance_counts_what_was_executed_of_ones_own_scheduled_profile_else_of_the_house(client, keys, advised):
    for user, profile in (("alice", "alice"), ("carol", "house")):
        before = executed(client, keys[user])
        change = {"status": "EXECUTED", "price": 100.0}
        answer = client.patch(f"{SIGNALS}/{advised[profile]}/status", json=change, headers=keys[user])
        assert answer.status_code == 200, answer.text
        assert (before, executed(client, keys[user])) == (0, 1)
    assert executed(client, keys["bob"]) == 0


def executed(client, headers) -> int:
    answer = client.get(f"{SIGNALS}/performance?timeframe=24h", headers=headers)
    return answer.json()["performance"]["executed_signals"]
