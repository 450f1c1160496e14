"""Children kept alive: started, started again when they die, ended with all their descendants.

What the children are is not known here. All of one family bear a mark in their environment, which descendants
inherit: it tells ours from a stranger with a reused pid, also after the supervisor itself was killed.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil

from pipeline.domain.errors import OperatorError
from pipeline.storage.log_files import open_log, shorten, tail

MARK = "SIGNALS_SERVICE_MARK"
QUICK_DEATH_S = 30.0
QUICK_DEATHS_ALLOWED = 5
LONGEST_PAUSE_S = 8.0
SHORTEN_EVERY_S = 60.0
POLL_S = 0.05

# Asked to end, asked the way that makes a web server stop waiting for open pages, ended. Together under 10 s.
STEPS: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGTERM, 4.0),
    (signal.SIGINT, 2.0),
    (signal.SIGKILL, 3.0),
)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child: its name, which is also its log's, and its command."""

    name: str
    command: tuple[str, ...]
    after: Path | None = None  # what another child makes, and this one is not started without


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    resume_at: float = 0.0
    quick_deaths: int = 0


@dataclass(slots=True)
class Supervisor:
    """Runs the children of ``specs``; call `tend` often, from the main thread, and `end` at the end.

    Main thread, because the kernel ends a child when the *thread* that started it ends.
    """

    specs: Sequence[ChildSpec]
    environment: Mapping[str, str]  # the whole of it, with the mark
    logs: Path
    say: Callable[[str], None]
    first_pause_s: float = 1.0  # before a dead child is started again; doubles with each quick death
    _children: list[_Child] = field(init=False)
    _shortened_at: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._children = [_Child(spec) for spec in self.specs]

    def log(self, spec: ChildSpec) -> Path:
        """Where the child's output goes."""
        return self.logs / f"{spec.name}.log"

    def tend(self) -> None:
        """Start what should run and does not; ``OperatorError`` for a child that keeps dying."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._note_death(child, child.process.returncode)
            is_due = now >= child.resume_at and (child.spec.after is None or child.spec.after.exists())
            if child.process is None and is_due:
                self._start(child)
        if now - self._shortened_at > SHORTEN_EVERY_S:
            self._shortened_at = now
            for log in self.logs.glob("*.log"):
                shorten(log)

    def end(self, is_urgent: Callable[[], bool]) -> None:
        """End every child and its descendants, politely as long as it is not urgent."""
        end_marked({self.environment[MARK]}, is_urgent)
        for child in self._children:
            if child.process is not None:
                with suppress(subprocess.TimeoutExpired):
                    child.process.wait(timeout=1.0)

    def _start(self, child: _Child) -> None:
        with open_log(self.log(child.spec)) as log:
            child.process = subprocess.Popen(
                child.spec.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches the supervisor only
                preexec_fn=partial(_before_exec, os.getpid()),
            )
        child.started_at = time.monotonic()

    def _note_death(self, child: _Child, code: int) -> None:
        child.process = None
        lived_s = time.monotonic() - child.started_at
        child.quick_deaths = child.quick_deaths + 1 if lived_s < QUICK_DEATH_S else 1
        log = self.log(child.spec)
        if child.quick_deaths > QUICK_DEATHS_ALLOWED:
            raise OperatorError(
                f"{child.spec.name} must stay alive, but died {child.quick_deaths} times within "
                f"{QUICK_DEATH_S:.0f} s of a start, last with exit code {code}; {log} ends with\n{tail(log)}"
            )
        pause_s = min(self.first_pause_s * 2 ** (child.quick_deaths - 1), LONGEST_PAUSE_S)
        child.resume_at = time.monotonic() + pause_s
        self.say(f"{child.spec.name} ended with exit code {code}; starting it again in {pause_s:.0f} s ({log})")


def marked(marks: Collection[str]) -> list[psutil.Process]:
    """Every living process that bears one of the marks."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) in marks and process.pid != os.getpid():
                found.append(process)
    return found


def end_marked(marks: Collection[str], is_urgent: Callable[[], bool] = lambda: False) -> None:
    """End every process that bears one of the marks, politely as long as it is not urgent."""
    for number, patience_s in STEPS:
        asked: set[psutil.Process] = set()
        deadline = time.monotonic() + patience_s
        while alive := marked(marks):
            if time.monotonic() > deadline or (is_urgent() and number != signal.SIGKILL):
                break
            for process in set(alive) - asked:  # also one that was started meanwhile
                asked.add(process)
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(number)
            time.sleep(POLL_S)
        else:
            return


def _before_exec(supervisor: int) -> None:
    """In the child: end with the supervisor however it dies, and hear INT and TERM.

    A supervisor that a script started with ``&`` ignores INT; its children would inherit that, and Dagster
    copies it to TERM.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _libc is not None:
        # Asked with TERM, Dagster's servers may wait for ever for a run that is no longer of their concern.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != supervisor:  # it died before this was asked
            os._exit(1)
