"""Finding the files that a person means by a path: itself, or what is below it."""

import os
from collections.abc import Iterable
from pathlib import Path

from pipeline.domain.errors import UnreadableFileError


def find_files(paths: Iterable[Path], suffixes: tuple[str, ...]) -> list[Path]:
    """The files among ``paths``: files as they are, folders with all that is below them and has one of the suffixes.

    Each file once, in the order of ``paths``, by name within a folder. In folders, hidden files are left out.

    Raises
    ------
    UnreadableFileError
        A path does not exist, or a folder has no such file below it.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        if path.is_dir():
            files = _files_below(path, suffixes)
            if not files:
                raise UnreadableFileError(f"{path}: must hold files named {' '.join(suffixes)}, held none")
        elif os.path.lexists(path):
            files = [path]
        else:
            raise UnreadableFileError(f"{path}: must exist, there is no such file or folder")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def find_some(paths: Iterable[Path], suffixes: tuple[str, ...]) -> tuple[list[Path], dict[Path, str]]:
    """`find_files` of those paths that have any, and of the others why they have none."""
    good, failures = [], {}
    for path in paths:
        try:
            find_files([path], suffixes)
        except UnreadableFileError as error:
            failures[path] = str(error)
        else:
            good.append(path)
    return find_files(good, suffixes), failures


def _files_below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(
        Path(parent, name)
        for parent, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(suffixes) and not name.startswith(".")
    )
