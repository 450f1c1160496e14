"""The market and the work of the runs that are stopped half way: small, always the same, and with all that can happen.

Candles are made in the run, as of its close. In the state that most work begins from, one candle is wrong: the next
run corrects it, so that rows are revised, superseded and invalidated, and not only added.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pipeline.domain.model import ModelKind
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.run_tags import pass_tags, range_tags
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from pipeline.storage.intake import import_candles
from resources.market import SeriesWindow
from resources.simulated import SimulatedMarket
from tests.support.chaos import Course, Work, course_of, perform
from tests.support.model_chain import publish_all, speaking
from tests.support.postgres import drop_database, fresh_database

NOON = datetime(2024, 3, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SYMBOLS = ("BTC/USDT", "ETH/USDT")
SETTINGS = {
    "market.source": "simulated",
    "market.simulation_seed": "7",
    "market.symbols": ",".join(SYMBOLS),
    "market.timeframes": "1h",
    "strategies.sma_crossover.trigger": "level",  # advice at every close, so that every run makes signals
}


def a_tick(at: datetime) -> Work:
    """What the schedule starts at a close."""
    return Work(f"the tick of {at:%m-%d %H:%M}", pass_tags(at, Origin.LIVE), f"{at:%Y-%m-%d}", SETTINGS)


def a_backfill(first: datetime, last: datetime) -> Work:
    """A run over days, both inclusive."""
    return Work(f"a backfill to {last:%m-%d}", range_tags(first.date(), last.date()), changes=SETTINGS)


FIRST_TICK = a_tick(NOON)
NEXT_TICK = a_tick(NOON + HOUR)
LATE_TICK = a_tick(NOON + 9 * HOUR)
BACKFILL = a_backfill(NOON - timedelta(days=2), NOON)


@dataclass(frozen=True, slots=True)
class Scenario:
    """Work, the database that it begins with, and its undisturbed twin."""

    work: Work
    origin: DatabaseAddress  # to copy; nobody is connected to it
    twin: DatabaseAddress
    course: Course
    seconds: float  # that the undisturbed run took


@contextmanager
def a_copy(origin: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A database that begins as ``origin`` is."""
    address = fresh_database(origin.with_database("postgres"), origin)
    try:
        yield address
    finally:
        drop_database(address)


@contextmanager
def scenario(work: Work, origin: DatabaseAddress) -> Iterator[Scenario]:
    """The work, done once undisturbed."""
    with a_copy(origin) as twin:
        began = time.monotonic()
        course = course_of(twin, work)
        yield Scenario(work, origin, twin, course, time.monotonic() - began)


@contextmanager
def traded(template: DatabaseAddress) -> Iterator[DatabaseAddress]:
    """A database with models after two ticks, the newest of which saw a wrong candle."""
    with a_copy(template) as address:
        database = Database(address)
        for week in (2, 7):  # the newer ones are effective before the ticks
            publish_all(database, *(speaking(kind, week, exchange=SIMULATED_EXCHANGE) for kind in ModelKind))
        database.close()
        assert perform(address, a_tick(NOON - HOUR)) == 0
        key = SeriesKey(SIMULATED_EXCHANGE, SYMBOLS[0], Timeframe.H1)  # what the other symbol is told of too
        market = SimulatedMarket(int(SETTINGS["market.simulation_seed"]))
        right = market.candles([SeriesWindow(key, NOON - HOUR, NOON)]).frame
        wrong = right.assign(close=right["close"] * 1.03, high=right["high"] * 1.03)
        import_candles(database, wrong, NOON)
        database.close()
        assert perform(address, a_tick(NOON)) == 0
        yield address
