"""Texts in: new ones, edits, removals, repetitions and the quarantine.

Everything happens in the caller's transaction. What a text must be, and what it repeats, is decided in
`pipeline.sentiment`; here it is only kept. A stored text never changes: an edit ends it and adds a row, so that what
was known at a close stays what it was.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.contracts.documents import Documents
from pipeline.contracts.validation import hold_to
from pipeline.domain.document import Provenance, TextSource
from pipeline.sentiment.duplicates import LOOK_BACK, find_duplicates, marks_of
from pipeline.sentiment.preparing import Prepared
from pipeline.storage import tables
from pipeline.storage.bulk import affected, bulk_insert, copy_to_staging, typed
from pipeline.storage.database import Database
from pipeline.storage.sentiment import hold_texts, is_of

STORING_LOCK = 0x646F6373  # "docs": one batch of texts at a time, so that each sees what it may repeat
AUTHOR_KEY_BYTES = 32
MARKED = (
    *("document_id", "source", "kind", "external_id", "published_at", "url", "author_hash", "content_hash", "sketch"),
    "duplicate_of",
)


class End(StrEnum):
    """Why a text counts no more."""

    EDITED = "edited"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDocuments:
    """What a batch of texts changed."""

    written: int = 0  # texts and edits added
    edited: int = 0  # of them, those that end an earlier version
    removed: int = 0  # texts that their author or a moderator took away
    repeated: int = 0  # of those written, those that repeat another and do not count
    known: int = 0  # texts that were stored already, the same
    kept: int = 0  # texts that an import has in other words than those stored, which stand
    refused: int = 0  # texts put into the quarantine that were not there before

    def __add__(self, other: "StoredDocuments") -> "StoredDocuments":
        """What two batches changed, one after the other."""
        return StoredDocuments(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


def author_key(database: Database) -> bytes:
    """The secret with which this installation hashes authors' names; made when it is first asked for."""
    t = tables.installation
    with database.begin() as conn:
        row = {"name": "author_key", "value": secrets.token_bytes(AUTHOR_KEY_BYTES)}
        conn.execute(insert(t).values(row).on_conflict_do_nothing())
        key: bytes = conn.scalars(sa.select(t.c.value).where(t.c.name == "author_key")).one()
    return key


def store_documents(
    conn: sa.Connection, database: Database, prepared: Prepared, *, removed: Sequence[tuple[str, str]] = ()
) -> tuple[StoredDocuments, frozenset[UUID]]:
    """Keep prepared texts, all of one provenance; ``removed`` holds (source, external_id) of those taken away.

    Returns what changed, and which documents are new.

    What is stored already, in the same words, stays as it is but for its counters. Other words under the same id are an
    edit, which ends the earlier version now; an import, which tells of the past, edits nothing.

    Raises
    ------
    DataContractError
        The rows break their contract.
    """
    conn.execute(sa.select(sa.func.pg_advisory_xact_lock(STORING_LOCK)))
    documents = typed(tables.documents, hold_to(Documents, prepared.documents))
    standing = _standing(conn, documents)
    stored_hash = standing["content_hash"].reindex(pd.MultiIndex.from_frame(documents[["source", "external_id"]]))
    is_stored = stored_hash.notna().to_numpy()
    is_same = is_stored & (stored_hash.to_numpy() == documents["content_hash"].to_numpy())
    is_import = documents["provenance"].to_numpy() != Provenance.FETCHED.value
    is_kept = is_stored & ~is_same & is_import
    is_new = ~is_same & ~is_kept & ~_exists(conn, documents)
    new = documents[is_new].reset_index(drop=True)
    repeated = _repeated(database, prepared, new)
    now = hold_texts(conn)
    _count_anew(conn, documents[is_same])
    edited = _end(conn, documents.loc[is_new & is_stored, ["source", "external_id"]], End.EDITED, now)
    gone = pd.DataFrame(
        [*removed, *prepared.removed[["source", "external_id"]].itertuples(index=False, name=None)],
        columns=["source", "external_id"],
    )
    n_removed = _end(conn, gone.drop_duplicates(), End.REMOVED, now)
    rows = new.merge(repeated, on="document_id", how="left") if len(repeated) else new
    bulk_insert(conn, tables.documents, _as_stored(rows))
    bulk_insert(conn, tables.document_assets, _of(prepared.assets, new))
    changes = StoredDocuments(
        written=len(new),
        edited=edited,
        removed=n_removed,
        repeated=len(repeated),
        known=int(is_same.sum()),
        kept=int(is_kept.sum()),
        refused=bulk_insert(conn, tables.document_quarantine, typed(tables.document_quarantine, prepared.refusals)),
    )
    return changes, frozenset(new["document_id"])


def _standing(conn: sa.Connection, documents: pd.DataFrame) -> pd.DataFrame:
    """Of the stored texts that stand under the same ids: content_hash, by source and external_id."""
    staged = copy_to_staging(conn, tables.documents, documents[["source", "external_id"]])
    t = tables.documents.c
    query = (
        sa.select(t.source, t.external_id, t.content_hash)
        .join_from(staged, tables.documents, (t.source == staged.c.source) & (t.external_id == staged.c.external_id))
        .where(t.gone_at.is_(None))
    )
    found = pd.DataFrame(conn.execute(query).all(), columns=["source", "external_id", "content_hash"])
    return found.set_index(["source", "external_id"])


