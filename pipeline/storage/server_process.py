"""The processes of the embedded PostgreSQL: how a data folder is made, a server begun, recognised and ended.

Everything here acts on one data folder and needs its start lock held by the caller. When a server is wanted,
attached to and given up is decided in `pipeline.storage.server`.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from pipeline.domain.errors import ServerError
from pipeline.storage.file_lock import open_lock, try_lock, wait_for_lock
from pipeline.storage.log_files import last_lines, open_log, tail
from pipeline.storage.server_account import Account, program

HOST = "127.0.0.1"
ROLE = "signals"
START_TIMEOUT_S = 120.0  # recovery after a crash replays up to max_wal_size
STOP_TIMEOUT_S = 60.0  # a fast stop writes every changed page
LOW_DISK_MB = 300

# Written to postgresql.conf when the data folder is made, so that an operator may change them there.
SETTINGS = {
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Holds the newest bars of every series, which each tick reads again, and what a sweep over signals changes.
    "shared_buffers": "512MB",
    "min_dynamic_shared_memory": "64MB",  # parallel queries work where /dev/shm is as small as in a container
    "maintenance_work_mem": "128MB",
    "work_mem": "16MB",
    "max_wal_size": "2GB",  # a backfill is one large write: fewer checkpoints in the midst of it
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",  # solid-state disks
    "jit": "off",  # compiling costs more than our queries take
    "log_checkpoints": "off",  # a year of them says nothing
    # The password is 192 random bits, which stretching cannot make safer, and Dagster connects anew for each query:
    # 4096, the default, takes 4 ms more each time. Below 1000 programs written in Go (lib/pq) refuse to connect.
    "scram_iterations": "1000",
}


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """Where the server keeps what, below one ``SIGNALS_HOME``."""

    home: Path

    @property
    def folder(self) -> Path:
        """Holds everything but the log."""
        return self.home / "postgres"

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server says, errors above all."""
        return self.home / "logs" / "postgres.log"

    @property
    def password(self) -> Path:
        """The password of the role ``signals``, for its owner's eyes only."""
        return self.folder / "password"

    @property
    def port(self) -> Path:
        """The port of the last start, so that a restarted server is found where it was."""
        return self.folder / "port"

    @property
    def start_lock(self) -> Path:
        """Held while somebody starts or stops the server."""
        return self.folder / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by everyone who uses the server."""
        return self.folder / "users.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server and by each of its processes, which inherit it: free means that all are gone."""
        return self.folder / "server.lock"

    @property
    def kept(self) -> Path:
        """Exists while the server is to stay when its last user leaves."""
        return self.folder / "kept"

    @property
    def stopped(self) -> Path:
        """Exists from when somebody has stopped the server, whoever used it, until it is started again."""
        return self.folder / "stopped"


@dataclass(frozen=True, slots=True)
class Postmaster:
    """The first process of a running server."""

    process: psutil.Process
    port: int
    is_ready: bool


_started: list["subprocess.Popen[bytes]"] = []  # the servers that this process began, and must reap


