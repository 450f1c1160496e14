"""Labelled texts, where they are read from, and which of them are nearly the same.

Which set may teach and which may only judge is said here: Financial PhraseBank's licence is non-commercial, so nothing
is learned from it.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.domain.document import TextSource
from pipeline.domain.errors import UnreadableFileError
from pipeline.sentiment.scoring import LABELS

TWITTER = "twitter_financial_news_sentiment_train"
REDDIT = "surge_crypto_reddit"
PHRASEBANK = "financial_phrasebank"
TEACHERS = {TWITTER: TextSource.TWITTER, REDDIT: TextSource.REDDIT}
ALIKE = 0.6  # of the pairs of neighbouring words that two texts have, shared: they are one text told twice

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with their labels, places in `LABELS`."""

    name: str
    texts: tuple[str, ...]
    labels: Counts
    digest: str  # of the file

    def some(self, places: Counts) -> "Labelled":
        """The texts at these places."""
        return Labelled(self.name, tuple(self.texts[place] for place in places), self.labels[places], self.digest)


def read_labelled(folder: Path, name: str) -> Labelled:
    """The set of that name: JSONL with ``text`` and ``label``.

    Raises
    ------
    UnreadableFileError
        The file is not there, or a line of it is no labelled text.
    """
    path = folder / f"{name}.jsonl"
    try:
        content = path.read_bytes()
        rows = [json.loads(line) for line in content.splitlines()]
        labels = np.array([LABELS.index(row["label"]) for row in rows], dtype=np.int64)
        texts = tuple(str(row["text"]) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(f"{path} must hold JSON lines with text and label: {error}") from error
    return Labelled(name, texts, labels, sha256(content).hexdigest())


def alike(texts: Sequence[str]) -> Counts:
    """A number for each text, the same for those that tell the same: what may not be learned from to score another.

    Links, accounts, cashtags and numbers aside, texts that share most pairs of neighbouring words are alike, and so is
    whatever is alike to one of them.
    """
    parts = [_pairs(text) for text in texts]
    holders: dict[str, list[int]] = defaultdict(list)
    group = np.arange(len(texts))
    for place, pairs in enumerate(parts):
        shared = Counter(other for pair in sorted(pairs) for other in holders[pair])
        for other, n_shared in shared.items():
            if n_shared >= ALIKE * (len(pairs) + len(parts[other]) - n_shared) and group[other] != group[place]:
                group[group == group[place]] = group[other]
        for pair in pairs:
            holders[pair].append(place)
    return group


def _pairs(text: str) -> frozenset[str]:
    plain = re.sub(r"https?://\S+|[$@]\w+", " ", text.lower())
    found = re.findall(r"[^\W\d_]+|\d", re.sub(r"\d[\d.,]*", "0", plain))
    return frozenset(map(" ".join, pairwise(found))) or frozenset(found)
