"""`signals execute` and `signals invalidate`: what people did with a signal, and what they are told."""

import re
from datetime import timedelta

import pytest

from tests.support.cli import signals
from tests.support.database import a_series_of
from tests.support.lifecycle import a_life, around_now, events_of, row_of, status_of, store, stored

__all__ = ["signals"]


def test_an_execution_is_told_with_what_it_brought_and_to_say_it_again_changes_nothing(signals, database):
    (number,) = stored(database, **around_now())

    first = signals("execute", number.hex[:8], "--price", "103")
    again = signals("execute", str(number).upper(), "--price", "103")

    row = row_of(database, number)
    assert (first.code, again.code) == (0, 0)
    assert first.out.startswith("EXECUTED: BUY BTC/USDT 1h of ")
    assert f"id {number}\n" in first.out
    assert "at 103.000, " in first.out
    assert "profit or loss +3.00% against the entry of 100.000" in first.out
    assert f"id {number}, as was known\n" in again.out
    assert (row["status"], row["execution_price"]) == ("EXECUTED", 103.0)
    assert events_of(database, number) == [("ACTIVE", "EXECUTED", row["executed_at"], "cli", None)]


def test_the_instant_of_an_execution_is_taken_in_utc(signals, database):
    (number,) = stored(database, signal_type="SELL")

    told = signals("execute", number.hex, "--price", "99", "--at", "2024-01-01T00:30", "--json").json

    assert (told["signal_id"], told["status"]) == (str(number), "EXECUTED")
    assert told["executed_at"] == "2024-01-01T00:30:00Z"
    assert told["profit_loss"] == pytest.approx(0.01)


def test_an_invalidation_keeps_its_reason(signals, database):
    (number,) = stored(database)

    said = signals("invalidate", number.hex[:6], "--reason", "halted at noon")

    assert said.code == 0
    assert said.out.startswith("INVALIDATED: BUY BTC/USDT 1h of 2024-01-01 00:00 by SMA_CROSSOVER")
    assert "because: halted at noon" in said.out
    ((*_, actor, reason),) = events_of(database, number)
    assert (actor, reason) == ("cli", "halted at noon")


def test_f61_what_has_ended_an_alert_and_what_is_past_are_refused(signals, database):
    ended, past = stored(database, 2)
    (alert,) = stored(database, signal_type="ALERT", **around_now())
    signals("invalidate", ended.hex, "--reason", "why")

    for number, message in (
        (ended, "INVALIDATED cannot become EXECUTED"),
        (past, r"expired at 2024-01-01 01:00:00\+00, so it cannot be executed at "),
        (alert, "ALERT cannot become EXECUTED"),
    ):
        said = signals("execute", number.hex, "--price", "100")
        assert (said.code, said.out) == (1, "")
        assert re.search(rf"^error: signal {number} .*{message}", said.err)
    again = signals("invalidate", ended.hex, "--reason", "why")
    assert (again.code, "INVALIDATED cannot become INVALIDATED" in again.err) == (1, True)


def test_f61_another_execution_is_a_conflict(signals, database):
    (number,) = stored(database, **around_now())
    signals("execute", number.hex, "--price", "103")

    said = signals("execute", number.hex, "--price", "104")

    assert said.code == 1
    assert "was executed at" in said.err
    assert row_of(database, number)["execution_price"] == 103.0


@pytest.mark.parametrize("price", ["0", "-1", "nan", "inf"])
def test_f61_a_price_that_is_none_is_refused(signals, database, price):
    (number,) = stored(database, **around_now())

    said = signals("execute", number.hex, f"--price={price}")

    assert said.code == 2
    assert f"must be a finite number above 0, was '{price}'" in said.err
    assert status_of(database, number) == "ACTIVE"


def test_an_id_that_nobody_or_that_several_have_is_told(signals, database):
    number = a_series_of(database)
    one, two = (a_life(number, **around_now()) for _ in range(2))
    two["id"] = type(one["id"])(one["id"].hex[:12] + two["id"].hex[12:])
    store(database, [one, two])

    several = signals("execute", one["id"].hex[:12], "--price", "100")
    unknown = signals("execute", "00000000", "--price", "100")
    exact = signals("execute", one["id"].hex, "--price", "100")

    assert (several.code, unknown.code, exact.code) == (1, 1, 0)
    assert "must be that of one signal" in several.err
    assert "no signal has an id that begins with 00000000; `signals list --all`" in unknown.err


@pytest.mark.parametrize("beginning", ["abc", "BTC/USDT", "0" * 33, "xyz12345"])
def test_what_cannot_be_an_id_is_wrong_usage(signals, beginning):
    said = signals("execute", beginning, "--price", "100")
    assert said.code == 2
    assert "must be a signal's id or 4 of its first digits at least" in said.err


def test_the_list_shows_ids_to_act_on_and_how_signals_ended(signals, database):
    number = a_series_of(database)
    life = around_now(timedelta(0)) | {"exchange": "simulated"}
    standing, taken = (a_life(number, strategy=name, **life) for name in ("STANDS", "TAKEN"))
    store(database, [standing, taken])
    signals("invalidate", taken["id"].hex[:8], "--reason", "a_hunch")

    active, everything = signals("list").out, signals("list", "--all").out.splitlines()

    assert standing["id"].hex[:8] in active
    assert taken["id"].hex[:8] not in active
    assert everything[0].split()[-3:] == ["ended", "by", "because"]
    (line,) = (line for line in everything if "TAKEN" in line)
    assert taken["id"].hex[:8] in line
    assert line.split()[-2:] == ["cli", "a_hunch"]
    (line,) = (line for line in everything if "STANDS" in line)
    assert line.split()[-3:] == ["-", "-", "-"]
