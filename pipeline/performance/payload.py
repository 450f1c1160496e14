"""A report as plain values, for JSON: unknown figures are None, never NaN."""

from math import isfinite
from typing import Any

import pandas as pd

from pipeline.performance.report import Performance
from pipeline.performance.statistics import FIGURES

HEADLINE = ("wins", *(name for name in FIGURES if name not in ("excess_low", "excess_high")))


def payload(performance: Performance) -> dict[str, Any]:
    """The description's fields, the headline of the outcomes, and the figures of every grouping."""
    overall = performance.overall
    window = performance.window
    return {
        "exchange": window.exchange,
        "origin": window.origin,
        "scope": window.scope,
        "profile": window.profile,
        "horizon": window.horizon,
        "started_at": window.start,
        "as_of": window.end,
        **performance.executed,
        "outcomes": int(overall["signals"]),
        "pending": performance.n_pending,
        **{name: plain(overall[name]) for name in HEADLINE},
        "figures": {name: records(table) for name, table in performance.figures.items()},
        "reliability": records(performance.reliability),
        "calibration_error": records(performance.calibration_error),
        "calibrated": records(performance.calibrated),
        "source_reliability": records(performance.source_reliability),
        "source_calibrated": records(performance.source_calibrated),
        "exits": records(performance.exits),
    }


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as plain values."""
    return [{str(name): plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not isfinite(value) else value
