"""Texts of a window about one asset, those that do not count included: what `signals explain` tells of them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.storage import tables
from pipeline.storage.sentiment import is_of

BEGINNING = 110  # characters of a text that are told


def read_texts_about(
    conn: sa.Connection, asset: str, close_at: datetime, window: timedelta, scorer: str, *, is_simulated: bool
) -> Sequence[RowMapping]:
    """The texts about an asset that were published in the window before a close, newest first.

    document_id, source, published_at, fetched_at, known_at, gone_at, gone_reason, duplicate_of, duplicate_rule, url,
    beginning, compound, rule, mention.
    """
    d, a, s = tables.documents.c, tables.document_assets.c, tables.document_sentiment.c
    words = sa.func.concat_ws(" ", sa.func.nullif(d.title, ""), sa.func.nullif(d.body, ""))
    query = (
        sa.select(
            *(d.document_id, d.source, d.published_at, d.fetched_at, s.known_at, d.gone_at, d.gone_reason),
            *(d.duplicate_of, d.duplicate_rule, d.url, sa.func.left(words, BEGINNING).label("beginning")),
            *((s.positive - s.negative).label("compound"), a.rule, a.mention),
        )
        .join_from(tables.documents, tables.document_assets, a.document_id == d.document_id)
        .outerjoin(tables.document_sentiment, (s.document_id == d.document_id) & (s.scorer == scorer))
        .where(a.asset == asset, d.published_at > close_at - window, d.published_at <= close_at)
        .where(is_of(d.provenance, is_simulated))
        .order_by(d.published_at.desc(), d.document_id)
    )
    return conn.execute(query).mappings().all()


def stored_sentiment(conn: sa.Connection, symbol: str, close_at: datetime, *, is_simulated: bool) -> RowMapping | None:
    """The overall score, its z-score and its scorer as they are stored of a close; None where there is no row."""
    t = tables.symbol_sentiment.c
    query = sa.select(t.overall_score, t.z_score, t.scorer).where(
        t.symbol == symbol, t.close_at == close_at, t.is_simulated == is_simulated
    )
    return conn.execute(query).mappings().one_or_none()
