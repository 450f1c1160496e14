"""What models are told, computed from stored candles: features of analysed bars, and the panel that they learn from.

The asset that stores features, training and replays all compute them here, with the same functions.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.generation import usable_bars
from pipeline.models.features import OWN, is_known, own_features, with_reference
from pipeline.models.panel import Panel, make_panel
from pipeline.progress import Report
from pipeline.stages import MAX_BARS, AnalysedGroup, analyse_group
from pipeline.storage.columns import group_of
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup
from pipeline.storage.universe import listed_at


def features_of(database: Database, analysed: AnalysedGroup, reference_symbol: str) -> Block:
    """`FEATURES` of every bar of an analysed group.

    Where the reference symbol is none of the group's its stored candles are read; without any it is unknown.
    """
    group = analysed.group
    own = own_features(analysed.history, analysed.analysis.indicators, group.timeframe)
    reference = own if reference_symbol in group.symbols else {}
    if not reference:
        alone = group_of(database, group.exchange, group.timeframe, [reference_symbol])
        opens = own[OWN[0]].index
        if alone.series and len(opens):
            found = analyse_group(database, alone, *(pd.Timestamp(each).to_pydatetime() for each in opens[[0, -1]]))
            reference = own_features(found.history, found.analysis.indicators, group.timeframe)
    return with_reference(own, reference, reference_symbol)


def told_bars(database: Database, analysed: AnalysedGroup, reference_symbol: str) -> tuple[Block, pd.DataFrame]:
    """`features_of` an analysed group, and the bars that a model may learn from or be asked about."""
    features = features_of(database, analysed, reference_symbol)
    close = analysed.candles["close"]
    everywhere = pd.DataFrame(True, index=close.index, columns=close.columns)
    usable = usable_bars(analysed.candles["is_filled"], analysed.analysis.block_reasons, everywhere)
    return features, usable & is_known(features)


def feature_rows(group: SeriesGroup, features: Block, is_wanted: pd.DataFrame) -> pd.DataFrame:
    """The rows of `model_features` for the wanted bars; by series, oldest first."""
    places, bars = np.nonzero(is_wanted[group.symbols].to_numpy().T)
    key = group.bar_keys(pd.DatetimeIndex(is_wanted.index)[bars], places)
    return pd.DataFrame(key | {name: frame.to_numpy()[bars, places] for name, frame in features.items()})


def read_panel(
    database: Database,
    group: SeriesGroup,
    after: datetime,
    until: datetime,
    reference_symbol: str,
    report: Report | None = None,
) -> Panel:
    """The panel of a group's closes in ``(after, until]``, from its first candle on, features and all.

    Raises
    ------
    DataContractError
        If no series has a candle so early.
    """
    step = group.timeframe.duration
    first = max(group.timeframe.ceil(after), min(listed_at(database, group).values(), default=until))
    last = group.timeframe.floor(until) - step
    if first > last:
        raise DataContractError(
            f"candles to learn from must be stored up to {until:%Y-%m-%d}, were none of "
            f"{group.exchange} {group.timeframe}"
        )
    n_bars = (last - first) // step + 1
    at_once = max(1, MAX_BARS // n_bars)
    parts = [group.series[start : start + at_once] for start in range(0, len(group.series), at_once)]
    panels = []
    for done, series in enumerate(parts):
        if report is not None:
            report(done, len(parts))
        panels.append(_panel(database, replace(group, series=series), first, last, reference_symbol))
    return side_by_side(panels)


def _panel(database: Database, group: SeriesGroup, first: datetime, last: datetime, reference_symbol: str) -> Panel:
    analysed = analyse_group(database, group, first, last)
    features, usable = told_bars(database, analysed, reference_symbol)
    return make_panel(group.timeframe, features, analysed.candles, analysed.analysis.conditions["atr_ratio"], usable)


def side_by_side(panels: Sequence[Panel]) -> Panel:
    """One panel of several that share their bars."""
    first = panels[0]
    fields = ("features", "close", "high", "low", "atr_ratio", "is_usable")
    joined: dict[str, Any] = {name: np.concatenate([getattr(panel, name) for panel in panels]) for name in fields}
    return replace(first, symbols=tuple(symbol for panel in panels for symbol in panel.symbols), **joined)
