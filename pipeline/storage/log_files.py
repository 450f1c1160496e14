"""Log files of processes that write on for months: opened for appending, cut while they are written."""

import shutil
from pathlib import Path
from typing import BinaryIO

LIMIT_BYTES = 10_000_000
TAIL_LINES = 12


def open_log(path: Path) -> BinaryIO:
    """The file that a process may inherit as its output; its folder is made if missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shorten(path)
    return path.open("ab")


def shorten(path: Path) -> None:
    """Move what a long log holds to ``.1`` and empty it; its writers append, so they go on at its start.

    A rename would leave them writing to the renamed file until they are started again.
    """
    if path.exists() and path.stat().st_size > LIMIT_BYTES:
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        with path.open("r+b") as log:
            log.truncate()


def last_lines(text: str) -> str:
    """The end of what a program said, indented."""
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-TAIL_LINES:]) or "  (it said nothing)"


def tail(path: Path, since: int = 0) -> str:
    """The end of the log, of what was written after byte ``since``."""
    if not path.exists():
        return last_lines("")
    with path.open("rb") as log:
        log.seek(since)
        return last_lines(log.read().decode(errors="replace"))
