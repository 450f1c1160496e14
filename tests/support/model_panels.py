"""Invented panels, whose next moves hang on a feature as much as a test says; and invented predictions."""

from datetime import UTC, datetime, timedelta

import numpy as np

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.timeframe import Timeframe
from pipeline.models.panel import Panel

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday; the first bar opens then


def a_panel(*, n_weeks=6, n_symbols=4, n_features=3, signal=0.15, seed=1, timeframe=Timeframe.H1) -> Panel:
    """Random walks; the first feature foretells ``signal`` of the next return's deviation, the others nothing."""
    rng = np.random.default_rng(seed)
    n_bars = int(timedelta(weeks=n_weeks) / timeframe.duration)
    features = rng.standard_normal((n_symbols, n_bars, n_features)).astype(np.float32)
    market = rng.standard_normal(n_bars)
    returns = 0.7 * rng.standard_normal((n_symbols, n_bars)) + 0.7 * market
    returns[:, 1:] += signal * features[:, :-1, 0]
    close = 100.0 * np.exp(np.cumsum(0.01 * returns, axis=1))
    opened = np.concatenate([np.full((n_symbols, 1), 100.0), close[:, :-1]], axis=1)
    wicks = 1.0 + 0.005 * np.abs(rng.standard_normal((2, n_symbols, n_bars)))
    first_close = np.datetime64(START.replace(tzinfo=None) + timeframe.duration, TIME_UNIT)
    return Panel(
        timeframe=timeframe,
        symbols=tuple(f"S{number}/USDT" for number in range(n_symbols)),
        names=tuple(f"f{number}" for number in range(n_features)),
        features=features,
        close_at=first_close + np.arange(n_bars) * np.timedelta64(timeframe.duration),
        close=close,
        high=np.maximum(opened, close) * wicks[0],
        low=np.minimum(opened, close) / wicks[1],
        atr_ratio=np.full((n_symbols, n_bars), 0.015),
        is_usable=np.ones((n_symbols, n_bars), dtype=bool),
    )


def some_predictions(seed=1, n_rows=500, decimals=None):
    """Outcomes of probabilities that are somewhat right; few decimals make ties."""
    rng = np.random.default_rng(seed)
    p = np.clip(0.5 + 0.15 * rng.standard_normal(n_rows), 0.01, 0.99)
    y = (rng.random(n_rows) < p).astype(float)
    return y, p if decimals is None else np.round(p, decimals)
