"""Momentum: how one-sided the recent moves were.

Add an indicator here when it weighs moves against each other rather than following the price itself.
"""

import numpy as np

from pipeline.indicators.columns import Array, Values, fill_before, first_rows, in_batches, pack, previous, unpack
from pipeline.indicators.rolling import unchanged
from pipeline.indicators.smoothing import smoothed


def rsi(close: Values, window: int) -> Values:
    """Relative strength index: the share of gains in all moves, smoothed by ``1 / window``, 0 to 100.

    Parameters
    ----------
    close : frame of shape (n_candles, n_symbols), or a Series, oldest first; NaN where there is no candle.

    Returns
    -------
    The same shape. NaN before a series' ``window``-th candle and where there is none. Exactly 50 where the
    last ``window`` moves are all 0: a market that does not move is neither bought nor sold, and whatever it
    did earlier would otherwise be reported for ever. (`ta` gives 100 if it never fell, TA-Lib 0.)

    Notes
    -----
    Both averages start at 0 on the first candle, as in `ta`; TA-Lib starts with the mean of the first
    ``window`` moves, and the two agree once that has faded.

    Source: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
    """
    return pack(in_batches(lambda closes: _rsi(closes, window), unpack(close)), close)


def _rsi(closes: Array, window: int) -> Array:
    first = first_rows(closes)
    moves = fill_before(closes - previous(closes), first + 1, 0.0)
    gains = smoothed(np.maximum(moves, 0.0), 2 * window - 1)
    losses = smoothed(np.maximum(-moves, 0.0), 2 * window - 1)
    total = gains + losses
    with np.errstate(invalid="ignore", divide="ignore"):
        index = 100.0 * (gains / total)
    index[(total == 0) | unchanged(closes, window + 1)] = 50.0
    return fill_before(index, first + window - 1, np.nan)
