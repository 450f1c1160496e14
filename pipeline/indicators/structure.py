"""Market structure: levels and chart patterns of every bar, from swings.

It looks back over `STRUCTURE_BARS` bars of candles and average true ranges, and at nothing else: the values of a bar
are the same bits however much was loaded. It stands beside the catalogue because it gives more than columns: the rows
of `price_levels` and `chart_patterns`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.indicators.catalogue import COLUMNS
from pipeline.indicators.columns import Array, pack, unpack
from pipeline.indicators.levels import EVENTS, LEVEL_HISTORY, LIFE_BARS, Levels, find_levels, nearest_levels
from pipeline.indicators.patterns.channels import find_channels
from pipeline.indicators.patterns.completion import COMPLETION_BARS, REPEAT_BARS, Completed, find_completed
from pipeline.indicators.patterns.reversals import LEADING_BARS, find_reversals
from pipeline.indicators.patterns.rows import pattern_rows
from pipeline.indicators.patterns.shapes import join
from pipeline.indicators.patterns.swings import last_swings
from pipeline.indicators.pivots import HIGH, SIDE_BARS, find_pivots

PATTERN_BARS = 200  # from the first pivot of a pattern to the close at which its last one is known, at most
PATTERN_HISTORY = LEADING_BARS + PATTERN_BARS + COMPLETION_BARS + REPEAT_BARS + 2 * SIDE_BARS
STRUCTURE_BARS = max(LEVEL_HISTORY, PATTERN_HISTORY)
LEVEL_COLUMNS = ("support", "support_touches", "resistance", "resistance_touches")
PATTERN_COLUMNS = ("bullish_patterns", "bearish_patterns")
STRUCTURE_COLUMNS = (*LEVEL_COLUMNS, *PATTERN_COLUMNS)
BAR_COLUMNS = (*COLUMNS, *STRUCTURE_COLUMNS)  # all that is stored of a bar


@dataclass(frozen=True, slots=True)
class Structure:
    """Levels and patterns of some bars. In the two tables ``place`` is the symbol's, instants are as stored."""

    columns: Block  # `STRUCTURE_COLUMNS`, shape (n_bars, n_symbols)
    levels: pd.DataFrame
    patterns: pd.DataFrame


def structure(candles: Block, atr: pd.DataFrame, keep_from: datetime) -> Structure:
    """Levels and patterns of the bars from ``keep_from`` on.

    Parameters
    ----------
    candles : Block
        high, low, close of shape (n_candles, n_symbols): every bar of the grid, oldest first, from `STRUCTURE_BARS`
        bars before ``keep_from`` or earlier; NaN where a symbol has no candle.
    atr : DataFrame
        Average true range on the last of those bars, from `STRUCTURE_BARS` before ``keep_from`` or earlier; NaN where
        unknown.
    """
    index = pd.DatetimeIndex(atr.index)
    first = int(index.searchsorted(pd.Timestamp(keep_from)))
    begin = max(first - STRUCTURE_BARS, 0)
    index, first = index[begin:], first - begin
    highs, lows, closes = (unpack(candles[name].loc[index[0] : index[-1]]) for name in ("high", "low", "close"))
    ranges = unpack(atr.iloc[begin:])
    pivots = find_pivots(highs, lows)
    levels = find_levels(pivots, ranges)
    near, changes = nearest_levels(levels, closes, ranges, first)
    swings = last_swings(pivots, ranges, first - COMPLETION_BARS - REPEAT_BARS, PATTERN_BARS)
    shapes = join([*find_reversals(swings, highs, lows), *find_channels(swings, closes)])
    completed = find_completed(shapes, closes, first)
    like = candles["close"].loc[index[first] : index[-1]]
    step = timedelta(seconds=(index[1] - index[0]).total_seconds()) if len(index) > 1 else timedelta(0)
    return Structure(
        columns={name: pack(array, like) for name, array in (near | _masks(completed, like.shape, first)).items()},
        levels=_level_rows(levels, changes, index, step),
        patterns=pattern_rows(completed, closes, index, step),
    )


def _masks(completed: Completed, shape: tuple[int, ...], first: int) -> dict[str, Array]:
    """`PATTERN_COLUMNS` of shape (n_symbols, n_bars): the bits of the patterns that each close completed."""
    masks = {}
    for name, direction in (("bullish_patterns", 1), ("bearish_patterns", -1)):
        which = completed.shapes.direction == direction
        mask = np.zeros(shape[::-1], dtype=np.int64)
        cells = completed.shapes.series[which], completed.bar[which] - first
        np.bitwise_or.at(mask, cells, 1 << completed.shapes.pattern[which].astype(np.int64))
        masks[name] = mask.astype(np.float64)
    return masks


def _level_rows(levels: Levels, changes: pd.DataFrame, index: pd.DatetimeIndex, step: timedelta) -> pd.DataFrame:
    """The rows of `price_levels`, with the symbol's ``place`` in the arrays instead of its series."""
    number, bar = changes["level"].to_numpy(), changes["bar"].to_numpy()
    known, pivot = levels.pivots.known[number], levels.pivots.bar[number]
    touches = levels.touches[number]
    return pd.DataFrame(
        {
            "place": levels.pivots.series[number],
            "pivot_at": index[pivot],
            "kind": np.where(levels.pivots.kind[number] == HIGH, "high", "low").astype(object),
            "known_at": index[bar] + step,
            "event": np.array(EVENTS, dtype=object)[changes["event"].to_numpy()],
            "role": np.where(changes["role"].to_numpy() > 0, "support", "resistance").astype(object),
            "price": levels.price[number],
            "touches": touches,
            "strength": 1.0 - 0.5**touches,
            "first_touch_at": index[levels.first[number]],
            "last_touch_at": index[pivot],
            "expires_at": index[known] + step * (LIFE_BARS + 1),
        }
    )
