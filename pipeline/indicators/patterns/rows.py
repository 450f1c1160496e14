"""Completed patterns as rows: what they are called, and the points and lines that it takes to draw them."""

import json
from datetime import timedelta

import numpy as np
import pandas as pd

from pipeline.domain.patterns import CHART_PATTERNS
from pipeline.indicators.columns import Array
from pipeline.indicators.patterns.completion import Completed
from pipeline.indicators.patterns.shapes import Line

ROW_COLUMNS = (
    *("place", "completed_at", "pattern", "direction", "first_at", "last_at", "anchors", "boundaries"),
    *("break_price", "close", "height", "target", "atr"),
)

# What the anchors are called, oldest first, where the newest one is a high; upside down highs and lows change places.
_ROLES = {
    "double": ("high", "neckline", "high"),
    "triple": ("high", "neckline", "high", "neckline", "high"),
    "shoulders": ("left shoulder", "neckline", "head", "neckline", "right shoulder"),
    "flag": ("pole start", "pole end", "high", "low", "high"),
    "channel": ("high", "low", "high", "low", "high"),
}
_UPSIDE_DOWN = {"high": "low", "low": "high"}
_NECKLINE_ONLY = ("double", "triple", "shoulders")  # the other boundary is no line of theirs


def pattern_rows(completed: Completed, closes: Array, index: pd.DatetimeIndex, step: timedelta) -> pd.DataFrame:
    """The rows of `chart_patterns`, with the symbol's ``place`` in the arrays instead of its series.

    ``index`` holds the opens of the bars, ``step`` is their duration; instants inside the JSON are opens, ISO 8601.
    """
    shapes, bar = completed.shapes, completed.bar
    target = completed.break_price + shapes.direction * shapes.height
    rows = []
    for n, place in enumerate(shapes.series.tolist()):
        name = CHART_PATTERNS[shapes.pattern[n]]
        kind = _kind(name)
        used = np.flatnonzero(shapes.bars[n] >= 0)[::-1]
        is_high_last = shapes.prices[n, 0] > shapes.prices[n, 1]
        roles = [role if is_high_last else _UPSIDE_DOWN.get(role, role) for role in _ROLES[kind]]
        points = [(int(shapes.bars[n, k]), float(shapes.prices[n, k])) for k in used]
        lines = [_segment(shapes.broken, n, int(bar[n]))]
        if kind not in _NECKLINE_ONLY:
            lines.append(_segment(shapes.other, n, int(bar[n])))
        if kind == "flag":
            lines.append((points[0], points[1]))
        rows.append(
            (
                place,
                index[bar[n]] + step,
                name,
                int(shapes.direction[n]),
                index[points[0][0]],
                index[points[-1][0]],
                json.dumps([_point(index, at) | {"role": role} for at, role in zip(points, roles, strict=True)]),
                json.dumps([[_point(index, end) for end in line] for line in lines]),
                float(completed.break_price[n]),
                float(closes[place, bar[n]]),
                float(shapes.height[n]),
                float(target[n]) if target[n] > 0 else np.nan,
                float(shapes.atr[n]),
            )
        )
    return pd.DataFrame(rows, columns=list(ROW_COLUMNS))


def _kind(name: str) -> str:
    if name.startswith(("double", "triple")):
        return name.partition("_")[0]
    if name.endswith("shoulders"):
        return "shoulders"
    return "flag" if name.endswith(("flag", "pennant")) else "channel"


def _segment(line: Line, n: int, end: int) -> tuple[tuple[int, float], tuple[int, float]]:
    """A line from its first anchor to the completing bar."""
    begin = int(line.bar[n])
    price, slope = float(line.price[n]), float(line.slope[n])
    return (begin, price), (end, price + slope * (end - begin))


def _point(index: pd.DatetimeIndex, point: tuple[int, float]) -> dict[str, object]:
    return {"at": index[point[0]].isoformat(), "price": point[1]}
