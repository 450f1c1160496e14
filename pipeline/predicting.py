"""Predictions of a group's bars, each by the champion of its close: what a tick, a backfill and a replay share.

A kind of model that cannot speak is silent, and says why; the other kinds, and every other source, go on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError, ModelUnavailableError
from pipeline.domain.model import ModelKind
from pipeline.model_inputs import told_bars
from pipeline.models import anomaly, price_range
from pipeline.models.artefact import library_versions, unpack
from pipeline.models.features import FEATURES, SEQUENCE, SEQUENCE_BARS, is_known, schema_hash
from pipeline.models.flags import WINDOW_BARS, too_many
from pipeline.models.panel import Inputs, Numbers, Rows, stacked
from pipeline.models.recipes import RECIPES
from pipeline.settings import Settings
from pipeline.stages import AnalysedGroup, first_open, is_in_spans, last_open
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import BlockRequest, SeriesGroup, bar_index, read_blocks
from pipeline.storage.models import Champion, champions, read_artefact
from pipeline.storage.predictions import flagged_before
from pipeline.storage.spans import Span

DIRECTIONS = ("raw_probability", "probability")
SCORES = ("score", "is_anomaly", "is_ignored")
COLUMNS = {ModelKind.DIRECTION: DIRECTIONS, ModelKind.PRICE_RANGE: price_range.RANGES, ModelKind.ANOMALY: SCORES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the models of one kind say of some bars."""

    columns: Mapping[str, Numbers]  # (n_bars, n_symbols) each, NaN where nothing is said
    model_ids: npt.NDArray[np.object_]  # (n_bars, n_symbols), text; None where nothing is said
    silence: str | None  # why nothing is said of the newest bar, for a reason that is no bar's own
    n_unknown: int  # bars of which a feature is unknown
    n_rejected: int  # bars of which something was said that cannot be: no number, or beyond its bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """What is said of the bars of a group; ``index`` and ``group.symbols`` are those of every array."""

    group: SeriesGroup
    index: pd.DatetimeIndex
    said: Mapping[ModelKind, Said]
    drivers: Mapping[tuple[int, int], str]  # (bar, place) of each anomaly -> JSON of what made it one

    def frame(self, kind: ModelKind, column: str) -> pd.DataFrame:
        """One column as a frame."""
        return pd.DataFrame(self.said[kind].columns[column], index=self.index, columns=self.group.symbols)

    def as_columns(self) -> Block:
        """`strategies.columns.PREDICTIONS`: what strategies read."""
        flags, ignored = (self.frame(ModelKind.ANOMALY, name) for name in ("is_anomaly", "is_ignored"))
        return {
            "probability_up": self.frame(ModelKind.DIRECTION, "probability"),
            "anomaly_score": self.frame(ModelKind.ANOMALY, "score"),
            "is_anomaly": flags.where(ignored != 1.0, 0.0),
        }

    def of_bars(self) -> Block:
        """`generation.PREDICTED`: what is kept of a signal's bar."""
        ranges = {name: self.frame(ModelKind.PRICE_RANGE, name) for name in price_range.RANGES}
        return {"probability_up": self.frame(ModelKind.DIRECTION, "probability")} | ranges

    def rows(self, kind: ModelKind) -> pd.DataFrame:
        """The rows of a kind's table: one for each bar of which something is said; by series, oldest first."""
        said = self.said[kind]
        places, bars = np.nonzero(pd.notna(said.model_ids).T)
        found = pd.DataFrame(
            self.group.bar_keys(self.index[bars], places)
            | {"model_id": pd.Series(said.model_ids[bars, places], dtype=object)}
            | {name: values[bars, places] for name, values in said.columns.items()}
        )
        if kind is ModelKind.ANOMALY:
            for name in ("is_anomaly", "is_ignored"):
                found[name] = found[name] == 1.0
            keys = zip(bars.tolist(), places.tolist(), strict=True)
            found["drivers"] = pd.Series([self.drivers.get(key) for key in keys], dtype=object)
        return found


def load_model(database: Database, kind: ModelKind, champion: Champion) -> Any:
    """The model behind an entry of the registry.

    Raises
    ------
    ModelUnavailableError
        It is damaged, was told other features, or was trained with other libraries.
    """
    with database.begin() as conn:
        data = read_artefact(conn, champion.model_id)
    arrays, _ = unpack(
        data,
        sha256=champion.artefact_sha256,
        feature_schema=schema_hash(),
        library_versions=library_versions(),
    )
    try:
        return RECIPES[kind].load(arrays)
    except (KeyError, ValueError, IndexError, DataContractError) as error:
        raise ModelUnavailableError("artefact_corrupt") from error


