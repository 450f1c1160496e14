"""What models are told of bars and what they say about them: stored for a span of closes as a whole.

`history.read_block` reads the columns of all four tables. A bar that is no longer predicted, because a model was
withdrawn or has expired or the bar turned out unusable, loses its row when its span is predicted anew.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import pandas as pd
import pandera.pandas as pa
import sqlalchemy as sa

from pipeline.contracts.models import AnomalyScores, DirectionPredictions, ModelFeatures, PriceRangePredictions
from pipeline.contracts.validation import hold_to
from pipeline.domain.model import ModelKind
from pipeline.storage import tables
from pipeline.storage.bulk import Changes, bulk_upsert
from pipeline.storage.history import BlockRequest, SeriesGroup, bar_index
from pipeline.storage.spans import Span, stage_spans

_d, _a = tables.direction_predictions.c, tables.anomaly_scores.c
# `strategies.columns.PREDICTIONS`, each behind the table that holds it.
_AS_COLUMNS: tuple[tuple[tuple[str, ...], sa.Subquery], ...] = (
    (
        ("probability_up",),
        sa.select(_d.series_id, _d.open_at, _d.probability.label("probability_up")).subquery(),
    ),
    (
        ("anomaly_score", "is_anomaly"),
        sa.select(
            _a.series_id,
            _a.open_at,
            _a.score.label("anomaly_score"),
            sa.cast(sa.cast(_a.is_anomaly & ~_a.is_ignored, sa.Integer), sa.Double).label("is_anomaly"),
        ).subquery(),
    ),
)

PREDICTIONS: dict[ModelKind, tuple[sa.Table, type[pa.DataFrameModel]]] = {
    ModelKind.DIRECTION: (tables.direction_predictions, DirectionPredictions),
    ModelKind.PRICE_RANGE: (tables.price_range_predictions, PriceRangePredictions),
    ModelKind.ANOMALY: (tables.anomaly_scores, AnomalyScores),
}


def store_predictions(
    conn: sa.Connection, spans: Sequence[Span], said: Mapping[ModelKind, pd.DataFrame]
) -> dict[ModelKind, Changes]:
    """Make what models say in the spans equal to ``said``; returns what that did to the rows of each kind.

    The rows of a kind keep its contract in `contracts.models`; ``model_id`` and ``drivers`` are text. A kind that is
    not among them keeps what it said.

    Raises
    ------
    DataContractError
        Rows break their contract: a probability outside [0, 1], quantiles that cross, drivers without a flag.
    """
    stage_spans(conn, spans)
    written = {}
    for kind, rows in said.items():
        table, contract = PREDICTIONS[kind]
        written[kind] = _replace(conn, table, hold_to(contract, rows))
    return written


def store_features(conn: sa.Connection, rows: pd.DataFrame) -> int:
    """Store features of bars; returns how many rows are new or really changed.

    Raises
    ------
    DataContractError
        ``rows`` break their contract `ModelFeatures`: an infinite value, or double precision.
    """
    return bulk_upsert(conn, tables.model_features, hold_to(ModelFeatures, rows), is_staged=False)


def prediction_requests(names: Sequence[str], first_open: datetime, last_open: datetime) -> list[BlockRequest]:
    """What `history.read_blocks` is to read for some of `strategies.columns.PREDICTIONS`."""
    by_table = ((table, [name for name in names if name in columns]) for columns, table in _AS_COLUMNS)
    return [BlockRequest(table, some, first_open, last_open) for table, some in by_table if some]


def flagged_before(conn: sa.Connection, group: SeriesGroup, first_open: datetime, bars: int) -> pd.DataFrame:
    """Which of the ``bars`` bars before ``first_open`` are stored as anomalies, ignored or not.

    Returns a frame of shape (bars, n_symbols), bool, oldest first. It reads the few rows that are flagged.
    """
    duration = group.timeframe.duration
    index = bar_index(group.timeframe, first_open - bars * duration, first_open - duration)
    a = tables.anomaly_scores.c
    query = sa.select(a.series_id, a.open_at).where(
        a.is_anomaly,
        a.series_id.in_(group.ids),
        a.open_at >= first_open - bars * duration,
        a.open_at < first_open,
    )
    found = conn.execute(query).all()
    place_of = {number: place for place, number in enumerate(group.ids)}
    flags = np.zeros((bars, len(group.ids)), dtype=np.bool_)
    flags[
        index.get_indexer(pd.DatetimeIndex([row.open_at for row in found], tz="UTC")),
        [place_of[row.series_id] for row in found],
    ] = True
    return pd.DataFrame(flags, index=index, columns=group.symbols)


def _replace(conn: sa.Connection, table: sa.Table, rows: pd.DataFrame) -> Changes:
    written = bulk_upsert(conn, table, rows)
    # By opens first, which the primary key holds: the closes of a series have no index.
    vanished = f"""DELETE FROM {table.name} x USING spans s JOIN series e USING (series_id)
WHERE x.series_id = s.series_id
  AND x.open_at >= s.after - make_interval(secs => e.bar_seconds) AND x.open_at < s.until
  AND x.close_at > s.after AND x.close_at <= s.until"""
    if not rows.empty:
        vanished += f""" AND NOT EXISTS (SELECT FROM pg_temp.staging_{table.name} n
  WHERE n.series_id = x.series_id AND n.open_at = x.open_at)"""
    return Changes(written, int(conn.execute(sa.text(vanished)).rowcount))
