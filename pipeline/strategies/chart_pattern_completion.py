"""Chart pattern completion: a close completes a chart pattern, or a candle pattern ends a move."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BeforeValidator, field_validator

from pipeline.contracts.blocks import Block
from pipeline.domain.patterns import BEARISH_CANDLES, BULLISH_CANDLES, CHART_PATTERNS, NAMES, in_words, names_of
from pipeline.domain.signal import Source
from pipeline.strategies.checks import Check, value_at
from pipeline.strategies.crossing import BUY, SELL, as_sides
from pipeline.strategies.definition import Fraction, StrategyParameters, strategy

_CHARTS = {BUY: "bullish_patterns", SELL: "bearish_patterns"}
_CANDLES = {BUY: "bullish_candles", SELL: "bearish_candles"}
_ALL = (*CHART_PATTERNS, *BULLISH_CANDLES, *BEARISH_CANDLES)
UNKNOWN = "unknown"

Flags = npt.NDArray[np.bool_]


def _split(value: Any) -> Any:
    """A comma-separated text, as environment variables give lists."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class ChartPatternCompletionParameters(StrategyParameters):
    """Which patterns count: the charts', the candles', and by name those that do not."""

    strength: Fraction = 0.6
    confidence: Fraction = 0.6
    chart_patterns: bool = True
    candle_patterns: bool = True
    ignored: Annotated[tuple[str, ...], BeforeValidator(_split)] = ()

    @field_validator("ignored")
    @classmethod
    def _are_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in _ALL]:
            raise ValueError(f"patterns must be of {', '.join(_ALL)}, were {', '.join(unknown)}")
        return value


def _counted(parameters: ChartPatternCompletionParameters, column: str) -> int:
    """The bits of a column that count."""
    is_on = parameters.chart_patterns if column in _CHARTS.values() else parameters.candle_patterns
    return sum(1 << bit for bit, name in enumerate(NAMES[column]) if is_on and name not in parameters.ignored)


def _bits(columns: Block, parameters: ChartPatternCompletionParameters, column: str) -> Flags:
    values = np.nan_to_num(columns[column].to_numpy()).astype(np.int64)
    found: Flags = (values & _counted(parameters, column)) != 0
    return found


def _seen(side: int, inputs: Mapping[str, float], parameters: ChartPatternCompletionParameters) -> list[str]:
    """The counted patterns of a side, the charts' first."""
    return [
        name
        for column in (_CHARTS[side], _CANDLES[side])
        if not isnan(inputs[column])
        for name in names_of(column, int(inputs[column]) & _counted(parameters, column))
    ]


def _told(columns: Block, parameters: ChartPatternCompletionParameters, side: int, seen: Sequence[str]) -> str:
    """The patterns of a side in words; what is unknown is said only where nothing was seen."""
    names = (_CHARTS[side], _CANDLES[side])
    is_unknown = any(isnan(value_at(columns[name])) and _counted(parameters, name) for name in names)
    return in_words(seen) or (UNKNOWN if is_unknown else "none")


def _describe(side: int, inputs: Mapping[str, float], parameters: ChartPatternCompletionParameters) -> str:
    return f"Completed {in_words(_seen(side, inputs, parameters))}, which points {'up' if side == BUY else 'down'}"


def _checks(columns: Block, parameters: ChartPatternCompletionParameters) -> tuple[Check, ...]:
    last = {name: value_at(frame) for name, frame in columns.items()}
    seen = {side: _seen(side, last, parameters) for side in (BUY, SELL)}
    told = {side: _told(columns, parameters, side, names) for side, names in seen.items()}
    is_chart = {side: any(name in CHART_PATTERNS for name in names) for side, names in seen.items()}
    return tuple(
        check
        for side, word in ((BUY, "up"), (SELL, "down"))
        for check in (
            Check(
                side=side,
                asks=f"patterns that point {word} and were completed by this close",
                found=told[side],
                wanted="one or more of those that count",
                is_met=None if told[side] == UNKNOWN else bool(seen[side]),
            ),
            Check(
                side=side,
                asks="patterns that point the other way",
                found=told[-side],
                wanted="none that is known, or candle patterns against a chart pattern",
                is_met=not seen[-side] or (is_chart[side] and not is_chart[-side]),
            ),
        )
    )


@strategy(
    key="chart_pattern_completion",
    buy="CHART_PATTERN_COMPLETION",
    sell="CHART_PATTERN_COMPLETION",
    parameters=ChartPatternCompletionParameters,
    family="patterns",
    source=Source.TECHNICAL,
    columns=(*_CHARTS.values(), *_CANDLES.values()),
    lookback=0,
    describe=_describe,
    checks=_checks,
)
def chart_pattern_completion(columns: Block, parameters: ChartPatternCompletionParameters) -> pd.DataFrame:
    """BUY where the close completes a pattern that points up, SELL where it completes one that points down.

    Several patterns of one close are one signal that names them all. A chart pattern, which took days to form,
    outweighs a candle pattern of the other side; two of a kind that contradict each other say nothing.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        0 where no pattern completed, or none could be seen yet.
    """
    up, down = (_bits(columns, parameters, _CHARTS[side]) for side in (BUY, SELL))
    candle_up, candle_down = (_bits(columns, parameters, _CANDLES[side]) for side in (BUY, SELL))
    is_chart = up | down
    buy = np.where(is_chart, up & ~down, candle_up & ~candle_down)
    sell = np.where(is_chart, down & ~up, candle_down & ~candle_up)
    return as_sides(buy, sell, columns["bullish_patterns"])
