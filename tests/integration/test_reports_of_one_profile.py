"""The same advice is stored for every scheduled profile; a report counts that of one."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pandas as pd
import pytest
import sqlalchemy as sa

from pipeline.domain.errors import ConfigurationError
from pipeline.domain.signal import Origin
from pipeline.performance.payload import payload
from pipeline.reporting import current_performance, report, window_of
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.accounts import one_profile, write_profile
from pipeline.storage.comparison import signal_sets
from pipeline.storage.performance import executed_counts
from tests.support.candle_rows import START
from tests.support.chain import FILES
from tests.support.database import a_series_of
from tests.support.lifecycle import HOUR, a_life, store
from tests.support.outcomes_stored import a_stored_outcome

AS_OF = START + timedelta(days=6)
WEEK = window_of("7d", AS_OF, exchange="binance")
N = 120  # signals of a profile, one an hour, of which one in four waits for its outcome
RULES = "next_open fee=10bp slippage=2bp stop={}atr"


def advise(database, profile, origin="live"):
    """The same advice for each profile that it is stored for: signals, outcomes, and outcomes of what risk dropped."""
    number = a_series_of(database)
    whose = {"profile": profile, "origin": origin}
    closes = [START + hour * HOUR for hour in range(N)]
    lives = [a_life(number, status="EXPIRED", created_at=at, expires_at=at + HOUR, **whose) for at in closes]
    ids = store(database, lives)
    outcomes, dropped = [], []
    for hour, (signal_id, at) in enumerate(zip(ids, closes, strict=True)):
        if hour % 4 == 3:
            continue
        row = a_stored_outcome(signal_id, number, at, net_return=0.002 * (hour % 7 - 2.5), **whose)
        outcomes.append(row)
        about = ("signal_id", "strategy", "source_group")
        kept = {key: value for key, value in row.items() if key not in about}
        dropped.append(kept | {"signal_type": "SELL", "reasons": ["exposure"]})
    with database.begin() as conn:
        conn.execute(sa.insert(tables.signal_outcomes).values(outcomes))
        conn.execute(sa.insert(tables.dropped_outcomes).values(dropped))


def random_entries(database, stop, mean):
    """What entries at random brought with stops so far away."""
    row = {
        "series_id": a_series_of(database),
        "horizon": "expiry",
        "rules": RULES.format(stop),
        "n_entries": 24,
        "n_wins": 9,
        "net_return": mean,
        "long_return": 0.0,
        "computed_to": AS_OF,
    }
    with database.begin() as conn:
        for day in range(6):
            for side in ("BUY", "SELL"):
                at = {"day_at": START.replace(hour=0) + timedelta(days=day), "signal_type": side}
                conn.execute(sa.insert(tables.random_entries).values(row | at))


def schedule(database, name, **limits):
    with database.begin() as conn:
        write_profile(conn, load_settings(FILES).risk, name, {"is_scheduled": True, **limits})


def told(database, window):
    return payload(report(database, load_settings(FILES), window))


@pytest.mark.parametrize("origin", list(Origin))
def test_a_report_is_the_same_with_another_profile_scheduled(database, origin):
    window = window_of("7d", AS_OF, exchange="binance", origin=origin)
    random_entries(database, 1.5, -0.001)
    advise(database, "house", origin.value)
    alone = told(database, window)
    schedule(database, "alice")
    advise(database, "alice", origin.value)

    assert told(database, window) == alone
    assert told(database, replace(window, profile="alice")) == alone | {"profile": "alice"}
    assert (alone["profile"], alone["outcomes"], alone["pending"], alone["expired_signals"]) == ("house", 90, 30, N)
    assert alone["p_value"] is not None
    assert {row["group"]: row["signals"] for row in alone["figures"]["decision"]} == {
        "kept": 90,
        "dropped": 90,
        "exposure": 90,
    }


def test_profiles_counted_together_would_be_more_outcomes_and_a_narrower_interval(database):
    random_entries(database, 1.5, -0.001)
    for profile in ("house", "alice"):
        advise(database, profile)
    house, mixed = told(database, WEEK), told(database, replace(WEEK, profile=None))

    assert (mixed["outcomes"], mixed["pending"], mixed["expired_signals"]) == (180, 60, 2 * N)
    assert mixed["hit_rate"] == house["hit_rate"]
    assert mixed["hit_high"] - mixed["hit_low"] < 0.8 * (house["hit_high"] - house["hit_low"])
    of_classes = [pd.DataFrame(each["reliability"]) for each in (house, mixed)]
    assert [table["n"].sum() for table in of_classes] == [90, 180]


def test_entries_at_random_have_the_stops_of_the_profile(database):
    schedule(database, "alice", stop_atr_multiple=2.5)
    random_entries(database, 1.5, -0.001)
    random_entries(database, 2.5, -0.002)
    advise(database, "house")
    advise(database, "alice")
    found = [told(database, replace(WEEK, profile=name))["random_return"] for name in ("house", "alice")]
    assert found == [pytest.approx(-0.001), pytest.approx(-0.002)]


def test_whose_a_report_is():
    assert [one_profile(*each) for each in (("default", None), ("usual", None), ("default", "alice"))] == [
        "house",
        None,
        "alice",
    ]


def test_a_replay_is_of_whichever_profile_it_judged_by(database):
    number = a_series_of(database)
    rows = [
        a_stored_outcome(uuid4(), number, START + hour * HOUR, origin="replay", scope="usual", profile="cautious")
        for hour in range(3)
    ]
    with database.begin() as conn:
        conn.execute(sa.insert(tables.signal_outcomes).values(rows))
    window = window_of("7d", AS_OF, exchange="binance", origin=Origin.REPLAY, scope="usual")
    assert told(database, window)["outcomes"] == 3


def test_a_profile_that_there_is_not_is_refused_with_those_there_are(database):
    schedule(database, "alice")
    with pytest.raises(ConfigurationError, match="profile must be one of house, alice, was 'bob'"):
        report(database, load_settings(FILES), replace(WEEK, profile="bob"))


def test_what_was_executed_is_counted_of_the_house_for_everybody(database):
    number = a_series_of(database)
    user = uuid4()
    with database.begin() as conn:
        conn.execute(sa.insert(tables.users).values(user_id=user, name="alice"))
    at = {"status": "EXPIRED", "created_at": START, "expires_at": START + HOUR}
    store(database, [a_life(number, **at), a_life(number, profile="alice", user_id=user, **at)])
    with database.begin() as conn:
        for seen_by in (None, user):
            executed, _ = current_performance(conn, "7d", AS_OF, ("binance",), seen_by=seen_by)
            assert executed["expired_signals"] == 1


@pytest.mark.parametrize("seen_by", [None, uuid4()], ids=["everybody", "user"])
def test_what_was_executed_is_counted_from_the_index_alone(database, seen_by):
    number = a_series_of(database)
    at = {"status": "EXPIRED", "expires_at": AS_OF + HOUR}
    lives = [a_life(number, created_at=AS_OF - n // 2 * HOUR, **at) for n in range(2000)]
    store(database, [life | {"profile": ("house", "alice")[n % 2]} for n, life in enumerate(lives)])
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(sa.text("VACUUM ANALYZE trading_signals"))
    plans = []

    def note(conn, cursor, statement, parameters, context, executemany):
        cursor.execute(f"EXPLAIN {statement}", parameters)
        plans.append("\n".join(line for (line,) in cursor.fetchall()))

    with database.begin() as conn:
        sa.event.listen(conn, "before_cursor_execute", note)
        executed_counts(conn, WEEK, seen_by)

    (plan,) = plans
    assert "Index Only Scan using ix_trading_signals_close" in plan
    assert ("user_id" in plan) is (seen_by is not None)


def test_sets_to_compare_and_to_report_on_are_of_one_profile(database):
    advise(database, "house")
    advise(database, "alice")
    number = a_series_of(database)
    store(database, [a_life(number, origin="replay", scope="usual", profile="cautious")])
    with database.begin() as conn:
        sets = {name: signal_sets(conn, name) for name in ("house", "alice", "bob")}
    assert [(each.name, each.profile, each.signals) for each in sets["house"]] == [
        ("live", "house", N),
        ("usual", None, 1),
    ]
    assert [(each.name, each.profile, each.signals) for each in sets["alice"]] == [
        ("live", "alice", N),
        ("usual", None, 1),
    ]
    assert [each.name for each in sets["bob"]] == ["usual"]
