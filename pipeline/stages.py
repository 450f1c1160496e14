"""The stages of the chain with their reads: what an asset and a replay share, so that both judge alike.

A stage takes spans of closes and returns what it found; who called it stores that, or passes it on.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.domain.signal import Signal
from pipeline.domain.timeframe import Timeframe
from pipeline.generation import (
    CONDITION_BARS,
    LOOKBACK_BARS,
    PRIOR_BARS,
    Analysis,
    Rules,
    advice_of,
    analyse,
    column_depths,
    usable_bars,
)
from pipeline.indicators.structure import BAR_COLUMNS
from pipeline.indicators.windows import history_start
from pipeline.settings import Settings
from pipeline.storage import tables
from pipeline.storage.columns import read_columns
from pipeline.storage.database import Database
from pipeline.storage.history import (
    CANDLE_COLUMNS,
    BlockRequest,
    SeriesGroup,
    bar_index,
    obv_carry,
    open_jumps,
    read_blocks,
)
from pipeline.storage.spans import Span
from pipeline.strategies.columns import READ_OFF_CANDLES

# Bars of all series that are worked on at once: what fits the memory of a small machine several times.
MAX_BARS = 400_000


@dataclass(frozen=True, slots=True)
class AnalysedGroup:
    """The bars of one exchange and timeframe with all that is computed from them; frames share index and columns."""

    group: SeriesGroup
    candles: Block
    analysis: Analysis
    history: Block  # the candles as they were read, with those before the analysed bars

    @property
    def columns(self) -> Block:
        """What strategies read: all that is computed of a bar, and its candle."""
        return self.analysis.indicators | {name: self.candles[name] for name in READ_OFF_CANDLES}


def rules_of(settings: Settings) -> Rules:
    """The settings as the stages take them."""
    return Rules(
        parameters=settings.strategies,
        families=settings.families,
        position_size=settings.position_size,
        boost=settings.aggregation.boost,
        conflict_policy=settings.aggregation.conflict_policy,
        strategy_preference=settings.aggregation.strategy_preference,
        expiry_bars=settings.expiry.bars,
        context=settings.context.beside,
        tighten_targets=settings.models.tighten_targets,
    )


def history_from(timeframe: Timeframe, first_open: datetime) -> datetime:
    """Open of the earliest bar that must be stored so that the indicators of a later one are computed."""
    return timeframe.open_of(history_start(timeframe.position(first_open)))


def signal_history_from(timeframe: Timeframe, first_open: datetime) -> datetime:
    """Open of the earliest bar on which the rows that a tick at ``first_open`` stores or reads depend.

    It reads those of `PRIOR_BARS`, each of which looks back over `CONDITION_BARS` with a history of their own.
    """
    return history_from(timeframe, first_open - (PRIOR_BARS + CONDITION_BARS) * timeframe.duration)


def analyse_group(
    database: Database, group: SeriesGroup, keep_from: datetime, keep_to: datetime, *, is_extending: bool = False
) -> AnalysedGroup:
    """Read what the bars with ``keep_from <= open_at <= keep_to`` depend on, and compute all about them.

    Where the rows of the `PRIOR_BARS` before them are stored and current, extending them reads half as much and gives
    the same values.
    """
    timeframe = group.timeframe
    conditions_from = keep_from - CONDITION_BARS * timeframe.duration
    compute_from = keep_from if is_extending else conditions_from
    load_from = min(conditions_from, history_from(timeframe, compute_from))
    requests = [BlockRequest(tables.candles, CANDLE_COLUMNS, load_from, keep_to)]
    if is_extending:
        before = keep_from - timeframe.duration
        requests.append(BlockRequest(tables.market_conditions, ("atr_ratio",), conditions_from, before))
    candles, *rest = read_blocks(database, group, requests)
    known = rest[0]["atr_ratio"] if rest else None
    analysis = analyse(
        candles,
        timeframe,
        keep_from,
        keep_to,
        carry=obv_carry(database, group, compute_from),
        jumped_at=open_jumps(database, group),
        known_ratios=known,
    )
    return AnalysedGroup(group, {name: frame.loc[keep_from:] for name, frame in candles.items()}, analysis, candles)


def stored_candidates(database: Database, group: SeriesGroup, spans: Sequence[Span], rules: Rules) -> list[Signal]:
    """What the strategies advise on the closes of the spans, from stored rows: each column as far back as it counts."""
    timeframe = group.timeframe
    begin, end = first_open(spans), last_open(spans)
    index = bar_index(timeframe, begin - LOOKBACK_BARS * timeframe.duration, end)
    found = read_columns(
        database,
        group,
        column_depths(rules),
        begin,
        end,
        reference_symbol=rules.context.reference_symbol,
        higher=rules.context.higher_timeframes.get(timeframe),
    )
    columns = {name: frame.reindex(index) for name, frame in found.items()}
    candles, conditions = read_blocks(
        database,
        group,
        [
            BlockRequest(tables.candles, ("is_filled",), begin, end),
            BlockRequest(tables.market_conditions, ("block_reason",), begin, end),
        ],
    )
    is_filled, reasons = candles["is_filled"].reindex(index), conditions["block_reason"].reindex(index)
    return find_candidates(columns, is_filled, reasons, spans, rules)


def long_rows(analysed: AnalysedGroup, is_wanted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `indicators` and `market_conditions` for the wanted bars that have a candle; by series, oldest first."""
    mask = is_wanted.to_numpy() & analysed.candles["close"].notna().to_numpy()
    places, bars = np.nonzero(mask.T)
    key = analysed.group.bar_keys(pd.DatetimeIndex(is_wanted.index)[bars], places)

    def cells(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values: np.ndarray[tuple[int], np.dtype[np.float64]] = frame.to_numpy()[bars, places]
        return values

    conditions = analysed.analysis.conditions
    volatile = cells(conditions["is_volatile"])
    indicator_rows = pd.DataFrame(key | {name: cells(analysed.analysis.indicators[name]) for name in BAR_COLUMNS})
    condition_rows = pd.DataFrame(
        key
        | {
            "atr_ratio": cells(conditions["atr_ratio"]),
            "atr_ratio_p95": cells(conditions["atr_ratio_p95"]),
            "atr_ratio_median": cells(conditions["atr_ratio_median"]),
            "atr_ratio_bars": np.nan_to_num(cells(conditions["atr_ratio_bars"])).astype(np.int32),
            "is_volatile": pd.Series(volatile == 1.0).astype("boolean").mask(np.isnan(volatile)),
            "filled_share": cells(conditions["filled_share"]),
            "block_reason": pd.Series(analysed.analysis.block_reasons.to_numpy()[bars, places], dtype=object),
        }
    )
    return indicator_rows, condition_rows


def structure_rows(analysed: AnalysedGroup, is_wanted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `price_levels` and `chart_patterns` that became known at the wanted bars that have a candle."""
    mask = is_wanted.to_numpy() & analysed.candles["close"].notna().to_numpy()
    duration = analysed.group.timeframe.duration
    ids = np.array(analysed.group.ids, dtype=np.int32)

    def wanted(rows: pd.DataFrame, known_at: str) -> pd.DataFrame:
        bars = pd.DatetimeIndex(is_wanted.index).get_indexer(pd.DatetimeIndex(rows[known_at]) - duration)
        places = rows["place"].to_numpy(dtype=np.intp)
        kept: pd.DataFrame = rows[mask[bars, places]].drop(columns="place")
        kept.insert(0, "series_id", ids[places[mask[bars, places]]])
        return kept.reset_index(drop=True)

    found = analysed.analysis.structure
    return wanted(found.levels, "known_at"), wanted(found.patterns, "completed_at")


def is_in_spans(index: pd.Index, spans: Sequence[Span]) -> pd.DataFrame:
    """Which bars lie in each series' span; a column per span."""
    opens = pd.DatetimeIndex(index).tz_localize(None).to_numpy(dtype=f"datetime64[{TIME_UNIT}]")
    columns = {}
    for span in spans:
        first, last = (
            np.datetime64(instant.replace(tzinfo=None), TIME_UNIT) for instant in (span.first_open, span.last_open)
        )
        columns[span.series.key.symbol] = (opens >= first) & (opens <= last)
    return pd.DataFrame(columns, index=index)


def find_candidates(
    columns: Block, is_filled: pd.DataFrame, block_reasons: pd.DataFrame, spans: Sequence[Span], rules: Rules
) -> list[Signal]:
    """What the strategies advise on the closes of the spans, which are all of one exchange and timeframe."""
    wanted = is_in_spans(is_filled.index, spans)
    key = spans[0].series.key
    usable = usable_bars(is_filled, block_reasons, wanted)
    return advice_of(columns, usable, key.exchange, key.timeframe, rules)


def first_open(spans: Iterable[Span]) -> datetime:
    """Open of the earliest bar of any span."""
    return min(span.first_open for span in spans)


def last_open(spans: Iterable[Span]) -> datetime:
    """Open of the latest bar of any span."""
    return max(span.last_open for span in spans)
