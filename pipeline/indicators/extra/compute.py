"""A block of candles to a block of extra columns, the same bits whatever was loaded.

As with the columns of the catalogue, every bar is computed from the same bars: those of its segment, and the warm-up
before it (`pipeline.indicators.windows`). That holds for windows too, because running sums keep, in their last bits, a
trace of where they began. A cumulative indicator begins at its series' first stored candle, every time.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.catalogue import Memory
from pipeline.indicators.extra.definition import ExtraIndicator
from pipeline.indicators.windows import SEGMENT, segments


def extra_history_start(position: int, extras: Sequence[ExtraIndicator]) -> int | None:
    """The earliest position that must be loaded to compute the bar at ``position``; None = the first stored candle."""
    if any(extra.memory is Memory.CUMULATIVE for extra in extras):
        return None
    return min((_start(position, extra) for extra in extras), default=position)


def load_from(
    extras: Sequence[ExtraIndicator], timeframe: Timeframe, keep_from: datetime, listed_at: Mapping[str, datetime]
) -> datetime:
    """Open of the earliest bar to load for `compute_extras`; ``listed_at`` is each series' first stored open."""
    start = extra_history_start(timeframe.position(timeframe.ceil(keep_from)), extras)
    if start is not None:
        return timeframe.open_of(start)
    # Whatever else is computed may reach further back than a young series does.
    others = [extra for extra in extras if extra.memory is not Memory.CUMULATIVE]
    return min([load_from(others, timeframe, keep_from, {}), *listed_at.values()])


def compute_extras(
    extras: Sequence[ExtraIndicator],
    candles: Block,
    timeframe: Timeframe,
    keep_from: datetime,
    keep_to: datetime,
    listed_at: Mapping[str, datetime] | None = None,
) -> Block:
    """The columns of ``extras`` for the bars with ``keep_from <= open_at <= keep_to``.

    Parameters
    ----------
    candles : Block
        The fields that the extras read (others are ignored), each of shape (n_candles, n_symbols): every bar of the
        grid, oldest first, from `load_from` or earlier; NaN before a symbol's first stored candle and after its
        delisting, never between.
    listed_at
        Open of each series' first stored candle; a cumulative indicator needs it, to know that the block begins there.

    Returns
    -------
    Block of one row per bar kept, NaN where unknown. Empty without extras.

    Raises
    ------
    DataContractError
        The block does not reach far enough, skips bars, or has a hole in a series.
    """
    if not extras:
        return {}
    first, last = timeframe.position(timeframe.ceil(keep_from)), timeframe.position(keep_to)
    index = candles[extras[0].inputs[0]].index
    if first > last:
        return {column: candles[extras[0].inputs[0]].iloc[:0] for extra in extras for column in extra.columns}
    begin = _begin(index, timeframe, last)
    kept: Block = {}
    for extra in extras:
        if extra.memory is Memory.CUMULATIVE:
            _check_whole(extra, candles, listed_at)
            kept |= _rows(extra.compute(_rows(candles, 0, last - begin)), first - begin, last - begin)
            continue
        if begin > _start(first, extra):
            raise DataContractError(
                f"candles of {timeframe} for indicator {extra.name} must reach back to "
                f"{timeframe.open_of(_start(first, extra))}, were from {index[0]}; load more, or add rows of NaN where "
                "no series has a candle"
            )
        parts = []
        for piece in segments(first, last):
            start = _start(piece.keep_from, extra)
            values = extra.compute(_rows(candles, start - begin, piece.keep_to - begin))
            parts.append(_rows(values, piece.keep_from - start, piece.keep_to - start))
        kept |= {column: pd.concat([part[column] for part in parts]) for column in extra.columns}
    return kept


def _start(position: int, extra: ExtraIndicator) -> int:
    return position // SEGMENT * SEGMENT - extra.warm_up


def _rows(block: Block, first: int, last: int) -> Block:
    return {name: frame.iloc[first : last + 1] for name, frame in block.items()}


def _begin(index: pd.Index, timeframe: Timeframe, last: int) -> int:
    """Position of the block's first bar; refuses an index that is not every bar of the grid up to ``last``."""
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None and len(index):
        begin = timeframe.position(index[0].to_pydatetime())
        if len(index) > last - begin:
            end = index[last - begin].to_pydatetime()
            if timeframe.position(end) == last and index.is_monotonic_increasing and index.is_unique:
                return begin
    raise DataContractError(
        f"a block's index must be every open of {timeframe} up to {timeframe.open_of(last)}, with its time zone, "
        f"was {index!r}; reindex the frames to the grid"
    )


def _check_whole(extra: ExtraIndicator, candles: Block, listed_at: Mapping[str, datetime] | None) -> None:
    """Refuse a block that may begin in the middle of a series: its sums would be too small without a word."""
    frame = candles[extra.inputs[0]]
    for symbol in frame.columns[frame.iloc[0].notna()]:
        if listed_at is None or symbol not in listed_at or listed_at[symbol] < frame.index[0]:
            known = None if listed_at is None else listed_at.get(symbol)
            raise DataContractError(
                f"candles for the cumulative indicator {extra.name} must begin at the first one that is stored of "
                f"{symbol} ({known}), were from {frame.index[0]}; load from `load_from`"
            )