def initialise(files: ServerFiles, account: Account, password: str) -> None:
    """Make the data folder, whole or not at all: the next attempt removes what an interrupted one left."""
    for leftover in files.folder.glob("init-*"):
        _end_whoever_works_in(leftover)
        shutil.rmtree(leftover, ignore_errors=True)
    staging = Path(tempfile.mkdtemp(prefix="init-", dir=files.folder))
    try:
        secret = staging / "password"
        secret.touch(mode=0o600)
        secret.write_text(password + "\n", encoding="ascii")
        for path in (staging, secret):
            os.chown(path, account.owner, -1)
        data = staging / "data"
        settings = (f"--set={name}={value}" for name, value in SETTINGS.items())
        said = _run(
            account, program("initdb"), f"--pgdata={data}", f"--username={ROLE}", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8", "--data-checksums", *settings,
        )  # fmt: skip
        if said is not None:
            raise ServerError(f"no data folder could be made in {files.folder}; {advice(files)}\n{said}")
        data.rename(files.data)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _end_whoever_works_in(folder: Path) -> None:
    """End the `initdb` that outlived whoever started it, and its children: it would go on writing there."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in word for word in process.info["cmdline"] or ()):
            with suppress(psutil.Error):
                process.kill()
                process.wait(timeout=5.0)


def set_password(files: ServerFiles, account: Account, password: str) -> None:
    """Give the role a new password while no server runs; for a home whose password file was lost."""
    statement = f"ALTER ROLE {ROLE} PASSWORD '{password}'\n"
    said = _run(account, program("postgres"), "--single", "-D", files.data, "postgres", asked=statement.encode())
    if said is not None:
        raise ServerError(f"the database's password could not be set; {advice(files)}\n{said}")


def spawn(files: ServerFiles, account: Account, port: int) -> Postmaster | None:
    """Start the server and wait until it answers; ``None`` if ``port`` was taken meanwhile.

    It listens on the loopback address only: a Unix socket's path may have some 107 characters, a home's may
    have more, and every program reads a TCP address. Started directly: ``pg_ctl`` pastes paths into a shell.
    """
    lock = open_lock(files.server_lock)
    try:
        if not try_lock(lock):
            raise ServerError(f"{files.server_lock} must be free before a server starts, another process holds it")
        with open_log(files.log) as log:
            before = log.tell()
            command = (
                program("postgres"), "-D", files.data, "-p", str(port),
                "-c", f"listen_addresses={HOST}", "-c", "unix_socket_directories=",
            )  # fmt: skip
            server = account.popen(command, output=log, pass_fds=(lock,))
    finally:
        os.close(lock)
    _started.append(server)
    while server.poll() is None:
        found = settled(files)
        if found is not None and found.process.pid == server.pid:
            return found
        time.sleep(0.01)
    said = tail(files.log, since=before)
    if "could not bind" in said:
        return None
    raise ServerError(f"the database server did not start; {advice(files)}\n{said}")


def find_postmaster(files: ServerFiles) -> Postmaster | None:
    """The running server of this data folder, if the process named in the pid file really is that server."""
    _started[:] = [server for server in _started if server.poll() is None]
    try:
        lines = (files.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        process = psutil.Process(int(lines[0]))
        words = process.cmdline()
        if not words or Path(words[0]).name != "postgres":
            return None
        if str(files.data) not in words and not _works_in(files.data, process):
            return None
        return Postmaster(process, int(lines[3]), is_ready=len(lines) > 7 and lines[7].strip() == "ready")
    except (FileNotFoundError, ValueError, IndexError, psutil.Error):
        return None


def settled(files: ServerFiles) -> Postmaster | None:
    """The server once it answers; ``None`` if none runs, also when one was just ending."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while (found := find_postmaster(files)) is not None and not found.is_ready:
        if time.monotonic() > deadline:
            raise ServerError(
                f"the database server (pid {found.process.pid}) neither answers nor ends within "
                f"{START_TIMEOUT_S:.0f} s; try again later\n{tail(files.log)}"
            )
        time.sleep(0.01)
    return found


def end_leftovers(files: ServerFiles) -> None:
    """End what a killed server left behind, which would refuse the next one, and remove its pid file.

    A process counts as a leftover only if it is named postgres and its working folder is this data folder; a
    process that merely has the pid of the dead server is left alone.
    """
    lock = open_lock(files.server_lock)
    try:
        for stop, patience_s in ((None, 0.3), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            leftovers = [process for process in psutil.process_iter() if _works_in(files.data, process)]
            for process in leftovers:
                if stop is not None:
                    _send(process, stop)
            _, alive = psutil.wait_procs(leftovers, timeout=patience_s)
            if not alive and wait_for_lock(lock, patience_s):
                (files.data / "postmaster.pid").unlink(missing_ok=True)
                return
    finally:
        os.close(lock)
    raise ServerError(
        "every process of an earlier database server must have ended before the next one starts; "
        f"`fuser -v '{files.server_lock}'` shows which has not"
    )


def end_server(files: ServerFiles, server: Postmaster) -> None:
    """Stop the server: clients are cut off, open transactions undone, what was committed is written."""
    lock = open_lock(files.server_lock)
    try:
        for stop, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, 10.0)):
            _send(server.process, stop)
            if wait_for_lock(lock, patience_s):
                find_postmaster(files)  # reaps it if it was our child
                return
    finally:
        os.close(lock)
    raise ServerError(f"the database server (pid {server.process.pid}) does not stop\n{tail(files.log)}")


def advice(files: ServerFiles) -> str:
    """What a person can do about a server that does not start."""
    free_mb = shutil.disk_usage(files.home).free // 1_000_000
    if free_mb < LOW_DISK_MB:
        return f"only {free_mb} MB are free where {files.home} is: free some, or set SIGNALS_HOME elsewhere"
    return "the reason is below; SIGNALS_DATABASE_URL may name a server of your own instead"


def _run(account: Account, *command: str | Path, asked: bytes = b"") -> str | None:
    """Run a program to its end; ``None`` if it succeeded, else the end of what it said."""
    with account.popen(command, stdin=subprocess.PIPE) as process:
        said, _ = process.communicate(asked)
    return None if process.returncode == 0 else last_lines(said.decode(errors="replace"))


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):  # never another process that has its pid by now: psutil compares
        process.send_signal(number)


def _works_in(data: Path, process: psutil.Process) -> bool:
    try:
        return process.name().startswith("postgres") and Path(process.cwd()) == data
    except psutil.Error:
        return False
