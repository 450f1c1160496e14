"""What loading the code location costs, in fresh interpreters."""

import json
import statistics
import subprocess
import sys

from benchmarks.measurement import Figures, clean_environment

HEAVY = ("keras", "jax", "ccxt", "praw", "tweepy")
REPEATS = 3
PROGRAM = f"""
import json, sys, time
started, before = time.perf_counter(), time.process_time()
import pipeline.definitions
seconds, used = time.perf_counter() - started, time.process_time() - before
from benchmarks.measurement import peak_memory
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"seconds": seconds, "used": used, "loaded": loaded, "peak": peak_memory()}}))
"""


def importing(home: object) -> Figures:
    """Case: importing `pipeline.definitions`, and whether a heavy client came with it."""
    found = []
    for _ in range(REPEATS):
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=str(home), env=clean_environment(), stdout=subprocess.PIPE, check=True
        )
        found.append(json.loads(run.stdout))
    return {
        "seconds": statistics.median(each["seconds"] for each in found),
        "used_s": statistics.median(each["used"] for each in found),
        "loaded": found[0]["loaded"],
        "peak": found[0]["peak"],
    }
