"""Profiles and positions in the database: what is stored changes the settings' values, and only what is right."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.risk.exposure import Position
from pipeline.risk.profile import RiskProfile
from pipeline.storage import tables
from pipeline.storage.accounts import (
    profile_for,
    profile_names,
    read_positions,
    read_profile,
    scheduled_profiles,
    stored_limits,
    write_position,
    write_profile,
)
from pipeline.storage.database import Database

HOUSE = RiskProfile()
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def a_position(weight: float = 0.1, days: float = 0, until: float | None = None, symbol: str = "BTC/USDT") -> Position:
    """A holding from ``days`` after `NOON` on, until so many days after it."""
    end = None if until is None else NOON + until * DAY
    return Position(symbol=symbol, weight=weight, valid_from=NOON + days * DAY, valid_to=end)


def write(database: Database, *positions: Position) -> list[bool]:
    with database.begin() as conn:
        return [write_position(conn, "house", position) for position in positions]


def held(database: Database) -> list[Position]:
    with database.begin() as conn:
        return read_positions(conn)


def change(database: Database, name: str, given_settings: RiskProfile = HOUSE, **changes: Any) -> RiskProfile:
    with database.begin() as conn:
        return write_profile(conn, given_settings, name, changes)


# Profiles


def test_without_a_row_the_house_is_judged_by_the_settings(database):
    cautious = RiskProfile(max_asset_exposure=0.1)
    with database.begin() as conn:
        assert read_profile(conn, cautious) == cautious
        assert scheduled_profiles(conn, cautious) == [cautious]


def test_what_a_row_leaves_null_follows_the_settings(database):
    change(database, "house", max_asset_exposure=0.1)
    with database.begin() as conn:
        profile = read_profile(conn, RiskProfile(max_asset_exposure=0.3, min_signal_confidence=0.6))
    assert (profile.max_asset_exposure, profile.min_signal_confidence) == (0.1, 0.6)


def test_values_come_from_a_command_line_as_text(database):
    profile = change(database, "house", avoid_high_volatility="no", trading_hours_start="8", max_asset_exposure="0.05")
    assert (profile.avoid_high_volatility, profile.trading_hours_start, profile.max_asset_exposure) == (False, 8, 0.05)
    with database.begin() as conn:
        assert read_profile(conn, HOUSE) == profile


def test_none_gives_the_settings_value_again(database):
    change(database, "house", max_asset_exposure=0.1, min_signal_confidence=0.7)
    change(database, "house", max_asset_exposure=None)
    with database.begin() as conn:
        assert stored_limits(conn) == {"is_scheduled": False, "min_signal_confidence": 0.7}
        assert read_profile(conn, HOUSE).max_asset_exposure == HOUSE.max_asset_exposure


def test_a_change_keeps_what_was_stored_before(database):
    change(database, "bot", max_asset_exposure=0.1, is_scheduled=True)
    change(database, "bot", min_signal_confidence=0.9)
    with database.begin() as conn:
        limits = stored_limits(conn, "bot")
    assert limits == {"max_asset_exposure": 0.1, "min_signal_confidence": 0.9, "is_scheduled": True}


def test_scheduled_are_the_house_and_those_that_say_so(database):
    change(database, "zoe", is_scheduled=True)
    change(database, "adam", is_scheduled=True, min_signal_confidence=0.9)
    change(database, "tried", min_signal_confidence=0.1)
    with database.begin() as conn:
        assert [profile.name for profile in scheduled_profiles(conn, HOUSE)] == ["house", "adam", "zoe"]
        assert profile_names(conn) == ["house", "adam", "tried", "zoe"]


def test_a_profile_that_nobody_made_is_named_with_those_that_there_are(database):
    change(database, "bot", is_scheduled=True)
    with database.begin() as conn, pytest.raises(ConfigurationError, match="one of house, bot, was 'nobody'"):
        read_profile(conn, HOUSE, "nobody")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_asset_exposure": 9}, "max_asset_exposure must be a fraction"),
        ({"max_asset_exposure": 0.9}, "max_asset_exposure must be at most max_total_exposure"),
        ({"trading_hours_end": 0}, "trading_hours_end must differ"),
        ({"colour": "red"}, "colour is not a setting of a risk profile"),
        ({"user_id": None}, "user_id is not a setting"),
    ],
    ids=str,
)
def test_a_wrong_change_is_refused_and_changes_nothing(database, changes, message):
    with pytest.raises(ConfigurationError, match=message):
        change(database, "bot", **changes)
    with database.begin() as conn:
        assert profile_names(conn) == ["house"]


def test_a_name_that_cannot_be_typed_is_refused(database):
    with pytest.raises(ConfigurationError, match="name must be 1 to 64 letters"):
        change(database, "a b", min_signal_confidence=0.6)


def test_settings_that_later_contradict_a_row_are_refused_with_its_name(database):
    change(database, "house", max_asset_exposure=0.5)
    with database.begin() as conn, pytest.raises(ConfigurationError, match="'house': max_asset_exposure must be"):
        read_profile(conn, RiskProfile(max_total_exposure=0.4))


# Positions


def test_a_position_is_read_as_it_was_written_and_writing_it_again_changes_nothing(database):
    position = a_position(until=2)
    assert write(database, position, position) == [True, False]
    assert held(database) == [position]


def test_a_new_weight_ends_the_old_one(database):
    write(database, a_position(0.1), a_position(0.2, days=3))
    assert held(database) == [a_position(0.1, until=3), a_position(0.2, days=3)]


def test_a_weight_of_0_says_that_a_symbol_is_held_no_longer(database):
    write(database, a_position(0.1), a_position(0.0, days=3))
    assert held(database) == [a_position(0.1, until=3)]


def test_a_time_within_a_position_is_cut_out_of_it(database):
    write(database, a_position(0.1, until=10), a_position(0.3, days=4, until=5))
    assert held(database) == [
        a_position(0.1, until=4),
        a_position(0.3, days=4, until=5),
        a_position(0.1, days=5, until=10),
    ]


def test_symbols_and_portfolios_do_not_touch_one_another(database):
    write(database, a_position(), a_position(symbol="ETH/USDT"))
    with database.begin() as conn:
        write_position(conn, "bot", a_position(0.5))
        assert [p.weight for p in read_positions(conn, "bot")] == [0.5]
    assert [(p.symbol, p.weight) for p in held(database)] == [("BTC/USDT", 0.1), ("ETH/USDT", 0.1)]


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (a_position(1.5), r"weight must be in \[0, 1\], was 1.5"),
        (a_position(0.1, days=1, until=1), "valid_to must be after valid_from"),
        (
            Position(symbol="BTC/USDT", weight=0.1, valid_from=NOON.replace(tzinfo=None)),
            "valid_from must carry its time zone",
        ),
    ],
    ids=["leverage", "empty", "naive"],
)
def test_a_wrong_position_is_refused(database, position, message):
    with pytest.raises(DataContractError, match=message):
        write(database, position)


def test_the_schema_refuses_a_weight_above_1_whoever_writes_it(database):
    insert = "INSERT INTO portfolio_positions (symbol, weight, valid_from) VALUES ('BTC/USDT', 1.5, now())"
    with pytest.raises(sa.exc.IntegrityError, match="weight_is_a_fraction"), database.begin() as conn:
        conn.execute(sa.text(insert))


_portfolios = (f"portfolio{number}" for number in count())
_claims = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.1, 0.2]),
        st.integers(0, 6),
        st.none() | st.integers(1, 4),
    ),
    max_size=6,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(claims=_claims)
def test_at_every_instant_the_weight_is_the_one_that_was_said_last(database, claims):
    portfolio = next(_portfolios)
    said = dict.fromkeys(range(12), 0.0)
    with database.begin() as conn:
        for weight, start, length in claims:
            end = 12 if length is None else start + length
            write_position(conn, portfolio, a_position(weight, start, None if length is None else end))
            said.update(dict.fromkeys(range(start, end), weight))
        positions = read_positions(conn, portfolio)
    for day, weight in said.items():
        instant = NOON + day * DAY
        valid = [
            p.weight for p in positions if p.valid_from <= instant and (p.valid_to is None or instant < p.valid_to)
        ]
        assert valid == ([weight] if weight else [])


def test_whoever_asks_is_judged_by_a_profile_of_their_own_else_by_the_house(database):
    owner, other = uuid4(), uuid4()
    change(database, "house", max_asset_exposure=0.15)
    with database.begin() as conn:
        conn.execute(sa.insert(tables.users), [{"user_id": owner, "name": "bot"}, {"user_id": other, "name": "else"}])
        mine = {"profile": "mine", "user_id": owner, "min_signal_confidence": 0.9}
        conn.execute(sa.insert(tables.risk_profiles).values(mine))

        own, house, nobody = (profile_for(conn, HOUSE, user_id) for user_id in (owner, other, None))

    assert (own.name, own.user_id, own.min_signal_confidence, own.max_asset_exposure) == ("mine", owner, 0.9, 0.2)
    assert house == nobody
    assert (house.name, house.user_id, house.max_asset_exposure) == ("house", None, 0.15)
