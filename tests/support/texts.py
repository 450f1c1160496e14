"""Scored texts and repository events to blend: as arrays, random or written out."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from pipeline.domain.document import TextSource
from pipeline.sentiment.activity import Coverage, Events
from pipeline.sentiment.blending import NEVER, TEXTS, Texts

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Said(NamedTuple):
    """A scored text about one asset; ages are before `NOON`."""

    compound: float
    age: timedelta = timedelta(0)
    source: TextSource = TextSource.NEWS
    asset: int = 0
    author: int = -1
    known_age: timedelta | None = None  # None: as soon as it was published
    gone_age: timedelta | None = None
    words: int | None = None  # None: words of its own


def microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)


def texts_of(said: Sequence[Said]) -> Texts:
    order = sorted(range(len(said)), key=lambda n: (-said[n].age, n))
    rows = [said[n] for n in order]

    def at(ages: Sequence[timedelta | None], missing: int) -> np.ndarray:
        return np.array([missing if a is None else microseconds(NOON - a) for a in ages], dtype=np.int64)

    return Texts(
        document_id=np.array([f"text-{n:03}" for n in order], dtype=object),
        asset=np.array([row.asset for row in rows], dtype=np.int64),
        source=np.array([TEXTS.index(row.source) for row in rows], dtype=np.int64),
        author=np.array([row.author for row in rows], dtype=np.int64),
        words=np.array([1000 + n if row.words is None else row.words for n, row in zip(order, rows, strict=True)]),
        published_at=at([row.age for row in rows], 0),
        known_at=at([row.age if row.known_age is None else row.known_age for row in rows], 0),
        gone_at=at([row.gone_age for row in rows], NEVER),
        compound=np.array([row.compound for row in rows], dtype=np.float64),
    )


def random_texts(seed: int, n: int, n_assets: int, hours: int) -> list[Said]:
    """Texts of the last ``hours`` before `NOON`, some known late, some gone, some by the same few authors."""
    draw = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        age = timedelta(minutes=int(draw.integers(0, hours * 60)))
        known = age - timedelta(minutes=int(draw.integers(0, 300))) if draw.random() < 0.3 else None
        gone = age - timedelta(minutes=int(draw.integers(1, 900))) if draw.random() < 0.1 else None
        found.append(
            Said(
                compound=float(draw.choice([0.0, *draw.uniform(-1, 1, 4)])),
                age=age,
                source=TEXTS[int(draw.integers(len(TEXTS)))],
                asset=int(draw.integers(n_assets)),
                author=int(draw.integers(-1, 4)),
                known_age=known,
                gone_age=gone,
                words=int(draw.integers(4)) if draw.random() < 0.4 else None,
            )
        )
    return found


class Event(NamedTuple):
    """Something in a repository; ages are before `NOON`."""

    age: timedelta
    weight: float = 1.0
    repository: int = 0
    known_age: timedelta | None = None


def events_of(events: Sequence[Event]) -> Events:
    return Events(
        repository=np.array([e.repository for e in events], dtype=np.int64),
        weight=np.array([e.weight for e in events], dtype=np.float64),
        happened_at=np.array([microseconds(NOON - e.age) for e in events], dtype=np.int64),
        known_at=np.array(
            [microseconds(NOON - (e.age if e.known_age is None else e.known_age)) for e in events], dtype=np.int64
        ),
    )


class Stretch(NamedTuple):
    """A time through which a repository was read; ages are before `NOON`."""

    repository: int = 0
    history_age: timedelta = timedelta(days=200)
    known_age: timedelta = timedelta(days=200)
    until_age: timedelta = timedelta(days=-100)


def coverage_of(stretches: Sequence[Stretch]) -> Coverage:
    def at(name: str) -> np.ndarray:
        return np.array([microseconds(NOON - getattr(each, name)) for each in stretches], dtype=np.int64)

    return Coverage(
        repository=np.array([each.repository for each in stretches], dtype=np.int64),
        history_from=at("history_age"),
        known_from=at("known_age"),
        known_until=at("until_age"),
    )
