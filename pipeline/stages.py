"""The stages of the chain with their reads: what an asset and a replay share, so that both judge alike.

A stage takes spans of closes and returns what it found; who called it stores that, or passes it on.
"""

from collections.abc import Iterable, Mapping, Sequence
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
    Analysis,
    Rules,
    analyse,
    technical_candidates,
    usable_bars,
)
from pipeline.indicators.catalogue import COLUMNS
from pipeline.indicators.windows import history_start
from pipeline.settings import Settings
from pipeline.storage import tables
from pipeline.storage.database import Database
from pipeline.storage.history import CANDLE_COLUMNS, SeriesGroup, obv_carry, open_jumps, read_block
from pipeline.storage.spans import Span

# Bars of all series that are worked on at once: what fits the memory of a small machine several times.
MAX_BARS = 400_000


@dataclass(frozen=True, slots=True)
class AnalysedGroup:
    """The bars of one exchange and timeframe with all that is computed from them; frames share index and columns."""

    group: SeriesGroup
    candles: Block
    analysis: Analysis

    @property
    def columns(self) -> Block:
        """What strategies read: the indicators and the close."""
        return self.analysis.indicators | {"close": self.candles["close"]}


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
    )


def history_from(timeframe: Timeframe, keep_from: datetime) -> datetime:
    """Open of the earliest bar on which anything about the bars with ``open_at >= keep_from`` depends."""
    conditions_from = keep_from - CONDITION_BARS * timeframe.duration
    return timeframe.open_of(history_start(timeframe.position(conditions_from)))


def signal_history_from(timeframe: Timeframe, first_open: datetime) -> datetime:
    """Open of the earliest bar on which a signal of the bar that opens at ``first_open`` depends.

    A strategy looks back over `LOOKBACK_BARS`, each of which needs a history of its own.
    """
    return history_from(timeframe, first_open - LOOKBACK_BARS * timeframe.duration)


def analyse_group(database: Database, group: SeriesGroup, keep_from: datetime, keep_to: datetime) -> AnalysedGroup:
    """Read what the bars with ``keep_from <= open_at <= keep_to`` depend on, and compute all about them."""
    timeframe = group.timeframe
    conditions_from = keep_from - CONDITION_BARS * timeframe.duration
    load_from = history_from(timeframe, keep_from)
    candles = read_block(database, tables.candles, CANDLE_COLUMNS, group, load_from, keep_to)
    analysis = analyse(
        candles,
        timeframe,
        keep_from,
        keep_to,
        carry=obv_carry(database, group, conditions_from),
        jumped_at=open_jumps(database, group),
    )
    return AnalysedGroup(group, {name: frame.loc[keep_from:] for name, frame in candles.items()}, analysis)


def long_rows(analysed: AnalysedGroup, is_wanted: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of `indicators` and `market_conditions` for the wanted bars that have a candle; by series, oldest first."""
    mask = is_wanted.to_numpy() & analysed.candles["close"].notna().to_numpy()
    places, bars = np.nonzero(mask.T)
    opens = pd.DatetimeIndex(is_wanted.index)[bars]
    key = {
        "series_id": np.array(analysed.group.ids, dtype=np.int32)[places],
        "open_at": opens,
        "close_at": opens + analysed.group.timeframe.duration,
    }

    def cells(frame: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        values: np.ndarray[tuple[int], np.dtype[np.float64]] = frame.to_numpy()[bars, places]
        return values

    conditions = analysed.analysis.conditions
    volatile = cells(conditions["is_volatile"])
    indicator_rows = pd.DataFrame(key | {name: cells(analysed.analysis.indicators[name]) for name in COLUMNS})
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


def is_in_spans(index: pd.Index, spans: Sequence[Span], extra_bars: Mapping[int, int] | None = None) -> pd.DataFrame:
    """Which bars lie in each series' span, ``extra_bars`` before it included (by series id); a column per span."""
    opens = pd.DatetimeIndex(index).tz_localize(None).to_numpy(dtype=f"datetime64[{TIME_UNIT}]")
    columns = {}
    for span in spans:
        before = (extra_bars or {}).get(span.series.series_id, 0) * span.series.key.timeframe.duration
        first, last = (
            np.datetime64(instant.replace(tzinfo=None), TIME_UNIT)
            for instant in (span.first_open - before, span.last_open)
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
    return technical_candidates(columns, usable, key.exchange, key.timeframe, rules)


def first_open(spans: Iterable[Span]) -> datetime:
    """Open of the earliest bar of any span."""
    return min(span.first_open for span in spans)


def last_open(spans: Iterable[Span]) -> datetime:
    """Open of the latest bar of any span."""
    return max(span.last_open for span in spans)
