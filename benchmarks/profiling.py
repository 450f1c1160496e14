"""Where a tick spends its time: stacks sampled every millisecond, and what each stage and each package had of them.

Sampled rather than traced: a tracer charges Python's calls and nothing to SQL, and so finds the culprit that it made.
"""

import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

from benchmarks.measurement import Figures
from benchmarks.stored_market import HISTORY_BARS, close_of, opened
from benchmarks.tick import STAGES, run_stages

PERIOD_S = 0.001
# Packages by the word that a reader of a profile wants; the innermost frame that has one decides.
KINDS = {
    "psycopg": "SQL, waiting for the server",
    "adbc_driver_manager": "Arrow reads",
    "concurrent": "Arrow reads",  # waiting for those of other threads
    "sqlalchemy": "SQL, making statements and rows",
    "pandera": "contracts",
    "pyarrow": "Arrow to pandas",
    "pandas": "pandas",
    "pgpq": "COPY encoding",
    "pydantic": "settings",
}
OURS = "numpy and our own"


class Sampler:
    """Samples the main thread while it works."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        self.stages: Counter[tuple[str, str]] = Counter()
        self.lines: Counter[str] = Counter()
        self.samples = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(threading.main_thread().ident,), daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self, thread: int) -> None:
        while not self._is_over.wait(PERIOD_S):
            frame = sys._current_frames().get(thread)
            if frame is not None:
                self._count(frame)

    def _count(self, frame: FrameType | None) -> None:
        kind = stage = line = None
        names = {stage.op.name for stage in STAGES}
        while frame is not None:
            package = frame.f_globals.get("__name__", "").partition(".")[0]
            kind = kind or KINDS.get(package)
            if package in ("pipeline", "assets"):
                module = frame.f_globals["__name__"]
                kind = kind or OURS
                line = line or f"{module}.{frame.f_code.co_name}"
                if package == "assets" and frame.f_code.co_name in names:
                    stage = frame.f_code.co_name
            frame = frame.f_back
        if stage is not None:
            self.samples += 1
            self.kinds[kind or OURS] += 1
            self.stages[stage, kind or OURS] += 1
            self.lines[line or ""] += 1


def profile(home: Path, name: str, first_tick: int, n_ticks: int) -> Figures:
    """Case: shares of a tick by package, by stage and package, and by the innermost function of ours."""
    with opened(home, name) as database:
        run_stages(database, close_of(HISTORY_BARS + first_tick))  # to warm up
        sampler = Sampler()
        started = time.perf_counter()
        with sampler:
            for number in range(first_tick + 1, first_tick + n_ticks):
                run_stages(database, close_of(HISTORY_BARS + number))
        seconds = (time.perf_counter() - started) / (n_ticks - 1)
    return {
        "seconds": seconds,
        "by_kind": _in_ms(sampler.kinds, sampler.samples, seconds),
        "by_stage": {
            stage.op.name: _in_ms(
                Counter({kind: n for (name, kind), n in sampler.stages.items() if name == stage.op.name}),
                sampler.samples,
                seconds,
            )
            for stage in STAGES
        },
        "by_function": dict(list(_in_ms(sampler.lines, sampler.samples, seconds).items())[:25]),
    }


def as_text(figures: Figures) -> str:
    """The shares as a table of milliseconds of one tick."""
    lines = [f"One tick: {1_000 * figures['seconds']:,.0f} ms", "", "by package"]
    lines += _lines(figures["by_kind"])
    for stage, kinds in figures["by_stage"].items():
        lines += ["", f"{stage}: {sum(kinds.values()):,.0f} ms", *_lines(kinds)]
    return "\n".join([*lines, "", "by the innermost function of ours", *_lines(figures["by_function"])]) + "\n"


def _lines(shares: dict[str, float]) -> list[str]:
    return [f"{ms:9,.1f}  {name}" for name, ms in shares.items()]


def _in_ms(counts: Counter[str], samples: int, seconds: float) -> dict[str, float]:
    return {name: round(1_000 * seconds * n / samples, 1) for name, n in counts.most_common()}
