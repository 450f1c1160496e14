"""A replay of a year: what a quant waits for between two settings."""

from datetime import timedelta
from pathlib import Path

from benchmarks.measurement import Figures, peak_memory, processor_seconds, seconds_of
from benchmarks.stored_market import EXCHANGE, HISTORY_BARS, close_of, opened
from pipeline.replay import replay
from pipeline.settings import load_settings
from tests.support.chain import FAR_FUTURE, FILES

N_SYMBOLS = 20
YEAR_BARS = 365 * 24
STORED_BARS = HISTORY_BARS + YEAR_BARS


def replay_year(home: Path, name: str) -> Figures:
    """Case: the year after the warm-up, replayed under a name of its own; then once more, with nothing to change."""
    start = close_of(HISTORY_BARS)
    with opened(home, name) as database:
        settings = load_settings(FILES)
        results = []

        def once() -> None:
            end = start + timedelta(days=365)
            results.append(replay(database, settings, EXCHANGE, "benchmark", start, end, FAR_FUTURE))

        before = processor_seconds(home)
        first = seconds_of(once)
        used = [after - begin for begin, after in zip(before, processor_seconds(home), strict=True)]
        again = seconds_of(once)
    return {
        "seconds": first,
        "again_s": again,
        "python_s": used[0],
        "server_s": used[1],
        "candidates": results[0].n_candidates,
        "signals": results[0].stored.written,
        "rewritten": results[1].stored.written,
        "peak": peak_memory(),
    }
