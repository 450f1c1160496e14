"""A block of candles to a block of indicators: from its first row (`evaluate`), or in anchored windows
(`compute`).

What is stored comes from `compute`, whose values do not depend on how much history was loaded. `evaluate` is
the plain reading of the catalogue, for whoever has a whole history in hand: what the stored values are tested
against.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.indicators.catalogue import CANDLE_FIELDS, COLUMNS, INDICATORS, WARM_UP_BARS, Indicator, Memory
from pipeline.indicators.columns import Array, pack, unpack
from pipeline.indicators.volume import Carry, obv
from pipeline.indicators.windows import Segment, segments

SHORT_MEMORY = 64  # bars; what forgets so soon need not begin with the slowest average
SERIES_AT_ONCE = 1024  # windows computed side by side: many share the cost of a call, few fill the memory


def evaluate(candles: Block, names: Collection[str] = tuple(INDICATORS)) -> Block:
    """The columns of the indicators in ``names``, each series computed from its first candle in the block.

    ``candles`` holds `CANDLE_FIELDS` (others are ignored), each of shape (n_candles, n_symbols), oldest
    first. Returns frames of that shape, NaN where unknown.
    """
    columns = [column for name in INDICATORS if name in names for column in INDICATORS[name].columns]
    if not len(next(iter(candles.values()))):
        return dict.fromkeys(columns, next(iter(candles.values())))
    values = dict(candles)
    for indicator in _with_inputs(names):
        values |= indicator.compute(*(values[field] for field in indicator.inputs))
    return {column: values[column] for column in columns}


def compute(
    candles: Block,
    timeframe: Timeframe,
    keep_from: datetime,
    keep_to: datetime,
    obv_carry: Carry | None = None,
) -> Block:
    """All `COLUMNS` for the bars with ``keep_from <= open_at <= keep_to``, the same bits whatever was loaded.

    Parameters
    ----------
    candles : `CANDLE_FIELDS` (others are ignored), each of shape (n_candles, n_symbols): every bar of the
        grid, oldest first, from `history_start` of the first bar kept or earlier; NaN before a symbol's first
        stored candle and after its delisting, never between.
    obv_carry : on-balance volume and close of each symbol on the bar before the first one kept. None says
        that the block begins at each symbol's first stored candle, or before it.

    Returns
    -------
    Block of one row per bar kept, NaN where unknown. On-balance volume is unknown for a symbol that is not in
    ``obv_carry`` and has a candle in the block's first row: there may be older ones, which count.

    Raises
    ------
    DataContractError
        The block does not reach far enough, skips bars, or has a hole in a series.
    """
    first, last = timeframe.position(timeframe.ceil(keep_from)), timeframe.position(keep_to)
    pieces = list(segments(first, last))
    if not pieces:
        return dict.fromkeys(COLUMNS, candles["close"].iloc[:0])
    begin, end = _reach(candles["close"].index, timeframe)
    if begin > pieces[0].load_from or end < last:
        needed, loaded = (
            f"{timeframe.open_of(low)} to {timeframe.open_of(high)}"
            for low, high in ((pieces[0].load_from, last), (begin, end))
        )
        raise DataContractError(
            f"candles of {timeframe} must reach from {needed} (history_start), were from {loaded};"
            " load more, or add rows of NaN where no series has a candle"
        )
    _check_holes(candles)

    rows = slice(first - begin, last - begin + 1)
    kept = _windowed(candles, rows)
    for warm_up, names in _fading_together().items():
        kept |= _fading(candles, begin, list(segments(first, last, warm_up)), names)
    kept["obv"] = _on_balance_volume(candles["close"], candles["volume"], rows, obv_carry)
    return {column: kept[column] for column in COLUMNS}


def compute_alone(name: str, candles: Block, timeframe: Timeframe, keep_from: datetime, keep_to: datetime) -> Block:
    """The columns of one indicator with a fading memory, the same bits as those of `compute`, which see."""
    first, last = timeframe.position(timeframe.ceil(keep_from)), timeframe.position(keep_to)
    warm_up = next(bars for bars, names in _fading_together().items() if name in names)
    begin, _ = _reach(candles["close"].index, timeframe)
    return _fading(candles, begin, list(segments(first, last, warm_up)), [name])


def _windowed(candles: Block, rows: slice) -> Block:
    """The columns that look back over a fixed number of bars, from exactly those bars."""
    kept: Block = {}
    for indicator in INDICATORS.values():
        if indicator.memory is Memory.WINDOW:
            load = slice(rows.start - indicator.warm_up, rows.stop)
            inputs = (kept[name] if name in kept else candles[name].iloc[load] for name in indicator.inputs)
            for column, frame in indicator.compute(*inputs).items():
                kept[column] = frame.iloc[len(frame) - (rows.stop - rows.start) :]
    return kept


def _fading_together() -> dict[int, list[str]]:
    """The indicators with a fading memory that begin at the same bars: those of a short one, and all others."""
    found: dict[int, list[str]] = {}
    for indicator in INDICATORS.values():
        if indicator.memory is Memory.FADING:
            is_short = indicator.warm_up <= SHORT_MEMORY and set(indicator.inputs) <= set(CANDLE_FIELDS)
            found.setdefault(indicator.warm_up if is_short else WARM_UP_BARS, []).append(indicator.name)
    return found


def _fading(candles: Block, begin: int, pieces: Sequence[Segment], names: Sequence[str]) -> Block:
    """The columns with a fading memory, each segment of bars from its own anchored start."""
    fields = {name for indicator in _with_inputs(names) for name in indicator.inputs} & set(CANDLE_FIELDS)
    arrays = {field: unpack(candles[field]) for field in sorted(fields)}
    first, last = pieces[0].keep_from, pieces[-1].keep_to
    shape = (candles["close"].shape[1], last - first + 1)
    kept = {column: np.empty(shape) for name in names for column in INDICATORS[name].columns}
    at_once = max(1, SERIES_AT_ONCE // max(1, shape[0]))
    for start in range(0, len(pieces), at_once):
        batch = pieces[start : start + at_once]
        loaded = {field: _side_by_side(array, begin, batch) for field, array in arrays.items()}
        for column, frame in evaluate(loaded, names).items():
            results = np.split(unpack(frame), len(batch))
            for piece, result in zip(batch, results, strict=True):
                bars = slice(piece.keep_from - piece.load_from, piece.keep_to - piece.load_from + 1)
                kept[column][:, piece.keep_from - first : piece.keep_to - first + 1] = result[:, bars]
    like = candles["close"].iloc[first - begin : last - begin + 1]
    return {column: pack(array, like) for column, array in kept.items()}


def _side_by_side(array: Array, begin: int, pieces: Sequence[Segment]) -> pd.DataFrame:
    """What each piece loads, as if its series were series of their own; shorter pieces end in NaN."""
    n_bars = max(piece.keep_to - piece.load_from + 1 for piece in pieces)
    table = np.full((len(pieces), array.shape[0], n_bars), np.nan)
    for loaded, piece in zip(table, pieces, strict=True):
        bars = array[:, piece.load_from - begin : piece.keep_to - begin + 1]
        loaded[:, : bars.shape[1]] = bars
    return pd.DataFrame(table.reshape(-1, n_bars).T, copy=False)


def _on_balance_volume(close: pd.DataFrame, volume: pd.DataFrame, rows: slice, carry: Carry | None) -> pd.DataFrame:
    """Continued from the carry, or from the first candle; NaN if there may be candles before the block."""
    before = slice(0, rows.start)
    begun = close.columns[close.iloc[before].notna().any()]
    carries = dict(carry or {})
    if missing := [symbol for symbol in begun if symbol not in carries]:
        level = obv(close[missing].iloc[before], volume[missing].iloc[before])
        if carry is not None:
            level = level.where(close[missing].iloc[0].isna(), axis=1)
        for symbol in missing:
            carries[symbol] = level[symbol].iloc[-1], close[symbol].iloc[rows.start - 1]
    return obv(close.iloc[rows], volume.iloc[rows], carries)


def _with_inputs(names: Collection[str]) -> list[Indicator]:
    """The named indicators and those that they read, in the catalogue's order."""
    wanted = set(names)
    for indicator in reversed(INDICATORS.values()):
        if indicator.name in wanted:
            wanted |= {other.name for other in INDICATORS.values() if set(other.columns) & set(indicator.inputs)}
    return [indicator for indicator in INDICATORS.values() if indicator.name in wanted]


