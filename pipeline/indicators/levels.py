"""Support and resistance: prices at which a series turned, merged into levels, and the role that each one plays.

A level is named by its newest pivot. What it is at a bar follows from the `LEVEL_HISTORY` bars before that bar and
from nothing else, so that a tick, a chunk of a backfill and a replay of years agree to the bit.

Formation. When a pivot becomes known, the pivots of the `CLUSTER_BARS` bars before that bar that lie within
`BAND_ATR` average true ranges of its price are one level with it: its price is their mean, its touches their number.
The levels that these pivots named are merged into the new one.

Role. A level above the close is resistance, one below it is support. A close beyond it by `BREAK_ATR` average true
ranges breaks it and turns its role round; a close nearer than that changes nothing, or a price that hovers around a
level would break it again and again.

End. A level lasts `LIFE_BARS` bars from the bar on which its newest pivot became known.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.indicators.columns import Array, Flags
from pipeline.indicators.pivots import SIDE_BARS, Pivots, Places

BAND_ATR = 0.5
BREAK_ATR = 0.25
CLUSTER_BARS = 250
LIFE_BARS = 200
LEVEL_HISTORY = LIFE_BARS + CLUSTER_BARS + 2 * SIDE_BARS  # bars before a bar on which its levels depend

FORMED, BROKEN, MERGED = 0, 1, 2
EVENTS = ("formed", "broken", "merged")

_LEVELS_AT_ONCE = 1_024  # each with LIFE_BARS closes: few enough for the processor's cache

Signs = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels by the pivot that names each; arrays of shape (n_levels,), sorted by series and bar."""

    pivots: Pivots
    price: Array
    touches: npt.NDArray[np.int64]
    first: Places  # bar of the oldest pivot that belongs to it
    end: Places  # first bar on which it is no level any more: merged there, or expired
    is_merged: Flags  # whether it ended by being merged


def find_levels(pivots: Pivots, atr: Array) -> Levels:
    """Merge pivots into levels.

    Parameters
    ----------
    pivots
        Of the series in the rows of ``atr``.
    atr : array of shape (n_symbols, n_candles)
        Average true range, quote currency. A pivot on whose confirming bar it is unknown names no level.
    """
    known = pivots.known
    band = BAND_ATR * atr[pivots.series, known]
    is_level = ~np.isnan(band)
    total, touches, first = pivots.price.copy(), np.ones(len(band), dtype=np.int64), pivots.bar.copy()
    end = known + LIFE_BARS
    is_merged = np.zeros(len(band), dtype=np.bool_)
    lag = 0
    while True:
        lag += 1
        newer, older = slice(lag, None), slice(None, -lag)
        near = (pivots.series[newer] == pivots.series[older]) & (known[newer] - pivots.bar[older] <= CLUSTER_BARS)
        if not near.any():
            break
        # A pivot that becomes known at the same close is not older: it belongs to the level all the same.
        near &= np.abs(pivots.price[newer] - pivots.price[older]) <= band[newer]
        which = np.flatnonzero(near)
        total[which + lag] += pivots.price[which]
        touches[which + lag] += 1
        first[which + lag] = np.minimum(first[which + lag], pivots.bar[which])
        is_first = known[which + lag] < end[which]  # ends at the first pivot that continues it
        ended = which[is_first]
        end[ended] = known[ended + lag]
        is_merged[ended] = True
    kept = Levels(pivots, total / touches, touches, first, end, is_merged)
    return kept if is_level.all() else _some(kept, is_level)


def _some(levels: Levels, which: Flags | Places) -> Levels:
    return Levels(
        pivots=levels.pivots.take(which),
        price=levels.price[which],
        touches=levels.touches[which],
        first=levels.first[which],
        end=levels.end[which],
        is_merged=levels.is_merged[which],
    )


