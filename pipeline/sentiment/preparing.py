"""Preparing: raw texts become rows to store, or are refused for a reason.

Each step has a module of its own: `cleaning`, `language`, `addresses`, `entities`, `sketches`. Here they are put in
order, and dates are judged.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import uuid5

import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.document import SOURCE_OF_KIND, DocumentKind, Provenance, RawDocument, TextSource
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import NAMESPACE
from pipeline.sentiment.addresses import canonical, host_of
from pipeline.sentiment.cleaning import clean_parts, clean_title, is_gone, without_unseen
from pipeline.sentiment.duplicates import Marks, marks_of
from pipeline.sentiment.entities import AssetFinder
from pipeline.sentiment.language import is_foreign, language_of
from pipeline.sentiment.sketches import LEAST_WORDS, content_hash, sketches, words_of

FIRST_DATE = datetime(2009, 1, 3, tzinfo=UTC)  # of the first block: nothing older is about what we trade
CLOCKS_DIFFER = timedelta(minutes=10)  # a text from so far in the future is taken as of now; from farther, refused
BEGINNING_CHARACTERS = 200  # of a refused text that are kept, to see what it was
LONGEST_NAME = 512  # characters

DOCUMENT_COLUMNS = [
    *("document_id", "source", "kind", "external_id", "feed", "url", "title", "body", "author_hash", "language"),
    *("published_at", "fetched_at", "engagement", "content_hash", "sketch", "provenance"),
]
ASSET_COLUMNS = ["document_id", "asset", "rule", "mention"]
REFUSAL_COLUMNS = ["fingerprint", "source", "feed", "external_id", "published_at", "reason", "beginning"]
REMOVED_COLUMNS = ["source", "external_id"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Texts ready to be stored, and what became of the others.

    ``documents`` and ``assets`` are by publication, then document_id; every frame has its columns even where it has no
    rows. ``documents`` lacks what storage adds: gone_at, gone_reason, duplicate_of, duplicate_rule, recorded_at.
    """

    documents: pd.DataFrame  # as the table, one row per (source, external_id); instants aware
    assets: pd.DataFrame  # as document_assets: document_id, asset, rule, mention
    marks: Marks  # of the documents, in their order, for `duplicates.find_duplicates`
    refusals: pd.DataFrame  # as document_quarantine: fingerprint, source, feed, external_id, published_at, reason, ...
    removed: pd.DataFrame  # source, external_id of texts whose author or moderator left "[removed]" in their place
    skipped: Mapping[str, int]  # word -> texts that are neither stored nor refused: removed, replaced
    too_many: int  # documents that name too many assets to be about any; kept, and linked to none


def prepare(
    raw: Sequence[RawDocument],
    *,
    now: datetime,
    provenance: Provenance,
    author_key: bytes,
    traded: Collection[str] = (),
    feed_assets: Mapping[str, str] | None = None,
) -> Prepared:
    """Clean, date, join and judge texts.

    Parameters
    ----------
    raw
        In the order in which they were fetched: of two with the same source and external_id the later one stands.
    now
        When they were fetched; aware. Imported and simulated texts have ``fetched_at = published_at`` instead.
    author_key
        Secret of the installation, 1 to 64 bytes: without it nobody finds a name by trying all of them.
    traded, feed_assets
        See `entities.AssetFinder`.

    Returns
    -------
    Prepared
        The same raw texts, ``now`` and key give the same rows.

    Raises
    ------
    DataContractError
        Where ``now`` is naive or the key has no length that the hash takes.
    """
    if now.tzinfo is None:
        raise DataContractError(f"now must be aware, was {now}")
    if not 1 <= len(author_key) <= blake2b.MAX_KEY_SIZE:
        raise DataContractError(f"author_key must have 1 to {blake2b.MAX_KEY_SIZE} bytes, was {len(author_key)}")
    newest = {(SOURCE_OF_KIND[each.kind], _storable(each.external_id)): each for each in raw}
    finder = AssetFinder(traded, feed_assets)
    rows, words, reposts, links, refusals, removed = [], [], [], [], [], []
    too_many = 0
    for (source, name), each in newest.items():
        if is_gone(each.body):
            removed.append((source.value, name))
            continue
        title, body = clean_parts(each.title, each.body, each.kind)
        language = None if not (title or body) else language_of(f"{title}\n{body}", each.language)
        at = dated(each.published_at, now)
        reason = at if isinstance(at, str) else _refused(name, title, body, language)
        if reason is not None:
            refusals.append(
                refusal(
                    source=source,
                    feed=each.feed,
                    external_id=name,
                    published_at=each.published_at,
                    reason=reason,
                    beginning=title or body,
                )
            )
            continue
        said = words_of(f"{title}\n{body}")
        hashed = content_hash(_gist(each.kind, title) or said, f"{title}\n{body}")
        document_id = uuid5(NAMESPACE, f"document|{source}|{name}|{hashed}")
        found = finder.find(title, body, each.assets, each.feed)
        too_many += found.too_many > 0
        links += [(at, document_id, link.asset, link.rule.value, link.mention) for link in found.links]
        words.append(said)
        reposts.append(each.repost_of)
        rows.append(
            (
                document_id,
                source.value,
                each.kind.value,
                name,
                _storable(each.feed) or source.value,
                canonical(each.url),
                title,
                body,
                author_hash(_voice(each, source), author_key),
                language,
                at,
                now if provenance is Provenance.FETCHED else at,
                dict(each.engagement),
                hashed,
                b"",
                provenance.value,
            )
        )
    documents = pd.DataFrame(rows, columns=DOCUMENT_COLUMNS)
    documents["sketch"] = pd.Series(sketches(words), index=documents.index, dtype=object)
    documents["repost_of"] = pd.Series(reposts, index=documents.index, dtype=object)
    documents = _in_time(documents, "published_at", "fetched_at").sort_values(["published_at", "document_id"])
    documents = documents.reset_index(drop=True)
    marks = marks_of(documents, documents.pop("repost_of").tolist())
    assets = pd.DataFrame(sorted(links), columns=["published_at", *ASSET_COLUMNS]).drop(columns="published_at")
    refused = pd.DataFrame(refusals, columns=REFUSAL_COLUMNS).drop_duplicates("fingerprint", ignore_index=True)
    skipped = Counter(removed=len(removed), replaced=len(raw) - len(newest))
    return Prepared(
        documents=documents,
        assets=assets,
        marks=marks,
        refusals=_in_time(refused, "published_at"),
        removed=pd.DataFrame(removed, columns=REMOVED_COLUMNS),
        skipped={word: count for word, count in skipped.items() if count},
        too_many=too_many,
    )


