"""Calibrated confidence of stored signals: live as in a replay, blind for what came later, and never made up."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from pipeline import calibrating
from pipeline.calibrating import calibrate_live, calibrate_replayed
from pipeline.domain.timeframe import Timeframe
from pipeline.performance import calibration
from pipeline.performance.calibration import EFFECTIVE_AFTER, CalibrationRules
from pipeline.run_tags import range_tags
from pipeline.storage import calibrations
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from tests.support.chain import days, rows, run, store_block, tick
from tests.support.database import a_copy_of, a_database
from tests.support.market import START, random_walk

SYMBOLS = ("AAA/USDT", "BBB/USDT", "CCC/USDT")
FIRST, LAST = START + timedelta(days=16), START + timedelta(days=24)
RULES = CalibrationRules(min_outcomes=40)
CHANGES = {
    "strategies.sma_crossover.trigger": "level",  # advice at every close
    "calibration.min_outcomes": str(RULES.min_outcomes),
}


@pytest.fixture(scope="module")
def origin(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """Nine backfilled days whose outcomes are told; nobody is connected."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=5, n_candles=27 * 24, symbols=SYMBOLS, timeframe=Timeframe.H1))
        days(database, FIRST, LAST, CHANGES)
        run(database, range_tags(FIRST, LAST), assets=("signal_outcomes",), changes=CHANGES)
        database.close()
        yield database.address


@pytest.fixture
def backfilled(origin: DatabaseAddress) -> Iterator[Database]:
    with a_copy_of(origin) as copy:
        yield copy


def replayed(database: Database, until: datetime = LAST + timedelta(days=1)) -> Any:
    return calibrate_replayed(database, RULES, "default", FIRST - timedelta(microseconds=1), until)