def _reach(index: pd.Index, timeframe: Timeframe) -> tuple[int, int]:
    """Positions of the block's first and last bar; refuses an index that is not every bar of the grid."""
    if isinstance(index, pd.DatetimeIndex) and index.tz is not None and len(index):
        begin, end = (timeframe.position(opens.to_pydatetime()) for opens in (index[0], index[-1]))
        grid = pd.date_range(timeframe.open_of(begin), timeframe.open_of(end), freq=timeframe.duration)
        if len(grid) == len(index) and (grid == index).all():
            return begin, end
    raise DataContractError(
        f"a block's index must be every open of {timeframe} from first to last, with its time zone,"
        f" was {index!r}; reindex the frames to the grid"
    )


def _check_holes(candles: Block) -> None:
    """Refuse a series whose candles are not one run, or lack a field: its averages would stay unknown."""
    known = candles["close"].notna().to_numpy()
    is_broken = (known[1:] & ~known[:-1]).sum(axis=0) + known[:1].sum(axis=0) > 1
    for field in CANDLE_FIELDS:
        is_broken |= (candles[field].notna().to_numpy() != known).any(axis=0)
    if is_broken.any():
        names = ", ".join(candles["close"].columns[is_broken])
        raise DataContractError(
            f"the candles of a series must be one run with every field, were not for {names};"
            " fill the gaps or leave the series out"
        )
