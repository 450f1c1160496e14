"""What texts and development activity say of symbols at closes: what a tick, a backfill and a replay share."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.document import TextSource
from pipeline.domain.universe import base_of
from pipeline.sentiment.activity import activity_scores
from pipeline.sentiment.baseline import DAYS, floods, with_days_before, z_scores
from pipeline.sentiment.blending import TEXTS, Blend, BlendRules, Texts, blend
from pipeline.sentiment.movers import movers, weights_used
from pipeline.sentiment.scorers import scorer_name
from pipeline.settings_sections import SIMULATED_EXCHANGE
from pipeline.settings_texts import SentimentSettings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup, bar_index
from pipeline.storage.sentiment import assets_of, read_activity, read_texts
from pipeline.storage.spans import Span
from pipeline.strategies.columns import SENTIMENT, SENTIMENTS

CELLS_AT_ONCE = 4_000_000  # closes, their days before and assets at once: a few hundred MB


ROW = tuple(column.name for column in tables.symbol_sentiment.c if column.name != "recorded_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is said at some closes; arrays are of shape (n_closes, n_assets) unless they say otherwise."""

    closes: pd.DatetimeIndex
    scorer: str
    blend: Blend  # at the closes and the days before
    texts: Texts
    places: npt.NDArray[np.int64]  # where each close stands in the blend
    z_score: npt.NDArray[np.float64]
    is_flooded: npt.NDArray[np.bool_]  # (n_closes, n_assets, 3)


