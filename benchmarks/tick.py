"""A tick: its stages with their database I/O, and the same as a run of Dagster.

The stages are the functions of the assets, called as Dagster calls them, without Dagster. What nobody could save is
measured in `benchmarks.floor`.
"""

import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import sqlalchemy as sa
from dagster import AssetsDefinition, TimeWindow

from assets.indicators import analyse_candles
from assets.market import candles
from assets.predictions import predict
from assets.sentiment import symbol_sentiment
from assets.signals import advise, risk_filtered_signals, trading_signals
from benchmarks.measurement import Figures, peak_memory, processor_seconds
from benchmarks.stored_market import HISTORY_BARS, close_of, opened
from pipeline.cli.execution import dagster_instance, run_chain
from pipeline.domain.signal import Origin
from pipeline.run_tags import pass_tags
from pipeline.settings import load_settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from resources.clock import ClockResource
from tests.support.chain import FILES

STAGES: tuple[AssetsDefinition, ...] = (
    candles,
    analyse_candles,
    predict,
    symbol_sentiment,
    advise,
    risk_filtered_signals,
    trading_signals,
)


def run_stages(database: Database, at: datetime) -> dict[str, float]:
    """One live tick without Dagster: seconds of each stage, in order."""
    settings = load_settings(FILES)
    context = _context(at)
    found = {}
    with database.chain_lock():
        for stage in STAGES:
            function = cast("Any", stage.op.compute_fn).decorated_fn
            started = time.perf_counter()
            made = function(context, database=database, settings=settings, clock=ClockResource())
            if isinstance(made, Iterator):
                list(made)
            found[stage.op.name] = time.perf_counter() - started
    return found


def _context(at: datetime) -> SimpleNamespace:
    """What the stages read of Dagster's context."""
    day = datetime(at.year, at.month, at.day, tzinfo=UTC)
    return SimpleNamespace(
        run=SimpleNamespace(run_id=str(uuid4()), tags=pass_tags(at, Origin.LIVE)),
        partition_time_window=TimeWindow(day, day + timedelta(days=1)),
        log=SimpleNamespace(info=lambda *_: None),
    )


def stages(home: Path, name: str, first_tick: int, n_ticks: int) -> Figures:
    """Case: ticks one after the other; medians per stage and of the whole tick without the first, which warms up."""
    ticks, used = [], []
    with opened(home, name) as database:
        for number in range(first_tick, first_tick + n_ticks):
            before = processor_seconds(home)
            ticks.append(run_stages(database, close_of(HISTORY_BARS + number)))
            used.append([after - begin for begin, after in zip(before, processor_seconds(home), strict=True)])
        signals = _signals(database)
    return {
        "seconds": statistics.median(sum(each.values()) for each in ticks[1:]),
        "first_s": sum(ticks[0].values()),
        "stages": {stage: statistics.median(each[stage] for each in ticks[1:]) for stage in ticks[0]},
        "python_s": statistics.median(python for python, _ in used[1:]),
        "server_s": statistics.median(server for _, server in used[1:]),
        "signals": signals,
        "peak": peak_memory(),
    }


def dagster_runs(home: Path, name: str, first_tick: int, n_ticks: int) -> Figures:
    """Case: the next ticks as runs of Dagster with its records in PostgreSQL, from a run's start to its success."""
    settings = load_settings({**FILES, "home": str(home)})
    seconds, steps, used = [], [], []
    with opened(home, name) as database, dagster_instance(settings, database.address) as instance:
        for number in range(first_tick, first_tick + n_ticks):
            at = close_of(HISTORY_BARS + number)
            before = processor_seconds(home)
            report = run_chain(
                instance, pass_tags(at, Origin.LIVE), partition_key=f"{at:%Y-%m-%d}", changes=dict(FILES)
            )
            used.append([after - begin for begin, after in zip(before, processor_seconds(home), strict=True)])
            stats: Any = instance.get_run_stats(report.run_id)
            of_steps: Any = instance.get_run_step_stats(report.run_id)
            seconds.append(stats.end_time - stats.start_time)
            steps.append(sum(step.end_time - step.start_time for step in of_steps))
    return {
        "seconds": statistics.median(seconds),
        "steps_s": statistics.median(steps),
        "python_s": statistics.median(python for python, _ in used),
        "server_s": statistics.median(server for _, server in used),
        "peak": peak_memory(),
    }


def _signals(database: Database) -> int:
    with database.begin() as conn:
        return conn.scalar(sa.select(sa.func.count()).select_from(tables.trading_signals)) or 0
