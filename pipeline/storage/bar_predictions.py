"""What models said of one bar, as it is stored: which said it, and what they had been told."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.domain.model import ModelKind
from pipeline.models.features import OWN
from pipeline.storage import tables
from pipeline.storage.history import Series
from pipeline.storage.predictions import PREDICTIONS


def read_said(conn: sa.Connection, series: Series, open_at: datetime) -> dict[ModelKind, RowMapping]:
    """The rows of the bar's predictions, each with ``trained_through`` of its model; kinds that said nothing lack."""
    m, found = tables.models.c, {}
    for kind, (table, _) in PREDICTIONS.items():
        query = (
            sa.select(table, m.trained_through)
            .join(tables.models, m.model_id == table.c.model_id)
            .where(table.c.series_id == series.series_id, table.c.open_at == open_at)
        )
        row = conn.execute(query).mappings().one_or_none()
        if row is not None:
            found[kind] = row
    return found


def unknown_features(conn: sa.Connection, series: Series, open_at: datetime) -> list[str] | None:
    """The bar's own features that are stored as unknown, for which no model is asked; None if none are stored."""
    f = tables.model_features.c
    query = sa.select(*(f[name] for name in OWN)).where(f.series_id == series.series_id, f.open_at == open_at)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else [name for name in OWN if row[name] is None]
