"""Other packages at the same work, each in an environment of its own under ``build/``, made at the first run.

Compared by processor time, which other work on the machine stretches less, and by turns, since a machine is not the
same from one minute to the next. Their programs stand in `benchmarks/programs` and import nothing of ours. What PyPI
does not give is left out and said.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.in_memory import BEYOND_VECTORBT, N_BARS, N_SYMBOLS, market
from benchmarks.measurement import ROOT, Figures, clean_environment, in_own_process
from benchmarks.report import Row, at_least, told

CACHE = ROOT / "build" / "peers"
PROGRAMS = ROOT / "benchmarks" / "programs"
FIELDS = ("open", "high", "low", "close", "volume")
FASTER_THAN: Mapping[str, float] = {"vectorbt": 2.0, "freqtrade": 15.0}
INSTALL_TIMEOUT_S = 900.0
TURNS = 5


def run_peers() -> list[Row]:
    """Ours and each package over the same candles, in `TURNS`; a ratio is the median of those of the turns."""
    block = market()
    with tempfile.TemporaryDirectory(prefix="signals-") as folder:
        candles = Path(folder) / "candles.npz"
        arrays: dict[str, Any] = {name: block[name].to_numpy() for name in FIELDS}
        np.savez(candles, **arrays)
        pythons = {name: environment(name) for name in FASTER_THAN}
        turns = [_turn(pythons, candles) for _ in range(TURNS)]
    ours = [turn["ours"] for turn in turns]
    without = ", ".join(BEYOND_VECTORBT)
    rows = [
        told(f"ours, {N_SYMBOLS} x {N_BARS:,} bars", _median(ours, "seconds"), max(each["peak"] for each in ours)),
        told(f"ours without {without}, which vectorbt lacks", _median(ours, "as_vectorbt_s")),
    ]
    for name, limit in FASTER_THAN.items():
        if pythons[name] is None:
            rows.append(told(name, "not measured: it did not install on this Python"))
            continue
        theirs = [turn[name] for turn in turns]
        label = f"{name} {theirs[0]['version']}"
        if "cold_s" in theirs[0]:
            rows.append(told(f"{label}, first call", _median(theirs, "cold_s")))
        rows.append(told(label, _median(theirs, "seconds")))
        own = "as_vectorbt_s" if name == "vectorbt" else "seconds"
        ratios = [their["seconds"] / our[own] for their, our in zip(theirs, ours, strict=True)]
        spread = f"({min(ratios):.1f} to {max(ratios):.1f})"
        rows.append(at_least(f"ours faster than {name} {spread}", statistics.median(ratios), limit))
    return rows


def _turn(pythons: Mapping[str, Path | None], candles: Path) -> dict[str, Figures]:
    """Ours, then each package that installed."""
    ours = in_own_process("beside_peers", candles.parent)
    return {"ours": ours} | {name: _run(python, name, candles) for name, python in pythons.items() if python}


def _median(turns: Sequence[Figures], name: str) -> str:
    return f"{statistics.median(each[name] for each in turns):.2f} s"


def environment(name: str) -> Path | None:
    """The interpreter of a package's environment, installed if it is not there; None where pip gives up."""
    folder = CACHE / name
    python, done = folder / "bin" / "python", folder / "installed"
    if not done.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", name]
        try:
            subprocess.run(install, check=True, timeout=INSTALL_TIMEOUT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            return None
        done.touch()
    return python


def _run(python: Path, name: str, candles: Path) -> Figures:
    program = str(PROGRAMS / f"{name}_program.py")
    found = subprocess.run(
        [str(python), program, str(candles)],
        cwd=candles.parent,
        env={key: value for key, value in clean_environment().items() if key != "PYTHONPATH"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(found.stdout.splitlines()[-1])
    return figures
