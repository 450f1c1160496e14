"""Which models spoke of one bar, what they said, and why the others did not; a part of `pipeline.explaining`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.explain.models import Driver, ModelFinding
from pipeline.predicting import COLUMNS, Predictions, Speakers, Voice
from pipeline.settings import Settings
from pipeline.storage.bar_predictions import read_said, unknown_features
from pipeline.storage.database import Database
from pipeline.storage.history import Series, SeriesGroup


def model_findings(
    conn: sa.Connection,
    database: Database,
    settings: Settings,
    series: Series,
    close_at: datetime,
    silenced_by: str | None,
    predictions: Predictions | None,
) -> tuple[ModelFinding, ...]:
    """What each kind of model said of the bar of a close.

    Parameters
    ----------
    silenced_by
        Why no strategy may speak on the bar, nor any model.
    predictions
        What models say of the series' bars up to this one, where it is computed. Otherwise what is stored counts; why
        something is not stored is told by the registry as it stands now.
    """
    if predictions is not None:
        return _computed(predictions, silenced_by)
    open_at = close_at - series.key.timeframe.duration
    rows = read_said(conn, series, open_at)
    group = SeriesGroup(series.key.exchange, series.key.timeframe, (series,))
    speakers = Speakers(database, settings, group, pd.DatetimeIndex([open_at]))
    found = []
    unasked: str | None = None
    for kind in ModelKind:
        row = rows.get(kind)
        if row is None:
            voice = speakers.of(kind)[-1]
            if voice.silence is None and unasked is None:
                unasked = _unasked(conn, series, open_at, silenced_by)
            found.append(_unsaid(kind, voice, unasked))
            continue
        found.append(
            ModelFinding(
                kind=kind.value,
                model_id=str(row["model_id"]),
                trained_through=row["trained_through"],
                said={name: float(row[name]) for name in COLUMNS[kind]},
                drivers=_drivers(row.get("drivers")),
            )
        )
    return tuple(found)


def _computed(predictions: Predictions, silenced_by: str | None) -> tuple[ModelFinding, ...]:
    found = []
    last = len(predictions.index) - 1
    for kind, said in predictions.said.items():
        voice = said.voices[-1]
        values = {name: float(column[-1, 0]) for name, column in said.columns.items()}
        if voice.champion is None or said.model_ids[-1, 0] is None:
            unasked = silenced_by or "one of its features is unknown, or its answer was refused"
            found.append(_unsaid(kind, voice, unasked))
            continue
        drivers = predictions.drivers.get((last, 0)) if kind is ModelKind.ANOMALY else None
        found.append(
            ModelFinding(
                kind=kind.value,
                model_id=str(voice.champion.model_id),
                trained_through=voice.champion.trained_through,
                said={name: value for name, value in values.items() if not np.isnan(value)},
                drivers=_drivers(None if drivers is None else json.loads(drivers)),
            )
        )
    return tuple(found)


def _unsaid(kind: ModelKind, voice: Voice, unasked: str | None) -> ModelFinding:
    champion = voice.champion
    return ModelFinding(
        kind=kind.value,
        model_id=None if champion is None else str(champion.model_id),
        trained_through=None if champion is None else champion.trained_through,
        silence=voice.silence,
        unasked=unasked if voice.silence is None else None,
    )


def _unasked(conn: sa.Connection, series: Series, open_at: datetime, silenced_by: str | None) -> str:
    if silenced_by is not None:
        return silenced_by
    unknown = unknown_features(conn, series, open_at)
    if unknown:
        return f"unknown to it is {', '.join(unknown)}"
    if unknown is None:
        return "the bar's features are not stored; `signals backfill` stores them"
    return (
        "though it could: it was published after the close was predicted (`signals backfill` asks it), or was refused"
    )


def _drivers(stored: Sequence[Mapping[str, Any]] | None) -> tuple[Driver, ...]:
    return tuple(Driver(feature=each["feature"], part=each["part"]) for each in stored or ())
