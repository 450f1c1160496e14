"""What `signals up` serves: Dagster's web server and daemon and the REST API over one database, until they are stopped.

One service per ``SIGNALS_HOME``. It holds a lock as long as it lives and notes beside it who it is, so that a
second `signals up` can say what runs and `signals down` can end it. Add a child in `_children`; whether they do
their work is asked in `pipeline.cli.readiness`; commands and their output are elsewhere.
"""

import errno
import json
import os
import signal
import socket
import sysconfig
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import Self

import psutil

from pipeline.cli.dagster_home import CHECKOUT, dagster_environment, prepare_dagster
from pipeline.cli.readiness import Watch, Work
from pipeline.cli.supervision import MARK, ChildSpec, Supervisor, end_marked
from pipeline.domain.errors import ConfigurationError, OperatorError
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.file_lock import is_locked, open_lock, wait_for_lock
from pipeline.storage.home import unusable
from pipeline.storage.log_files import tail

CODE = "pipeline.definitions"  # as in workspace.yaml, which Dagster's own commands read
API_HOST = "127.0.0.1"  # as long as it asks for no key, it serves this machine only
PORTS_TRIED = 100
READY_TIMEOUT_S = 120.0
NOTE_TIMEOUT_S = 5.0
ROUND_S = 0.2
CLOCK_STEP_S = 60.0  # the kernel's birth times move with the wall clock when that is set
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningService:
    """A service that runs: its supervisor's pid, where its UI and its API answer, since when."""

    pid: int
    url: str  # empty while it is starting
    api_url: str
    since: datetime


class AlreadyRunningError(OperatorError):
    """The home's service runs already; one is all that a home can have."""

    def __init__(self, service: RunningService) -> None:
        place = f"at {service.url}" if service.url else "(still starting)"
        super().__init__(
            f"`signals up` runs already {place}, pid {service.pid}, since {service.since:%Y-%m-%d %H:%M} UTC"
            "; `signals down` stops it"
        )
        self.pid, self.url, self.since = service.pid, service.url, service.since


def running(home: Path) -> RunningService | None:
    """The service of this home, if one runs."""
    lock = _lock_file(home)
    deadline = time.monotonic() + NOTE_TIMEOUT_S
    while _is_held(lock):
        note = _Note.read(home)
        if note is not None and note.is_alive():
            return note.service()
        if time.monotonic() > deadline:  # it writes its note as soon as it has the lock
            raise OperatorError(f"{lock} must be held by `signals up` only; `fuser -v '{lock}'` shows who has it")
        time.sleep(ROUND_S)
    return None


def stop_service(home: Path, timeout_s: float = 15.0) -> bool:
    """End the home's service and everything that it started; ``False`` if none ran."""
    service = running(home)
    if service is None:
        return False
    deadline = time.monotonic() + timeout_s
    with suppress(ProcessLookupError):
        os.kill(service.pid, signal.SIGTERM)
        while _is_held(_lock_file(home)):
            if time.monotonic() > deadline:
                os.kill(service.pid, signal.SIGKILL)
            time.sleep(ROUND_S)
    note = _Note.read(home)
    if note is not None:
        end_marked(note.marks)
    return True


def serve(
    home: Path,
    address: DatabaseAddress,
    *,
    on_ready: Callable[[RunningService, Work], None],
    say: Callable[[str], None],
    host: str = "127.0.0.1",
    port: int = 3000,
    api_port: int = 3001,
    code: str = CODE,
    keep_database: Callable[[], bool] | None = None,
) -> int:
    """Serve until INT or TERM, then end every process within 10 s; returns the exit code.

    ``on_ready`` is called once, when the code (a module with definitions) is loaded and the scheduler lives. Code
    that does not load is told through ``say`` and served all the same, so that it can be mended and reloaded;
    ``say`` gets a sentence for whatever else a person should know. ``keep_database`` is called every round, brings
    an embedded server back, and says whether it had to. A second INT or TERM waits for nothing. Raises
    ``AlreadyRunningError``, and ``OperatorError`` for a child that does not stay alive or a service that never works.
    The API is beside the point there: one that does not stay alive is told, and tried again for ever.
    """
    home = home.resolve()
    with (
        _stop_requests() as requests,
        _only_service(home) as note,
        tempfile.TemporaryDirectory(prefix="signals-") as sockets,
    ):
        end_marked(note.marks - {note.mark})  # what a supervisor that was killed left behind
        variables = dagster_environment(home, address)
        prepare_dagster(variables)
        free = _free_port("UI", host, port, say)
        free_for_api = _free_port("API", API_HOST, api_port, say, but=free)
        url, api_url = _url(host, free), _url(API_HOST, free_for_api)
        note = replace(note, url=url, api_url=api_url, marks=frozenset({note.mark}))
        note.write(home)
        served = _children(host, free, code, Path(variables["DAGSTER_HOME"]), Path(sockets))
        supervisor = Supervisor(
            specs=(*served, _api(free_for_api)),
            environment={**os.environ, **variables, MARK: note.mark, "PYTHONUNBUFFERED": "1"},
            logs=home / "logs",
            say=say,
        )
        service = note.service()
        watch, ended = Watch(service.url, service.since, on_ready=partial(on_ready, service), say=say), Event()
        Thread(target=watch.run, args=(ended,), daemon=True).start()
        deadline = time.monotonic() + READY_TIMEOUT_S
        try:
            while not requests:
                supervisor.tend()
                if keep_database is not None and keep_database():
                    say("the database server had ended; it runs again")
                if not watch.is_ready and not watch.error and time.monotonic() > deadline:
                    raise OperatorError(_why_not_ready(service, supervisor))
                time.sleep(ROUND_S)
            say("stopping; Ctrl-C again waits for nothing")
        finally:
            ended.set()
            supervisor.end(is_urgent=lambda: len(requests) > 1)
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Note:
    """Who holds the lock, and the marks of its processes and of those that a killed one before it left."""

    pid: int
    born_at: float  # of the process, as the kernel counts: tells it from a later one with the same pid
    since: str
    url: str
    mark: str
    marks: frozenset[str]
    api_url: str = ""  # which the note of an earlier version lacks

    @classmethod
    def read(cls, home: Path) -> Self | None:
        try:
            fields = json.loads(_note_file(home).read_text(encoding="utf-8"))
            return cls(**{**fields, "marks": frozenset(fields["marks"])})
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def write(self, home: Path) -> None:
        fresh = _note_file(home).with_suffix(".new")
        fresh.write_text(json.dumps({**asdict(self), "marks": sorted(self.marks)}), encoding="utf-8")
        fresh.replace(_note_file(home))

    def service(self) -> RunningService:
        """What others are told of it."""
        since = datetime.fromisoformat(self.since)
        return RunningService(pid=self.pid, url=self.url, api_url=self.api_url, since=since)

    def is_alive(self) -> bool:
        try:
            born_at: float = psutil.Process(self.pid).create_time()
        except psutil.Error:
            return False
        return abs(born_at - self.born_at) < CLOCK_STEP_S


