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
MOST_DOUBLINGS = 16  # of a pause: a power of all the deaths of a month would be no number
LONGEST_PAUSE_S = 8.0
LONGEST_SIDE_PAUSE_S = 60.0  # of a child that is not vital: nobody ends it, so that it may fail for days
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
    is_vital: bool = True  # the others are of no use without it: if it keeps dying, all of them end


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
        """Start what should run and does not; ``OperatorError`` for a vital child that keeps dying."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None:
                if child.process.poll() is not None:
                    self._note_death(child, f"ended with exit code {child.process.returncode}")
                elif child.quick_deaths and now - child.started_at > QUICK_DEATH_S:
                    self._note_life(child)
            is_due = now >= child.resume_at and (child.spec.after is None or child.spec.after.exists())
            if child.process is None and is_due:
                try:
                    self._start(child)
                except OSError as error:  # no memory for a process, no room for its log
                    if child.spec.is_vital:
                        raise
                    self._note_death(child, f"could not be started: {error}")
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
        child.started_at = time.monotonic()
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

    def _note_death(self, child: _Child, how: str) -> None:
        child.process = None
        lived_s = time.monotonic() - child.started_at
        child.quick_deaths = child.quick_deaths + 1 if lived_s < QUICK_DEATH_S else 1
        log, is_vital = self.log(child.spec), child.spec.is_vital
        if child.quick_deaths > QUICK_DEATHS_ALLOWED and is_vital:
            raise OperatorError(
                f"{child.spec.name} must stay alive, but died {child.quick_deaths} times within "
                f"{QUICK_DEATH_S:.0f} s of a start, the last time it {how}; {log} ends with\n{tail(log)}"
            )
        doubled = self.first_pause_s * 2 ** min(child.quick_deaths - 1, MOST_DOUBLINGS)
        pause_s = min(doubled, LONGEST_PAUSE_S if is_vital else LONGEST_SIDE_PAUSE_S)
        child.resume_at = time.monotonic() + pause_s
        if is_vital:
            self.say(f"{child.spec.name} {how}; starting it again in {pause_s:.0f} s ({log})")
        elif child.quick_deaths == 1:
            self.say(
                f"{child.spec.name} {how}; the rest goes on, and it is started again, once in "
                f"{LONGEST_SIDE_PAUSE_S:.0f} s if it keeps ending; {log} ends with\n{tail(log)}"
            )

    def _note_life(self, child: _Child) -> None:
        """Forget what a child died of before; say so, where nothing was said of the later deaths."""
        if not child.spec.is_vital:
            self.say(f"{child.spec.name} runs again")
        child.quick_deaths = 0


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
