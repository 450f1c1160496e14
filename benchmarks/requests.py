"""Signals on request: a POST for two symbols over HTTP, at a warm server, beside the smallest answer it can give."""

import statistics
import sys
import time
from datetime import timedelta
from pathlib import Path

from benchmarks.measurement import Figures, peak_memory, processor_seconds
from benchmarks.stored_market import HISTORY_BARS, close_of, opened, symbols_of
from tests.support.api import SIGNALS, an_api

ASKED = 200
WARM_UP = 10  # requests before the first that counts
HEAVY = ("dagster", "jax", "keras", "sklearn", "assets")


def requests(home: Path, name: str, n_symbols: int, last_tick: int) -> Figures:
    """Case: ask for the signals of the newest close, two symbols at a time; each pair is new to the database.

    Then for a pair that was asked for before, of which nothing changes.
    """
    symbols = symbols_of(n_symbols)
    now = close_of(HISTORY_BARS + last_tick) + timedelta(minutes=1)
    before_import = set(sys.modules)
    with opened(home, name) as database, an_api(database, at=now) as client:
        spent, used_s, again, signals = [], [], [], 0
        used = processor_seconds(home)
        for number in range(WARM_UP + ASKED):
            if number == WARM_UP:
                used = processor_seconds(home)
            pair = [symbols[(2 * number + side) % n_symbols] for side in (0, 1)]
            started, at_work = time.perf_counter(), time.process_time()
            answer = client.post(SIGNALS, json={"symbols": pair})
            spent.append(time.perf_counter() - started)
            used_s.append(time.process_time() - at_work)
            answer.raise_for_status()
            signals += len(answer.json()["signals"])
        python_s, server_s = (after - first for after, first in zip(processor_seconds(home), used, strict=True))
        for _ in range(ASKED):
            started = time.perf_counter()
            client.post(SIGNALS, json={"symbols": symbols[:2]}).raise_for_status()
            again.append(time.perf_counter() - started)
        smallest = []
        for _ in range(ASKED):
            started = time.perf_counter()
            client.get(f"{SIGNALS}/active?limit=1").raise_for_status()
            smallest.append(time.perf_counter() - started)
    return {
        "p95_s": statistics.quantiles(spent[WARM_UP:], n=20)[-1],
        "median_s": statistics.median(spent[WARM_UP:]),
        "again_s": statistics.median(again),
        "smallest_s": statistics.median(smallest),
        "python_p95_s": statistics.quantiles(used_s[WARM_UP:], n=20)[-1],
        "python_s": python_s / ASKED,
        "server_s": server_s / ASKED,
        "signals": signals,
        "loaded": [each for each in HEAVY if each in set(sys.modules) - before_import],
        "asked": ASKED,
        "peak": peak_memory(),
    }