def dated(published_at: datetime | None, now: datetime) -> datetime | str:
    """When a text counts as published, or the word for why that cannot be believed."""
    if published_at is None:
        return "no_date"
    if published_at.tzinfo is None:
        return "date_without_zone"
    if published_at < FIRST_DATE:
        return "date_too_old"
    if published_at > now + CLOCKS_DIFFER:
        return "date_in_the_future"
    return min(published_at, now)


def refusal(
    *,
    source: TextSource,
    feed: str,
    external_id: str,
    published_at: datetime | None,
    reason: str,
    beginning: str,
) -> dict[str, object]:
    """A row of the table `document_quarantine`; the same refused text has the same fingerprint.

    A date without zone is left out, since nobody knows which instant it is.
    """
    name, shown = _storable(external_id), clean_title(beginning)
    facts = (source.value, name, reason, shown)
    return {
        "fingerprint": blake2b("\x1f".join(facts).encode(), digest_size=16).hexdigest(),
        "source": source.value,
        "feed": _storable(feed),
        "external_id": name,
        "published_at": published_at if published_at is not None and published_at.tzinfo is not None else None,
        "reason": reason,
        "beginning": shown[:BEGINNING_CHARACTERS],
    }


def author_hash(name: str | None, key: bytes) -> str | None:
    """16 hex digits that stand for somebody's name, however it is written; None where nobody is named."""
    plain = name.strip().casefold() if name else ""
    return blake2b(plain.encode("utf-8", "replace"), digest_size=8, key=key).hexdigest() if plain else None


def _refused(name: str, title: str, body: str, language: str | None) -> str | None:
    if not name:
        return "no_id"
    if not title and not body:
        return "empty"
    return f"language({language})" if is_foreign(language) else None


def _gist(kind: DocumentKind, title: str) -> list[str]:
    """Of an article the words of its headline: others tell it under that with a body of their own, and so do edits."""
    words = words_of(title) if kind is DocumentKind.ARTICLE else []
    return words if len(words) >= LEAST_WORDS else []


def _voice(each: RawDocument, source: TextSource) -> str | None:
    """Who speaks: the author; of an article its publisher, since one newsroom has many pens."""
    if source is not TextSource.NEWS:
        return each.author
    return host_of(each.url) or host_of(each.feed) or each.author


def _storable(name: str) -> str:
    """A name that the source gives, as PostgreSQL takes it; a longer one ends in its hash."""
    plain = " ".join(without_unseen(name).split())
    if len(plain) <= LONGEST_NAME:
        return plain
    digest = blake2b(plain.encode(), digest_size=16).hexdigest()
    return plain[: LONGEST_NAME - len(digest)] + digest


def _in_time(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The frame with instants that are aware UTC, whatever it holds."""
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True).dt.as_unit(TIME_UNIT) for name in columns})
