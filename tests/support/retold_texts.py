"""Marks of many texts at once, for finding duplicates among them."""

from uuid import UUID

import numpy as np

from pipeline.sentiment.duplicates import Marks
from pipeline.sentiment.sketches import SKETCH_BYTES, sketches
from tests.support.texts import NOON, microseconds

WORDS, VOCABULARY = 12, 3_000  # of a text, and that it draws from: strangers have next to nothing in common


def strangers_and_retellings(n_known: int, n_new: int) -> tuple[Marks, Marks]:
    """Known posts that have nothing in common, and new ones, later, of which the first half retell a known one each."""
    draw = np.random.default_rng(7)
    drawn = sketches([[f"word{n}" for n in row] for row in draw.integers(0, VOCABULARY, (n_new + n_new // 2, WORDS))])
    others = draw.integers(0, 256, (n_known - n_new, SKETCH_BYTES), dtype=np.uint8)
    known = _posts(0, [bytes(row) for row in others] + drawn[:n_new])
    return _posts(n_known, drawn[n_new // 2 :]), known


def _posts(first: int, drawn: list[bytes]) -> Marks:
    """One post a microsecond, as many as sketches; all differ in their names and in their words."""
    n = len(drawn)
    numbers = range(first + 1, first + n + 1)
    return Marks(
        document_id=[UUID(int=number) for number in numbers],
        source=["reddit"] * n,
        is_article=[False] * n,
        external_id=[f"post-{number}" for number in numbers],
        published_at=microseconds(NOON) + np.arange(first, first + n, dtype=np.int64),
        address=[None] * n,
        author_hash=[None] * n,
        content_hash=[f"{number:016x}" for number in numbers],
        sketch=drawn,
        original=[UUID(int=number) for number in numbers],
        repost_of=[None] * n,
    )
