"""Levels once more, one bar and one level at a time, as they are described: what the fast way is held against."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pandas as pd

from pipeline.indicators.levels import BAND_ATR, BREAK_ATR, CLUSTER_BARS, LIFE_BARS
from pipeline.indicators.pivots import SIDE_BARS

HOUR = timedelta(hours=1)


def slow_levels(
    candles: Mapping[str, pd.Series], atr: pd.Series
) -> tuple[dict[str, pd.Series], list[tuple[object, ...]]]:
    """The columns of one series of hourly bars, and its changes: pivot, kind, known, event, role, touches, first."""
    high, low, close = (candles[name].to_numpy() for name in ("high", "low", "close"))
    index, ranges = candles["close"].index, atr.to_numpy()
    seen: list[tuple[int, str, float]] = []  # every pivot that is known: bar, kind, price
    living: list[dict[str, object]] = []
    rows: list[tuple[object, ...]] = []
    columns = {
        name: np.full(len(close), np.nan) for name in ("support", "support_touches", "resistance", "resistance_touches")
    }

    def tell(level: dict[str, object], bar: int, event: str) -> None:
        rows.append(
            (
                *(index[level["bar"]], level["kind"], index[bar] + HOUR, event, level["role"]),
                *(level["touches"], index[level["first"]]),
            )
        )

    for now in range(len(close)):
        living = [level for level in living if now < level["known"] + LIFE_BARS]
        fresh = []
        pivot = now - SIDE_BARS
        for kind, values in (("high", high), ("low", -low)):
            if pivot < SIDE_BARS:
                continue
            before, after = values[pivot - SIDE_BARS : pivot], values[pivot + 1 : now + 1]
            if (values[pivot] > before).all() and (values[pivot] >= after).all():
                price = abs(values[pivot])
                seen.append((pivot, kind, price))
                if np.isnan(ranges[now]):
                    continue
                near = [
                    each
                    for each in seen
                    if now - each[0] <= CLUSTER_BARS and abs(each[2] - price) <= BAND_ATR * ranges[now]
                ]
                mean = sum(each[2] for each in near) / len(near)
                merged = [each[:2] for each in near[:-1]]
                for level in [each for each in living if (each["bar"], each["kind"]) in merged]:
                    tell(level, now, "merged")
                    living.remove(level)
                fresh = [level for level in fresh if (level["bar"], level["kind"]) not in merged]
                role = "resistance" if close[now] < mean or (close[now] == mean and kind == "high") else "support"
                fresh.append(
                    {"bar": pivot, "kind": kind, "price": mean, "touches": len(near), "first": near[0][0]}
                    | {"known": now, "role": role}
                )
        for level in living:
            distance = close[now] - level["price"]
            turned = "support" if distance >= BREAK_ATR * ranges[now] else level["role"]
            turned = "resistance" if distance <= -BREAK_ATR * ranges[now] else turned
            if turned != level["role"]:
                level["role"] = turned
                tell(level, now, "broken")
        for level in fresh:
            tell(level, now, "formed")
        living += fresh
        for role, nearest in (("support", max), ("resistance", min)):
            prices = [level["price"] for level in living if level["role"] == role]
            if prices:
                columns[role][now] = nearest(prices)
                columns[f"{role}_touches"][now] = max(
                    level["touches"] for level in living if level["role"] == role and level["price"] == nearest(prices)
                )
    return {name: pd.Series(values, index=index) for name, values in columns.items()}, rows