def given(database: Database, where: str = "true") -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What signals have, by what they say."""
    query = sa.text(
        f"""SELECT symbol, candle_close_at, signal_type, strategy, calibrated_confidence, uncalibrated_because,
  calibrated_rank FROM trading_signals WHERE {where}"""
    )
    with database.begin() as conn:
        return {tuple(row[:4]): tuple(row[4:]) for row in conn.execute(query)}


def values(found: dict[tuple[Any, ...], tuple[Any, ...]]) -> set[float]:
    return {value for value, _, _ in found.values() if value is not None}


def test_before_a_replay_is_judged_its_signals_say_that_they_are_not_calibrated_yet(backfilled):
    assert {reason for _, reason, _ in given(backfilled).values()} == {"not_calibrated_yet"}


def test_the_asset_gives_a_backfill_what_was_known_and_the_same_again_nothing(backfilled):
    first, second = (
        run(backfilled, range_tags(FIRST, LAST), assets=("confidence_calibrations",), changes=CHANGES) for _ in range(2)
    )

    found = given(backfilled)
    assert first["confidence_calibrations"]["rows_written"] > 0
    assert first["confidence_calibrations"]["signals"] == len(found)
    assert second["confidence_calibrations"]["rows_written"] == second["confidence_calibrations"]["signals"] == 0
    assert len(values(found)) > 5
    assert all((value is None) == (rank is None) for value, _, rank in found.values())
    first_day = {key: cells for key, cells in found.items() if key[1] < FIRST + timedelta(hours=23)}
    assert not values(first_day)
    assert all(reason.endswith(f"<{RULES.min_outcomes})") for _, reason, _ in first_day.values())


def test_outcomes_carry_the_calibrated_confidence_of_their_signals(backfilled):
    replayed(backfilled)

    with backfilled.begin() as conn:
        differing, told = conn.execute(
            sa.text(
                """SELECT count(*) FILTER (WHERE o.calibrated_confidence IS DISTINCT FROM t.calibrated_confidence),
  count(o.calibrated_confidence) FROM signal_outcomes o JOIN trading_signals t ON t.id = o.signal_id"""
            )
        ).one()
    assert differing == 0
    assert told > 100


def test_the_stated_rank_stands_and_the_calibrated_one_is_beside_it(backfilled):
    replayed(backfilled)

    for row in rows(backfilled, "trading_signals"):
        assert row["rank_score"] == pytest.approx(0.7 * row["confidence"] + 0.3 * row["strength"])
    with backfilled.begin() as conn:
        found = conn.execute(
            sa.text("SELECT * FROM trading_signals WHERE calibrated_confidence IS NOT NULL")
        ).mappings()
        for row in found:
            expected = 0.7 * row["calibrated_confidence"] + 0.3 * row["strength"]
            assert row["calibrated_rank"] == pytest.approx(expected)


def what_a_cut_changes(database: Database, cut: datetime) -> list[tuple[Any, ...]]:
    """The signals of closes that only fits as of ``cut`` or before are given to, and that later outcomes changed."""
    end = cut + timedelta(days=1) + EFFECTIVE_AFTER
    where = f"candle_close_at < '{end.isoformat()}'"
    replayed(database)
    whole = given(database, where)
    with database.begin() as conn:
        conn.execute(sa.text("DELETE FROM signal_outcomes WHERE resolved_at > :cut"), {"cut": cut})
    replayed(database)
    without = given(database, where)
    assert values(without)
    return [key for key, cells in whole.items() if cells != without[key]]


def test_what_is_known_later_changes_no_calibrated_confidence(backfilled):
    assert what_a_cut_changes(backfilled, FIRST + timedelta(days=4)) == []


def test_a_fit_that_is_given_a_day_early_would_be_found(backfilled, monkeypatch):
    def peeking(close_at: datetime) -> datetime:
        return calibration.midnight_before(close_at) + timedelta(days=1)

    monkeypatch.setattr(calibration, "fitted_at", peeking)
    monkeypatch.setattr(calibrations, "fitted_at", peeking)
    assert calibrating.midnights(FIRST, FIRST) == [FIRST + timedelta(days=1)]

    assert what_a_cut_changes(backfilled, FIRST + timedelta(days=4))


def as_if_live(database: Database, until: datetime) -> None:
    """Make what was backfilled up to a close the history of live signals, and forget what came later."""
    with database.begin() as conn:
        for statement in (
            "DELETE FROM trading_signals WHERE candle_close_at > :until",
            "DELETE FROM risk_decisions WHERE candle_close_at > :until",
            "DELETE FROM candidate_signals WHERE candle_close_at > :until",
            "DELETE FROM signal_outcomes WHERE resolved_at > :until",
            "UPDATE signal_outcomes SET origin = 'live'",
            "UPDATE trading_signals SET origin = 'live'",
        ):
            conn.execute(sa.text(statement).bindparams(until=until) if ":until" in statement else sa.text(statement))


def test_a_live_signal_has_what_its_replay_has(backfilled):
    replayed(backfilled)
    closes = [LAST + timedelta(hours=n) for n in (1, 2, 3)]
    where = f"candle_close_at BETWEEN '{closes[0].isoformat()}' AND '{closes[-1].isoformat()}'"
    in_replay = given(backfilled, where)
    as_if_live(backfilled, LAST)

    for close_at in closes:
        tick(backfilled, close_at, CHANGES)
        calibrate_live(backfilled, RULES, "default", close_at)

    live = given(backfilled, f"origin = 'live' AND {where}")
    assert live.keys() == in_replay.keys()
    fitted_by_then = {key: cells for key, cells in live.items() if key[1] > closes[0]}
    assert values(fitted_by_then)
    assert fitted_by_then == {key: in_replay[key] for key in fitted_by_then}
    # The first pass came before anything was fitted live.
    assert {reason for (_, at, _, _), (_, reason, _) in live.items() if at == closes[0]} == {
        f"insufficient_outcomes(0<{RULES.min_outcomes})"
    }


def test_a_signal_that_a_replay_makes_anew_loses_what_was_fitted_for_the_one_before(backfilled):
    replayed(backfilled)
    before = given(backfilled)

    days(backfilled, LAST, LAST, {**CHANGES, "strategies.sma_crossover.confidence": "0.75"})

    with backfilled.begin() as conn:
        changed, kept = conn.execute(
            sa.text(
                """SELECT array_agg(DISTINCT uncalibrated_because) FILTER (WHERE confidence = 0.75),
  count(calibrated_confidence) FROM trading_signals WHERE strategy = 'SMA_CROSSOVER'"""
            )
        ).one()
    assert changed == ["not_calibrated_yet"]
    assert 0 < kept < len(values(before)) + len(before)


def test_nothing_is_fitted_live_before_live_runs_have_caught_up_with_that_midnight(backfilled):
    as_if_live(backfilled, LAST - timedelta(hours=1))
    before_any = calibrate_live(backfilled, RULES, "default", LAST + timedelta(hours=5))
    tick(backfilled, LAST - timedelta(hours=1), CHANGES)
    behind = calibrate_live(backfilled, RULES, "default", LAST + timedelta(hours=5))
    tick(backfilled, LAST + timedelta(hours=5), CHANGES)
    caught_up = calibrate_live(backfilled, RULES, "default", LAST + timedelta(hours=5))

    assert before_any.written == behind.written == 0
    assert caught_up.written > 0


@pytest.mark.parametrize(("window_days", "is_given"), [(4, True), (3, False)])
def test_after_days_off_an_older_fit_serves_as_long_as_its_outcomes_would_count(backfilled, window_days, is_given):
    off = timedelta(days=2, hours=5)
    as_if_live(backfilled, LAST - off)
    changes = {**CHANGES, "calibration.window_days": str(window_days)}
    tick(backfilled, LAST - off, changes)
    calibrate_live(backfilled, RULES, "default", LAST - off)

    tick(backfilled, LAST + timedelta(hours=3), changes)

    back = given(backfilled, f"origin = 'live' AND candle_close_at = '{(LAST + timedelta(hours=3)).isoformat()}'")
    assert back
    assert bool(values(back)) == is_given


def test_a_live_fit_is_final(backfilled):
    as_if_live(backfilled, LAST)
    at = LAST + timedelta(hours=1)
    tick(backfilled, at, CHANGES)
    first = calibrate_live(backfilled, RULES, "default", at)
    before = rows(backfilled, "confidence_calibrations")
    with backfilled.begin() as conn:
        conn.execute(sa.text("DELETE FROM signal_outcomes WHERE resolved_at < :at"), {"at": LAST - timedelta(days=1)})

    again = calibrate_live(backfilled, RULES, "default", at + timedelta(hours=5))

    assert first.written == len(before) > 0
    assert again.written == 0
    assert rows(backfilled, "confidence_calibrations") == before
