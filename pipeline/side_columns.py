"""Columns from beside the bars, computed in memory: what a replay reads where a tick reads the stored ones.

Extra indicators, a reference symbol's columns, a higher timeframe's, what models say and what texts say, for the bars
of a group; with the same functions, so that both say the same.
"""

from collections.abc import Sequence

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.generation import FELT, LOOKBACK_BARS, Rules, column_depths
from pipeline.indicators.alignment import as_of_close, higher_opens, spread
from pipeline.indicators.extra.choice import extras_of
from pipeline.indicators.extra.compute import compute_extras, load_from
from pipeline.indicators.extra.definition import FIELDS, ExtraIndicator
from pipeline.predicting import Predictions, predictions_of
from pipeline.settings import Settings
from pipeline.stages import AnalysedGroup, analyse_group
from pipeline.storage import tables
from pipeline.storage.columns import group_of, read_columns
from pipeline.storage.database import Database
from pipeline.storage.history import SeriesGroup, read_block
from pipeline.storage.sentiment import read_sentiment_columns
from pipeline.storage.universe import listed_at
from pipeline.strategies.columns import EXTRA, HIGHER, PREDICTION, REFERENCE, SENTIMENT, SENTIMENTS, is_beside
from pipeline.surveying import sentiment_columns


def side_columns(
    database: Database, settings: Settings, analysed: AnalysedGroup, rules: Rules, predictions: Predictions
) -> Block:
    """What the enabled strategies read beside the columns of the bars of ``analysed``, `PREDICTED` and `FELT`."""
    wanted = [name for name in column_depths(rules) if is_beside(name)]
    found: Block = {}
    opens = pd.DatetimeIndex(analysed.candles["close"].index)
    if any(name.startswith(EXTRA) for name in wanted):
        extras = extras_of(settings.indicators)
        found |= {EXTRA + name: frame for name, frame in extra_columns(database, extras, analysed.group, opens).items()}
    found |= {PREDICTION + name: frame for name, frame in predictions.as_columns().items()}
    found |= sentiment_columns(database, settings.sentiment, analysed.group, opens)
    if names := [name for name in wanted if name.startswith(REFERENCE)]:
        found |= _of_reference(database, analysed, names, rules.context.reference_symbol)
    if names := [name for name in wanted if name.startswith(HIGHER)]:
        found |= _of_higher(database, analysed, names, rules)
    wanted += [PREDICTION + "is_anomaly", *FELT]  # risk and metadata ask for them, whatever the strategies do
    return {name: found[name] for name in wanted} | predictions.of_bars()


def bar_side_columns(
    database: Database, settings: Settings, group: SeriesGroup, index: pd.Index, rules: Rules, *, is_default: bool
) -> tuple[Block, Predictions | None]:
    """`side_columns` of one series, as they were when its last bar in ``index`` was judged.

    The stored ones are those of the default scope, made by its newest settings, and perhaps not for this bar; so those
    of a named replay, those of extra indicators, and what is not stored are computed. What models and texts said of a
    bar of the default scope is as it is stored, for what was not said then is not said later; that of models stands
    beside the candle. What they said of the bars of a replay is given with them.
    """
    depths = {name: depth for name, depth in column_depths(rules).items() if is_beside(name)}
    last = pd.Timestamp(index[-1]).to_pydatetime()
    felt: Block = {}
    if is_default:
        depths = {name: depth for name, depth in depths.items() if not name.startswith((PREDICTION, SENTIMENT))}
        stored = read_sentiment_columns(database, SENTIMENTS, group, pd.Timestamp(index[0]).to_pydatetime(), last)
        felt = {SENTIMENT + name: frame for name, frame in stored.items()}
    if is_default and not depths:
        return felt, None
    if is_default and not any(name.startswith(EXTRA) for name in depths):
        higher = rules.context.higher_timeframes.get(group.timeframe)
        found = read_columns(
            database, group, depths, last, last, reference_symbol=rules.context.reference_symbol, higher=higher
        )
        if not any(frame.iloc[-1].isna().any() for frame in found.values()):
            return felt | {name: frame.reindex(index) for name, frame in found.items()}, None
    analysed = analyse_group(database, group, last - LOOKBACK_BARS * group.timeframe.duration, last)
    predictions = predictions_of(database, settings, analysed, rules.context.reference_symbol)
    found = side_columns(database, settings, analysed, rules, predictions)
    return {name: frame.reindex(index) for name, frame in found.items()} | felt, None if is_default else predictions


def extra_columns(database: Database, extras: Sequence[ExtraIndicator], group: SeriesGroup, index: pd.Index) -> Block:
    """The columns of extra indicators, by their names without ``extra.``, for the bars that open in ``index``."""
    first, last = (pd.Timestamp(opened).to_pydatetime() for opened in (index[0], index[-1]))
    listed = listed_at(database, group)
    begin = load_from(extras, group.timeframe, first, listed)
    candles = read_block(database, tables.candles, FIELDS, group, begin, last)
    return compute_extras(extras, candles, group.timeframe, first, last, listed)


def _of_reference(database: Database, analysed: AnalysedGroup, names: Sequence[str], symbol: str) -> Block:
    close = analysed.candles["close"]
    opens = pd.DatetimeIndex(close.index)
    columns = analysed.columns if symbol in close.columns else {}
    if not columns:
        group = group_of(database, analysed.group.exchange, analysed.group.timeframe, [symbol])
        if group.series:
            columns = _analysed(database, group, opens)
    nothing = pd.DataFrame(index=opens)
    return {
        name: spread(columns.get(name.removeprefix(REFERENCE), nothing), symbol, opens, close.columns) for name in names
    }


def _of_higher(database: Database, analysed: AnalysedGroup, names: Sequence[str], rules: Rules) -> Block:
    close, timeframe = analysed.candles["close"], analysed.group.timeframe
    opens = pd.DatetimeIndex(close.index)
    higher = rules.context.higher_timeframes.get(timeframe)
    group = None if higher is None else group_of(database, analysed.group.exchange, higher, analysed.group.symbols)
    if higher is None or group is None or not group.series:
        return {name: pd.DataFrame(float("nan"), index=opens, columns=close.columns) for name in names}
    columns = _analysed(database, group, higher_opens(opens[[0, -1]], timeframe, higher))
    return {
        name: as_of_close(columns[name.removeprefix(HIGHER)], opens, close.columns, timeframe, higher) for name in names
    }


def _analysed(database: Database, group: SeriesGroup, opens: pd.DatetimeIndex) -> Block:
    return analyse_group(database, group, opens[0].to_pydatetime(), opens[-1].to_pydatetime()).columns
