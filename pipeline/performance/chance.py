"""Against chance: how likely entries at random would have done as well.

Signals of one hour rise and fall together, so that the hours, not the signals, are what is drawn anew: a bootstrap over
blocks of time, by their signs for probabilities and with replacement for intervals. Drawing signals one by one would
call luck on a few good days a discovery.
"""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.performance.ranking import Codes, Floats, Places

DRAWS = 4_000
SEED = 7
BLOCKS = 60  # wanted at least, so that a probability has somewhere to come from
FEWEST_BLOCKS = 10  # with a signal, for an interval: of fewer it would be far too narrow
ROUNDING = 1e-12  # of sums, so that equal ones in another order are equal
LONGEST_BLOCK = timedelta(days=1)
SHORTEST_BLOCK = timedelta(hours=1)


def block_length(start: datetime, end: datetime, horizon: timedelta) -> timedelta:
    """A day, or less where the window is short; never shorter than the horizon, whose returns overlap."""
    wanted = max((end - start) / BLOCKS, SHORTEST_BLOCK)
    return max(min(wanted, LONGEST_BLOCK), horizon)


def p_values(
    excess: Floats, codes: Codes | Places, n_groups: int, blocks: npt.NDArray[np.int64]
) -> tuple[Floats, Floats, Floats]:
    """How likely a mean excess as high as each group's is by chance, and its 95 % interval.

    Blocks drawn with replacement, as for the interval, would call two lucky days in a row a discovery, and a quarter of
    all pairs are lucky. With their signs drawn the probability of two is never below a quarter.

    Parameters
    ----------
    excess : array of shape (n,)
        Each return minus what an entry at random would have brought on average, all known.
    codes, blocks : arrays of shape (n,)
        The group of each, and its block of time, from 0.

    Returns
    -------
    three arrays of shape (n_groups,)
        The share of draws in which the blocks' sums, each turned around or not, add up to the group's own or more, NaN
        where a group lies in fewer than two blocks; and the lower and upper end of the interval of the mean, from
        blocks drawn anew, NaN where it lies in fewer than `FEWEST_BLOCKS`.
    """
    n_blocks = int(blocks.max(initial=-1)) + 1
    cells = codes.astype(np.intp, copy=False) * n_blocks + blocks
    sums = np.bincount(cells, excess, n_groups * n_blocks).reshape(n_groups, n_blocks)
    counts = np.bincount(cells, minlength=n_groups * n_blocks).reshape(n_groups, n_blocks).astype(np.float64)
    n_held = (counts > 0).sum(axis=1)
    p_value, low, high = np.full((3, n_groups), np.nan)
    told = np.flatnonzero(n_held >= 2)
    if len(told):
        reached = sums[told].sum(axis=1) - ROUNDING * np.abs(sums[told]).sum(axis=1)
        p_value[told] = (1.0 + (_draws(n_blocks).signs @ sums[told].T >= reached).sum(axis=0)) / (DRAWS + 1.0)
    told = np.flatnonzero(n_held >= FEWEST_BLOCKS)
    if len(told):
        times = _draws(n_blocks).times
        weight = counts[told] @ times.T
        mean = (sums[told].sum(axis=1) / counts[told].sum(axis=1))[:, np.newaxis]
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn = np.where(weight > 0.0, (sums[told] @ times.T) / weight, mean)
        low[told], high[told] = np.quantile(drawn, [0.025, 0.975], axis=1)
    return p_value, low, high


class _Draws(NamedTuple):
    """Blocks drawn by chance; arrays of shape (DRAWS, n_blocks)."""

    signs: Floats
    times: Floats  # how often each block is drawn


@lru_cache(maxsize=2)  # of signals, and of what was dropped
def _draws(n_blocks: int) -> _Draws:
    """The same whenever and of whatever it is asked."""
    chance = np.random.default_rng(SEED)
    signs = chance.choice([-1.0, 1.0], size=(DRAWS, n_blocks))
    times = chance.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), DRAWS).astype(np.float64)
    return _Draws(signs, times)
