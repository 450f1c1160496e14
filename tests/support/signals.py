"""Builders of signals and exposure groups: valid as they are; a test mentions only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.domain.signal import Signal, SignalType, Source
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from pipeline.risk.exposure import ExposureGroup

CLOSE_AT = datetime(2024, 3, 1, 12, tzinfo=UTC)  # a Friday noon; every timeframe up to 12h closes then


def a_series(*, exchange: str = "binance", symbol: str = "BTC/USDT", timeframe: Timeframe = Timeframe.H1) -> SeriesKey:
    """A series; ``a_series(symbol="ETH/USDT")``."""
    return SeriesKey(exchange, symbol, timeframe)


def a_signal(**changes: Any) -> Signal:
    """A BUY of BTC/USDT 1h by SMA_CROSSOVER; ``exchange``, ``symbol`` and ``timeframe`` change its series."""
    place = {name: changes.pop(name) for name in ("exchange", "symbol", "timeframe") if name in changes}
    fields: dict[str, Any] = {
        "series": a_series(**place),
        "signal_type": SignalType.BUY,
        "strategy": "SMA_CROSSOVER",
        "source": Source.TECHNICAL,
        "strength": 0.7,
        "confidence": 0.65,
        "created_at": CLOSE_AT,
        "description": "SMA 20 crossed above SMA 50",
        "inputs": {"sma_20": 41_200.0, "sma_50": 40_800.0},
    }
    return Signal(**{**fields, **changes})


def a_group(*, hours: int = 0, bars: int = 1, **changes: Any) -> ExposureGroup:
    """A BUY group of BTC/USDT 1h that closed ``hours`` after `CLOSE_AT` and stands for ``bars`` bars."""
    place = {name: changes.pop(name) for name in ("exchange", "symbol", "timeframe") if name in changes}
    series = a_series(**place)
    close_at = CLOSE_AT + timedelta(hours=hours)
    fields: dict[str, Any] = {
        "series": series,
        "close_at": close_at,
        "weight": 0.05,
        "rank_score": 0.6,
        "expires_at": close_at + bars * series.timeframe.duration,
    }
    return ExposureGroup(**{**fields, **changes})
