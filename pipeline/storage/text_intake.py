"""Texts and events from a source to their tables: prepared, then stored and quarantined in one transaction.

What a text is made into is decided in `pipeline.sentiment.preparing`; what storing it entails is done in
`pipeline.storage.documents`. Here both meet, for every source alike.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import sqlalchemy as sa

from pipeline.domain.document import Cursor, Provenance, RawDocument, RepositoryEvent, TextSource
from pipeline.sentiment.events import prepare_events
from pipeline.sentiment.preparing import prepare
from pipeline.storage import tables
from pipeline.storage.activity import note_coverage, store_events
from pipeline.storage.bulk import bulk_insert, typed
from pipeline.storage.database import Database
from pipeline.storage.documents import StoredDocuments, store_documents


@dataclass(frozen=True, slots=True, kw_only=True)
class TextIntake:
    """What became of what a source handed over."""

    stored: StoredDocuments = field(default_factory=StoredDocuments)
    events: int = 0  # new in repositories
    refused: Counter[str] = field(default_factory=Counter)  # by reason, whether they were known before or not
    skipped: Counter[str] = field(default_factory=Counter)  # by word: nothing is wrong with them
    linked: Counter[str] = field(default_factory=Counter)  # new texts by the asset that they are about

    def __add__(self, other: "TextIntake") -> "TextIntake":
        """What became of two lots that were kept one after the other."""
        return TextIntake(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})

    @property
    def written(self) -> int:
        """New rows: texts, edits and events."""
        return self.stored.written + self.events


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """On which occasion texts are read."""

    now: datetime  # when they were fetched; aware
    provenance: Provenance
    tells_of_the_past: bool  # whether they count from when they were published, and not from now on
    author_key: bytes
    traded: Collection[str] = ()  # bases, found by cashtag and pair even where nobody else knows them


def keep_documents(
    conn: sa.Connection,
    database: Database,
    source: TextSource,
    raw: Sequence[RawDocument],
    reading: Reading,
    *,
    removed: Sequence[str] = (),
) -> TextIntake:
    """Prepare and keep texts of a source; ``removed`` holds the ids of those that were taken away."""
    prepared = prepare(
        raw, now=reading.now, provenance=reading.provenance, author_key=reading.author_key, traded=reading.traded
    )
    if not reading.tells_of_the_past:
        published_at = prepared.documents["published_at"]
        fetched_at = published_at.where(published_at > reading.now, reading.now)
        prepared = replace(prepared, documents=prepared.documents.assign(fetched_at=fetched_at))
    gone = [(source.value, external_id) for external_id in removed]
    stored, new = store_documents(conn, database, prepared, removed=gone)
    about = prepared.assets.loc[prepared.assets["document_id"].isin(new), "asset"]
    return TextIntake(
        stored=stored,
        refused=Counter(word.partition("(")[0] for word in prepared.refusals["reason"]),
        skipped=Counter(prepared.skipped) + Counter(mentions_too_many=prepared.too_many),
        linked=Counter(about.tolist()),
    )


def keep_events(
    conn: sa.Connection,
    raw: Sequence[RepositoryEvent],
    asset_of: Mapping[str, str],
    reading: Reading,
    *,
    cursors: Mapping[str, Cursor],
) -> TextIntake:
    """Prepare and keep events of repositories, and note of each how far it is known.

    Parameters
    ----------
    cursors
        By repository that was read whole: from when on nothing is missing, and, where the past is told, until when.
    """
    prepared = prepare_events(
        raw, asset_of, now=reading.now, provenance=reading.provenance, author_key=reading.author_key
    )
    written, now = store_events(conn, prepared.events, tells_of_the_past=reading.tells_of_the_past)
    for repository, cursor in cursors.items():
        if cursor.history_from is not None:
            known_from, until = now, now
            if reading.tells_of_the_past:
                is_made_up = reading.provenance is Provenance.SIMULATED  # up to now, whether something happened or not
                known_from = cursor.history_from
                until = reading.now if is_made_up else cursor.newest_at or cursor.history_from
            note_coverage(
                *(conn, repository, asset_of[repository]),
                history_from=cursor.history_from,
                known_from=known_from,
                until=until,
            )
    bulk_insert(conn, tables.document_quarantine, typed(tables.document_quarantine, prepared.refusals))
    return TextIntake(events=written, refused=Counter(word.partition("(")[0] for word in prepared.refusals["reason"]))
