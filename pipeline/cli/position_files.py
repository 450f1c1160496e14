"""Position files: what is held, as a person writes it down in a CSV file.

All rows are read or none, and every wrong one is named with its line. Keeping positions is the work of
`pipeline.storage.accounts`.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from pipeline.domain.errors import DataContractError, UnreadableFileError
from pipeline.domain.timeframe import parse_instant
from pipeline.domain.universe import parse_symbol
from pipeline.json_values import iso
from pipeline.risk.exposure import Position

HEADER = ("symbol", "weight", "valid_from", "valid_to")


def read_position_file(file: Path) -> list[Position]:
    """The positions of a CSV file, oldest first.

    Raises
    ------
    UnreadableFileError
        Naming the line of every row that is wrong.
    """
    try:
        lines = list(csv.reader(file.read_text(encoding="utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFileError(f"{file}: must be a CSV file in UTF-8, was not: {error}") from error
    header = [name.strip().lower() for name in lines[0]] if lines else []
    if not set(HEADER[:3]) <= set(header) or not set(header) <= set(HEADER) or len(set(header)) < len(header):
        raise UnreadableFileError(f"{file}:1: must be the header {','.join(HEADER)}, was {','.join(header)!r}")
    found: list[tuple[int, Position]] = []
    problems = []
    for number, cells in enumerate(lines[1:], start=2):
        if any(cell.strip() for cell in cells):
            try:
                found.append((number, _position(header, cells)))
            except DataContractError as error:
                problems.append(f"{file}:{number}: {error}")
    found.sort(key=lambda entry: entry[1].valid_from)
    problems += [f"{file}:{problem}" for problem in _overlaps(found)]
    if problems:
        raise UnreadableFileError("\n".join([*problems, "nothing was imported"]))
    if not found:
        raise UnreadableFileError(f"{file}: must hold at least one position, held none")
    return [position for _, position in found]


def _position(header: Sequence[str], cells: Sequence[str]) -> Position:
    if len(cells) != len(header):
        raise DataContractError(f"must have {len(header)} values as the header has, had {len(cells)}")
    row = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    try:
        weight = float(row["weight"])
    except ValueError:
        raise DataContractError(f"weight must be a number like 0.05, was {row['weight']!r}") from None
    if not 0.0 < weight <= 1.0:
        raise DataContractError(f"weight must be above 0 and at most 1 (0.05 is 5 %), was {row['weight']}")
    since = parse_instant(row["valid_from"])
    until = parse_instant(row["valid_to"]) if row.get("valid_to") else None
    if until is not None and until <= since:
        raise DataContractError(f"valid_to must be after valid_from {iso(since)}, was {iso(until)}")
    return Position(symbol=parse_symbol(row["symbol"]), weight=weight, valid_from=since, valid_to=until)


def _overlaps(found: Sequence[tuple[int, Position]]) -> list[str]:
    """Rows that say two things about the same symbol and time; an open end is no claim about what follows."""
    latest: dict[str, tuple[int, Position]] = {}
    problems = []
    for number, position in found:
        before = latest.get(position.symbol)
        if before is not None:
            earlier = before[1]
            if (
                position.valid_from == earlier.valid_from
                or (earlier.valid_to or position.valid_from) > position.valid_from
            ):
                problems.append(f"{number}: {position.symbol} must not overlap line {before[0]}, which says otherwise")
        latest[position.symbol] = (number, position)
    return problems
