"""How the commands show things: tables, numbers, instants, progress.

On a terminal tables are drawn for its width; elsewhere they are plain aligned text of any width, so that `grep`
and `awk` can read them. Results go to stdout, progress and remarks to stderr. What is shown is decided by the
commands.
"""

import math
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipeline.json_values import json_text

NOTHING = "-"  # an absent value; a blank cell would shift the columns for `awk`
WRAPPED_WIDTH = 24  # a column that wraps keeps at least so many characters
SPACING = 2
LINE_EVERY_S = 10.0  # progress where nobody watches it


class ProgressReport(Protocol):
    """Tells how far a step has come, and what it is called now if that has changed."""

    def __call__(self, done: int, wanted: int, label: str | None = None) -> None:
        """``done`` of ``wanted`` parts are finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table."""

    title: str
    is_number: bool = False  # set to the right
    wraps: bool = False  # may take several lines on a terminal that is too narrow
    is_optional: bool = False  # left out on a terminal that is too narrow, the last one first


def show_table(columns: Sequence[Column], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; a terminal too narrow for it even without its optional columns gets one record per row."""
    cells = [[as_text(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        _print_plain(columns, cells)
        return
    width = shutil.get_terminal_size().columns
    places = _fitting(columns, cells, width)
    if places is None:
        _print_records(columns, cells)
        return
    table = Table(box=None, pad_edge=False, padding=(0, SPACING, 0, 0), header_style="bold")
    for place in places:
        column = columns[place]
        table.add_column(
            Text(column.title),
            justify="right" if column.is_number else "left",
            no_wrap=not column.wraps,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*(Text(row[place]) for place in places))
    Console(width=width, highlight=False).print(table)


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[str]], width: int) -> list[int] | None:
    """Places of the columns that a terminal has room for; None if not even those that must be shown."""
    needed = [
        min(natural, WRAPPED_WIDTH) if column.wraps else natural
        for column, natural in zip(columns, _widths(columns, cells), strict=True)
    ]
    places = list(range(len(columns)))
    while sum(needed[place] for place in places) + SPACING * (len(places) - 1) > width:
        optional = [place for place in places if columns[place].is_optional]
        if not optional:
            return None
        places.remove(optional[-1])
    return places


def _widths(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> list[int]:
    return [max([len(c.title), *(len(row[i]) for row in cells)]) for i, c in enumerate(columns)]


def _print_plain(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    widths = _widths(columns, cells)
    for row in ([c.title for c in columns], *cells):
        aligned = (
            cell.rjust(width) if column.is_number else cell.ljust(width)
            for column, cell, width in zip(columns, row, widths, strict=True)
        )
        click.echo((" " * SPACING).join(aligned).rstrip())


def _print_records(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    width = max((len(c.title) for c in columns), default=0)
    for number, row in enumerate(cells):
        if number:
            click.echo()
        for column, cell in zip(columns, row, strict=True):
            click.echo(f"{column.title.ljust(width)}{' ' * SPACING}{cell}")


def as_text(value: object) -> str:
    """A value as a person reads it, on one line: numbers short, instants in UTC to the minute where that is exact."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return price(value)
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, dict | list):
        return json_text(value, indent=None)
    return " ".join(str(value).split())


def price(value: float) -> str:
    """Six digits that matter: ``67,123.45``, ``0.612345``, ``0.0000123456``."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    decimals = 2 if size >= 1000 or size == 0 else max(5 - math.floor(math.log10(size)), 2)
    return f"{value:,.{decimals}f}"


def seconds(value: float) -> str:
    """A duration in seconds without its unit: ``0.04``, ``1.3``, ``1,234.5``; not the six digits of a price."""
    return f"{value:,.1f}" if value >= 1 else f"{value:.2f}"


def share(value: float | None) -> str:
    """A fraction with two decimals, as strength and confidence are told."""
    return NOTHING if value is None else f"{value:.2f}"


def instant(value: datetime) -> str:
    """UTC without its offset, to the minute; seconds only where there are any."""
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return f"{value:%Y-%m-%d %H:%M}" if not (value.second or value.microsecond) else f"{value:%Y-%m-%d %H:%M:%S}"


def remark(text: str) -> None:
    """Say something that is not the result: to stderr, so that pipes stay clean."""
    click.echo(text, err=True)


@contextmanager
def progress(label: str) -> Iterator[ProgressReport]:
    """Show how far a step has come; the caller is given ``report(done, wanted, label)``.

    A bar on a terminal, which goes away at the end; elsewhere a line every 10 s. Both with an estimate of the rest.
    """
    if not sys.stderr.isatty():
        yield _lines(label)
        return
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()),
        *(TextColumn("left:"), TimeRemainingColumn()),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)

        def report(done: int, wanted: int, label: str | None = None) -> None:
            bar.update(task, completed=done, total=wanted, description=label)

        yield report


def _lines(first_label: str) -> ProgressReport:
    said_at = begun_at = time.monotonic()
    step, done_before = first_label, 0

    def report(done: int, wanted: int, label: str | None = None) -> None:
        nonlocal said_at, begun_at, step, done_before
        now = time.monotonic()
        if label is not None and label != step:  # what is done already when it is first told of took an unknown time
            step, begun_at, done_before = label, now, done
        if now - said_at >= LINE_EVERY_S:
            said_at = now
            seen = done - done_before
            left = f", about {(now - begun_at) / seen * (wanted - done):.0f} s left" if seen > 0 else ""
            remark(f"{step}: {done} of {wanted}{left}")

    return report
