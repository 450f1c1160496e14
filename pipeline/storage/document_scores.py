"""How positive each text is: which texts lack a score, and scores as they are stored."""

from collections.abc import Iterator
from functools import partial

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from pipeline.contracts.sentiment import DocumentSentiment
from pipeline.contracts.validation import hold_to
from pipeline.domain.document import Provenance, TextSource
from pipeline.progress import Report, report
from pipeline.sentiment.excerpt import excerpt
from pipeline.sentiment.scorers import load_scorer, scorer_name
from pipeline.sentiment.scoring import Scorer
from pipeline.storage import tables
from pipeline.storage.bulk import affected, copy_to_staging
from pipeline.storage.database import Database
from pipeline.storage.sentiment import hold_texts

AT_ONCE = 10_000  # texts scored and stored in one transaction: a second or two


def count_unscored(conn: sa.Connection, scorer: str) -> int:
    """How many texts a scorer has not scored yet."""
    d = tables.documents
    return conn.scalar(sa.select(sa.func.count()).select_from(d).where(_is_unscored(scorer))) or 0


def score_documents(database: Database, scorer: Scorer, on_progress: Report) -> int:
    """Let a scorer score every text that it has not scored yet; how many those were.

    Lot by lot: what is scored is kept, wherever the work is broken off.
    """
    with database.begin() as conn:
        wanted = count_unscored(conn, scorer.name)
    done = 0
    for lot in unscored(database, scorer.name):
        on_progress(done, wanted)
        texts = [excerpt(title, body) for title, body in zip(lot["title"], lot["body"], strict=True)]
        found = scorer.score(texts, [TextSource(source) for source in lot["source"]])
        rows = pd.DataFrame(found, columns=["positive", "neutral", "negative"]).assign(document_id=lot["document_id"])
        with database.begin() as conn:
            store_scores(conn, scorer.name, rows)
        done += len(lot)
    on_progress(done, wanted)
    return done


def score_missing(database: Database, chosen: str) -> int:
    """Score the texts that the scorer of the settings has not scored; how many those were, nearly always none.

    Whoever computes the past calls it first: texts of an import, or of before an upgrade, may lack the newest scores.
    """
    with database.begin() as conn:
        if not count_unscored(conn, scorer_name(chosen)):
            return 0
    return score_documents(database, load_scorer(chosen), partial(report, "scoring texts"))


def unscored(database: Database, scorer: str) -> Iterator[pd.DataFrame]:
    """Texts that a scorer has not scored yet, some at a time; each lot is to be stored before the next is asked for.

    Columns: document_id, source, title, body.
    """
    d = tables.documents.c
    query = (
        sa.select(d.document_id, d.source, d.title, d.body)
        .where(_is_unscored(scorer))
        .order_by(d.published_at, d.document_id)
        .limit(AT_ONCE)
    )
    while True:
        lot = database.frame(query)
        if lot.empty:
            return
        yield lot


def store_scores(conn: sa.Connection, scorer: str, scores: pd.DataFrame) -> int:
    """Keep scores (document_id, positive, neutral, negative); how many are new.

    A text counts from when it was first scored by anybody, and what tells of the past from when it was published: a
    scorer that is exchanged does not move the past.

    Raises
    ------
    DataContractError
        The rows break their contract.
    """
    if scores.empty:
        return 0
    hold_to(DocumentSentiment, scores)
    t, d = tables.document_sentiment, tables.documents.c
    staged = copy_to_staging(conn, t, scores.assign(document_id=scores["document_id"].astype(str))).c
    document_id = sa.cast(staged.document_id, sa.Uuid)
    earlier = t.alias()
    first = sa.select(sa.func.min(earlier.c.known_at)).where(earlier.c.document_id == d.document_id).scalar_subquery()
    tells_of_the_past = (d.provenance != Provenance.FETCHED.value) & (d.fetched_at == d.published_at)
    now = sa.literal(hold_texts(conn), t.c.known_at.type)
    known_at = sa.func.coalesce(first, sa.case((tells_of_the_past, d.published_at), else_=now))
    columns = [d.document_id, sa.literal(scorer), staged.positive, staged.neutral, staged.negative, known_at]
    rows = sa.select(*columns).join_from(tables.documents, staged.document_id.table, d.document_id == document_id)
    names = ["document_id", "scorer", "positive", "neutral", "negative", "known_at"]
    return affected(conn, insert(t).from_select(names, rows).on_conflict_do_nothing())


def _is_unscored(scorer: str) -> sa.ColumnElement[bool]:
    s = tables.document_sentiment.c
    has_score = sa.select(s.document_id).where(s.document_id == tables.documents.c.document_id, s.scorer == scorer)
    return ~has_score.exists()
