"""Sketches: the words of a text in short, so that texts can be compared without keeping or reading them again.

Add here what is computed from one text's words. Which texts repeat which is told by `pipeline.sentiment.duplicates`.
Nothing here may change without a migration: hashes of stored texts are compared with those of new ones.
"""

import re
import zlib
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

WORDS_PER_GROUP = 3
LEAST_WORDS = 6  # a text with fewer is a saying: "to the moon" by two people is two opinions
N_HASHES = 64
SKETCH_BYTES = N_HASHES  # one byte of each least hash
_HASH_BYTES = 8

_ADDRESS = re.compile(r"https?://\S+|\bwww\.\S+|\bpic\.twitter\.com/\S+")
_REPOST = re.compile(r"^\s*(?:RT\s+@\w+\s*:?|via\s+@\w+\s*:)\s*", re.IGNORECASE)
_CREDIT = re.compile(r"\b(?:via|by|h/t|source:?)\s+@\w+\W*$", re.IGNORECASE)
_CREDIT_CHARACTERS = 60  # at the end of a text, in which it is looked for
_WORD = re.compile(r"\d+(?:[.,:]\d+)*|[^\W_]+(?:['\u2019][^\W_]+)*")

Unsigned = npt.NDArray[np.uint64]


def words_of(text: str) -> list[str]:
    """The words of a cleaned text, in order, in small letters.

    Addresses, punctuation, emoji, ``RT @somebody:`` in front and ``via @somebody`` at the end are left out: they differ
    between copies. A number is one word with its decimals.
    """
    if "//" in text or "www." in text or ".com/" in text:
        text = _ADDRESS.sub(" ", text)
    if "@" in text:
        text = _REPOST.sub("", text)
        text = text[:-_CREDIT_CHARACTERS] + _CREDIT.sub("", text[-_CREDIT_CHARACTERS:])
    return _WORD.findall(text.casefold())


def content_hash(words: Sequence[str], text: str) -> str:
    """16 hex digits, equal for equal words; where there is no word (emoji only), for an equal text."""
    said = " ".join(words) if words else f"\x00{text}"
    return blake2b(said.encode(), digest_size=_HASH_BYTES).hexdigest()


def sketches(texts: Sequence[Sequence[str]]) -> list[bytes]:
    """MinHash of the groups of three words of each text: one byte of the least value of each of 64 hashes.

    Two sketches agree in a share of their bytes that estimates which share of all their groups two texts have in
    common, to about 0.05 (Broder, "On the resemblance and containment of documents", 1997; one byte of each hash after
    Li and König, "b-Bit Minwise Hashing", 2010). The same words give the same bytes on every machine.

    Parameters
    ----------
    texts
        The words of each.

    Returns
    -------
    list of bytes
        `SKETCH_BYTES` long; empty for a text with fewer than `LEAST_WORDS` words.
    """
    long = [n for n, words in enumerate(texts) if len(words) >= LEAST_WORDS]
    found = [b""] * len(texts)
    for begin in range(0, len(long), _AT_ONCE):
        places = long[begin : begin + _AT_ONCE]
        for place, row in zip(places, _least_hashes([texts[n] for n in places]), strict=True):
            found[place] = row.tobytes()
    return found


def agreement(one: bytes, other: bytes) -> float:
    """Which share of their word groups two texts have in common, as their sketches estimate it; 0 without sketches."""
    if len(one) != SKETCH_BYTES or len(other) != SKETCH_BYTES:
        return 0.0
    return float(np.mean(np.frombuffer(one, np.uint8) == np.frombuffer(other, np.uint8)))


def _least_hashes(texts: Sequence[Sequence[str]]) -> npt.NDArray[np.uint8]:
    """(n_texts, `N_HASHES`) for texts of at least three words each."""
    lengths = np.array([len(words) for words in texts])
    codes = np.array([zlib.crc32(word.encode()) for words in texts for word in words], dtype=np.uint64)
    ends = np.cumsum(lengths)
    is_first = np.ones(len(codes), dtype=np.bool_)  # of a group within its text
    for back in range(1, WORDS_PER_GROUP):
        is_first[ends - back] = False
    at = np.flatnonzero(is_first)
    groups = _mixed(_mixed(_mixed(codes[at]) + codes[at + 1]) + codes[at + 2])
    begins = np.concatenate([[0], np.cumsum(lengths - WORDS_PER_GROUP + 1)[:-1]])
    least = np.empty((len(texts), N_HASHES), dtype=np.uint8)
    for n in range(N_HASHES):
        values = np.minimum.reduceat(_mixed(groups ^ _SEEDS[n]), begins)
        least[:, n] = (_mixed(values) & np.uint64(0xFF)).astype(np.uint8)
    return least


def _mixed(values: Unsigned) -> Unsigned:
    """SplitMix64: every bit of the result depends on every bit of the value."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: Unsigned = mixed ^ (mixed >> np.uint64(31))
    return result


_AT_ONCE = 2_000  # texts, so that memory does not grow with how many there are
_SEEDS: Unsigned = _mixed(np.arange(1, N_HASHES + 1, dtype=np.uint64))