def surveys(
    database: Database,
    settings: SentimentSettings,
    exchange: str,
    symbols: Sequence[str],
    closes: pd.DatetimeIndex,
) -> Iterator[Survey]:
    """What texts that were known by each close say of the symbols' bases, for some closes at a time; oldest first.

    Parameters
    ----------
    exchange
        Of the symbols: those of the simulated one are judged by simulated texts, all others by all other texts.
    closes
        Aware, increasing.
    """
    assets, rules, scorer = assets_of(symbols), settings.rules, scorer_name(settings.scorer)
    is_simulated = exchange == SIMULATED_EXCHANGE
    at_once = max(1, CELLS_AT_ONCE // ((DAYS + 1) * max(1, len(assets))))
    for begin in range(0, len(closes), at_once):
        some = closes[begin : begin + at_once]
        index, places = with_days_before(some)
        first, last = (instant.to_pydatetime() for instant in index[[0, -1]])
        texts = read_texts(database, assets, first, last, rules.window, scorer, is_simulated=is_simulated)
        events, coverage, asset_of = read_activity(database, assets, first, last, is_simulated=is_simulated)
        activity = activity_scores(events, coverage, asset_of, index, len(assets))
        found = blend(texts, activity, index, assets, rules)
        z_score, _ = z_scores(np.where(found.is_covered, found.overall, np.nan), places)
        yield Survey(
            closes=some,
            scorer=scorer,
            blend=found,
            texts=texts,
            places=places[0],
            z_score=z_score,
            is_flooded=floods(found.counted + found.capped, places),
        )


def survey_of_close(
    database: Database, rules: BlendRules, exchange: str, symbol: str, close_at: datetime, scorer: str
) -> tuple[Blend, Texts]:
    """What is said of one symbol at one close, and the texts that say it; without the days before."""
    assets, index = assets_of([symbol]), pd.DatetimeIndex([close_at])
    is_simulated = exchange == SIMULATED_EXCHANGE
    texts = read_texts(database, assets, close_at, close_at, rules.window, scorer, is_simulated=is_simulated)
    events, coverage, asset_of = read_activity(database, assets, close_at, close_at, is_simulated=is_simulated)
    activity = activity_scores(events, coverage, asset_of, index, len(assets))
    return blend(texts, activity, index, assets, rules), texts


def sentiment_columns(
    database: Database, settings: SentimentSettings, group: SeriesGroup, index: pd.DatetimeIndex
) -> Block:
    """`strategies.columns.SENTIMENTS` of the bars that open in ``index``, by their names there; as if stored."""
    columns: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in SENTIMENTS}
    for found in surveys(database, settings, group.exchange, group.symbols, index + group.timeframe.duration):
        said, at = found.blend, found.places
        here = [said.assets.index(base_of(symbol)) for symbol in group.symbols]
        for name, values in (("overall", said.overall), ("news", said.news), ("social", said.social)):
            columns[name].append(np.where(said.is_covered[at], values[at], np.nan)[:, here])
    return {
        SENTIMENT + name: pd.DataFrame(np.concatenate(parts), index=index, columns=group.symbols)
        for name, parts in columns.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which closes each symbol of an exchange is asked about; a close that several timeframes share is one."""

    exchange: str
    symbols: list[str]
    closes: pd.DatetimeIndex  # of any symbol, increasing
    rows: pd.DataFrame  # symbol, close_at, is_simulated; by close, then symbol

    @classmethod
    def of_spans(cls, spans: Sequence[Span]) -> "Asked":
        """The closes of some spans, which are all of one exchange."""
        exchange = next((span.series.key.exchange for span in spans), "")
        parts = [pd.DataFrame({"symbol": span.series.key.symbol, "close_at": _closes(span)}) for span in spans]
        frame = pd.concat(parts) if parts else pd.DataFrame({"symbol": [], "close_at": pd.DatetimeIndex([], tz="UTC")})
        rows = frame.drop_duplicates().sort_values(["close_at", "symbol"], ignore_index=True)
        return cls(
            exchange=exchange,
            symbols=sorted(rows["symbol"].unique()),
            closes=pd.DatetimeIndex(rows["close_at"].unique()),
            rows=rows.assign(is_simulated=exchange == SIMULATED_EXCHANGE),
        )


def sentiment_rows(found: Survey, asked: pd.DataFrame) -> pd.DataFrame:
    """Rows of `symbol_sentiment` for those rows of `Asked` of which a source has something to say, in their order."""
    said, moved = found.blend, _top_documents(found)
    numbers = found.closes.get_indexer(pd.DatetimeIndex(asked["close_at"]))
    asset_of = {symbol: said.assets.index(base_of(symbol)) for symbol in asked["symbol"].unique()}
    assets = asked["symbol"].map(asset_of).to_numpy(dtype=np.int64)
    is_said = (numbers >= 0) & ~np.isnan(said.overall[found.places[numbers], assets])
    rows: list[dict[str, Any]] = []
    for number, asset, (symbol, close_at, is_simulated) in zip(
        *(numbers[is_said].tolist(), assets[is_said].tolist()),
        asked.loc[is_said, ["symbol", "close_at", "is_simulated"]].itertuples(index=False, name=None),
        strict=True,
    ):
        place = int(found.places[number])
        rows.append(
            {
                "symbol": symbol,
                "close_at": close_at,
                "is_simulated": is_simulated,
                "overall_score": said.overall[place, asset],
                "social_score": said.social[place, asset],
                **{f"{source}_score": said.scores[place, asset, n] for n, source in enumerate(TextSource)},
                **{f"{source}_documents": said.counted[place, asset, n] for n, source in enumerate(TEXTS)},
                **{f"{source}_capped": said.capped[place, asset, n] for n, source in enumerate(TEXTS)},
                "coverage": said.coverage[place, asset],
                "weights": json.dumps(weights_used(said, place, asset)),
                "z_score": found.z_score[number, asset],
                "flooded": [s.value for n, s in enumerate(TEXTS) if found.is_flooded[number, asset, n]],
                "top_documents": json.dumps(moved.get((place, asset), [])),
                "scorer": found.scorer,
                "silence": silence(said, place, asset),
            }
        )
    return pd.DataFrame(rows, columns=list(ROW))


def silence(said: Blend, close: int, asset: int) -> str | None:
    """Why there is no advice at a close; None where there may be."""
    if said.is_covered[close, asset]:
        return None
    coverage, n_documents = float(said.coverage[close, asset]), int(said.counted[close, asset].sum())
    rules = said.rules
    if n_documents < rules.min_documents:
        return f"insufficient_coverage({n_documents}<{rules.min_documents} documents)"
    return f"insufficient_coverage(weight {coverage:.2g}<{rules.min_weight:.2g})"


def _top_documents(found: Survey) -> dict[tuple[int, int], list[dict[str, Any]]]:
    top: dict[tuple[int, int], list[dict[str, Any]]] = {}
    rows = movers(found.blend, found.texts, found.places)
    for close, asset, document_id, part in zip(*(rows[name].tolist() for name in rows), strict=True):
        top.setdefault((close, asset), []).append({"document_id": document_id, "part": round(part, 6)})
    return top


def _closes(span: Span) -> pd.DatetimeIndex:
    timeframe = span.series.key.timeframe
    return bar_index(timeframe, span.first_open, span.last_open) + timeframe.duration
