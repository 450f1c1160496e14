"""Texts for tests of the chain: moods that come and go, some read late, some edited away, some repeated."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import sqlalchemy as sa

from pipeline.domain.document import ActivityKind, Cursor, DocumentKind, RawDocument, RepositoryEvent, TextSource
from pipeline.sentiment.scorers import scorer_name
from pipeline.storage.database import Database
from pipeline.storage.document_scores import store_scores
from pipeline.storage.text_intake import keep_events
from tests.support.documents import IMPORT, keep

SENTIMENT_TABLES = ("symbol_sentiment",)
KINDS = {
    TextSource.NEWS: DocumentKind.ARTICLE,
    TextSource.TWITTER: DocumentKind.TWEET,
    TextSource.REDDIT: DocumentKind.POST,
}
DAY = timedelta(days=1)


def store_moods(
    database: Database, assets: Sequence[str], first: datetime, n_days: int, *, seed: int = 1, a_day: int = 60
) -> None:
    """Texts of every source about each asset, in swings of mood that pass the thresholds; with events of repositories.

    A third is known some hours after it was published, a twentieth ends some hours after that.
    """
    draw = np.random.default_rng(seed)
    scores: dict[str, tuple[float, int, int | None]] = {}
    for source, kind in KINDS.items():
        texts = []
        for asset in assets:
            phase = draw.uniform(0, 2 * np.pi)
            for n in range(a_day * n_days):
                minute = int(draw.integers(0, 24 * 60 * n_days))
                swing = np.sin(phase + 2 * np.pi * minute / (24 * 60 * 2.5)) + 0.3 * draw.standard_normal()
                name = f"{asset}-{source.value}-{n}"
                late = int(draw.integers(5, 240)) if draw.random() < 0.33 else 0
                gone = late + int(draw.integers(60, 600)) if draw.random() < 0.05 else None
                scores[f"{source.value}|{name}"] = (float(np.clip(swing, -1, 1)), late, gone)
                words = f"{' '.join(_WORDS[each] for each in draw.integers(0, len(_WORDS), 12))} {name}"
                texts.append(
                    RawDocument(
                        kind=kind,
                        external_id=name,
                        feed=source.value,
                        published_at=first + timedelta(minutes=minute),
                        title=words if kind is not DocumentKind.TWEET else "",
                        body=words if kind is DocumentKind.TWEET else "",
                        author=f"author-{int(draw.integers(0, 40))}",
                        assets=(asset,),
                    )
                )
        keep(database, texts, IMPORT, source)
    _score(database, scores)
    _store_activity(database, assets, first - 100 * DAY, first + n_days * DAY, draw)


def _score(database: Database, scores: dict[str, tuple[float, int, int | None]]) -> None:
    name = scorer_name("default")
    with database.begin() as conn:
        rows = conn.execute(sa.text("SELECT document_id, source || '|' || external_id FROM documents")).all()
        moods = np.array([scores[key][0] for _, key in rows])
        positive, negative = np.maximum(moods, 0.0), np.maximum(-moods, 0.0)
        frame = {"document_id": [row[0] for row in rows], "positive": positive, "negative": negative}
        store_scores(conn, name, pd.DataFrame(frame | {"neutral": 1.0 - positive - negative}))
        for document_id, key in rows:
            _, late, gone = scores[key]
            if late:
                conn.execute(
                    sa.text("UPDATE document_sentiment SET known_at = known_at + :late WHERE document_id = :id"),
                    {"late": timedelta(minutes=late), "id": document_id},
                )
            if gone is not None:
                conn.execute(
                    sa.text(
                        "UPDATE documents SET gone_at = published_at + :gone, gone_reason = 'removed' "
                        "WHERE document_id = :id"
                    ),
                    {"gone": timedelta(minutes=gone), "id": document_id},
                )


def _store_activity(
    database: Database, assets: Sequence[str], first: datetime, last: datetime, draw: np.random.Generator
) -> None:
    asset_of = {f"coins/{asset.lower()}": asset for asset in assets}
    events = [
        RepositoryEvent(
            repository=repository,
            kind=ActivityKind.COMMIT,
            external_id=str(n),
            happened_at=first + timedelta(minutes=int(draw.integers(0, (last - first) // timedelta(minutes=1)))),
        )
        for repository in asset_of
        for n in range(200)
    ]
    cursors = {repository: Cursor(history_from=first, newest_at=last) for repository in asset_of}
    with database.begin() as conn:
        keep_events(conn, events, asset_of, IMPORT, cursors=cursors)


_WORDS = (
    *("garden", "window", "river", "paper", "music", "summer", "kitchen", "letter", "bridge", "market", "winter"),
    *("engine", "forest", "mirror", "planet", "rocket", "silver", "street", "ticket", "travel", "velvet", "yellow"),
)
