"""What stands beside a series: the reference symbol of its exchange and timeframe, and its own higher timeframe."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.domain.timeframe import HIGHER_TIMEFRAMES, Timeframe


@dataclass(frozen=True, slots=True)
class MarketContext:
    """Which other candles the rows of a series are derived from."""

    reference_symbol: str = "BTC/USDT"  # of the same exchange and timeframe
    higher_timeframes: Mapping[Timeframe, Timeframe] = field(default_factory=lambda: HIGHER_TIMEFRAMES)
