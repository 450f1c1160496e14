"""`signals score`: how positive, neutral and negative texts are, from standard input to JSONL."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import click

from pipeline.domain.document import TextSource
from pipeline.domain.errors import UnreadableFileError
from pipeline.sentiment.scorers import DEFAULT, load_scorer
from pipeline.sentiment.scoring import LABELS, Scorer, labels_of

CHUNK = 1 << 16  # bytes that are read at once at most; what has arrived is answered
LONGEST_LINE = 4 << 20  # bytes
LONGEST_SHOWN = 50  # characters of a value that a message repeats
DECIMALS = 6
MARK = "\ufeff"  # with which some programs begin a file
SOURCES = (TextSource.NEWS, TextSource.TWITTER, TextSource.REDDIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a line says."""

    text: str
    source: TextSource | None = None  # None where the line does not say
    named: Mapping[str, Any] = field(default_factory=dict)  # its "id", if it has one, by which its answer is known


@click.command("score")
@click.option("--scorer", default=DEFAULT, show_default=True, help="default or transformers:<model or folder>.")
@click.option(
    "--source",
    type=click.Choice([each.value for each in SOURCES]),
    help="Where texts are from whose lines do not say; without it their style is looked at.",
)
@click.option("--with-scorer", is_flag=True, help="Name the scorer in every line, as it is stored with documents.")
def score_command(scorer: str, source: str | None, with_scorer: bool) -> None:
    """Score texts, a line each or JSON objects with "text", and print JSON lines in the same order.

    An object may have "source" (news, twitter, reddit), and "id", which is printed first in the line of its scores.

    A line that cannot be read is named on standard error; the others are scored, and the exit code is 1.

    \b
    Examples:
      echo "Bitcoin breaks out to a new high" | signals score
      signals score --source reddit < posts.jsonl > scores.jsonl
    """
    if sys.stdin.isatty():
        raise click.UsageError("say what to score: signals score < texts.txt")
    chosen = load_scorer(scorer)
    try:
        n_refused, n_lines = _score(sys.stdin.buffer, chosen, TextSource(source) if source else None, with_scorer)
    except BrokenPipeError:  # who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at its end
        return
    if n_refused:
        raise UnreadableFileError(f"{n_refused} of {n_lines} lines could not be scored")


def _score(stream: BinaryIO, scorer: Scorer, source: TextSource | None, with_scorer: bool) -> tuple[int, int]:
    """Score what arrives; how many lines were refused, of how many."""
    n_refused = n_lines = 0
    for batch in batches(stream):
        read = []
        for number, line in batch:
            n_lines = number
            try:
                read.append(said_by(line))
            except ValueError as error:
                n_refused += 1
                click.echo(f"line {number}: {error}", err=True)
        probabilities = scorer.score([each.text for each in read], [each.source or source for each in read])
        for each, label, row in zip(read, labels_of(probabilities), probabilities.tolist(), strict=True):
            parts = {name: round(part, DECIMALS) for name, part in zip(LABELS, row, strict=True)}
            by = {"scorer": scorer.name} if with_scorer else {}
            sys.stdout.write(json.dumps({**each.named, "label": label, **parts, **by}) + "\n")
        sys.stdout.flush()
    return n_refused, n_lines


def batches(stream: BinaryIO) -> Iterator[list[tuple[int, bytes | None]]]:
    """Numbered lines as they arrive, without their ends; None in place of a line that is too long to keep."""
    number, rest, is_skipping = 0, b"", False
    read = getattr(stream, "read1", stream.read)
    while chunk := read(CHUNK):
        *whole, rest = (rest + chunk).split(b"\n")
        batch: list[tuple[int, bytes | None]] = []
        for line in whole:
            number += 1
            batch.append((number, None if is_skipping or len(line) > LONGEST_LINE else line.removesuffix(b"\r")))
            is_skipping = False
        if len(rest) > LONGEST_LINE:
            rest, is_skipping = b"", True
        if batch:
            yield batch
    if rest or is_skipping:
        yield [(number + 1, None if is_skipping else rest.removesuffix(b"\r"))]


def said_by(line: bytes | None) -> Said:
    """What a line says: a JSON object's ``text``, ``source`` and ``id``, or the line itself.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    if line is None:
        raise ValueError(f"a line must have {LONGEST_LINE >> 20} MiB at most")
    try:
        text = line.decode("utf-8").removeprefix(MARK)
    except UnicodeDecodeError as error:
        raise ValueError(f"a line must be UTF-8, byte {error.start + 1} is not") from None
    if not text.lstrip().startswith("{"):
        return Said(text=text)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return Said(text=text)  # that begins with a brace
    if not isinstance(found := fields.get("text"), str):
        raise ValueError('a JSON object must have "text", a string')  # noqa: TRY004, of what is read
    source, named = fields.get("source"), {name: fields[name] for name in ("id",) if name in fields}
    if source is not None and source not in SOURCES:
        raise ValueError(f'"source" must be one of {", ".join(SOURCES)}, was {json.dumps(source)[:LONGEST_SHOWN]}')
    return Said(text=found, source=None if source is None else TextSource(source), named=named)
