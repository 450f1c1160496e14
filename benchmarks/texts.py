"""Texts for the cases: a month of them about made-up symbols, a few much talked of and most hardly ever."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd

from benchmarks.measurement import Figures
from benchmarks.stored_market import close_of, opened, settle, symbols_of
from pipeline.domain.document import SOURCE_OF_KIND, DocumentKind, Provenance
from pipeline.domain.universe import base_of
from pipeline.sentiment.scorers import scorer_name
from pipeline.sentiment.sketches import SKETCH_BYTES
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_insert

DAYS = 33  # what a tick looks back on: a window, and 30 days to compare it with
KINDS = (DocumentKind.ARTICLE, DocumentKind.TWEET, DocumentKind.TWEET, DocumentKind.POST)


def publish_texts(home: Path, name: str, n_symbols: int, last_bar: int, a_day: int) -> Figures:
    """Case: scored texts of the days up to a close and one more; how often a symbol is named falls with its number."""
    draw = np.random.default_rng(1)
    n = DAYS * a_day
    assets = np.array([base_of(symbol) for symbol in symbols_of(n_symbols)])
    odds = 1.0 / np.arange(1, n_symbols + 1)
    ids = [UUID(int=int(each)) for each in draw.choice(2**62, n, replace=False)]
    kinds = [KINDS[each] for each in draw.integers(0, len(KINDS), n)]
    end = close_of(last_bar) + timedelta(days=1)
    published_at = pd.DatetimeIndex(end - pd.to_timedelta(draw.uniform(0, DAYS * 86_400, n), unit="s")).as_unit("us")
    documents = pd.DataFrame(
        {
            "document_id": [str(each) for each in ids],
            "source": [SOURCE_OF_KIND[kind].value for kind in kinds],
            "kind": [kind.value for kind in kinds],
            "external_id": [str(each) for each in range(n)],
            "feed": "made-up",
            "title": "",
            "body": "what somebody says of a coin, in as many words as usual, which is some twenty or thirty",
            "author_hash": [f"{each:016x}" for each in draw.integers(0, n // 20, n)],
            "published_at": published_at,
            "fetched_at": published_at,
            "engagement": "{}",
            "content_hash": [str(each) for each in range(n)],
            "sketch": [bytes(SKETCH_BYTES)] * n,
            "provenance": Provenance.IMPORTED.value,
        }
    )
    links = pd.DataFrame({"document_id": documents["document_id"], "rule": "given", "mention": ""})
    links["asset"] = draw.choice(assets, n, p=odds / odds.sum())
    share = draw.dirichlet([1.0, 2.0, 1.0], n)
    scores = pd.DataFrame(share, columns=["positive", "neutral", "negative"])
    scores = scores.assign(document_id=documents["document_id"], scorer=scorer_name("default"), known_at=published_at)
    with opened(home, name) as database:
        with database.begin() as conn:
            bulk_insert(conn, tables.documents, documents)
            bulk_insert(conn, tables.document_assets, links)
            bulk_insert(conn, tables.document_sentiment, scores)
        settle(database)
    return {"texts": n}
