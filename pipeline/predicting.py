"""Predictions of a group's bars, each by the champion of its close: what a tick, a backfill and a replay share.

A kind of model that cannot speak is silent, and says why; the other kinds, and every other source, go on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError, ModelUnavailableError
from pipeline.domain.model import ModelKind, expired
from pipeline.domain.timeframe import Timeframe
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
from pipeline.storage.spans import Span, groups_of

DIRECTIONS = ("raw_probability", "probability")
SCORES = ("score", "is_anomaly", "is_ignored")
COLUMNS = {ModelKind.DIRECTION: DIRECTIONS, ModelKind.PRICE_RANGE: price_range.RANGES, ModelKind.ANOMALY: SCORES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Who speaks about bars that follow one another, or why nobody does."""

    bars: slice  # places in the index that was asked about
    champion: Champion | None  # whose turn it is; None where nobody has one, or would be asked
    model: Any  # None where nobody speaks
    silence: str | None  # why nobody speaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Closes of which no model of a kind spoke, both inclusive."""

    kind: ModelKind
    timeframe: Timeframe
    first_close: datetime
    last_close: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the models of one kind say of some bars."""

    columns: Mapping[str, Numbers]  # (n_bars, n_symbols) each, NaN where nothing is said
    model_ids: npt.NDArray[np.object_]  # (n_bars, n_symbols), text; None where nothing is said
    voices: Sequence[Voice]  # of all the bars, oldest first
    n_unknown: int  # bars of which a feature is unknown
    n_rejected: int  # bars of which something was said that cannot be: no number, or beyond its bounds

    @property
    def silence(self) -> str | None:
        """Why nothing is said of the newest bar, for a reason that is no bar's own."""
        return self.voices[-1].silence


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
    speakers = Speakers(database, settings, group, index)
    return _predictions(speakers, group, index, inputs, (usable & is_known(features)).to_numpy(), before)


def predictions_of(
    database: Database, settings: Settings, analysed: AnalysedGroup, reference_symbol: str
) -> Predictions:
    """What the champions say of the bars of an analysed group, from its candles; of its first few bars nothing."""
    index = pd.DatetimeIndex(analysed.candles["close"].index)
    ratios = analysed.analysis.conditions["atr_ratio"].to_numpy().T
    before = np.zeros((0, len(analysed.group.series)), dtype=np.bool_)
    speakers = Speakers(database, settings, analysed.group, index)
    if any(voice.silence is None for kind in ModelKind for voice in speakers.of(kind)):
        features, usable = told_bars(database, analysed, reference_symbol)
        table, is_asked = stacked(features), usable.to_numpy()
    else:  # nobody need be told anything
        table, is_asked = np.empty((*ratios.shape, 0), dtype=np.float32), np.zeros(ratios.T.shape, dtype=np.bool_)
    inputs = Inputs(names=FEATURES, features=table, atr_ratio=ratios)
    return _predictions(speakers, analysed.group, index, inputs, is_asked, before)


def silences_of(database: Database, settings: Settings, spans: Sequence[Span]) -> list[Silence]:
    """Which closes of the spans no model speaks of; one for each kind, timeframe and reason that lasts.

    As the registry stands now, and whether or not anything was predicted. What keeps a single bar from being predicted
    is none of it.
    """
    found = []
    for group, members in groups_of(spans):
        speakers = Speakers(
            database, settings, group, bar_index(group.timeframe, first_open(members), last_open(members))
        )
        for kind in ModelKind:
            for reason, voices in groupby(speakers.of(kind), key=lambda voice: voice.silence):
                if reason is None:
                    continue
                places = [voice.bars for voice in voices]
                closes = speakers.closes[[places[0].start, places[-1].stop - 1]]
                first, last = (close.to_pydatetime() for close in closes)
                found.append(
                    Silence(kind=kind, timeframe=group.timeframe, first_close=first, last_close=last, reason=reason)
                )
    return found


def _predictions(
    speakers: "Speakers",
    group: SeriesGroup,
    index: pd.DatetimeIndex,
    inputs: Inputs,
    is_asked: npt.NDArray[np.bool_],
    flagged_before_index: npt.NDArray[np.bool_],
) -> Predictions:
    """``inputs`` may begin before ``index``; both end on the same bar."""
    said = {kind: _said(kind, speakers, inputs, is_asked) for kind in ModelKind}
    scores = said[ModelKind.ANOMALY].columns
    flags = scores["is_anomaly"] == 1.0
    crowded = too_many(np.concatenate([flagged_before_index, flags]))[len(flagged_before_index) :]
    scores["is_ignored"][...] = np.where(np.isnan(scores["is_anomaly"]), np.nan, flags & crowded)
    drivers = _drivers(said[ModelKind.ANOMALY].voices, inputs, flags, len(index))
    return Predictions(group=group, index=index, said=said, drivers=drivers)


