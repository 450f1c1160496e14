"""Material for charts: the rows of a series as they would be stored, made up."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import numpy as np
import pandas as pd

from pipeline.charts.material import INDICATORS, LEVEL_FIELDS, SENTIMENT_FIELDS, ChartMaterial
from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey
from tests.support.market import START, random_walk

KEY = SeriesKey("binance", "BTC/USDT", Timeframe.H1)
HOUR = timedelta(hours=1)


def at(place: int) -> datetime:
    """The open of the bar at a place."""
    return START + place * HOUR


def a_material(
    n_bars: int = 60,
    *,
    block: Block | None = None,
    levels: Sequence[Mapping[str, Any]] = (),
    patterns: Sequence[Mapping[str, Any]] = (),
    signals: Sequence[Mapping[str, Any]] = (),
    is_known: bool = True,
    **columns: Any,
) -> ChartMaterial:
    """A series of ``n_bars``; ``columns`` replaces some columns, ``is_known`` False leaves indicators unknown."""
    block = block or random_walk(1, n_bars, symbols=(KEY.symbol,))
    bars = pd.DataFrame({name: frame[KEY.symbol] for name, frame in block.items()})
    known = pd.Series(np.linspace(20.0, 80.0, len(bars)) if is_known else np.nan, index=bars.index)
    for name in INDICATORS:
        bars[name] = known
    for name in SENTIMENT_FIELDS:
        bars[name] = np.nan
    for name in ("sma_20", "sma_50", "sma_200"):
        bars[name] = bars["close"] if is_known else np.nan
    for name, factor in (("bb_upper", 1.02), ("bb_lower", 0.98)):
        bars[name] = bars["close"] * factor if is_known else np.nan
    bars["block_reason"] = pd.Series([None] * len(bars), index=bars.index, dtype=object)
    for name, values in columns.items():
        bars[name] = values
    frame = pd.DataFrame(list(levels), columns=list(LEVEL_FIELDS))
    return ChartMaterial(key=KEY, bars=bars, levels=frame, patterns=patterns, signals=signals, origin="live")


def a_level(pivot: int, known: int, price: float, **changes: Any) -> dict[str, Any]:
    """A state of a level: support, named by the pivot on bar ``pivot``, known at the close of bar ``known``."""
    return {
        "pivot_at": at(pivot),
        "kind": "low",
        "known_at": at(known + 1),
        "event": "formed",
        "role": "support",
        "price": price,
        "touches": 2,
        "strength": 0.75,
        "expires_at": at(known + 202),
    } | changes


def a_pattern(prices: Sequence[float], first: int = 10, gap: int = 5, **changes: Any) -> dict[str, Any]:
    """A double top whose anchors are ``gap`` bars apart, completed so many bars after the last one."""
    roles = ("high", "neckline", "high")
    anchors = [
        {"at": at(first + gap * k).isoformat(), "price": price, "role": role}
        for k, (price, role) in enumerate(zip(prices, roles, strict=True))
    ]
    end = first + gap * len(prices)
    neckline = [
        {"at": at(first + gap).isoformat(), "price": prices[1]},
        {"at": at(end).isoformat(), "price": prices[1]},
    ]
    return {
        "pattern": "double_top",
        "direction": -1,
        "completed_at": at(end + 1),
        "first_at": at(first),
        "anchors": json.loads(json.dumps(anchors)),
        "boundaries": [neckline],
        "target": 2 * prices[1] - prices[0],
    } | changes


def a_signal_row(place: int, price: float, **changes: Any) -> dict[str, Any]:
    """A BUY at the close of the bar at a place, which stands for three bars."""
    row = {
        "signal_type": "BUY",
        "strategy": "SMA_CROSSOVER",
        "strength": 0.7,
        "confidence": 0.65,
        "rank_score": 0.665,
        "description": "SMA 20 crossed above SMA 50",
        "status": "ACTIVE",
        "entry_price": price,
        "stop_loss_price": price * 0.99,
        "target_prices": {"tp1": price * 1.01, "tp2": price * 1.02, "tp3": price * 1.03},
        "created_at": at(place + 1),
        "expires_at": at(place + 4),
    } | changes
    return {"id": number_of(place, row["signal_type"])} | row


def number_of(place: int, signal_type: str = "BUY") -> UUID:
    """The id of a made-up signal."""
    return uuid5(NAMESPACE_OID, f"{place} {signal_type}")
