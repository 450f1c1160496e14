"""What came of runs that were stopped half way: after each stop, and once the same work has been done again.

A database may hold what an undisturbed run holds after one of its commits, and nothing else (a half-written batch is
*partial*); at the end it must hold what the undisturbed twin holds: a row less is *lost*, a row more is *doubled*.
"""

import random
from dataclasses import dataclass

from pipeline.storage.address import DatabaseAddress
from tests.support.chaos import Blow, Moment, Stop, perform
from tests.support.chaos_market import Scenario, a_copy
from tests.support.contents import contents, digest

KILLED = -9


@dataclass(slots=True)
class Tally:
    """Sums over many stopped runs."""

    kills: int = 0
    disconnections: int = 0
    restarts: int = 0
    lost: int = 0
    doubled: int = 0
    partial: int = 0
    converged: int = 0
    databases: int = 0

    def __str__(self) -> str:
        return (
            f"kills {self.kills}, disconnections {self.disconnections}, restarts {self.restarts}: lost {self.lost}, "
            f"doubled {self.doubled}, partial {self.partial}, converged {self.converged} of {self.databases}"
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or half-written, and all databases ended as their twins."""
        return not (self.lost or self.doubled or self.partial) and self.converged == self.databases

    def kill(self, scenario: Scenario, address: DatabaseAddress, *stops: Stop, after_s: float | None = None) -> None:
        """Start the work, kill it and look at what it left; it may have been done before."""
        code = perform(address, scenario.work, *stops, kill_after_s=after_s)
        assert code in (0, KILLED), f"{scenario.work.name} failed"
        self.kills += code == KILLED
        self.look(scenario, address)

    def look(self, scenario: Scenario, address: DatabaseAddress) -> None:
        """Count a state in which no undisturbed run ever leaves the database."""
        self.partial += digest(address) not in scenario.course.states

    def finish(self, scenario: Scenario, address: DatabaseAddress, *stops: Stop) -> None:
        """Do the same work again, to its end, and compare with the undisturbed twin."""
        self.restarts += 1
        assert perform(address, scenario.work, *stops) == 0, f"{scenario.work.name} failed after {stops}"
        self.disconnections += len(stops)
        self.compare(scenario, address)

    def compare(self, scenario: Scenario, address: DatabaseAddress) -> None:
        """Count what differs from the undisturbed twin."""
        self.databases += 1
        if digest(address) == scenario.course.end:
            self.converged += 1
            return
        expected, found = contents(scenario.twin), contents(address)
        self.lost += (expected - found).total()
        self.doubled += (found - expected).total()


def stopped_once(scenario: Scenario, stop: Stop, tally: Tally) -> None:
    """Kill the work at a stop; let it end where the kill leaves open whether a batch was stored.

    Each stop has a database of its own: a run that finds some steps done asks less, and its moments count differently.
    """
    with a_copy(scenario.origin) as address:
        tally.kill(scenario, address, stop)
        if stop.moment is Moment.SENT:
            tally.finish(scenario, address)


def stopped_anywhere(scenario: Scenario, chance: random.Random, tally: Tally) -> None:
    """Kill the work up to three times at any moment or instant, then let it end, sometimes over a lost connection."""
    with a_copy(scenario.origin) as address:
        for _ in range(chance.randint(1, 3)):
            if chance.random() < 0.5:
                tally.kill(scenario, address, scenario.course.any_stop(chance))
            else:
                tally.kill(scenario, address, after_s=chance.uniform(0.0, scenario.seconds))
        stops = [scenario.course.any_stop(chance, Blow.DISCONNECT)] if chance.random() < 0.5 else []
        tally.finish(scenario, address, *stops)
