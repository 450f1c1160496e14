"""The rows of the result, the table in the terminal, and the one in `docs/performance.md`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.measurement import ROOT, additions_s

PAGE = ROOT / "docs" / "performance.md"
TITLES = ("what", "measured", "budget", "met", "peak memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result; a row without a budget explains another one."""

    what: str
    measured: str
    budget: str = ""
    is_met: bool | None = None
    peak: int | None = None  # bytes of the Python process; the database server is not in it

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as texts, by `TITLES`."""
        met = {True: "yes", False: "**no**", None: ""}[self.is_met]
        return self.what, self.measured, self.budget, met, "" if self.peak is None else f"{self.peak / 1e6:,.0f} MB"


def at_most(what: str, value: float, limit: float, unit: str, peak: int | None = None) -> Row:
    """A row whose value must not exceed ``limit``."""
    joint = "" if unit == "x" else " "
    return Row(
        what=what,
        measured=f"{value:.2f}{joint}{unit}",
        budget=f"<= {limit:g}{joint}{unit}",
        is_met=value <= limit,
        peak=peak,
    )


def at_least(what: str, value: float, limit: float, unit: str = "x", peak: int | None = None) -> Row:
    """A row whose value must reach ``limit``."""
    measured, joint = (f"{value:.1f}", "") if unit == "x" else (f"{value:,.0f}", " ")
    return Row(
        what=what,
        measured=f"{measured}{joint}{unit}",
        budget=f">= {limit:,g}{joint}{unit}",
        is_met=value >= limit,
        peak=peak,
    )


def told(what: str, measured: str, peak: int | None = None) -> Row:
    """A row without a budget."""
    return Row(what=what, measured=measured, peak=peak)


def table(rows: Sequence[Row]) -> str:
    """The rows as an aligned Markdown table, which reads as well in a terminal."""
    lines = [TITLES, *(row.cells for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(TITLES))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([texts[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *texts[1:]])


def machine() -> str:
    """When and on what: cores, memory, load and speed, nothing that names the machine."""
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GB of memory, "
        f"{load:.1f} processes at work at the end, ten million additions of Python in {additions_s():.2f} s"
    )


def renew(name: str, rows: Sequence[Row], page: Path = PAGE) -> None:
    """Put a table between the page's markers ``<!-- name -->`` and ``<!-- end of name -->``."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    page.write_text(f"{before}{begin}{machine()}\n\n{table(rows)}\n{end}{after}", encoding="utf-8")
