"""Swings: the alternating highs and lows that a chart pattern is drawn through, as known at each pivot.

Consecutive pivots of one kind are one swing at their most extreme. The newest swing may still grow, so each pivot that
is the extreme of its swing so far is looked at anew, with the swings before it, which cannot change any more.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.indicators.columns import Array, Flags
from pipeline.indicators.pivots import Pivots, Places

N_ANCHORS = 7  # the newest swing and six before it


class Swings(NamedTuple):
    """The last swings at the close on which a pivot became known; newest first. Arrays of shape (n,) or (n, 7)."""

    series: Places
    known: Places  # the bar at whose close the pivot became known
    sign: npt.NDArray[np.int8]  # +1 where the newest swing is a high
    bars: Places  # (n, 7); -1 where there is none
    prices: Array  # (n, 7); NaN where there is none
    is_complete: Flags  # (n, 7): whether all swings up to this one are whole, apart and in the window
    atr: Array  # average true range at that close

    @property
    def heights(self) -> Array:
        """Shape (n, 7): prices that grow towards the newest swing's side; lows are highs of a mirrored market."""
        return self.prices * self.sign[:, np.newaxis]

    def take(self, which: Flags | Places) -> "Swings":
        """Some of them."""
        return Swings(
            series=self.series[which],
            known=self.known[which],
            sign=self.sign[which],
            bars=self.bars[which],
            prices=self.prices[which],
            is_complete=self.is_complete[which],
            atr=self.atr[which],
        )


def last_swings(pivots: Pivots, atr: Array, known_from: int, window: int) -> Swings:
    """The swings at every pivot that became known at bar ``known_from`` or later and is its swing's extreme so far.

    Parameters
    ----------
    pivots
        Of the series in the rows of ``atr``, from ``window`` bars before ``known_from`` or earlier.
    atr : array of shape (n_symbols, n_candles)
    window : int
        Bars before the newest pivot's confirmation that count: a swing that began earlier is not complete, so that the
        result does not depend on how much earlier the pivots begin.
    """
    begins = np.ones(len(pivots.bar), dtype=np.bool_)
    begins[1:] = (pivots.series[1:] != pivots.series[:-1]) | (pivots.kind[1:] != pivots.kind[:-1])
    run = np.cumsum(begins) - 1
    height = pivots.kind * pivots.price
    so_far = pd.Series(height).groupby(run, sort=False).cummax().to_numpy()
    is_extreme = np.ones(len(run), dtype=np.bool_)
    is_extreme[1:] = begins[1:] | (height[1:] > so_far[:-1])
    extremes = np.flatnonzero(is_extreme)
    last_extreme = np.empty(int(begins.sum()), dtype=np.intp)
    last_extreme[run[extremes]] = extremes  # the last one written is the highest of its run
    last_pivot = np.append(np.flatnonzero(begins)[1:], len(run)) - 1

    known = pivots.known
    newest = extremes[(known[extremes] >= known_from)]
    steps = np.arange(N_ANCHORS)
    runs = run[newest][:, np.newaxis] - steps
    exists = runs >= 0
    anchors = last_extreme[np.maximum(runs, 0)]
    anchors[:, 0] = newest
    exists &= pivots.series[anchors] == pivots.series[newest][:, np.newaxis]
    delimiter = last_pivot[np.maximum(runs - 1, 0)]
    is_complete = exists & (runs >= 1) & (pivots.series[delimiter] == pivots.series[newest][:, np.newaxis])
    is_complete &= pivots.bar[delimiter] >= known[newest][:, np.newaxis] - window
    bars = np.where(exists, pivots.bar[anchors], -1)
    prices = np.where(exists, pivots.price[anchors], np.nan)
    # A bar may be a high and a low, and a market may fall so fast that a high lies below the low before it.
    apart = bars[:, 1:] < bars[:, :-1]
    apart &= (prices[:, :-1] - prices[:, 1:]) * pivots.kind[newest][:, np.newaxis] * (-1) ** steps[:-1] > 0
    is_complete[:, 1:] &= np.logical_and.accumulate(apart, axis=1)
    return Swings(
        series=pivots.series[newest],
        known=known[newest],
        sign=pivots.kind[newest],
        bars=bars,
        prices=prices,
        is_complete=is_complete,
        atr=atr[pivots.series[newest], known[newest]],
    )
