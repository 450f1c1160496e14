"""What models said of one bar, as it is stored: which said it, and what they had been told."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.models.features import OWN
from pipeline.storage import tables
from pipeline.storage.history import Series
from pipeline.storage.predictions import PREDICTIONS

_COLUMNS = {kind: [*(column.name for column in table.c), "trained_through"] for kind, (table, _) in PREDICTIONS.items()}


def _said_of_a_bar() -> sa.Select[tuple[Any, ...]]:
    """One row of every kind's columns side by side: a question each would take longer than the answers."""
    bar = sa.select(
        sa.bindparam("series_id", type_=sa.Integer).label("series_id"),
        sa.bindparam("open_at", type_=sa.DateTime(timezone=True)).label("open_at"),
    ).subquery("bar")
    source: sa.FromClause = bar
    columns: list[sa.ColumnElement[Any]] = []
    for kind, (table, _) in PREDICTIONS.items():
        model = tables.models.alias()
        is_of_bar = (table.c.series_id == bar.c.series_id) & (table.c.open_at == bar.c.open_at)
        source = source.outerjoin(table, is_of_bar).outerjoin(model, model.c.model_id == table.c.model_id)
        columns += [column.label(f"{kind}.{column.name}") for column in (*table.c, model.c.trained_through)]
    return sa.select(*columns).select_from(source)


_SAID = _said_of_a_bar()


def read_said(conn: sa.Connection, series: Series, open_at: datetime) -> dict[ModelKind, dict[str, Any]]:
    """The rows of the bar's predictions, each with ``trained_through`` of its model; kinds that said nothing lack."""
    (row,) = conn.execute(_SAID, {"series_id": series.series_id, "open_at": open_at}).mappings()
    said = {kind: {name: row[f"{kind}.{name}"] for name in columns} for kind, columns in _COLUMNS.items()}
    return {kind: columns for kind, columns in said.items() if columns["model_id"] is not None}


def unknown_features(conn: sa.Connection, series: Series, open_at: datetime) -> list[str] | None:
    """The bar's own features that are stored as unknown, for which no model is asked; None if none are stored."""
    f = tables.model_features.c
    query = sa.select(*(f[name] for name in OWN)).where(f.series_id == series.series_id, f.open_at == open_at)
    row = conn.execute(query).mappings().one_or_none()
    return None if row is None else [name for name in OWN if row[name] is None]
