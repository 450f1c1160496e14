"""Files that commands write: which names are taken, and what is said where one cannot be written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pipeline.domain.errors import ConfigurationError


class OutputType(click.ParamType[Any]):
    """A file to write: its ending says what is drawn, its folder exists."""

    name = "file"

    def __init__(self, endings: Sequence[str]) -> None:
        self.endings = tuple(endings)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        path = Path(value)
        if path.suffix.lower() not in self.endings:
            self.fail(f"must end in {' or '.join(self.endings)}, was {value!r}", param, ctx)
        if path.is_dir():
            self.fail(f"must be a file, {value} is a folder", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"must be in a folder that exists, was {value}", param, ctx)
        return path


def write_file(path: Path, content: bytes) -> None:
    """Write a file, over one that exists.

    Raises
    ------
    ConfigurationError
        It cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ConfigurationError(f"{path} must be a file that can be written: {error.strerror}") from error
