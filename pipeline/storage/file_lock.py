"""Locks between processes: ``flock`` on a file, which the kernel gives back however its holder dies.

A pid written to a file lies after a crash, because the number may belong to another process by then; a lock
cannot. Add here what every holder of such a lock needs. Locks between database sessions are advisory locks.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.01


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, made if missing; closing it (or dying) gives the lock back."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def try_lock(descriptor: int, *, is_shared: bool = False) -> bool:
    """Take the lock now, or say that another process has it.

    A shared lock that cannot be made exclusive is lost, so only a holder on its way out may try that.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int, timeout_s: float) -> bool:
    """Take the lock within ``timeout_s`` seconds; ``False`` if another process kept it that long."""
    deadline = time.monotonic() + timeout_s
    while not try_lock(descriptor):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def is_locked(path: Path) -> bool:
    """Whether another process holds the lock; a missing file is not locked and is not made."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor, is_shared=True)
    finally:
        os.close(descriptor)


@contextmanager
def exclusive(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock for a block; ``TimeoutError`` after ``timeout_s`` seconds of waiting."""
    descriptor = open_lock(path)
    try:
        if not wait_for_lock(descriptor, timeout_s):
            raise TimeoutError(f"another process has held {path} for {timeout_s:.0f} s")
        yield
    finally:
        os.close(descriptor)
