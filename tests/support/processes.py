"""Other processes that tests start, watch and kill: a few lines of Python that use the real modules."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.real_data import ROOT

# Asks the embedded server of the home that is its argument, and prints what came of it.
USE_DATABASE = """
    import os, sys
    from pathlib import Path
    import psycopg
    from pipeline.domain.errors import ServerError
    from pipeline.storage.server import embedded_server
    try:
        with embedded_server(Path(sys.argv[1])) as address, psycopg.connect(address.libpq) as conn:
            print("uid", os.geteuid(), "answers", conn.execute("SELECT 40 + 2").fetchone()[0])
    except ServerError as error:
        print("ServerError:", error)
"""


def python(code: str, *arguments: object, prefix: Sequence[str] = (), **options: Any) -> "subprocess.Popen[str]":
    """Run ``code`` in a new Python of this environment; its output can be read, in one stream."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        text=True,
        **{**_defaults(), **options},
    )


def _defaults() -> dict[str, Any]:
    return {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.STDOUT,
        "cwd": ROOT,
        "env": {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
    }


def output(code: str, *arguments: object, **options: Any) -> str:
    """What ``code`` prints until it ends."""
    with python(code, *arguments, **options) as process:
        return process.communicate(timeout=60)[0].strip()


def until(condition: Callable[[], object], timeout_s: float = 60.0) -> float:
    """Wait for ``condition``; returns the seconds that it took, and fails after ``timeout_s``."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < timeout_s, f"not within {timeout_s} s"
        time.sleep(0.02)
    return time.monotonic() - began


def kill(pid: int) -> None:
    """End a process that a test started, without warning."""
    os.kill(pid, signal.SIGKILL)


def server_processes(home: Path) -> list[psutil.Process]:
    """The embedded server of a home and all that it has started."""
    data = (home / "postgres" / "data").resolve()
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name().startswith("postgres") and Path(process.cwd()) == data:
                found.append(process)
    return found


@contextmanager
def hanging(home: Path) -> Iterator[None]:
    """Hold the embedded server of a home still, as it stands: it neither answers nor ends until the block does."""
    held = server_processes(home)
    assert held
    for process in held:
        process.suspend()
    try:
        yield
    finally:
        for process in held:
            process.resume()


def as_ordinary_user() -> dict[str, Any]:
    """Options of `python` for a user who is not root: ``nobody`` where it can reach this environment.

    Else one in a namespace of its own; where there is none the test is skipped.
    """
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    try:
        if output("import pipeline.storage.server", **options) == "":
            return options
    except PermissionError:
        pass
    return {"prefix": namespace("--map-user=1000", "--map-group=1000")}


def namespace(*options: str) -> list[str]:
    """A command's prefix that runs it in a user namespace of its own; skips where the system has none."""
    unshare = shutil.which("unshare")
    prefix = [unshare or "", "--user", *options, "--"]
    if unshare is None or subprocess.run([*prefix, "true"], capture_output=True).returncode != 0:
        pytest.skip("this system has no user namespaces")
    return prefix


def shell(script: str, *arguments: str | Path) -> list[str]:
    """A command's prefix that runs it at the end of a shell script, as ``"$@"``."""
    return ["/bin/sh", "-c", script, "sh", *map(str, arguments)]
