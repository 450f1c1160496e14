"""Volatility: how far the price moves, whatever the direction.

Add an indicator here when it measures ranges or spreads. What makes a market *too* volatile is the risk
filter's business.
"""

from inspect import unwrap

import numpy as np
import talib

from pipeline.indicators.columns import Array, Values, in_batches, pack, previous, unpack
from pipeline.indicators.rolling import rolling_mean, rolling_squares
from pipeline.indicators.smoothing import wilder

_LN = unwrap(talib.LN)  # the compiled function itself


def bollinger(close: Values, window: int, width: float) -> tuple[Values, Values, Values, Values, Values]:
    """Bollinger bands: middle, upper, lower, width and %b.

    The first three are in quote currency, the width in per cent of the middle; %b is 0 on the lower and 1 on
    the upper band.

    The bands lie ``width`` standard deviations (of the window as a whole, ddof 0) around the simple moving
    average. NaN before the ``window``-th candle. Where all closes of the window are equal the bands meet: the
    width is 0 and %b, a place between two bands that are one, is NaN.

    Source: John Bollinger, *Bollinger on Bollinger Bands*, 2001.
    """
    closes = unpack(close)
    middle = rolling_mean(closes, window)
    reach = width * np.sqrt(rolling_squares(closes, window) / window)
    upper, lower = middle + reach, middle - reach
    spread = upper - lower
    percent = closes - lower
    with np.errstate(invalid="ignore", divide="ignore"):
        percent /= spread
    percent[spread == 0.0] = np.nan
    spread *= 100.0
    spread /= middle
    return (
        pack(middle, close),
        pack(upper, close),
        pack(lower, close),
        pack(spread, close),
        pack(percent, close),
    )


def atr(high: Values, low: Values, close: Values, window: int) -> Values:
    """Average true range: how far a bar reached, the gap since the last close included; quote currency.

    Wilder's average. NaN before the ``window``-th candle (where `ta` gives 0.0). A series' first true range,
    without a close before it, is high - low, and the first average is the mean of the first ``window``
    ranges, as in `ta`; TA-Lib begins one bar later.

    Source: J. Welles Wilder, *New Concepts in Technical Trading Systems*, 1978.
    """
    arrays = unpack(high), unpack(low), unpack(close)
    return pack(in_batches(lambda *each: wilder(_true_range(*each), window), *arrays), close)


def _true_range(highs: Array, lows: Array, closes: Array) -> Array:
    before = previous(closes)
    before = np.where(np.isnan(before), closes, before)
    return np.maximum(highs, before) - np.minimum(lows, before)


def realised_volatility(close: Values, window: int) -> Values:
    """Standard deviation (ddof 1) of the last ``window`` log returns of the close, per bar, *not* annualised.

    NaN until ``window`` returns are known, which takes ``window + 1`` candles. Log returns are taken by
    TA-Lib and not by numpy, whose vectorised logarithm may round by where in an array a value stands.
    """
    closes = unpack(close)
    ratios = closes / previous(closes)
    returns = np.empty_like(ratios)
    for row, series in enumerate(ratios):
        returns[row] = _LN(series)
    return pack(np.sqrt(rolling_squares(returns, window) / (window - 1)), close)
