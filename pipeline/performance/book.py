"""The equal-weight book: what a trader would have seen who put the same stake on every signal.

The signals of one close share the capital equally. Where a horizon is longer than a bar, positions of several closes
are held at once: the capital is cut in as many parts as the horizon has bars, and each close works with one of them.
"""

import numpy as np

from pipeline.performance.ranking import Codes, Floats, Places


def curves(
    returns: Floats, bars: Floats, codes: Codes | Places, n_groups: int, times: Codes | Places, n_times: int
) -> Floats:
    """Equity of each group's book after each instant, from a capital of 1; shape (n_groups, n_times).

    Parameters
    ----------
    returns, bars : arrays of shape (n,)
        Net returns, all known, and the horizon of each in bars.
    codes, times : arrays of shape (n,)
        The group of each, and the close that it was advised at, as a position among all closes.
    """
    cells = codes.astype(np.intp, copy=False) * n_times + times
    n_cells = n_groups * n_times
    counts: Floats = np.bincount(cells, minlength=n_cells).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        step = np.bincount(cells, returns / bars, n_cells) / counts
    steps = np.where(counts > 0, step, 0.0).reshape(n_groups, n_times)
    equity = np.cumprod(np.maximum(1.0 + steps, 0.0), axis=1)
    return np.asarray(equity, dtype=np.float64)


def drawdowns(equity: Floats) -> Floats:
    """The deepest fall of each curve from its highest point so far, the capital at the beginning included; 0 to 1."""
    if not equity.shape[1]:
        return np.zeros(len(equity))
    peak = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    deepest: Floats = (1.0 - equity / peak).max(axis=1)
    return deepest
