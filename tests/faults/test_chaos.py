"""Runs that are killed around every commit and at any instant: nothing lost, nothing doubled, nothing half-written.

`make test` does a few; `make chaos KILLS=1000` does as many as it is told.
"""

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import psycopg
import pytest

from pipeline.cli import display
from pipeline.storage.address import DatabaseAddress
from tests.support.chaos import Moment
from tests.support.chaos_market import BACKFILL, FIRST_TICK, LATE_TICK, NEXT_TICK, Scenario, a_copy, scenario, traded
from tests.support.chaos_tally import Tally, stopped_anywhere, stopped_once

KILLS = int(os.environ.get("CHAOS_KILLS", "3"))


@pytest.fixture(scope="module")
def scenarios(migrated_template: DatabaseAddress) -> Iterator[Sequence[Scenario]]:
    """The next tick, one after nine hours, a backfill, and a first start."""
    with ExitStack() as stack:
        origin = stack.enter_context(traded(migrated_template))
        made = [stack.enter_context(scenario(work, origin)) for work in (NEXT_TICK, LATE_TICK, BACKFILL)]
        yield [*made, stack.enter_context(scenario(FIRST_TICK, migrated_template))]


@pytest.mark.long
def test_f39_a_tick_killed_around_each_commit_that_writes_leaves_whole_batches_and_converges(scenarios):
    next_tick, tally = scenarios[0], Tally()

    for stop in next_tick.course.around_writes():
        stopped_once(next_tick, stop, tally)

    # Candles, health, indicators, predictions, candidates, decisions, signals.
    assert len(next_tick.course.writing) >= 6
    assert tally.kills == len(next_tick.course.around_writes())
    assert tally.is_clean, tally


def test_f39_runs_killed_anywhere_leave_whole_batches_and_converge(scenarios, capsys):
    chance = random.Random(os.environ.get("CHAOS_SEED", "1"))
    tally = Tally()

    with capsys.disabled(), display.progress("killing runs") as bar:
        while tally.kills < KILLS:
            stopped_anywhere(chance.choice(scenarios), chance, tally)
            bar(min(tally.kills, KILLS), KILLS, str(tally))
    with capsys.disabled():
        print(f"\n{tally}")

    assert tally.is_clean, tally


@pytest.mark.parametrize(
    ("spoiled", "expected"),
    [
        ("DELETE FROM risk_decisions WHERE ctid = (SELECT min(ctid) FROM risk_decisions)", (1, 0, 1)),
        ("UPDATE trading_signals SET strength = 0 WHERE ctid = (SELECT min(ctid) FROM trading_signals)", (1, 1, 1)),
        ("INSERT INTO live_passes SELECT 'b', series_id, after, until FROM live_passes LIMIT 1", (0, 1, 1)),
        ("UPDATE candles SET first_seen_at = now()", (0, 0, 0)),
    ],
)
def test_a_tally_notices_what_is_lost_doubled_or_half_written(scenarios, spoiled, expected):
    next_tick, tally = scenarios[0], Tally()

    with a_copy(next_tick.twin) as address:
        with psycopg.connect(address.libpq) as conn:
            conn.execute(spoiled)
        tally.compare(next_tick, address)
        tally.look(next_tick, address)

    assert (tally.lost, tally.doubled, tally.partial) == expected
    assert tally.is_clean == (expected == (0, 0, 0))


def test_a_course_knows_every_moment_of_a_run(scenarios):
    for each in scenarios:
        assert set(each.course.counts) == set(Moment)
        assert len(each.course.states) == len(each.course.writing) + 1
