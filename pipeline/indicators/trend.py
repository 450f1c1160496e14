"""Trend: where the price is going, and how decidedly.

Add an indicator here when it follows direction: averages of the price, distances between them, strength of a
trend.

Every function takes frames of shape (n_candles, n_symbols), or a Series for one symbol, oldest first, and
returns the same shape; each series begins at its first candle, wherever in the frame that is. NaN means
unknown: before the first candle, during the warm-up, after a delisting. A history that is too short gives NaN
and never an error.
"""

import numpy as np

from pipeline.indicators.columns import Array, Values, in_batches, pack, previous, unpack
from pipeline.indicators.rolling import rolling_all, rolling_mean
from pipeline.indicators.smoothing import exponential, wilder


def sma(close: Values, window: int) -> Values:
    """Simple moving average: the mean of the last ``window`` closes, in quote currency.

    NaN before the ``window``-th candle. Where all of them are equal the mean is that close to the last bit: a
    sum that is divided again may be off by one, and averages of different lengths would seem to cross on a
    market that does not move.
    """
    return pack(rolling_mean(unpack(close), window), close)


def ema(close: Values, window: int) -> Values:
    """Exponential moving average with weight ``2 / (window + 1)``, in quote currency.

    Starts at the first close, as `ta` (and not, as TA-Lib, with the mean of the first ``window`` closes); the
    two agree once the start has faded, which is what the declared warm-up is for. NaN before the
    ``window``-th candle.
    """
    return pack(exponential(unpack(close), window), close)


def macd(fast: Values, slow: Values, signal_window: int) -> tuple[Values, Values, Values]:
    """Moving average convergence divergence: line, signal line, histogram, in quote currency.

    Parameters
    ----------
    fast, slow : exponential averages of the close, NaN where unknown.
    signal_window : bars of the signal line's own average, which starts at the first known value of the line.

    Returns
    -------
    line = fast - slow, signal = exponential average of the line, histogram = line - signal. The line is known
    where both averages are; the other two ``signal_window - 1`` bars later.

    Notes
    -----
    Takes averages rather than closes, so that the line is exactly the difference of the columns that are
    stored beside it.
    """
    line = unpack(fast) - unpack(slow)
    signal = exponential(line, signal_window)
    return pack(line, fast), pack(signal, fast), pack(line - signal, fast)


def adx(high: Values, low: Values, window: int) -> Values:
    """Average directional index: strength of the trend whatever its direction, 0 to 100.

    +DM is the rise of the high over the previous one where it exceeds the fall of the low, -DM the reverse;
    both are smoothed by Wilder's average, DX = 100 |+DM - -DM| / (+DM + -DM), and ADX is Wilder's average of
    DX. (The true range, by which the textbook divides both, cancels.) NaN before candle ``2 * window``.

    Notes
    -----
    Wilder starts with the sum of the first ``window`` movements, and so do `ta` and we; TA-Lib starts with
    one less, which fades. `ta` raises on fewer than ``2 * window`` candles and gives 0 while it warms up;
    here both are NaN. DX is 0 on a bar that ends ``window`` bars without directional movement: the ratio of
    two fading averages would otherwise depend for ever on what came before the standstill.

    Source: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
    """
    return pack(in_batches(lambda highs, lows: _adx(highs, lows, window), unpack(high), unpack(low)), high)


def _adx(highs: Array, lows: Array, window: int) -> Array:
    rise, fall = highs - previous(highs), previous(lows) - lows
    up = np.where((rise > fall) & (rise > 0), rise, 0.0 * rise)
    down = np.where((fall > rise) & (fall > 0), fall, 0.0 * fall)
    plus, minus = wilder(up, window), wilder(down, window)
    total = plus + minus
    is_still = (total == 0) | rolling_all((up == 0) & (down == 0), window)
    with np.errstate(invalid="ignore", divide="ignore"):
        index = 100.0 * (np.abs(plus - minus) / total)
    index[is_still] = 0.0
    return wilder(index, window)


def trend_state(fast: Values, slow: Values) -> Values:
    """State of the trend: +1 where ``fast`` is above ``slow``, -1 below, 0 where equal, NaN where unknown."""
    return pack(np.sign(unpack(fast) - unpack(slow)), fast)
