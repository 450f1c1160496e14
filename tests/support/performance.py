"""Made-up outcomes for reports: the same for the same seed."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from pipeline.performance.report import Labels, Outcomes, Window, confidence_labels
from pipeline.performance.statistics import Sample

START = datetime(2024, 3, 1, tzinfo=UTC)
END = START + timedelta(days=30)
HOUR = timedelta(hours=1)
WINDOW = Window(START, END, "live", "default", "expiry", "30d")


def a_sample(n: int, seed: int = 1, *, share_unknown: float = 0.0, **changes: Any) -> Sample:
    """Outcomes of ``n`` signals on some closes of `WINDOW`; values are coarse, so that many are equal."""
    chance = np.random.default_rng(seed)
    net = np.round(chance.normal(0.0, 0.01, n), 3)
    entered = chance.random(n) >= share_unknown
    closes = np.datetime64(START.replace(tzinfo=None), "us") + chance.integers(0, 24 * 30, n) * np.timedelta64(1, "h")
    values: dict[str, Any] = {
        "side": chance.choice([1.0, -1.0], n),
        "confidence": chance.choice([0.55, 0.6, 0.65, 0.7, 0.95, 1.0], n),
        "net_return": np.where(entered, net, np.nan),
        "r_multiple": np.where(entered, net / 0.02, np.nan),
        "ladder_return": np.where(entered, net + 0.001, np.nan),
        "long_return": np.where(entered, np.round(chance.normal(0.0, 0.01, n), 3), np.nan),
        "random_return": np.where(chance.random(n) < 0.9, np.round(chance.normal(-0.001, 0.0005, n), 4), np.nan),
        "bars": np.ones(n),
        "closes": closes,
        "start": START,
        "end": END,
        "horizon": HOUR,
    }
    return Sample(**(values | changes))


def labels(names: list[str], codes: Any) -> Labels:
    """A grouping; of the names some may have no row."""
    return Labels(tuple(names), np.asarray(codes, dtype=np.int32))


def some_outcomes(n: int, seed: int = 1, **changes: Any) -> Outcomes:
    """Outcomes with every grouping; about a fifth were never entered, and some signals have two strategies."""
    sample = a_sample(n, seed, share_unknown=0.2, **changes)
    chance = np.random.default_rng(seed + 1)
    has_two = chance.random(n) < 0.3
    rows = np.concatenate([np.arange(n), np.flatnonzero(has_two)])
    groupings = {
        "source": labels(["ml_model", "multi", "technical"], chance.integers(0, 3, n)),
        "strategy": labels(["MACD_CROSSOVER", "SMA_CROSSOVER"], chance.integers(0, 2, n)),
        "confidence": confidence_labels(sample.confidence),
        "exit_reason": labels(["horizon", "stop", "target"], chance.integers(0, 3, n)),
        "reason": labels(["exposure", "low_confidence"], chance.integers(0, 2, n)),
    }
    strategies = labels(["MACD_CROSSOVER", "RSI_OVERSOLD", "SMA_CROSSOVER"], chance.integers(0, 3, len(rows)))
    calibrated = np.where(chance.random(n) < 0.5, np.round(chance.uniform(0.3, 0.6, n), 2), np.nan)
    return Outcomes(sample, groupings, (strategies, rows.astype(np.int64)), calibrated)