def nearest_levels(levels: Levels, closes: Array, atr: Array, keep_from: int) -> tuple[dict[str, Array], pd.DataFrame]:
    """What the levels are at every bar from ``keep_from`` on: the nearest of each role, and what became of each.

    Parameters
    ----------
    closes, atr : array of shape (n_symbols, n_candles)

    Returns
    -------
    columns
        ``support``, ``support_touches``, ``resistance``, ``resistance_touches``, each of shape
        (n_symbols, n_candles - keep_from); NaN where there is no such level.
    changes
        A row for each change of a level at one of these bars: the number of the level, the bar, the event (an index
        of `EVENTS`) and the role from then on (+1 support, -1 resistance).
    """
    n_bars = closes.shape[1]
    shape = (closes.shape[0], n_bars - keep_from)
    below, above = np.full(shape, -np.inf), np.full(shape, np.inf)
    touches_below, touches_above = np.full(shape, np.nan), np.full(shape, np.nan)
    changes = []
    lower, upper = closes - BREAK_ATR * atr, closes + BREAK_ATR * atr
    known = levels.pivots.known
    alive = np.flatnonzero((levels.end >= keep_from) & (levels.end > known))  # two swings may be known at one close
    for start in range(0, len(alive), _LEVELS_AT_ONCE):
        numbers = alive[start : start + _LEVELS_AT_ONCE]
        some = _some(levels, numbers)
        roles = _roles(some, closes, lower, upper)
        changes.append(_changes(numbers, some, roles, keep_from, n_bars))
        bars = some.pivots.known[:, np.newaxis] + np.arange(LIFE_BARS)
        counts = (bars >= keep_from) & (bars < np.minimum(some.end, n_bars)[:, np.newaxis])
        row, column = np.nonzero(counts)
        role = roles[row, column]
        cell = some.pivots.series[row], bars[row, column] - keep_from
        _keep_nearest(below, touches_below, cell, some.price[row], some.touches[row], role > 0, np.maximum)
        _keep_nearest(above, touches_above, cell, some.price[row], some.touches[row], role < 0, np.minimum)
    found = {"support": below, "support_touches": touches_below}
    found |= {"resistance": above, "resistance_touches": touches_above}
    for name in ("support", "resistance"):
        found[name][np.isinf(found[name])] = np.nan
    names = ("level", "bar", "event", "role")
    empty = pd.DataFrame({name: np.empty(0, dtype=np.int64) for name in names})
    return found, pd.concat([empty, *changes], ignore_index=True)


def _roles(levels: Levels, closes: Array, lower: Array, upper: Array) -> Signs:
    """Shape (n_levels, LIFE_BARS): +1 support or -1 resistance on each bar since the level is known.

    ``lower`` and ``upper`` are the closes less and plus the distance that breaks a level.
    """
    bars = levels.pivots.known[:, np.newaxis] + np.arange(LIFE_BARS)
    cells = levels.pivots.series[:, np.newaxis] * closes.shape[1] + np.minimum(bars, closes.shape[1] - 1)
    price = levels.price[:, np.newaxis]
    sign = (lower.take(cells) >= price).view(np.int8) - (upper.take(cells) <= price).view(np.int8)
    distance = closes[levels.pivots.series, levels.pivots.known] - levels.price
    start = np.where(distance == 0, -levels.pivots.kind, np.sign(distance))
    sign[:, 0] = np.where(np.isnan(start), -levels.pivots.kind, start)
    decided = np.maximum.accumulate(np.where(sign != 0, np.arange(LIFE_BARS, dtype=np.int16), 0), axis=1)
    roles: Signs = np.take_along_axis(sign, decided, axis=1)
    return roles


def _changes(numbers: Places, levels: Levels, roles: Signs, keep_from: int, n_bars: int) -> pd.DataFrame:
    known = levels.pivots.known
    row, column = np.nonzero(roles[:, 1:] != roles[:, :-1])
    bar = known[row] + column + 1
    is_broken = bar < levels.end[row]
    row, column, bar = row[is_broken], column[is_broken], bar[is_broken]
    merged = np.flatnonzero(levels.is_merged)
    last = levels.end[merged] - known[merged] - 1
    found = pd.DataFrame(
        {
            "level": numbers[np.concatenate([np.arange(len(known)), row, merged])],
            "bar": np.concatenate([known, bar, levels.end[merged]]),
            "event": np.repeat([FORMED, BROKEN, MERGED], [len(known), len(row), len(merged)]),
            "role": np.concatenate([roles[:, 0], roles[row, column + 1], roles[merged, np.maximum(last, 0)]]),
        }
    )
    return found[(found["bar"] >= keep_from) & (found["bar"] < n_bars)]


def _keep_nearest(
    nearest: Array,
    touches: Array,
    cell: tuple[Places, Places],
    price: Array,
    count: npt.NDArray[np.int64],
    is_role: Flags,
    nearer: np.ufunc,
) -> None:
    """Write the nearest price of a role, and its touches, to the cells; of equal prices the most touches."""
    series, bar = cell[0][is_role], cell[1][is_role]
    before = nearest[series, bar]
    nearer.at(nearest, (series, bar), price[is_role])
    touches[series[nearest[series, bar] != before], bar[nearest[series, bar] != before]] = np.nan
    holds = nearest[series, bar] == price[is_role]
    np.fmax.at(touches, (series[holds], bar[holds]), count[is_role][holds].astype(np.float64))
