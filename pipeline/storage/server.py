"""The embedded PostgreSQL server: started when first wanted, shared while in use, stopped by its last user.

One server per ``SIGNALS_HOME``, in ``postgres/`` below it. Whoever uses it holds a shared lock; on leaving,
the last one stops it, unless it was started to be kept. Locks rather than a list of pids: the kernel gives a
lock back however its holder dies. How processes begin and end is told in `pipeline.storage.server_process`.
"""

import errno
import os
import secrets
import socket
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import psycopg

from pipeline.domain.errors import ServerError
from pipeline.storage import server_process as processes
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.file_lock import exclusive, open_lock, try_lock
from pipeline.storage.log_files import tail
from pipeline.storage.server_access import create_missing
from pipeline.storage.server_account import MAJOR_VERSION, choose_account, own_data, program
from pipeline.storage.server_process import HOST, ROLE, Postmaster, ServerFiles

DATABASE = "signals"
DAGSTER_DATABASE = "dagster"
FIRST_PORT, PORTS = 15_432, 10_000  # below the range from which systems take ports for outgoing connections
PORT_ATTEMPTS = 5
ANOTHER_HOME = "set SIGNALS_HOME to a folder that you may write to, or SIGNALS_DATABASE_URL to a server of your own"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """What can be said about a home's server without touching it."""

    running: bool
    pid: int | None
    port: int | None
    address: DatabaseAddress | None
    version: str  # of the programs, e.g. 18.4
    size: int  # bytes of the data folder, write-ahead log included


@contextmanager
def embedded_server(home: Path) -> Iterator[DatabaseAddress]:
    """Use the home's server for a block: started if it does not run, stopped if no one else uses it then.

    Yields the address of the database ``signals``; ``dagster`` exists beside it. ``ServerError`` says what to
    do about a server that does not start.
    """
    files = ServerFiles(home.resolve())
    with _starting(files):
        users = open_lock(files.users_lock)
        try_lock(users, is_shared=True)
    try:
        with _starting(files):
            address = _running_server(files)
        yield address
    finally:
        with _starting(files):
            if try_lock(users) and not files.kept.exists():
                _stop(files)
            os.close(users)


def start_kept(home: Path) -> DatabaseAddress:
    """Start the home's server, or keep the one that runs, until `stop`."""
    files = ServerFiles(home.resolve())
    with _starting(files):
        address = _running_server(files)
        files.kept.touch()
    return address


def ensure_running(home: Path, address: DatabaseAddress, *, unless_stopped: bool = False) -> bool:
    """Start the server again if it died, and say whether it had to; it must come back at ``address``.

    ``unless_stopped`` leaves one alone that `stop` has ended. Cheap while it runs, so that a supervisor may ask every
    second.
    """
    files = ServerFiles(home.resolve())
    server = processes.find_postmaster(files)
    if server is not None and server.is_ready:
        return False
    with _starting(files):
        if unless_stopped and files.stopped.exists():
            return False
        if _running_server(files) != address:
            raise ServerError(f"the database server must come back at {address}, its port was taken; start again")
    return True


def stop(home: Path) -> bool:
    """Stop the home's server whoever uses or keeps it; ``False`` if none ran."""
    files = ServerFiles(home.resolve())
    if not files.folder.exists():
        return False
    with _starting(files):
        files.kept.unlink(missing_ok=True)
        files.stopped.touch()
        return _stop(files)


def status(home: Path) -> ServerStatus:
    """What runs and how large it is; starts, makes and locks nothing."""
    files = ServerFiles(home.resolve())
    asked = subprocess.run([program("postgres"), "-V"], capture_output=True, text=True, check=True)
    with _explained(files):
        server = processes.find_postmaster(files)
        return ServerStatus(
            running=server is not None,
            pid=server.process.pid if server else None,
            port=server.port if server else None,
            address=_address(files, server) if server else None,
            version=asked.stdout.split()[-1],
            size=sum(_size(Path(folder, name)) for folder, _, names in os.walk(files.data) for name in names),
        )


