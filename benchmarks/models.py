"""Models: what training them costs, and champions for the ticks that are measured.

The champions of a tick learn from a few of its own random walks: how well they do is no matter, what they cost is.
"""

import time
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measurement import Figures, peak_memory, processor_seconds
from benchmarks.stored_market import EXCHANGE, TIMEFRAME, close_of, opened
from pipeline.domain.model import ModelKind
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup
from pipeline.storage.universe import universe
from pipeline.training import train, training_panel
from tests.support.chain import FILES

FEW_SYMBOLS = 40
FEW_WEEKS = 4


def publish_models(home: Path, name: str, last_bar: int) -> Figures:
    """Case: train models of each kind that speak from ``last_bar`` on."""
    with opened(home, name) as database:
        through = close_of(last_bar) - timedelta(days=1)
        _train(database, through, FEW_SYMBOLS, {"training.weeks": str(FEW_WEEKS), "training.fold_weeks": "1"})
    return {}


def train_two_years(home: Path, name: str, n_symbols: int, last_bar: int) -> Figures:
    """Case: what the weekly training takes, from stored candles to published models; seconds by kind."""
    with opened(home, name) as database:
        before = processor_seconds(home)
        seconds = _train(database, close_of(last_bar), n_symbols, {})
        used = [after - begin for begin, after in zip(before, processor_seconds(home), strict=True)]
    return {
        "seconds": sum(seconds.values()),
        "parts": seconds,
        "python_s": used[0],
        "server_s": used[1],
        "peak": peak_memory(),
    }


def _train(database: Database, through: datetime, n_symbols: int, changes: dict[str, str]) -> dict[str, float]:
    settings = load_settings({**FILES, **changes})
    with database.begin() as conn:
        series = universe(conn, EXCHANGE, None, [TIMEFRAME])
    group = SeriesGroup(EXCHANGE, TIMEFRAME, tuple(series[:n_symbols]))
    seconds = {}
    started = time.perf_counter()
    plan, panel = training_panel(database, settings, group, through, _nobody)
    seconds["features"] = time.perf_counter() - started
    for kind in ModelKind:
        started = time.perf_counter()
        train(database, group, kind, through, plan, panel, _nobody)
        seconds[kind.value] = time.perf_counter() - started
    return seconds


def _nobody(what: str, done: int, total: int) -> None:
    """Nobody watches."""
