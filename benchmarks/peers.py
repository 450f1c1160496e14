"""Other packages at the same work, each in an environment of its own under ``build/``, made at the first run.

Compared by processor time, which other work on the machine stretches less. Their programs stand in
`benchmarks/programs` and import nothing of ours. What PyPI does not give is left out and said.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
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


def run_peers() -> list[Row]:
    """Ours and each package over the same candles, one after the other."""
    block = market()
    with tempfile.TemporaryDirectory(prefix="signals-") as folder:
        candles = Path(folder) / "candles.npz"
        arrays: dict[str, Any] = {name: block[name].to_numpy() for name in FIELDS}
        np.savez(candles, **arrays)
        ours = in_own_process("in_memory", Path(folder))
        rows = [
            told(f"ours, {N_SYMBOLS} x {N_BARS:,} bars", f"{ours['seconds']:.2f} s", ours["peak"]),
            told(f"ours without {', '.join(BEYOND_VECTORBT)}", f"{ours['as_vectorbt_s']:.2f} s"),
        ]
        for name, limit in FASTER_THAN.items():
            python = environment(name)
            if python is None:
                rows.append(told(name, "not measured: it did not install on this Python"))
                continue
            found = _run(python, name, candles)
            label = f"{name} {found['version']}"
            if "cold_s" in found:
                rows.append(told(f"{label}, first call, which compiles", f"{found['cold_s']:.2f} s"))
            rows.append(told(label, f"{found['seconds']:.2f} s"))
            own = ours["as_vectorbt_s"] if name == "vectorbt" else ours["seconds"]
            rows.append(at_least(f"ours faster than {name}", found["seconds"] / own, limit))
    return rows


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
