"""How much is stored and how fast it grows, as `signals status` and `signals doctor` tell it."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import sqlalchemy as sa

from pipeline.cli.display import Column, show_table
from pipeline.growth import days_until_full
from pipeline.settings import Settings
from pipeline.storage.sizes import HOME, free_bytes, measure, read_growth

COLUMNS = (
    Column(title="stored"),
    Column(title="now", is_number=True),
    Column(title="a day", is_number=True),
    Column(title="in a year", is_number=True),
)
UNITS = ("kB", "MB", "GB", "TB")
UNKNOWN = "How fast it grows is known after the daily job `retention` has measured for two days."


def storage_of(conn: sa.Connection, home: Path) -> dict[str, Any]:
    """Bytes that each part occupies, a day more, and in a year; and what the home's disk still takes."""
    now = datetime.now(UTC)
    grown = read_growth(conn, measure(conn, home), now)
    free = free_bytes(home)
    days = days_until_full(free, grown[HOME])
    return {
        "parts": {
            what: {
                "bytes": each.bytes_now,
                "bytes_per_day": None if each.bytes_per_day is None else round(each.bytes_per_day),
                "bytes_in_a_year": None if each.bytes_in_a_year is None else round(each.bytes_in_a_year),
            }
            for what, each in grown.items()
        },
        "disk_free_bytes": free,
        "days_until_full": None if days is None else round(days),
    }


def show_storage(storage: Mapping[str, Any]) -> None:
    """The parts as a table, and when the disk would be full."""
    parts = storage["parts"]
    rows = [
        (what.replace("_", " "), *(amount(part[name]) for name in ("bytes", "bytes_per_day", "bytes_in_a_year")))
        for what, part in parts.items()
    ]
    click.echo()
    show_table(COLUMNS, rows)
    days = storage["days_until_full"]
    full = "" if days is None else f"; if it goes on like this, none is left in {days:,} days"
    click.echo(f"The home's disk has {amount(storage['disk_free_bytes'])} free{full}.")
    if any(part["bytes_per_day"] is None for part in parts.values()):
        click.echo(UNKNOWN)


def disk_problems(storage: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """What to do about a disk that will soon be full."""
    days = storage["days_until_full"]
    if days is not None and days < settings.retention.disk_days:
        yield (
            f"the home's disk has {amount(storage['disk_free_bytes'])} left, which is used up in about {days:,} days; "
            "`signals status` tells what grows, docs/operating.md what may be kept for a shorter time"
        )


def amount(count: float | None) -> str | None:
    """Bytes in the unit that leaves few digits, 1000 to a unit: ``45 MB``, ``3.2 GB``, ``-120 kB``."""
    if count is None:
        return None
    scaled = count / 1000
    for unit in UNITS:
        if abs(scaled) < 1000 or unit == UNITS[-1]:
            return f"{scaled:,.0f} {unit}" if abs(scaled) >= 10 or not scaled else f"{scaled:,.1f} {unit}"
        scaled /= 1000
    raise AssertionError("the last unit takes everything")
