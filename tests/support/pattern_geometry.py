"""What must be true of a completed pattern, read off its row and the candles alone, one row at a time."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pandas as pd

from pipeline.indicators.patterns import channels, reversals
from pipeline.indicators.patterns.completion import COMPLETION_BARS, LATE_SHARE, ROUNDING
from pipeline.indicators.pivots import SIDE_BARS


def breaches(row: Any, candles: dict[str, "pd.Series[float]"]) -> Iterator[str]:
    """What is wrong with a row of `chart_patterns`, in words; nothing if all is right."""
    index = pd.DatetimeIndex(candles["close"].index)
    step = index[1] - index[0]
    high, low, close = (candles[name].to_numpy() for name in ("high", "low", "close"))
    anchors = [(index.get_loc(pd.Timestamp(a["at"])), a["price"], a["role"]) for a in json.loads(row.anchors)]
    bars, prices = [a[0] for a in anchors], [a[1] for a in anchors]
    done = index.get_loc(row.completed_at - step)
    side = row.direction

    for bar, price, _ in anchors:
        around = slice(bar - SIDE_BARS, bar + SIDE_BARS + 1)
        if not (price == high[bar] == high[around].max() or price == low[bar] == low[around].min()):
            yield f"anchor {index[bar]} is no swing"
    if sorted(bars) != bars or len(set(bars)) != len(bars):
        yield "anchors are not in order"
    rises = [later > earlier for earlier, later in pairwise(prices)]
    if any(one == other for one, other in pairwise(rises)):
        yield "swings do not alternate"

    known = bars[-1] + SIDE_BARS
    if not known <= done <= known + COMPLETION_BARS:
        yield "completed before its last swing was known, or too late"
    (begin, end), *_ = (
        [(index.get_loc(pd.Timestamp(p["at"])), p["price"]) for p in line] for line in json.loads(row.boundaries)
    )
    slope = (end[1] - begin[1]) / (end[0] - begin[0])

    def boundary(bar: int) -> float:
        return float(begin[1] + slope * (bar - begin[0]))

    beyond = [side * (close[bar] - boundary(bar)) > ROUNDING * close[bar] for bar in range(known, done + 1)]
    if beyond != [False] * (len(beyond) - 1) + [True]:
        yield "the completing close is not the first one beyond the boundary"
    if abs(close[done] - row.break_price) > LATE_SHARE * row.height * (1 + 1e-9):
        yield "completed too far beyond the boundary"
    if row.target == row.target and abs(row.target - (row.break_price + side * row.height)) > 1e-9 * row.break_price:
        yield "the target is not the height away"
    yield from _shape(row, bars, prices)


def _shape(row: Any, bars: list[int], prices: list[float]) -> Iterator[str]:
    """Breaches of the tolerances of the pattern itself, in average true ranges."""
    atr, top = row.atr, prices[-1] > prices[-2]
    outer, inner = prices[::-2], prices[-2::-2]
    slack = 1 + 1e-9
    if row.pattern.startswith(("double", "triple")):
        if max(outer) - min(outer) > reversals.EQUAL_ATR * atr * slack:
            yield "tops differ"
        if row.height * slack < reversals.MIN_HEIGHT_ATR * atr:
            yield "too low"
        if (row.direction < 0) != top:
            yield "points the wrong way"
    elif row.pattern.endswith("shoulders"):
        right, head, left = outer
        over = (head - max(left, right)) if top else (min(left, right) - head)
        if over * slack < reversals.MIN_HEAD_ATR * atr:
            yield "the head does not stand out"
        if abs(left - right) > reversals.SHOULDER_SHARE * row.height * slack:
            yield "shoulders differ"
    elif not row.pattern.endswith(("flag", "pennant")):
        span = bars[-1] - bars[0]
        upper, lower = (outer, inner) if top else (inner, outer)
        up, down = ((values[0] - values[-1]) for values in (upper, lower))
        scale = {True: span / (bars[-1] - bars[0]), False: span / (bars[-2] - bars[1])}
        up, down = up * scale[top] / atr, down * scale[not top] / atr
        wanted = {
            "ascending_triangle": abs(up) <= channels.FLAT_ATR * slack and down * slack >= channels.SLOPE_ATR,
            "descending_triangle": abs(down) <= channels.FLAT_ATR * slack and -up * slack >= channels.SLOPE_ATR,
            "symmetrical_triangle": min(-up, down) * slack >= channels.SLOPE_ATR,
            "rising_wedge": min(up, down) * slack >= channels.SLOPE_ATR and row.direction < 0,
            "falling_wedge": max(up, down) <= -channels.SLOPE_ATR / slack and row.direction > 0,
            "rectangle": max(abs(up), abs(down)) <= channels.FLAT_ATR * slack,
        }
        if not wanted[row.pattern]:
            yield f"the lines rise by {up:.3f} and {down:.3f} ATR"