def stored_predictions(
    database: Database, conn: sa.Connection, settings: Settings, group: SeriesGroup, spans: Sequence[Span]
) -> Predictions:
    """What the champions say of the bars of the spans, from stored features.

    ``conn`` is the transaction that stores predictions: earlier flags count, those that it has not committed included.
    """
    step = group.timeframe.duration
    begin, end = first_open(spans), last_open(spans)
    earlier = begin - (SEQUENCE_BARS - 1) * step
    index = bar_index(group.timeframe, begin, end)
    features, sequence, conditions, candles = read_blocks(
        database,
        group,
        [
            BlockRequest(tables.model_features, FEATURES, begin, end),
            BlockRequest(tables.model_features, SEQUENCE, earlier, end),
            BlockRequest(tables.market_conditions, ("atr_ratio", "block_reason"), begin, end),
            BlockRequest(tables.candles, ("is_filled",), begin, end),
        ],
    )
    table = np.full((len(group.series), len(index) + SEQUENCE_BARS - 1, len(FEATURES)), np.nan, dtype=np.float32)
    table[:, SEQUENCE_BARS - 1 :] = stacked(features)
    table[:, :, [FEATURES.index(name) for name in SEQUENCE]] = stacked(sequence)
    ratios = np.full(table.shape[:2], np.nan)
    ratios[:, SEQUENCE_BARS - 1 :] = conditions["atr_ratio"].to_numpy(dtype=np.float64).T
    usable = (
        (candles["is_filled"] == 0.0) & conditions["block_reason"].isna() & is_in_spans(index, spans)[group.symbols]
    )
    before = flagged_before(conn, group, begin, WINDOW_BARS - 1).to_numpy()
    inputs = Inputs(names=FEATURES, features=table, atr_ratio=ratios)
    speakers = _Speakers(database, settings, group, index)
    return _predictions(speakers, group, index, inputs, (usable & is_known(features)).to_numpy(), before)


def predictions_of(
    database: Database, settings: Settings, analysed: AnalysedGroup, reference_symbol: str
) -> Predictions:
    """What the champions say of the bars of an analysed group, from its candles; of its first few bars nothing."""
    index = pd.DatetimeIndex(analysed.candles["close"].index)
    ratios = analysed.analysis.conditions["atr_ratio"].to_numpy().T
    before = np.zeros((0, len(analysed.group.series)), dtype=np.bool_)
    speakers = _Speakers(database, settings, analysed.group, index)
    if any(speakers.of(kind)[0] for kind in ModelKind):
        features, usable = told_bars(database, analysed, reference_symbol)
        table, is_asked = stacked(features), usable.to_numpy()
    else:  # nobody need be told anything
        table, is_asked = np.empty((*ratios.shape, 0), dtype=np.float32), np.zeros(ratios.T.shape, dtype=np.bool_)
    inputs = Inputs(names=FEATURES, features=table, atr_ratio=ratios)
    return _predictions(speakers, analysed.group, index, inputs, is_asked, before)


def _predictions(
    speakers: "_Speakers",
    group: SeriesGroup,
    index: pd.DatetimeIndex,
    inputs: Inputs,
    is_asked: npt.NDArray[np.bool_],
    flagged_before_index: npt.NDArray[np.bool_],
) -> Predictions:
    """``inputs`` may begin before ``index``; both end on the same bar."""
    said, models = {}, {}
    for kind in ModelKind:
        said[kind], models[kind] = _said(kind, speakers, inputs, is_asked)
    scores = said[ModelKind.ANOMALY].columns
    flags = scores["is_anomaly"] == 1.0
    crowded = too_many(np.concatenate([flagged_before_index, flags]))[len(flagged_before_index) :]
    scores["is_ignored"][...] = np.where(np.isnan(scores["is_anomaly"]), np.nan, flags & crowded)
    return Predictions(
        group=group, index=index, said=said, drivers=_drivers(models[ModelKind.ANOMALY], inputs, flags, len(index))
    )


