"""`signals import documents`: texts and development activity that a person has on disk, read into the database.

What a line means is decided in `resources.document_files`, what becomes of a text in `pipeline.sentiment.preparing`.
"""

import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from pipeline.cli import display
from pipeline.cli.display import Column, instant, progress, remark, show_table
from pipeline.cli.session import open_database
from pipeline.domain.document import SOURCE_OF_KIND, Cursor, Provenance, RawDocument, RepositoryEvent, TextSource
from pipeline.domain.errors import DataContractError
from pipeline.domain.universe import base_of
from pipeline.json_values import json_text
from pipeline.sentiment.scorers import load_scorer
from pipeline.settings import load_settings
from pipeline.storage.database import Database
from pipeline.storage.document_scores import score_documents
from pipeline.storage.documents import author_key
from pipeline.storage.text_intake import Reading, TextIntake, keep_documents, keep_events
from pipeline.storage.universe import candle_days, known_series
from resources.document_files import SUFFIXES, AssetEvent, UnreadableLine, read_document_file
from resources.file_search import find_some
from resources.github_repositories import REPOSITORIES

BATCH_TEXTS = 5_000  # per transaction
LINES_NAMED = 5  # unreadable lines that are shown, of all files together; more where there are more reasons


@click.command("documents")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--source", type=click.Choice([each.value for each in TextSource]), help="Of lines that do not say theirs."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def documents(paths: tuple[Path, ...], source: str | None, as_json: bool) -> None:
    """Read texts and events from JSON Lines files, and folders.

    Each line is an object with source (news, twitter, reddit, github), timestamp (with its time zone) and text; title,
    body, id, url, author, symbols, language and engagement are read where they are there. What is imported tells of the
    past: it counts from when it was published. Reading the same files again changes nothing; a line that cannot be read
    does not stop the others. docs/sentiment-texts.md describes the format and the reasons.

    \b
    Examples:
      signals import documents ~/texts
      signals import documents tweets.jsonl --source twitter
    """
    settings = load_settings()
    scorer = load_scorer(settings.sentiment.scorer)
    began = time.monotonic()
    with open_database(settings) as database:
        with database.begin() as conn:
            traded, candles = {base_of(key.symbol) for key in known_series(conn)}, candle_days(conn)
        files, failures = find_some(paths, SUFFIXES)
        imported = _Import(
            database,
            Reading(
                now=datetime.now(UTC),
                provenance=Provenance.IMPORTED,
                tells_of_the_past=True,
                author_key=author_key(database),
                traded=traded,
            ),
            failures,
        )
        with progress("importing texts") as report:
            for number, file in enumerate(files, start=1):
                imported.read(file, None if source is None else TextSource(source))
                report(number, len(files))
            imported.finish()
        with progress("scoring texts") as report:
            scored = score_documents(database, scorer, partial(report))
    seconds = time.monotonic() - began
    if as_json:
        click.echo(json_text(imported.summary(scored, seconds)))
    else:
        _show(imported, scored, seconds, candles)
    for path, message in imported.failures.items():
        remark(f"failed: {message if str(path) in message else f'{path}: {message}'}")
    if imported.failures or imported.unreadable:
        sys.exit(1)


