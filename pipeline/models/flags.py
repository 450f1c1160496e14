"""Flags: when so many bars are called unusual that the word means nothing any more.

An isolation forest that has seen one regime flags most bars of the next. Then its flags are stored and ignored, bar by
bar and for each series on its own, until they are rare again: one symbol's crash must not silence the others' alarms.
"""

import numpy as np

from pipeline.models.panel import Flags

WINDOW_BARS = 200  # the flagged bar included
MOST_FLAGGED = 10  # of them; one more, and they are ignored


def too_many(flags: Flags) -> Flags:
    """On which bars flags are ignored.

    Parameters
    ----------
    flags : array of shape (n_bars, n_symbols)
        Oldest first, from `WINDOW_BARS` - 1 bars before the first wanted one or earlier; those not at hand count as
        not flagged.

    Returns
    -------
    array of the same shape
        Whether more than `MOST_FLAGGED` of the last `WINDOW_BARS` bars are flagged.
    """
    counts = np.cumsum(flags, axis=0, dtype=np.int64)
    before = np.zeros_like(counts)
    before[WINDOW_BARS:] = counts[:-WINDOW_BARS]
    crowded: Flags = counts - before > MOST_FLAGGED
    return crowded