class _Speakers:
    """Who speaks about which bars."""

    def __init__(self, database: Database, settings: Settings, group: SeriesGroup, index: pd.DatetimeIndex) -> None:
        self.database, self.group, self.is_enabled = database, group, settings.models.is_enabled
        self.max_age = timedelta(days=settings.models.max_age_days)
        self.closes = index + group.timeframe.duration
        self.found: dict[ModelKind, tuple[list[tuple[slice, str, Any]], str | None]] = {}

    def of(self, kind: ModelKind) -> tuple[list[tuple[slice, str, Any]], str | None]:
        """Stretches of bars with the id and the model that speaks about them, and why the newest bar has none."""
        if kind not in self.found:
            self.found[kind] = self._found(kind)
        return self.found[kind]

    def _found(self, kind: ModelKind) -> tuple[list[tuple[slice, str, Any]], str | None]:
        if not self.is_enabled:
            return [], "switched_off"
        first, last = (instant.to_pydatetime() for instant in self.closes[[0, -1]])
        with self.database.begin() as conn:
            found = champions(conn, kind, self.group.exchange, self.group.timeframe, first, last)
        stretches, silence = [], "no_model"
        for place, champion in enumerate(found):
            since = int(self.closes.searchsorted(pd.Timestamp(champion.effective_from)))
            successor = found[place + 1].effective_from if place + 1 < len(found) else None
            until = len(self.closes) if successor is None else int(self.closes.searchsorted(pd.Timestamp(successor)))
            fresh = int(self.closes.searchsorted(pd.Timestamp(champion.trained_through + self.max_age), side="right"))
            silence = f"model_expired({champion.trained_through:%Y-%m-%d})" if fresh < until else ""
            if since >= min(until, fresh):
                continue
            try:
                model = load_model(self.database, kind, champion)
            except ModelUnavailableError as error:
                silence = error.reason
                continue
            stretches.append((slice(since, min(until, fresh)), str(champion.model_id), model))
        return stretches, silence or None


def _said(
    kind: ModelKind, speakers: _Speakers, inputs: Inputs, is_asked: npt.NDArray[np.bool_]
) -> tuple[Said, list[tuple[slice, Any]]]:
    """What one kind says of the bars that are asked about, and the models that said it."""
    columns = {name: np.full(is_asked.shape, np.nan) for name in COLUMNS[kind]}
    model_ids = np.full(is_asked.shape, None, dtype=object)
    stretches, silence = speakers.of(kind)
    n_rejected = 0
    offset = inputs.features.shape[1] - len(is_asked)
    for stretch, model_id, model in stretches:
        bars, places = np.nonzero(is_asked[stretch])
        bars += stretch.start
        answers, is_sound = _asked(kind, model, inputs, np.column_stack([places, bars + offset]))
        bars, places = bars[is_sound], places[is_sound]
        n_rejected += int((~is_sound).sum())
        for name, values in answers.items():
            columns[name][bars, places] = values[is_sound]
        model_ids[bars, places] = model_id
    said = Said(
        columns=columns, model_ids=model_ids, silence=silence, n_unknown=int((~is_asked).sum()), n_rejected=n_rejected
    )
    return said, [(stretch, model) for stretch, _, model in stretches]


def _asked(kind: ModelKind, model: Any, inputs: Inputs, rows: Rows) -> tuple[dict[str, Numbers], npt.NDArray[np.bool_]]:
    """A model's answers by column, and which of them can be believed to be what they claim."""
    cells = tuple(rows.T)
    if kind is ModelKind.DIRECTION:
        raw = model.predict_raw(inputs, rows)
        calibrated = model.calibrated(raw)
        return {"raw_probability": raw, "probability": calibrated}, (raw >= 0.0) & (raw <= 1.0)
    if kind is ModelKind.PRICE_RANGE:
        ranges = model.predict(inputs.features[cells], inputs.atr_ratio[cells])
        return dict(zip(price_range.RANGES, ranges.T, strict=True)), price_range.is_sound(ranges)
    scores = model.score(inputs.features[cells])
    return {"score": scores, "is_anomaly": model.flagged(scores)}, anomaly.is_sound(scores)


def _drivers(
    models: Sequence[tuple[slice, Any]], inputs: Inputs, flags: npt.NDArray[np.bool_], n_bars: int
) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    offset = inputs.features.shape[1] - n_bars
    for stretch, model in models:
        bars, places = np.nonzero(flags[stretch])
        bars += stretch.start
        if len(bars):
            for key, drivers in zip(
                zip(bars.tolist(), places.tolist(), strict=True),
                model.drivers(inputs.features[places, bars + offset]),
                strict=True,
            ):
                found[key] = json.dumps([{"feature": name, "part": round(part, 4)} for name, part in drivers[:3]])
    return found
