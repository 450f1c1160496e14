"""Children stay alive, end with their supervisor, and nobody else's process is ever touched."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.cli.supervision import MARK, QUICK_DEATHS_ALLOWED, STEPS, ChildSpec, Supervisor, end_marked, marked
from pipeline.domain.errors import OperatorError
from tests.support.processes import kill, python, until

DIES = (sys.executable, "-c", "print('no such database'); raise SystemExit(3)")
SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
DEAF = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]; "
SUPERVISE = """
    import os, signal, sys, time
    from pathlib import Path
    from pipeline.cli.supervision import MARK, ChildSpec, Supervisor
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    child = "import signal, time; print(signal.getsignal(signal.SIGINT), flush=True); time.sleep(60)"
    supervisor = Supervisor(
        specs=(ChildSpec("child", (sys.executable, "-c", child)),),
        environment={**os.environ, MARK: sys.argv[1]}, logs=Path(sys.argv[2]), say=print,
    )
    supervisor.tend()
    print("started", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def mark(request: pytest.FixtureRequest) -> Iterator[str]:
    """A mark of the test's own, whose bearers are ended afterwards."""
    mine = f"{request.node.name}-{os.getpid()}"
    yield mine
    end_marked({mine}, is_urgent=lambda: True)


@pytest.fixture
def said() -> list[str]:
    """What the supervisor had to say."""
    return []


@pytest.fixture
def supervise(mark: str, tmp_path: Path, said: list[str]) -> Callable[..., Supervisor]:
    def make(*commands: tuple[str, ...], is_vital: bool = True) -> Supervisor:
        specs = tuple(
            ChildSpec(f"child{number}", command, is_vital=is_vital) for number, command in enumerate(commands)
        )
        environment = {**os.environ, MARK: mark}
        return Supervisor(specs, environment, logs=tmp_path, say=said.append, first_pause_s=0.01)

    return make


def test_a_child_that_dies_is_started_again_and_that_is_said(supervise, said, mark):
    supervisor = supervise(SLEEPER)
    supervisor.tend()
    first = marked({mark})[0]
    kill(first.pid)

    until(lambda: (supervisor.tend(), [p for p in marked({mark}) if p != first])[1])
    supervisor.end(is_urgent=lambda: True)

    assert len(said) == 1
    assert said[0].startswith("child0 ended with exit code -9; starting it again")


def test_a_child_that_needs_what_another_makes_starts_after_it(mark, tmp_path):
    made = tmp_path / "made"
    make = (sys.executable, "-c", f"import time; time.sleep(0.3); open({str(made)!r}, 'w'); time.sleep(60)")
    look = (sys.executable, "-uc", f"import os, time; print(os.path.exists({str(made)!r})); time.sleep(60)")
    specs = (ChildSpec("looks", look, after=made), ChildSpec("makes", make))
    supervisor = Supervisor(specs, {**os.environ, MARK: mark}, logs=tmp_path, say=print)

    until(lambda: (supervisor.tend(), len(marked({mark})) == 2)[1])
    until(lambda: (tmp_path / "looks.log").read_text())
    supervisor.end(is_urgent=lambda: True)

    assert (tmp_path / "looks.log").read_text() == "True\n"


def test_a_child_that_keeps_dying_is_given_up_with_the_end_of_its_log(supervise):
    supervisor = supervise(DIES)

    with pytest.raises(OperatorError, match=r"(?s)child0 must stay alive.*exit code 3.*no such database"):
        until(supervisor.tend)


def test_a_child_that_is_not_vital_is_told_once_and_started_for_ever_ever_more_rarely(supervise, said, tmp_path):
    supervisor = supervise(DIES, is_vital=False)
    supervisor.first_pause_s = 0.02

    began, starts = time.monotonic(), QUICK_DEATHS_ALLOWED + 3
    until(lambda: (supervisor.tend(), (tmp_path / "child0.log").read_text().count("no such database") >= starts)[1])
    supervisor.end(is_urgent=lambda: True)

    assert time.monotonic() - began > 0.02 * (2 ** (starts - 1) - 1)
    assert len(said) == 1
    assert said[0].startswith("child0 ended with exit code 3; the rest goes on, and it is started again, once in 60 s")
    assert said[0].endswith("ends with\n  no such database")


def test_the_pauses_of_a_child_that_is_not_vital_have_an_end(supervise, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.cli.supervision.LONGEST_SIDE_PAUSE_S", 0.01)
    supervisor = supervise(DIES, is_vital=False)
    supervisor.first_pause_s = 1000.0

    until(lambda: (supervisor.tend(), (tmp_path / "child0.log").read_text().count("no such database") >= 3)[1])
    supervisor.end(is_urgent=lambda: True)


def test_a_child_that_is_not_vital_is_told_to_live_again_and_then_to_die_again(supervise, said, mark, monkeypatch):
    monkeypatch.setattr("pipeline.cli.supervision.QUICK_DEATH_S", 0.3)
    supervisor = supervise(SLEEPER, is_vital=False)
    for _ in range(2):
        until(lambda: (supervisor.tend(), marked({mark}))[1])
        kill(marked({mark})[0].pid)
        said.append("killed")
        until(lambda: (supervisor.tend(), said[-1] == "child0 runs again")[1])

    told = [text.partition(";")[0] for text in said]
    assert told == ["killed", "child0 ended with exit code -9", "child0 runs again"] * 2
    supervisor.end(is_urgent=lambda: True)


def test_a_child_that_cannot_even_be_started_ends_nothing_unless_it_is_vital(supervise, said):
    beside = supervise(("/nowhere/api",), is_vital=False)
    for _ in range(50):  # half a dozen starts
        beside.tend()
        time.sleep(0.01)

    assert len(said) == 1
    assert said[0].startswith("child0 could not be started: [Errno 2] No such file or directory: '/nowhere/api'; the")
    with pytest.raises(FileNotFoundError):
        supervise(("/nowhere/code",)).tend()


def test_a_child_and_its_own_children_end_however_deaf_they_are(supervise, mark, monkeypatch):
    monkeypatch.setattr("pipeline.cli.supervision.STEPS", [(number, 0.5) for number, _ in STEPS])
    grandchild = DEAF + "time.sleep(60)"
    supervisor = supervise(
        (
            sys.executable,
            "-c",
            f"import subprocess, sys\n{DEAF}\nsubprocess.run([sys.executable, '-c', {grandchild!r}])",
        )
    )
    supervisor.tend()
    until(lambda: len(marked({mark})) == 2)
    time.sleep(0.3)  # both have become deaf

    supervisor.end(is_urgent=lambda: False)

    assert marked({mark}) == []


def test_no_end_takes_ten_seconds():
    assert sum(patience_s for _, patience_s in STEPS) < 10


def test_who_cannot_wait_ends_them_at_once(supervise, mark):
    supervisor = supervise((sys.executable, "-c", DEAF + "time.sleep(60)"))
    supervisor.tend()
    until(lambda: marked({mark}))
    time.sleep(0.3)

    began = time.monotonic()
    supervisor.end(is_urgent=lambda: True)

    assert marked({mark}) == []
    assert time.monotonic() - began < STEPS[0][1]  # the first question alone would take so long


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with a killed parent")
def test_children_end_when_the_supervisor_is_killed(mark, tmp_path):
    with python(SUPERVISE, mark, tmp_path) as supervisor:
        assert supervisor.stdout.readline() == "started\n"
        assert len(marked({mark})) == 1
        kill(supervisor.pid)

    assert until(lambda: not marked({mark})) < 5


def test_children_hear_int_also_when_the_supervisor_was_told_to_ignore_it(mark, tmp_path):
    with python(SUPERVISE, mark, tmp_path) as supervisor:
        assert supervisor.stdout.readline() == "started\n"
        until(lambda: (tmp_path / "child.log").read_text())
        kill(supervisor.pid)

    assert "default_int_handler" in (tmp_path / "child.log").read_text()


def test_only_bearers_of_the_mark_are_ended(mark):
    marks = {"ours": mark, "another service's": "another", "nobody's": ""}
    sleepers = {whose: subprocess.Popen(SLEEPER, env={**os.environ, MARK: value}) for whose, value in marks.items()}
    until(lambda: marked({mark}))

    end_marked({mark})

    assert sleepers.pop("ours").wait(timeout=5) == -signal.SIGTERM
    assert all(process.poll() is None for process in sleepers.values())
    for process in sleepers.values():
        process.kill()
        process.wait()


def test_a_long_log_is_cut_under_the_child_that_writes_it(supervise, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.storage.log_files.LIMIT_BYTES", 1_000)
    monkeypatch.setattr("pipeline.cli.supervision.SHORTEN_EVERY_S", 0.0)
    supervisor = supervise((sys.executable, "-uc", "import time\nwhile True: print('x' * 99); time.sleep(0.002)"))
    log = tmp_path / "child0.log"

    until(lambda: (supervisor.tend(), (tmp_path / "child0.log.1").exists())[1])
    shortened = log.stat().st_size
    until(lambda: log.stat().st_size > shortened)
    supervisor.end(is_urgent=lambda: True)

    assert b"\0" not in log.read_bytes()