def _exists(conn: sa.Connection, documents: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which texts were here before in just these words, whether they stand or not."""
    t = tables.documents.c
    ids = documents["document_id"]
    known = set(conn.scalars(sa.select(t.document_id).where(t.document_id.in_(list(ids)))))
    found: npt.NDArray[np.bool_] = ids.isin(known).to_numpy()
    return found


def _repeated(database: Database, prepared: Prepared, new: pd.DataFrame) -> pd.DataFrame:
    """document_id, duplicate_of and duplicate_rule of the new texts that repeat another."""
    if new.empty:
        return pd.DataFrame({"document_id": [], "duplicate_of": [], "duplicate_rule": []})
    t = tables.documents.c
    is_simulated = new["provenance"].iloc[0] == Provenance.SIMULATED.value
    first, last = new["published_at"].min().to_pydatetime(), new["published_at"].max().to_pydatetime()
    query = sa.select(*(t[name] for name in MARKED)).where(
        t.published_at.between(first - LOOK_BACK, last + LOOK_BACK),
        t.gone_at.is_(None),
        is_of(t.provenance, is_simulated),
    )
    place_of = {each: place for place, each in enumerate(prepared.marks.document_id)}
    reposts = [prepared.marks.repost_of[place_of[each]] for each in new["document_id"]]
    return find_duplicates(marks_of(new, reposts), marks_of(database.frame(query)))


def _count_anew(conn: sa.Connection, same: pd.DataFrame) -> None:
    """Keep the newest counters (likes, comments) of texts that are stored already."""
    if same.empty:
        return
    t = tables.documents
    counted = copy_to_staging(conn, t, _as_stored(same[["document_id", "engagement"]]))
    newest = sa.cast(counted.c.engagement, t.c.engagement.type)
    conn.execute(
        sa.update(t)
        .values(engagement=t.c.engagement.op("||")(newest))
        .where(t.c.document_id == sa.cast(counted.c.document_id, sa.Uuid), sa.not_(t.c.engagement.contains(newest)))
    )


def _end(conn: sa.Connection, texts: pd.DataFrame, end: End, now: datetime) -> int:
    """End the standing texts of those ids."""
    if texts.empty:
        return 0
    t = tables.documents
    staged = copy_to_staging(conn, t, texts)
    ended = (
        sa.update(t)
        .values(gone_at=now, gone_reason=end.value)
        .where(t.c.source == staged.c.source, t.c.external_id == staged.c.external_id, t.c.gone_at.is_(None))
    )
    return affected(conn, ended)


def _of(rows: pd.DataFrame, documents: pd.DataFrame) -> pd.DataFrame:
    """Those rows that belong to some of the documents."""
    kept: pd.DataFrame = rows[rows["document_id"].isin(set(documents["document_id"]))]
    return kept.assign(document_id=kept["document_id"].astype(str))


def _as_stored(rows: pd.DataFrame) -> pd.DataFrame:
    """With identifiers and JSON as text, as a staging table takes them."""
    texts = {
        name: rows[name].map(str, na_action="ignore")
        for name in ("document_id", "duplicate_of")
        if name in rows.columns
    }
    return rows.assign(**texts, engagement=rows["engagement"].map(lambda each: json.dumps(dict(each), sort_keys=True)))


def recent_ids(conn: sa.Connection, source: TextSource, since: datetime) -> dict[str, list[str]]:
    """The ids of texts that stand and were published since an instant, newest first, by feed; no simulated ones."""
    t = tables.documents.c
    query = sa.select(t.feed, t.external_id).where(
        *(t.source == source.value, t.published_at > since, t.gone_at.is_(None)), is_of(t.provenance, False)
    )
    found: dict[str, list[str]] = {}
    for feed, external_id in conn.execute(query.order_by(t.published_at.desc(), t.external_id)):
        found.setdefault(feed, []).append(external_id)
    return found


def newest_text(conn: sa.Connection, source: TextSource, *, is_simulated: bool) -> datetime | None:
    """When the newest text of a source was published; None if there is none."""
    t = tables.documents.c
    query = sa.select(sa.func.max(t.published_at)).where(t.source == source.value, is_of(t.provenance, is_simulated))
    newest: datetime | None = conn.scalar(query)
    return newest


def texts_a_day(
    conn: sa.Connection, source: TextSource, until: datetime, n_days: int, *, is_simulated: bool
) -> list[int]:
    """How many texts of a source were published in each of the last days of 24 hours up to an instant, newest first."""
    t = tables.documents.c
    ago = sa.func.floor(sa.extract("epoch", sa.literal(until) - t.published_at) / 86_400)
    query = (
        sa.select(sa.cast(ago, sa.Integer), sa.func.count())
        .where(
            *(t.source == source.value, t.published_at <= until, t.published_at > until - timedelta(days=n_days)),
            is_of(t.provenance, is_simulated),
        )
        .group_by(ago)
    )
    found = dict(conn.execute(query).all())
    return [found.get(day, 0) for day in range(n_days)]
