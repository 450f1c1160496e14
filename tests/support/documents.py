"""Raw texts to store, the occasions on which they are read, and what became of them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipeline.domain.document import DocumentKind, Provenance, RawDocument, TextSource
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.document_scores import store_scores
from pipeline.storage.text_intake import Reading, TextIntake, keep_documents

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = b"a key for tests"


def an_article(number: int = 1, **changes: Any) -> RawDocument:
    """A headline about Bitcoin of its own, an hour before `NOON`."""
    article = RawDocument(
        kind=DocumentKind.ARTICLE,
        external_id=f"article-{number}",
        feed="https://daily.example/rss",
        published_at=NOON - HOUR,
        title=f"Bitcoin climbs as {_WORDS[number % len(_WORDS)]} buyers return number {number} in a row",
        url=f"https://daily.example/articles/{number}",
        author="Daily",
        language="en",
    )
    return replace(article, **changes)


_WORDS = ("patient", "nervous", "european", "retail", "large", "asian", "early", "late", "curious", "wealthy")


def a_tweet(number: int = 1, **changes: Any) -> RawDocument:
    """A short opinion on Bitcoin, an hour before `NOON`."""
    tweet = RawDocument(
        kind=DocumentKind.TWEET,
        external_id=f"tweet-{number}",
        feed="query",
        published_at=NOON - HOUR,
        body=f"$BTC looks {_WORDS[number % len(_WORDS)]} to me today, take {number}",
        author=f"author-{number}",
    )
    return replace(tweet, **changes)


def a_reading(**changes: Any) -> Reading:
    """Fetched at `NOON`, counting from when it is stored."""
    reading = Reading(now=NOON, provenance=Provenance.FETCHED, tells_of_the_past=False, author_key=KEY)
    return replace(reading, **changes)


IMPORT = a_reading(provenance=Provenance.IMPORTED, tells_of_the_past=True)


def keep(
    database: Database,
    raw: Sequence[RawDocument],
    reading: Reading = IMPORT,
    source: TextSource = TextSource.NEWS,
    removed: Sequence[str] = (),
) -> TextIntake:
    with database.begin() as conn:
        return keep_documents(conn, database, source, raw, reading, removed=removed)


def score_all(database: Database, scorer: str = "test", positive: float = 0.9) -> None:
    """Give every text that lacks one the same score."""
    d, s = tables.documents.c, tables.document_sentiment.c
    with database.begin() as conn:
        known = sa.select(s.document_id).where(s.scorer == scorer)
        ids = list(conn.scalars(sa.select(d.document_id).where(d.document_id.not_in(known))))
        rows = {"document_id": ids, "positive": positive, "neutral": 1.0 - positive, "negative": 0.0}
        store_scores(conn, scorer, pd.DataFrame(rows))


def stored(database: Database, table: str = "documents", where: str = "true") -> list[dict[str, Any]]:
    """All rows of a table, in a fixed order."""
    with database.begin() as conn:
        found = conn.execute(sa.text(f"SELECT * FROM {table} WHERE {where}")).mappings().all()
    return sorted((dict(row) for row in found), key=repr)
