"""The `signals` command in a process of its own, as a person runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.real_data import ROOT

COMMAND = (sys.executable, "-c", "from pipeline.cli import main; main()")


def environment(home: Path, **variables: str) -> dict[str, str]:
    """What a command sees: this home, these settings, and none of the settings of whoever runs the tests."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SIGNALS_", "DAGSTER_"))}
    return {**inherited, "PYTHONPATH": str(ROOT), "SIGNALS_HOME": str(home), **variables}


def signals(
    *arguments: object, env: Mapping[str, str], folder: Path, timeout_s: float = 300.0
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end in ``folder``, which should hold no settings file."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=env,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def signals_started(*arguments: object, env: Mapping[str, str], folder: Path) -> "subprocess.Popen[str]":
    """Start a command that goes on; both outputs in one stream."""
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        env={**env, "PYTHONUNBUFFERED": "1"},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
