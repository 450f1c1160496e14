"""Emission: the sides of a strategy become signals that state what was seen.

Which bars may speak (closed, not filled, of a series that is not blocked, new since the last run) is decided
by the caller; what becomes of the signals, by risk and aggregation.
"""

from collections.abc import Iterator
from math import isnan

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.errors import DataContractError
from pipeline.domain.signal import Signal, SignalType
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.strategies.crossing import ALERT, BUY, SELL
from pipeline.strategies.definition import Strategy, StrategyParameters

SIGNAL_TYPES = {BUY: SignalType.BUY, SELL: SignalType.SELL, ALERT: SignalType.ALERT}
PREVIOUS = "previous_"  # prefix of an input that was read off the bar before

Positions = npt.NDArray[np.intp]


def signals_of(
    strategy: Strategy,
    parameters: StrategyParameters,
    columns: Block,
    *,
    exchange: str,
    timeframe: Timeframe,
    usable: pd.DataFrame,
) -> list[Signal]:
    """Give the signals of one strategy on the bars that may speak.

    Parameters
    ----------
    strategy, parameters
        A strategy and an instance of its parameters class.
    columns : Block
        Indicator columns and ``close``, shape (n_candles, n_symbols), index ``open_at``. The judged bars need
        ``strategy.lookback`` bars before them where history has them.
    exchange, timeframe
        Of every series in the block.
    usable : DataFrame of shape (n_candles, n_symbols), bool
        True on the bars that may speak; False on filled bars and on those that are there as history only. A
        side on an unusable bar is dropped for good: a filled bar repeats an old price, and a cross that was
        first seen there would date a trade to a price that nobody could get.

    Returns
    -------
    list of Signal
        By close, then symbol. ``inputs`` holds the bar's values of the columns that the strategy reads and
        its close and, where the strategy asks for them, those of the bar before under the prefix `PREVIOUS`;
        None is unknown. Empty when the strategy is disabled.

    Raises
    ------
    DataContractError
        When ``usable`` does not match the columns, or a column is missing.
    """
    if not parameters.is_enabled:
        return []
    sides = strategy.sides(columns, parameters)
    speaks = usable.to_numpy()
    is_aligned = usable.index.equals(sides.index) and usable.columns.equals(sides.columns)
    if not is_aligned or speaks.dtype != np.bool_:
        raise DataContractError(
            f"usable must be bool on the bars and symbols of the columns {sides.shape}, "
            f"was {speaks.dtype} {speaks.shape} ({strategy.key})"
        )
    rows, places = np.nonzero(np.where(speaks, sides.to_numpy(), 0))
    order = np.lexsort((np.argsort(np.argsort(sides.columns))[places], rows))
    rows, places = rows[order], places[order]
    series = [SeriesKey(exchange, symbol, timeframe) for symbol in sides.columns]
    closes = (pd.DatetimeIndex(sides.index)[rows] + timeframe.duration).to_pydatetime()
    found = sides.to_numpy()[rows, places].tolist()
    seen = _inputs(strategy, parameters, columns, rows, places)
    return [
        Signal(
            series=series[place],
            signal_type=SIGNAL_TYPES[side],
            strategy=strategy.names[side],
            source=strategy.source,
            strength=strength,
            confidence=confidence,
            created_at=close_at,
            description=strategy.describe(side, inputs, parameters),
            inputs={name: None if isnan(value) else value for name, value in inputs.items()},
        )
        for place, side, close_at, inputs in zip(places.tolist(), found, closes, seen, strict=True)
        for strength, confidence in [strategy.stated(side, inputs, parameters)]
    ]


def _inputs(
    strategy: Strategy, parameters: StrategyParameters, columns: Block, rows: Positions, places: Positions
) -> Iterator[dict[str, float]]:
    """Read what the strategy saw at each (row, place); NaN is unknown, as is all before the first bar."""
    names = dict.fromkeys((*strategy.columns(parameters), "close"))
    values = {name: columns[name].to_numpy()[rows, places] for name in names}
    if strategy.shows_previous:
        for name in names:
            before = columns[name].to_numpy()[rows - 1, places]
            values[PREVIOUS + name] = np.where(rows > 0, before, np.nan)
    lists = [each.tolist() for each in values.values()]
    return (dict(zip(values, row, strict=True)) for row in zip(*lists, strict=True))