class Speakers:
    """Who speaks about which of the bars that open in ``index``; models are loaded when they are first asked for."""

    def __init__(self, database: Database, settings: Settings, group: SeriesGroup, index: pd.DatetimeIndex) -> None:
        self.database, self.group, self.is_enabled = database, group, settings.models.is_enabled
        self.max_age = settings.models.max_age
        self.closes = index + group.timeframe.duration
        self.found: dict[ModelKind, list[Voice]] = {}

    def of(self, kind: ModelKind) -> list[Voice]:
        """The voices of a kind, oldest first; together they are about every bar."""
        if kind not in self.found:
            self.found[kind] = self._found(kind)
        return self.found[kind]

    @cached_property
    def champions(self) -> dict[ModelKind, list[Champion]]:
        """Those of every kind that speak about a bar, oldest first."""
        first, last = (instant.to_pydatetime() for instant in self.closes[[0, -1]])
        with self.database.begin() as conn:
            return champions(conn, self.group.exchange, self.group.timeframe, first, last)

    def _found(self, kind: ModelKind) -> list[Voice]:
        end = len(self.closes)
        if not self.is_enabled:
            return [_silent(0, end, "switched_off")]
        found = self.champions[kind]
        begins = [*(self._place(champion.effective_from) for champion in found), end]
        voices = [_silent(0, begins[0], "no_model")]
        for champion, since, until in zip(found, begins, begins[1:], strict=False):
            expires = self._place(champion.trained_through + self.max_age, side="right")
            fresh = max(since, min(until, expires))
            if since < fresh:
                voices.append(self._voice(kind, champion, since, fresh))
            voices.append(_silent(fresh, until, expired(champion.trained_through), champion))
        return [voice for voice in voices if voice.bars.start < voice.bars.stop]

    def _voice(self, kind: ModelKind, champion: Champion, since: int, until: int) -> Voice:
        try:
            model = load_model(self.database, kind, champion)
        except ModelUnavailableError as error:
            return _silent(since, until, error.reason, champion)
        return Voice(bars=slice(since, until), champion=champion, model=model, silence=None)

    def _place(self, instant: datetime, side: Literal["left", "right"] = "left") -> int:
        return int(self.closes.searchsorted(pd.Timestamp(instant), side=side))


def _silent(since: int, until: int, reason: str, champion: Champion | None = None) -> Voice:
    return Voice(bars=slice(since, until), champion=champion, model=None, silence=reason)


def _said(kind: ModelKind, speakers: Speakers, inputs: Inputs, is_asked: npt.NDArray[np.bool_]) -> Said:
    """What one kind says of the bars that are asked about."""
    columns = {name: np.full(is_asked.shape, np.nan) for name in COLUMNS[kind]}
    model_ids = np.full(is_asked.shape, None, dtype=object)
    voices = speakers.of(kind)
    n_rejected = 0
    offset = inputs.features.shape[1] - len(is_asked)
    for voice in voices:
        if voice.champion is None or voice.silence is not None:
            continue
        bars, places = np.nonzero(is_asked[voice.bars])
        bars += voice.bars.start
        answers, is_sound = _asked(kind, voice.model, inputs, np.column_stack([places, bars + offset]))
        bars, places = bars[is_sound], places[is_sound]
        n_rejected += int((~is_sound).sum())
        for name, values in answers.items():
            columns[name][bars, places] = values[is_sound]
        model_ids[bars, places] = str(voice.champion.model_id)
    return Said(
        columns=columns, model_ids=model_ids, voices=voices, n_unknown=int((~is_asked).sum()), n_rejected=n_rejected
    )


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
    voices: Sequence[Voice], inputs: Inputs, flags: npt.NDArray[np.bool_], n_bars: int
) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    offset = inputs.features.shape[1] - n_bars
    for voice in voices:
        bars, places = np.nonzero(flags[voice.bars])
        bars += voice.bars.start
        if len(bars):
            for key, drivers in zip(
                zip(bars.tolist(), places.tolist(), strict=True),
                voice.model.drivers(inputs.features[places, bars + offset]),
                strict=True,
            ):
                found[key] = json.dumps([{"feature": name, "part": round(part, 4)} for name, part in drivers[:3]])
    return found
