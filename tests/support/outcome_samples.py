"""Outcomes of signals that nobody made, and the reports of them: a test says what it is about, the rest follows."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np

from pipeline.performance.executed import Count, spec_performance
from pipeline.performance.report import Labels, Outcomes, Performance, Window, confidence_labels, performance
from pipeline.performance.statistics import Sample

START = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def labels(names: Sequence[str]) -> Labels:
    """Names of rows as a grouping."""
    ordered = sorted(set(names))
    return Labels(tuple(ordered), np.array([ordered.index(name) for name in names], dtype=np.int32))


def some_outcomes(
    net_return: Sequence[float],
    *,
    strategy: Sequence[str] | None = None,
    source: Sequence[str] | None = None,
    exit_reason: Sequence[str] | None = None,
    symbol: Sequence[str] | None = None,
    confidence: Sequence[float] | None = None,
    calibrated: float = np.nan,
    random_return: float = 0.0,
    n_hours: int = 240,
) -> Outcomes:
    """Outcomes with these net returns, spread over the window; NaN where nothing was entered."""
    n = len(net_return)
    returns = np.array(net_return, dtype=np.float64)
    stated = np.array(confidence if confidence is not None else [0.65] * n, dtype=np.float64)
    at = np.datetime64(START.replace(tzinfo=None)) + np.linspace(1, n_hours, n).astype("timedelta64[h]")
    sample = Sample(
        side=np.where(np.arange(n) % 2, -1.0, 1.0),
        confidence=stated,
        net_return=returns,
        r_multiple=returns / 0.02,
        ladder_return=returns,
        long_return=returns * 0.5,
        random_return=np.full(n, random_return),
        bars=np.ones(n),
        closes=at.astype("datetime64[us]"),
        start=START,
        end=START + n_hours * HOUR,
        horizon=HOUR,
    )
    strategies = labels(strategy or ["MACD_CROSSOVER"] * n)
    groupings = {
        "source": labels(source or ["technical"] * n),
        "strategy": strategies,
        "symbol": labels(symbol or ["BTC/USDT"] * n),
        "timeframe": labels(["1h"] * n),
        "confidence": confidence_labels(stated),
        "signal_type": Labels(("SELL", "BUY"), (sample.side > 0).astype(np.int32)),
        "exit_reason": labels(exit_reason or ["horizon"] * n),
        "reason": labels(["low_confidence"] * n),
    }
    return Outcomes(sample, groupings, (strategies, np.arange(n)), np.full(n, calibrated))


def a_report(
    outcomes: Outcomes, *, executed: Sequence[Count] = (), n_pending: int = 0, scope: str = "default"
) -> Performance:
    """The report of some outcomes, of which risk dropped none."""
    window = Window(START, START + 240 * HOUR, "replay", scope, "expiry", "7d")
    return performance(window, outcomes, some_outcomes([]), spec_performance(executed, "7d"), n_pending)


@cache
def a_mixed_report(n: int = 400, seed: int = 5) -> Performance:
    """A report of several sources, strategies, classes of confidence and ways out."""
    rng = np.random.default_rng(seed)
    place = rng.integers(0, 3, n)
    return a_report(
        some_outcomes(
            rng.normal(-0.001, 0.01, n).tolist(),
            source=np.array(["technical", "ml_model", "multi"])[place].tolist(),
            strategy=np.array(["RSI_OVERSOLD", "ML_PREDICTION", "MULTI_STRATEGY"])[place].tolist(),
            exit_reason=np.array(["horizon", "stop", "target"])[rng.integers(0, 3, n)].tolist(),
            confidence=np.array([0.6, 0.65, 0.72])[rng.integers(0, 3, n)].tolist(),
            calibrated=0.43,
            random_return=-0.0005,
        ),
        n_pending=3,
    )
