"""The `signals` command as a person runs it: in an empty folder, over the test's database."""

import io
import json
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.storage.database import Database


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Signals = Callable[..., Said]


@pytest.fixture
def signals(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Signals]:
    """``signals("list", "--all")``: the command in an empty folder, over the test's database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNALS_DATABASE_URL", database.address.libpq)
    monkeypatch.setenv("SIGNALS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNALS_CONFIG", raising=False)
    handler = signal.getsignal(signal.SIGTERM)

    def run(*arguments: str, stdin: str = "") -> Said:
        monkeypatch.setattr(sys, "argv", ["signals", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Said(code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, handler)


def words(line: str) -> list[str]:
    return line.split()


def line_with(said: Said, text: str) -> str:
    """The line of the output that starts with ``text``."""
    return next(line for line in said.out.splitlines() if line.startswith(text))
