"""Duplicates: which texts say again what another text has said, and by which rule that shows.

Add a rule here when it needs only texts' marks: their words in short, address, author and time. What is compared with
what, and why, is told in docs/sentiment-texts.md. How words become marks is the work of `pipeline.sentiment.sketches`.

A text repeats one of its own source, or an article: people who tweet a headline add nothing to it, but an article is
not made worthless by those who talked of it first, and what is said on X and on Reddit is said by different crowds.
"""

import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.document import DocumentKind, TextSource
from pipeline.sentiment.addresses import comparable
from pipeline.sentiment.sketches import SKETCH_BYTES

WINDOW = timedelta(days=3)  # between a text and one with its words; later it is said anew
LOOK_BACK = timedelta(days=7)  # known texts published within so much of the new ones should be given
LEAST_ALIKE = 0.8  # share of word groups that two texts have in common, as their sketches estimate it
COLUMNS = ("document_id", "duplicate_of", "duplicate_rule")

Counts = npt.NDArray[np.int64]


class DuplicateRule(StrEnum):
    """How it shows that a text repeats another; where several rules hold the first one is stored."""

    SAME_ADDRESS = "same_address"  # articles at one address
    RETWEET = "retweet"  # its source says so
    SAME_WORDS = "same_words"  # the same words in the same order; of an article those of its headline
    RETOLD = "retold"  # nearly the same word groups


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What texts are compared by; sequences of one length, in any order."""

    document_id: Sequence[UUID]
    source: Sequence[str]
    is_article: Sequence[bool]
    external_id: Sequence[str]
    published_at: Counts  # microseconds since 1970
    address: Sequence[str | None]  # see `addresses.comparable`
    author_hash: Sequence[str | None]
    content_hash: Sequence[str]
    sketch: Sequence[bytes]  # `SKETCH_BYTES` long; empty where there are too few words to judge by
    original: Sequence[UUID]  # the text that it repeats, its own id where it repeats none
    repost_of: Sequence[str | None]  # external_id of what it repeats, where the source says so

    def __len__(self) -> int:
        return len(self.document_id)


def marks_of(documents: pd.DataFrame, repost_of: Sequence[str | None] | None = None) -> Marks:
    """Marks of rows of the table `documents`, stored or new.

    Parameters
    ----------
    documents
        document_id, source, kind, external_id, published_at (aware), url (canonical), author_hash, content_hash,
        sketch, and duplicate_of where they are stored. Missing is None or NaN.
    repost_of
        Per row, external_id of what it repeats; None where nothing is known about that, as of stored ones.
    """
    ids = [_uuid(each) for each in documents["document_id"]]
    originals = documents["duplicate_of"].tolist() if "duplicate_of" in documents else [None] * len(ids)
    return Marks(
        document_id=ids,
        source=[str(source) for source in documents["source"]],
        is_article=(documents["kind"] == DocumentKind.ARTICLE).tolist(),
        external_id=documents["external_id"].tolist(),
        published_at=pd.DatetimeIndex(documents["published_at"]).as_unit(TIME_UNIT).asi8,
        address=[comparable(address) for address in _texts(documents["url"])],
        author_hash=_texts(documents["author_hash"]),
        content_hash=documents["content_hash"].tolist(),
        sketch=[bytes(sketch) for sketch in documents["sketch"]],
        original=[own if pd.isna(other) else _uuid(other) for own, other in zip(ids, originals, strict=True)],
        repost_of=[None] * len(ids) if repost_of is None else _texts(repost_of),
    )


def find_duplicates(new: Marks, known: Marks) -> pd.DataFrame:
    """Which of the new texts repeat a known one, or another new one that was published before them.

    What is known stays what it is: of two equal texts the one that came to us later is the repetition, even where it
    says that it was published first. Else a stored text would have to change, or both would count.

    Addresses and retweets are compared with every text given. Words are compared with originals only, at most
    `WINDOW` apart, so that a story cannot drift away by small steps, and something said again next week counts again.
    Texts too short for a sketch are repetitions only where they have the same author. An older version of the same
    text (same source and external_id) is replaced, not repeated, and never matched.

    Parameters
    ----------
    known
        Those published from `LOOK_BACK` before the first of the new ones to `LOOK_BACK` after the last, repetitions
        included. The newer ones matter where history is imported. A text that is new must not be among them.

    Returns
    -------
    DataFrame
        document_id (of a new text), duplicate_of (the original, itself never a duplicate), duplicate_rule; one row
        per repetition, in order of publication.
    """
    seen = _Seen(new, known)
    for place in _by_time(known, seen.matter(known)):
        seen.add(known, place, known.original[place])
    found = []
    for place in _by_time(new, range(len(new))):
        match = seen.match(new, place)
        seen.add(new, place, match[0] if match else new.document_id[place])
        if match:
            found.append((new.document_id[place], match[0], match[1].value))
    return pd.DataFrame(found, columns=list(COLUMNS))


class _Told(NamedTuple):
    """A text that was seen, as far as another one must know it to be its repetition."""

    original: UUID
    source: str
    external_id: str
    published_at: int


class _Seen:
    """What has been seen so far, by what it can be recognised by; only what the new texts can ask for is kept."""

    def __init__(self, new: Marks, known: Marks) -> None:
        self._addresses = set(new.address) - {None}
        self._names = set(new.repost_of) - {None}
        self._hashes = set(new.content_hash)
        self._bands = _Bands(new.sketch)
        self._by_address: dict[str, list[_Told]] = defaultdict(list)
        self._by_post: dict[tuple[str, str], list[_Told]] = defaultdict(list)  # a post and its reposts
        self._by_words: dict[object, list[_Told]] = defaultdict(list)
        self._by_sketch: list[_Told] = []  # as they stand in the bands
        names = zip(known.source, known.external_id, strict=True)
        self._name_of = dict(zip(known.document_id, names, strict=True))

    def matter(self, known: Marks) -> list[int]:
        """Places of the known texts that a new one can repeat: a few of very many."""
        shares_band = self._bands.shared(known.sketch)
        columns = zip(known.content_hash, known.external_id, known.repost_of, known.address, strict=True)
        return [
            place
            for place, (words, name, repost, address) in enumerate(columns)
            if shares_band[place]
            or words in self._hashes
            or address in self._addresses
            or name in self._names
            or repost in self._names
        ]

    def add(self, marks: Marks, place: int, original: UUID) -> None:
        """Remember a text and the original that it stands for."""
        name = marks.source[place], marks.external_id[place]
        told = _Told(original, *name, int(marks.published_at[place]))
        for post in {name[1], marks.repost_of[place]} & self._names:
            self._by_post[name[0], str(post)].append(told)
        if marks.is_article[place] and (address := marks.address[place]) in self._addresses:
            self._by_address[str(address)].append(told)
        if original != marks.document_id[place]:
            return
        self._name_of[original] = name
        if marks.content_hash[place] in self._hashes:
            self._by_words[_words(marks, place)].append(told)
        if self._bands.add(marks.sketch[place]):
            self._by_sketch.append(told)

    def match(self, marks: Marks, place: int) -> tuple[UUID, DuplicateRule] | None:
        """The original that a text repeats, and by which rule."""
        name, at = (marks.source[place], marks.external_id[place]), int(marks.published_at[place])

        def first(told: Iterable[_Told], is_timely: bool) -> UUID | None:
            """The first one that is another text, of a source that it can repeat, and near enough in time."""
            for each in told:
                is_other = (each.source, each.external_id) != name and self._name_of.get(each.original) != name
                is_near = not is_timely or abs(at - each.published_at) <= _WINDOW
                if is_other and is_near and each.source in (name[0], TextSource.NEWS):
                    return each.original
            return None

        same_address = self._by_address.get(marks.address[place] or "", ()) if marks.is_article[place] else ()
        if original := first(same_address, is_timely=False):
            return original, DuplicateRule.SAME_ADDRESS
        if original := first(self._by_post.get((name[0], marks.repost_of[place] or ""), ()), is_timely=False):
            return original, DuplicateRule.RETWEET
        if original := first(self._by_words.get(_words(marks, place), ()), is_timely=True):
            return original, DuplicateRule.SAME_WORDS
        alike = (self._by_sketch[n] for n in self._bands.alike(marks.sketch[place]))
        if original := first(alike, is_timely=True):
            return original, DuplicateRule.RETOLD
        return None


class _Bands:
    """Sketches by their bands of four bytes, so that a text is compared with those only that share a band with it.

    That misses none: sketches that agree in `LEAST_ALIKE` of their bytes differ in fewer bytes than there are bands.
    """

    def __init__(self, asked: Sequence[bytes]) -> None:
        self._wanted = _as_bands(asked)
        self._asked = {band for sketch in asked for band in _bands(sketch)}
        self._rows: dict[int, list[int]] = defaultdict(list)
        self._sketches = bytearray()

    def shared(self, sketches: Sequence[bytes]) -> npt.NDArray[np.bool_]:
        """Which of many sketches share a band with one that is asked for."""
        is_shared = np.zeros(len(sketches), dtype=np.bool_)
        places = np.array([place for place, sketch in enumerate(sketches) if sketch], dtype=np.int64)
        bands = _as_bands(sketches)
        for values, wanted in zip(bands.T, self._wanted.T, strict=True):
            if len(wanted):
                ordered = np.sort(wanted)
                nearest = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)]
                is_shared[places[nearest == values]] = True
        return is_shared

    def add(self, sketch: bytes) -> bool:
        """Keep a sketch if one that is asked for shares a band with it; whether it was kept, as the next row."""
        shared = self._asked.intersection(_bands(sketch))
        if shared:
            row = len(self._sketches) // SKETCH_BYTES
            self._sketches += sketch
            for band in shared:
                self._rows[band].append(row)
        return bool(shared)

    def alike(self, sketch: bytes) -> list[int]:
        """Rows that agree with a sketch, in order."""
        rows = sorted({row for band in _bands(sketch) for row in self._rows.get(band, ())})
        if not rows:
            return []
        kept = np.frombuffer(bytes(self._sketches), np.uint8).reshape(-1, SKETCH_BYTES)[rows]
        agree = (kept == np.frombuffer(sketch, np.uint8)).sum(axis=1)
        return [rows[n] for n in np.flatnonzero(agree >= LEAST_ALIKE * SKETCH_BYTES)]


def _as_bands(sketches: Sequence[bytes]) -> npt.NDArray[np.uint32]:
    """(n, bands) of those that are not empty."""
    return np.frombuffer(b"".join(sketches), dtype="<u4").reshape(-1, SKETCH_BYTES // 4)


def _bands(sketch: bytes) -> list[int]:
    """The bands of a sketch as numbers that tell which band they are; none of an empty sketch."""
    return [value << 4 | band for band, value in enumerate(struct.unpack(f"<{len(sketch) // 4}I", sketch))]


def _words(marks: Marks, place: int) -> object:
    """What two texts with the same words have in common; for a saying that is its author too."""
    said = marks.content_hash[place]
    if marks.is_article[place] or marks.sketch[place]:
        return said
    author = marks.author_hash[place]
    return (said, marks.document_id[place]) if author is None else (said, author)


def _by_time(marks: Marks, places: Iterable[int]) -> list[int]:
    return sorted(places, key=lambda n: (int(marks.published_at[n]), marks.document_id[n]))


def _uuid(value: object) -> UUID:
    """Databases give identifiers as objects or as text."""
    return value if isinstance(value, UUID) else UUID(str(value))


def _texts(column: Iterable[str | None]) -> list[str | None]:
    return [None if pd.isna(value) else str(value) for value in column]


_WINDOW = WINDOW // timedelta(microseconds=1)
