"""The registry of models: published in one transaction, withdrawn by a person, and who speaks about a close.

A champion stays one when its successor comes: it spoke about the closes of its time, live and in replays, and would say
the same again. The newest that is effective speaks.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.contracts.models import ModelEvaluations
from pipeline.contracts.validation import hold_to
from pipeline.domain.errors import DataContractError, ModelUnavailableError
from pipeline.domain.model import ModelKind, ModelStatus
from pipeline.domain.signal import NAMESPACE
from pipeline.domain.timeframe import Timeframe
from pipeline.models.artefact import digest
from pipeline.storage import tables
from pipeline.storage.bulk import bulk_insert, typed

REPLACED = "replaced by "  # how the reason of a model begins that another one of the same week has replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedModel:
    """A model that has been trained and judged, with the decision about it; the columns of `models`."""

    kind: ModelKind
    exchange: str
    timeframe: Timeframe
    trained_from: datetime
    trained_through: datetime
    effective_from: datetime
    n_rows: int
    feature_schema: str
    library_versions: Mapping[str, str]
    parameters: Mapping[str, Any]
    metrics: Mapping[str, float]  # NaN where unknown
    decision: Mapping[str, Any]
    artefact: bytes
    status: ModelStatus
    status_reason: str | None
    training_seconds: float

    @property
    def model_id(self) -> UUID:
        """The same for the same model of the same week, whoever trained it and however often."""
        through = self.trained_through.astimezone(UTC).isoformat()
        facts = (self.kind, self.exchange, self.timeframe, through, digest(self.artefact))
        return uuid5(NAMESPACE, "|".join(map(str, facts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """A model that speaks from ``effective_from`` on, until the next one does; without its artefact."""

    model_id: UUID
    trained_through: datetime
    effective_from: datetime
    feature_schema: str
    artefact_sha256: str
    metrics: dict[str, float | None]


_JUDGED = tuple(column.name for column in tables.model_evaluations.c if column.name != "model_id")
_CHAMPION = tuple(tables.models.c[name] for name in Champion.__dataclass_fields__)


def publish(conn: sa.Connection, model: TrainedModel, evaluation: pd.DataFrame) -> bool:
    """Store a model with its judgement; returns whether that changed anything.

    A new champion retires the one of the same kind, exchange, timeframe and week. It is all in the caller's
    transaction, so that a process that dies leaves the old one speaking. A model that is stored already and judged on
    other bars, or otherwise, takes the new judgement and what was decided by it; one whose bytes are damaged is whole
    again. The same judgement again only ever promotes it, from candidate, or from having been replaced. One that a
    person has withdrawn stays as it is.

    Parameters
    ----------
    evaluation : DataFrame
        Rows of `ModelEvaluations`.

    Raises
    ------
    DataContractError
        The rows break their contract.
    """
    # Two publications at once would not see each other's champion. Readers do not wait.
    conn.execute(sa.text("LOCK TABLE models IN SHARE ROW EXCLUSIVE MODE"))
    m = tables.models
    is_champion = model.status is ModelStatus.CHAMPION
    row = _row(model)
    bytes_stored = sa.func.encode(sa.func.sha256(m.c.artefact), "hex").label("sha256")
    found = sa.select(m.c.status, m.c.status_reason, bytes_stored).where(m.c.model_id == model.model_id)
    stored = conn.execute(found).first()
    rows = hold_to(ModelEvaluations, evaluation)
    is_judged_anew = stored is None or _cells(rows) != _stored_cells(conn, model.model_id)
    if stored is not None:
        is_promoted = is_champion and stored.status != ModelStatus.CHAMPION
        is_damaged = stored.sha256 != row["artefact_sha256"]
        if _is_withdrawn(stored.status, stored.status_reason) or not (is_judged_anew or is_promoted or is_damaged):
            return False
    if is_champion:
        _retire_other(conn, model)
    if stored is None:
        conn.execute(sa.insert(m).values(row))
    else:
        conn.execute(sa.update(m).where(m.c.model_id == model.model_id).values(row))
    if is_judged_anew:
        e = tables.model_evaluations
        conn.execute(sa.delete(e).where(e.c.model_id == model.model_id))
        bulk_insert(conn, e, typed(e, rows.assign(model_id=str(model.model_id))))
    return True


def _is_withdrawn(status: str, reason: str | None) -> bool:
    return status == ModelStatus.RETIRED and not (reason or "").startswith(REPLACED)


def _cells(rows: pd.DataFrame) -> set[tuple[Any, ...]]:
    """Rows of `model_evaluations` to compare, without their model."""
    cells = rows[list(_JUDGED)].astype(object)
    return set(cells.where(cells.notna(), None).itertuples(index=False, name=None))


def _stored_cells(conn: sa.Connection, model_id: UUID) -> set[tuple[Any, ...]]:
    e = tables.model_evaluations.c
    return {tuple(row) for row in conn.execute(sa.select(*(e[name] for name in _JUDGED)).where(e.model_id == model_id))}


def _retire_other(conn: sa.Connection, model: TrainedModel) -> None:
    m = tables.models.c
    conn.execute(
        sa.update(tables.models)
        .where(*_are_champions(model.exchange, model.timeframe), m.kind == model.kind.value)
        .where(m.trained_through == model.trained_through, m.model_id != model.model_id)
        .values(status=ModelStatus.RETIRED.value, status_reason=f"{REPLACED}{model.model_id}")
    )


def _row(model: TrainedModel) -> dict[str, Any]:
    row = {name: getattr(model, name) for name in TrainedModel.__dataclass_fields__}
    return row | {
        "model_id": model.model_id,
        "artefact_sha256": digest(model.artefact),
        "kind": model.kind.value,
        "timeframe": str(model.timeframe),
        "status": model.status.value,
        "metrics": {name: value if math.isfinite(value) else None for name, value in model.metrics.items()},
    }


def champions(
    conn: sa.Connection, exchange: str, timeframe: Timeframe, first_close: datetime, last_close: datetime
) -> dict[ModelKind, list[Champion]]:
    """Who of each kind speaks about the closes from ``first_close`` to ``last_close``, inclusive; oldest first.

    A champion is effective at a close that equals its ``effective_from``. Closes before the first one's have none.
    """
    m, earlier = tables.models.c, tables.models.alias("earlier").c
    at_first = sa.select(sa.func.max(earlier.effective_from)).where(
        *(earlier[name] == m[name] for name in ("status", "kind", "exchange", "timeframe")),
        earlier.effective_from <= first_close,
    )
    query = sa.select(m.kind, *_CHAMPION).where(
        *_are_champions(exchange, timeframe),
        m.effective_from <= last_close,
        m.effective_from >= sa.func.coalesce(at_first.scalar_subquery(), first_close),
    )
    found: dict[ModelKind, list[Champion]] = {kind: [] for kind in ModelKind}
    for row in conn.execute(query.order_by(m.effective_from, m.trained_through)).mappings():
        found[ModelKind(row["kind"])].append(Champion(**{name: row[name] for name in Champion.__dataclass_fields__}))
    return found


def champion_before(
    conn: sa.Connection, kind: ModelKind, exchange: str, timeframe: Timeframe, trained_through: datetime
) -> Champion | None:
    """The newest champion that was trained through an earlier instant: whom a challenger has to match."""
    m = tables.models.c
    query = sa.select(*_CHAMPION).where(
        *_are_champions(exchange, timeframe), m.kind == kind.value, m.trained_through < trained_through
    )
    row = conn.execute(query.order_by(m.trained_through.desc()).limit(1)).mappings().first()
    return None if row is None else Champion(**row)


def _are_champions(exchange: str, timeframe: Timeframe) -> tuple[sa.ColumnElement[bool], ...]:
    m = tables.models.c
    return m.status == ModelStatus.CHAMPION.value, m.exchange == exchange, m.timeframe == str(timeframe)


def read_artefact(conn: sa.Connection, model_id: UUID) -> bytes:
    """A model's bytes as they are stored, unchecked; see `artefact.unpack`.

    Raises
    ------
    ModelUnavailableError
        There is no such model: `artefact_missing`.
    """
    artefact: bytes | None = conn.scalar(
        sa.select(tables.models.c.artefact).where(tables.models.c.model_id == model_id)
    )
    if artefact is None:
        raise ModelUnavailableError("artefact_missing")
    return artefact


def read_evaluations(conn: sa.Connection, model_id: UUID) -> list[dict[str, Any]]:
    """How a model was judged: rows of `model_evaluations`, all folds together first."""
    e = tables.model_evaluations.c
    query = sa.select(*(column for column in e if column.name != "model_id")).where(e.model_id == model_id)
    return [dict(row) for row in conn.execute(query.order_by(e.fold, e.metric, e.predictor)).mappings()]


def list_models(
    conn: sa.Connection,
    *,
    kind: ModelKind | None = None,
    exchange: str | None = None,
    timeframe: Timeframe | None = None,
    limit: int | None = None,
) -> Sequence[RowMapping]:
    """Rows of `v_models`: those trained through the latest instant first, then by kind, exchange and timeframe."""
    wanted = {"kind": kind, "exchange": exchange, "timeframe": timeframe}
    conditions = [f"{name} = :{name}" for name, value in wanted.items() if value is not None]
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        conn.execute(
            sa.text(
                f"""SELECT * FROM v_models {where}
ORDER BY trained_through DESC, kind, exchange, timeframe, recorded_at DESC, model_id LIMIT :limit"""
            ),
            {"limit": limit} | {name: str(value) for name, value in wanted.items() if value is not None},
        )
        .mappings()
        .all()
    )


def retire(conn: sa.Connection, model_id: UUID, reason: str) -> bool:
    """Withdraw a model for good; False if it was withdrawn already. The champion before it speaks in its place.

    What it has said stays stored until those closes are predicted anew.

    Raises
    ------
    DataContractError
        There is no such model.
    """
    m = tables.models.c
    stored = conn.execute(sa.select(m.status, m.status_reason).where(m.model_id == model_id).with_for_update()).first()
    if stored is None:
        raise DataContractError(f"a model must be one of those that `signals models` lists, was {model_id}")
    if _is_withdrawn(*stored):
        return False
    conn.execute(
        sa.update(tables.models)
        .where(m.model_id == model_id)
        .values(status=ModelStatus.RETIRED.value, status_reason=reason)
    )
    return True