@dataclass
class _Import:
    """One import: lines come in one by one, texts go out in transactions of many."""

    database: Database
    reading: Reading
    failures: dict[Path, str]
    files: int = 0
    lines: Counter[TextSource] = field(default_factory=Counter)
    intakes: dict[TextSource, TextIntake] = field(default_factory=dict)
    unreadable: Counter[str] = field(default_factory=Counter)
    named: list[str] = field(default_factory=list)  # the first unreadable lines, and the first of each reason, in words
    spans: dict[TextSource, tuple[datetime, datetime]] = field(default_factory=dict)
    _texts: dict[TextSource, list[RawDocument]] = field(default_factory=dict)
    _events: list[RepositoryEvent] = field(default_factory=list)
    _asset_of: dict[str, str] = field(default_factory=dict)

    def read(self, file: Path, source: TextSource | None) -> None:
        """Take in one file; what is wrong with it is noted."""
        try:
            for line in read_document_file(file, source):
                if isinstance(line, UnreadableLine):
                    self._note_unreadable(file, line.number, line.reason, line.says)
                elif isinstance(line, AssetEvent):
                    self._take_event(file, line)
                else:
                    self._take_text(line)
        except DataContractError as error:
            self.failures[file] = str(error)
            return
        self.files += 1

    def _take_text(self, text: RawDocument) -> None:
        source = SOURCE_OF_KIND[text.kind]
        self._note(source, text.published_at)
        waiting = self._texts.setdefault(source, [])
        waiting.append(text)
        if len(waiting) >= BATCH_TEXTS:
            self._keep(source)

    def _note_unreadable(self, file: Path, number: int, reason: str, says: str) -> None:
        if len(self.named) < LINES_NAMED or reason not in self.unreadable:
            self.named.append(f"{file.name}:{number}: {says}")
        self.unreadable[reason] += 1

    def _take_event(self, file: Path, line: AssetEvent) -> None:
        repository = line.event.repository
        asset = line.asset or self._asset_of.get(repository) or REPOSITORIES.get(repository, "")
        if not asset:
            says = f'symbols must say whose repository {repository} is, as in ["BTC"]: it is none that is known'
            self._note_unreadable(file, line.number, "no_asset", says)
            return
        self._note(TextSource.GITHUB, line.event.happened_at)
        self._asset_of.setdefault(repository, asset)
        self._events.append(line.event)

    def _note(self, source: TextSource, at: datetime | None) -> None:
        self.lines[source] += 1
        if at is not None:
            first, last = self.spans.get(source, (at, at))
            self.spans[source] = min(first, at), max(last, at)

    def _keep(self, source: TextSource) -> None:
        with self.database.begin() as conn:
            done = keep_documents(conn, self.database, source, self._texts.pop(source), self.reading)
        self.intakes[source] = self.intakes.get(source, TextIntake()) + done

    def finish(self) -> None:
        """Store what was taken in and is not stored yet."""
        for source in list(self._texts):
            self._keep(source)
        if self._events:
            happened: dict[str, list[datetime]] = {}
            for event in self._events:
                happened.setdefault(event.repository, []).append(event.happened_at)
            cursors = {
                repository: Cursor(history_from=min(found), newest_at=max(found))
                for repository, found in happened.items()
            }
            with self.database.begin() as conn:
                done = keep_events(conn, self._events, self._asset_of, self.reading, cursors=cursors)
            self.intakes[TextSource.GITHUB] = done

    def summary(self, scored: int, seconds: float) -> dict[str, Any]:
        """Everything that happened."""
        return {
            "files": self.files,
            "sources": {
                source.value: {
                    "lines": self.lines[source],
                    "new": intake.written,
                    "repeated": intake.stored.repeated,
                    "duplicate": intake.stored.known + intake.stored.kept,
                    "refused": intake.refused,
                    "skipped": intake.skipped,
                    "first_at": self.spans[source][0] if source in self.spans else None,
                    "last_at": self.spans[source][1] if source in self.spans else None,
                    "about": dict(intake.linked.most_common()),
                }
                for source, intake in sorted(self.intakes.items())
            },
            "unreadable": self.unreadable,
            "unreadable_lines": self.named,
            "failed": [{"path": str(path), "message": message} for path, message in self.failures.items()],
            "scored": scored,
            "seconds": round(seconds, 3),
        }


def _show(imported: _Import, scored: int, seconds: float, candles: tuple[date, date] | None) -> None:
    columns = [
        *(Column(title="source"), Column(title="lines", is_number=True), Column(title="new", is_number=True)),
        *(Column(title="repeated", is_number=True), Column(title="duplicate", is_number=True)),
        *(Column(title="refused", is_number=True), Column(title="first"), Column(title="last")),
        Column(title="most about", wraps=True),
    ]
    rows = []
    for source, intake in sorted(imported.intakes.items()):
        first, last = imported.spans.get(source, (None, None))
        about = ", ".join(f"{asset} {count:,}" for asset, count in intake.linked.most_common(5))
        rows.append(
            (
                *(source.value, imported.lines[source], intake.written, intake.stored.repeated),
                *(intake.stored.known + intake.stored.kept, intake.refused.total()),
                *(first and instant(first), last and instant(last), about),
            )
        )
    if rows:
        show_table(columns, rows)
    done = (_counted(imported.files, "file"), f"{_counted(scored, 'text')} scored", f"{display.seconds(seconds)} s")
    remark(", ".join(done))
    for source, intake in sorted(imported.intakes.items()):
        if intake.refused:
            remark(f"{source.value}: refused {_reasons(intake.refused)}; document_quarantine has them")
        if intake.skipped:
            remark(f"{source.value}: {_reasons(intake.skipped)}; docs/sentiment-texts.md says what becomes of these")
    if imported.unreadable:
        unreadable = _counted(imported.unreadable.total(), "line")
        remark(f"{unreadable} could not be read: {_reasons(imported.unreadable)}; such as:")
        for line in imported.named:
            remark(f"  {line}")
    if rows:
        click.echo()
        click.echo(_next_step(list(imported.spans.values()), candles))


def _reasons(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _next_step(spans: Sequence[tuple[datetime, datetime]], candles: tuple[date, date] | None) -> str:
    """The command that makes signals of what was read, over the days that have candles."""
    if spans and candles is not None:
        first = max(candles[0], min(first for first, _ in spans).date())
        last = min(candles[1], max(last for _, last in spans).date())
        if first <= last:
            return f"Then make signals of them:  signals backfill --from {first} --to {last}"
    return "No candles are stored of these days; `signals import candles PATH --exchange NAME` reads some"
