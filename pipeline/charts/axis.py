"""Where labels stand: dates below the bars at round instants, and prices beside them without overlap."""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pandas as pd

# Distances between dates that a reader counts in, shortest first; months and years beyond.
_STEPS = [pd.Timedelta(text) for text in ("5min", "15min", "30min", "1h", "3h", "6h", "12h", "1D", "2D", "7D", "14D")]
_MONTHS = (1, 3, 6, 12, 24, 60)


def ticks(index: pd.DatetimeIndex, bar: timedelta, most: int) -> list[tuple[int, str]]:
    """At most about ``most`` places of round instants with their words, in order.

    ``index`` holds the opens of bars that last ``bar`` each. The words say what changes: the hour, with the day at
    midnight; the day; the month.
    """
    span = index[-1] - index[0]
    step = next((each for each in _STEPS if span / each <= most and not each % bar), None)
    if step is not None and step < pd.Timedelta("1D"):
        instants = pd.date_range(index[0].ceil(step), index[-1], freq=step)
        words = [f"{t:%d %b}" if t == t.normalize() else f"{t:%H:%M}" for t in instants]
    elif step is not None:
        days = step.days
        instants = pd.date_range(index[0].ceil("1D"), index[-1], freq="1D")
        instants = instants[(instants.view("int64") // pd.Timedelta("1D").as_unit(index.unit).value) % days == 0]
        words = [f"{t:%d %b}" for t in instants]
    else:
        months = next((m for m in _MONTHS if span.days / 30.4 / m <= most), _MONTHS[-1])
        instants = pd.date_range(index[0].ceil("1D"), index[-1], freq="MS", normalize=True)
        instants = instants[[(t.year * 12 + t.month - 1) % months == 0 for t in instants]]
        words = [f"{t:%b %Y}" for t in instants]
    places = index.get_indexer(instants, method="nearest")
    return list(dict(zip(places.tolist(), words, strict=True)).items())


def spread(heights: Sequence[float], gap: float, lowest: float, highest: float) -> list[float]:
    """Heights moved apart to at least ``gap`` between neighbours, as little as possible, in the given order.

    Labels that touch form a block around the mean of where they belong; blocks that meet become one. Heights stay
    between ``lowest`` and ``highest`` as far as there is room.
    """
    order = np.argsort(np.asarray(heights, dtype=float), kind="stable")
    blocks: list[list[float]] = []  # mean height wanted, number of labels
    for place in order.tolist():
        blocks.append([float(heights[place]), 1])
        while len(blocks) > 1 and _top(blocks[-2], gap) + gap > _bottom(blocks[-1], gap):
            mean, n = blocks.pop()
            blocks[-1] = [(blocks[-1][0] * blocks[-1][1] + mean * n) / (blocks[-1][1] + n), blocks[-1][1] + n]
    moved = [_bottom(block, gap) + gap * k for block in blocks for k in range(int(block[1]))]
    for k in range(len(moved)):  # off the floor, then off the ceiling
        moved[k] = max(moved[k], lowest + gap * k)
    for k in range(1, len(moved) + 1):
        moved[-k] = min(moved[-k], highest - gap * (k - 1))
    found = [0.0] * len(moved)
    for place, height in zip(order.tolist(), moved, strict=True):
        found[place] = height
    return found


def _bottom(block: Sequence[float], gap: float) -> float:
    return block[0] - gap * (block[1] - 1) / 2


def _top(block: Sequence[float], gap: float) -> float:
    return block[0] + gap * (block[1] - 1) / 2