@contextmanager
def _starting(files: ServerFiles) -> Iterator[None]:
    with _explained(files):
        files.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with exclusive(files.start_lock, processes.START_TIMEOUT_S + processes.STOP_TIMEOUT_S):
            yield


@contextmanager
def _explained(files: ServerFiles) -> Iterator[None]:
    """Say what to do about a home that cannot be used."""
    try:
        yield
    except TimeoutError as error:
        raise ServerError(f"only one process at a time may start or stop the database server: {error}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ServerError(f"{files.home} must have 300 MB free, its disk is full; {ANOTHER_HOME}") from error
        raise ServerError(f"{files.home} must be a folder of yours, {error}; {ANOTHER_HOME}") from error


def _running_server(files: ServerFiles) -> DatabaseAddress:
    address = _address(files, processes.settled(files) or _start(files))
    files.stopped.unlink(missing_ok=True)
    try:
        create_missing(address, (DATABASE, DAGSTER_DATABASE))
    except psycopg.Error as error:
        raise ServerError(
            f"the database server runs at {address}, but is of no use; {processes.advice(files)}\n"
            f"  {error}\n{tail(files.log)}"
        ) from error
    return address


def _start(files: ServerFiles) -> Postmaster:
    version = files.data / "PG_VERSION"
    account = choose_account(files.folder)
    if not version.exists():
        if files.data.exists() and any(files.data.iterdir()):
            raise ServerError(f"{files.data} must be PostgreSQL's data folder or not exist; move it away")
        password = secrets.token_urlsafe(24)
        processes.initialise(files, account, password)
        _keep_password(files, password)
    elif (found := version.read_text(encoding="ascii").strip()) != MAJOR_VERSION:
        raise ServerError(
            f"{files.data} must be of PostgreSQL {MAJOR_VERSION}, was of PostgreSQL {found}; dump it with "
            "the version of this software that made it, or set SIGNALS_HOME to another folder"
        )
    own_data(files.data, account)
    processes.end_leftovers(files)
    if not files.password.exists():
        password = secrets.token_urlsafe(24)
        processes.set_password(files, account, password)
        _keep_password(files, password)
    for port in islice(_ports(files), PORT_ATTEMPTS):
        if (server := processes.spawn(files, account, port)) is not None:
            files.port.write_text(f"{port}\n", encoding="ascii")
            return server
    raise ServerError(f"no port was free on {HOST} for the database server; {ANOTHER_HOME}")


def _stop(files: ServerFiles) -> bool:
    server = processes.find_postmaster(files)
    if server is None:
        return False
    processes.end_server(files, server)
    return True


def _ports(files: ServerFiles) -> Iterator[int]:
    """Ports that are free now; first the one of the last start, at the very first one that the path gives."""
    try:
        last = int(files.port.read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError):
        last = FIRST_PORT + zlib.crc32(os.fsencode(files.home)) % PORTS
    for step in range(PORTS):
        port = FIRST_PORT + (last - FIRST_PORT + step) % PORTS
        with socket.socket() as trial:
            # As PostgreSQL does: a port whose connections are only just closing is free.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, port))
            except OSError:
                continue
        yield port


def _address(files: ServerFiles, server: Postmaster) -> DatabaseAddress:
    try:
        password = files.password.read_text(encoding="ascii").strip()
    except FileNotFoundError as error:
        raise ServerError(
            f"{files.password} is missing; `signals down` and the next start set a new password"
        ) from error
    return DatabaseAddress(host=f"{HOST}:{server.port}", database=DATABASE, user=ROLE, password=password)


def _keep_password(files: ServerFiles, password: str) -> None:
    files.password.unlink(missing_ok=True)
    files.password.touch(mode=0o600)
    files.password.write_text(password + "\n", encoding="ascii")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
