"""Checks: the conditions of a rule on one bar, each with what was found and what was wanted; what strategies share.

A rule judges many bars of many series at once and says only which side it takes. Checks say the same about a single
bar in words. They explain and decide nothing: a test holds them to the rule, bar by bar.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite, isnan

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.strategies.crossing import (
    ABOVE,
    BELOW,
    BUY,
    CROSS_LOOKBACK,
    SELL,
    TOUCH,
    TOUCH_LIMIT,
    TOUCH_TOLERANCE,
    UNKNOWN,
    Events,
    last_event,
    relation,
)

_SIDE_WORDS = {ABOVE: "above", BELOW: "below", TOUCH: "on", UNKNOWN: "unknown"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition of one side; a side is taken where all its checks are met."""

    side: int  # BUY, SELL or ALERT
    asks: str  # what is compared: "SMA 20 to SMA 50"
    found: str  # on the bar, with the numbers that were compared
    wanted: str
    is_met: bool | None  # None: unknown, because a value is


def written(value: float) -> str:
    """A number as it was compared: every digit that it has, so that 30 and 29.999999999999996 differ."""
    if isnan(value):
        return "unknown"
    return f"{value:.15g}" if isfinite(value) and float(f"{value:.15g}") == value else repr(value)


def rounded(value: float, *limits: float) -> str:
    """A number in six digits that matter, as a person reads it; from 1,000 on in two decimals.

    In every digit that it has (`written`) where fewer would put it on another side of one of the ``limits`` that it was
    compared with, however those are written.
    """
    short = _short(value)
    is_told = all(
        (short < other, short > other) == (value < limit, value > limit)
        for limit in limits
        if not isnan(limit)
        for other in (limit, _short(limit))
    )
    return written(short if is_told else value)


def _short(value: float) -> float:
    return round(value, 2) if abs(value) >= 1000.0 else float(f"{value:.6g}")


def value_at(frame: pd.DataFrame, place: int = -1) -> float:
    """The value of the only symbol on one bar, the last one by default; NaN is unknown."""
    return float(frame.to_numpy()[place, 0])


def bars_ago(n_bars: int) -> str:
    """How long ago something was, in bars."""
    return "on the bar before" if n_bars == 1 else f"{n_bars} bars before"


def cross_checks(
    fast: pd.DataFrame, slow: pd.DataFrame, price: pd.DataFrame, names: tuple[str, str]
) -> tuple[Check, ...]:
    """What `line_crosses` asks of the last bar.

    Parameters
    ----------
    fast, slow, price : DataFrame of shape (n_candles, 1)
        As `line_crosses` takes them, up to and including the judged bar.
    names
        What ``fast`` and ``slow`` are called.
    """
    lies = relation(fast, slow, price)
    now, before = int(lies[-1, 0]), int(last_event(lies, CROSS_LOOKBACK)[-1, 0])
    left, right = value_at(fast), value_at(slow)
    stands = f"{names[0]} {written(left)}, {names[1]} {written(right)}: {_SIDE_WORDS[now]}"
    if now == TOUCH:
        stands += f", closer than {written(TOUCH_TOLERANCE)} of the price"
    came_from = _before(lies[:, 0], before)
    return tuple(
        check
        for side, here, there in ((BUY, ABOVE, BELOW), (SELL, BELOW, ABOVE))
        for check in (
            Check(
                side=side,
                asks=f"{names[0]} to {names[1]} now",
                found=stands,
                wanted=_SIDE_WORDS[here],
                is_met=None if now == UNKNOWN else now == here,
            ),
            Check(
                side=side,
                asks=f"{names[0]} to {names[1]} before",
                found=came_from,
                wanted=f"{_SIDE_WORDS[there]}, at most {TOUCH_LIMIT} bars of touching since",
                is_met=None if before == UNKNOWN or len(lies) == 1 else before == there,
            ),
        )
    )


def level_checks(fast: pd.DataFrame, slow: pd.DataFrame, names: tuple[str, str]) -> tuple[Check, ...]:
    """What `line_levels` asks of the last bar; parameters as those of `cross_checks`."""
    left, right = value_at(fast), value_at(slow)
    is_unknown = isnan(left) or isnan(right)
    stands = f"{names[0]} {written(left)}, {names[1]} {written(right)}"
    return tuple(
        Check(
            side=side,
            asks=f"{names[0]} to {names[1]}",
            found=stands,
            wanted=word,
            is_met=None if is_unknown else is_met,
        )
        for side, word, is_met in ((BUY, "above", left > right), (SELL, "below", left < right))
    )


def armed_check(
    side: int,
    name: str,
    value: npt.NDArray[np.float64],
    beyond: npt.NDArray[np.bool_],
    rearmed: npt.NDArray[np.bool_],
    back: str,
    memory: int,
) -> Check:
    """Whether the last bar found a threshold armed (`threshold_trips`): what came last before it.

    Parameters
    ----------
    name, value
        What is compared, and its values up to the judged bar.
    beyond, rearmed
        Where it is past the threshold, and where it is back; ``back`` says that in words, ``back above 35``.
    memory
        Bars for which a trip stands.
    """
    trip, rearming = latest(beyond, memory), latest(rearmed, memory)
    is_tripped = trip is not None and (rearming is None or trip < rearming)
    if is_tripped and trip is not None:
        found = f"no: beyond {bars_ago(trip)} ({written(float(value[-1 - trip]))}), not {back} since"
    elif rearming is not None:
        found = f"yes: {back} {bars_ago(rearming)} ({written(float(value[-1 - rearming]))})"
    else:
        found = f"yes: neither beyond nor {back} in the {min(len(value) - 1, memory)} bars before"
    return Check(
        side=side,
        asks=f"{name} armed",
        found=found,
        wanted=f"{back} since it was last beyond, or not beyond in {memory} bars",
        is_met=not is_tripped,
    )


def latest(marks: npt.NDArray[np.bool_], limit: int) -> int | None:
    """How many bars before the last one the newest mark is, 1 being the bar before; None if not within ``limit``."""
    places = np.flatnonzero(marks[:-1][-limit:][::-1])
    return int(places[0]) + 1 if len(places) else None


def _before(lies: Events, kind: int) -> str:
    """What the bars before the last one say of the side that was held."""
    return ", ".join(_memories(lies, kind))


def _memories(lies: Events, kind: int) -> Iterator[str]:
    if len(lies) == 1:
        yield "unknown: there is no bar before"
        return
    since = latest(lies != TOUCH, CROSS_LOOKBACK)
    if since is None:
        yield f"touching on the {min(len(lies) - 1, CROSS_LOOKBACK)} bars before"
        yield "no side is remembered"
        return
    yield f"{_SIDE_WORDS[kind]} {bars_ago(since)}"
    if since > 1:
        yield f"touching on {since - 1} since"