@contextmanager
def _only_service(home: Path) -> Iterator[_Note]:
    """Be the home's one service, or say which is."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = open_lock(_lock_file(home))
    except OSError as error:
        raise unusable(home, error) from error
    try:
        if not wait_for_lock(lock, 1.0) and (service := running(home)) is not None:
            raise AlreadyRunningError(service)
        earlier = _Note.read(home)
        mark = uuid.uuid4().hex
        note = _Note(
            pid=os.getpid(),
            born_at=psutil.Process().create_time(),
            since=datetime.now(UTC).isoformat(),
            url="",
            mark=mark,
            marks=frozenset({mark}) | (earlier.marks if earlier else frozenset()),
        )
        note.write(home)
        yield note
    finally:
        os.close(lock)


@contextmanager
def _stop_requests() -> Iterator[list[int]]:
    """The signals that asked us to stop so far; a hang-up that ``nohup`` ignores stays ignored."""
    requests: list[int] = []

    def note_request(number: int, _: FrameType | None) -> None:
        requests.append(number)

    wanted = [
        number for number in STOP_SIGNALS if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    ]
    before = {number: signal.signal(number, note_request) for number in wanted}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _children(host: str, port: int, code: str, folder: Path, sockets: Path) -> tuple[ChildSpec, ...]:
    """What runs the schedules and shows them. The code has a process of its own, which the other two ask.

    Each of them would load it for itself otherwise, the daemon anew every minute: code that somebody breaks would
    stop the schedules while the UI shows it loaded. The daemon starts after the code: a schedule that its first look
    misses counts from the next look on, and loses the tick between. The socket's path must be short, a home's may be
    long.
    """
    programs = Path(sysconfig.get_path("scripts"))
    socket_path, workspace = sockets / "code", folder / "workspace.yaml"
    server = {"socket": str(socket_path), "location_name": code}
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}), encoding="utf-8")  # JSON is YAML
    target = ("-w", str(workspace))
    loaded = ("-m", code, "--location-name", code, "-d", str(CHECKOUT))
    return (
        ChildSpec("code", (f"{programs}/dagster", "code-server", "start", "-s", str(socket_path), *loaded)),
        ChildSpec("webserver", (f"{programs}/dagster-webserver", "-h", host, "-p", str(port), *target)),
        ChildSpec("daemon", (f"{programs}/dagster-daemon", "run", *target), after=socket_path),
    )


def _api(port: int) -> ChildSpec:
    """The REST API, which asks nothing of Dagster; nothing of Dagster's depends on it."""
    command = f"{sysconfig.get_path('scripts')}/signals"
    return ChildSpec("api", (command, "api", "--host", API_HOST, "--port", str(port)), is_vital=False)


def _url(host: str, port: int) -> str:
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _why_not_ready(service: RunningService, supervisor: Supervisor) -> str:
    vital = [supervisor.log(spec) for spec in supervisor.specs if spec.is_vital]
    logs = "\n".join(f"{log}\n{tail(log)}" for log in vital)
    return f"{service.url} must answer and the scheduler live within {READY_TIMEOUT_S:.0f} s; the logs end with\n{logs}"


def _free_port(what: str, host: str, wanted: int, say: Callable[[str], None], but: int | None = None) -> int:
    """``wanted``, or the next port that nobody listens on, which is then said; never ``but``."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)):
        if port == but:
            continue
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    continue
                raise ConfigurationError(
                    f"host and port must be ones to serve on, were {host} and {port}: {error}"
                ) from error
        if port != wanted:
            say(f"port {wanted} is taken; the {what} will answer on port {port}")
        return port
    raise ConfigurationError(f"one of the {PORTS_TRIED} ports from {wanted} on must be free; choose another")


def _is_held(lock: Path) -> bool:
    try:
        return is_locked(lock)
    except PermissionError as error:
        raise OperatorError(f"{lock} must be yours to read; run as the user who ran `signals up`") from error


def _lock_file(home: Path) -> Path:
    return home / "service.lock"


def _note_file(home: Path) -> Path:
    return home / "service.json"
