"""What was said of one symbol at a close, by which texts, and which were left out; a part of `pipeline.explaining`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isnan

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.document import TextSource
from pipeline.domain.universe import SeriesKey, base_of
from pipeline.explain.sentiment import SentimentFinding, SourceFinding, TextFinding
from pipeline.sentiment.blending import TEXTS, Blend
from pipeline.sentiment.movers import movers, weights_used
from pipeline.sentiment.scorers import scorer_name
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.settings_texts import SentimentSettings
from pipeline.storage.database import Database
from pipeline.storage.explaining_texts import read_texts_about, stored_sentiment
from pipeline.surveying import silence, survey_of_close

LEFT_OUT_SHOWN = 5


def sentiment_finding(
    conn: sa.Connection, database: Database, settings: SentimentSettings, key: SeriesKey, close_at: datetime
) -> SentimentFinding:
    """The scores of a close, computed from the texts as they were known then, with what is stored beside them.

    Texts are taken as the scorer of the stored row scored them, where there is one.
    """
    is_simulated, asset = key.exchange == SIMULATED_EXCHANGE, base_of(key.symbol)
    stored = stored_sentiment(conn, key.symbol, close_at, is_simulated=is_simulated)
    scorer = scorer_name(settings.scorer) if stored is None else stored["scorer"]
    found, texts = survey_of_close(database, settings.rules, key.exchange, key.symbol, close_at, scorer)
    rows = read_texts_about(conn, asset, close_at, settings.rules.window, scorer, is_simulated=is_simulated)
    by_id = {str(row["document_id"]): row for row in rows}
    top = movers(found, texts, pd.Index([0]).to_numpy())
    counted = {str(texts.document_id[place]) for place in found.pairs.text}
    others = [row for row in rows if str(row["document_id"]) not in counted]
    return SentimentFinding(
        asset=asset,
        overall=_known(found.overall[0, 0]),
        news=_known(found.news[0, 0]),
        social=_known(found.social[0, 0]),
        coverage=float(found.coverage[0, 0]),
        z_score=None if stored is None else stored["z_score"],
        silence=None if isnan(found.overall[0, 0]) else silence(found, 0, 0),
        sources=_sources(found, settings),
        texts=[
            _text(by_id[document_id], part=part)
            for document_id, part in zip(top["document_id"], top["part"], strict=True)
            if document_id in by_id
        ],
        others=[_text(row, left_out=_left_out(row, close_at)) for row in others[:LEFT_OUT_SHOWN]],
        left_out=dict(Counter(_left_out(row, close_at).partition("(")[0] for row in others).most_common()),
        stored=None if stored is None else stored["overall_score"],
        scorer=scorer,
    )


def _sources(found: Blend, settings: SentimentSettings) -> Sequence[SourceFinding]:
    used: Mapping[str, float] = {} if isnan(found.overall[0, 0]) else weights_used(found, 0, 0)
    return [
        SourceFinding(
            source=source.value,
            score=_known(found.scores[0, 0, place]),
            weight=settings.rules.weights[source],
            weight_used=used.get(source.value),
            counted=int(found.counted[0, 0, place]) if source in TEXTS else None,
            capped=int(found.capped[0, 0, place]) if source in TEXTS else 0,
        )
        for place, source in enumerate(TextSource)
    ]


def _text(row: RowMapping, *, part: float | None = None, left_out: str | None = None) -> TextFinding:
    return TextFinding(
        document_id=str(row["document_id"]),
        source=row["source"],
        published_at=row["published_at"],
        beginning=row["beginning"],
        url=row["url"],
        compound=row["compound"],
        linked_by=f"{row['rule']} {row['mention']}".strip(),
        part=part,
        left_out=left_out,
    )


def _left_out(row: RowMapping, close_at: datetime) -> str:
    """Why a text of the window did not count at the close."""
    if row["duplicate_of"] is not None:
        return f"{row['duplicate_rule']}({row['duplicate_of']})"
    if row["known_at"] is None:
        return "not_scored"
    if row["known_at"] > close_at:
        return f"known_later({row['known_at']:%Y-%m-%d %H:%M})"
    if row["gone_at"] is not None and row["gone_at"] <= close_at:
        return f"{row['gone_reason']}({row['gone_at']:%Y-%m-%d %H:%M})"
    return "said_enough"


def _known(value: float) -> float | None:
    return None if isnan(value) else float(value)
