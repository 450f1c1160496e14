"""Seconds and memory of this process, and cases that run in a process of their own.

Add here how something is measured; what is measured stands in the modules of the cases.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from pipeline.storage import server

ROOT = Path(__file__).resolve().parents[1]
STATUS = Path("/proc/self/status")
CASE_TIMEOUT_S = 600.0
ADDITIONS = 10_000_000

Figures = dict[str, Any]  # what a case found, by name; everything in it can be written as JSON
Case = Callable[..., Figures]


Clock = Callable[[], float]


def seconds_of(work: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Seconds of one call by the wall clock, or by another."""
    started = clock()
    work()
    return clock() - started


def median_seconds(work: Callable[[], object], repeats: int = 5, clock: Clock = time.perf_counter) -> float:
    """Median of several calls after one that warms up: other processes disturb a mean, and flatter a minimum.

    Work that only computes is timed by `time.process_time`, which is the wall clock's on a machine without other
    work, and on a busy one grows far less.
    """
    work()
    return statistics.median(seconds_of(work, clock) for _ in range(repeats))


def additions_s() -> float:
    """Processor seconds of ten million additions in a loop: how fast the machine is just now, to read seconds by."""

    def add() -> int:
        total = 0
        for number in range(ADDITIONS):
            total += number
        return total

    return min(seconds_of(add, time.process_time) for _ in range(3))


def peak_memory() -> int:
    """Bytes that this process has occupied at most.

    The kernel's own high-water mark, and not `getrusage`, which counts what the parent held when it forked.
    """
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{STATUS} must have a line VmHWM; the benchmarks need Linux")


def processor_seconds(home: Path) -> tuple[float, float]:
    """Processor time that this process, and all processes of the home's database server, have used so far.

    What else runs on the machine stretches the wall clock by any factor, and this by a third or so.
    """
    postmaster = psutil.Process(server.status(home).pid)
    ended = postmaster.cpu_times()
    total = float(sum(ended[:4]))  # its own, and of those backends that have ended
    for backend in postmaster.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += sum(backend.cpu_times()[:2])
    return time.process_time(), total


def in_own_process(case: str, home: Path, **arguments: object) -> Figures:
    """The figures of a case, run by a fresh interpreter in ``home``: its memory is its own, and nothing is warm."""
    words = [sys.executable, "-m", "benchmarks", "--case", case, "--home", str(home)]
    words += [f"--argument={key}={json.dumps(value)}" for key, value in arguments.items()]
    found = subprocess.run(
        words, cwd=home, env=clean_environment(), capture_output=True, text=True, timeout=CASE_TIMEOUT_S
    )
    if found.returncode != 0:
        raise RuntimeError(f"the case {case} must end by itself, did not:\n{found.stderr}")
    figures: Figures = json.loads(found.stdout.splitlines()[-1])
    return figures


def clean_environment() -> Mapping[str, str]:
    """This environment without settings of ours, and with this checkout to import from."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("SIGNALS_")}
    return kept | {"PYTHONPATH": str(ROOT)}
