"""Candle patterns: what the last one to three bars look like, by TA-Lib's definitions, where they mean something.

A shape alone means nothing: a hammer is one after a fall and a hanging man after a rise. So a pattern that points up
counts only if its bars hold the lowest low of the last `TREND_BARS` bars, and one that points down only if they hold
the highest high. Doji point nowhere; they are kept as context.
"""

from inspect import unwrap

import numpy as np
import talib

from pipeline.domain.patterns import BEARISH_CANDLES, BULLISH_CANDLES, DOJI_CANDLES
from pipeline.indicators.columns import Array, Flags, Values, pack, unpack
from pipeline.indicators.rolling import rolling_all

TREND_BARS = 20
PENETRATION = 0.3  # of the first body of a star, that its third bar must win back; TA-Lib's own default

# name -> (TA-Lib's function, its answer where it is this pattern, the bars that make it)
_SHAPES = {
    "bullish_engulfing": (talib.CDLENGULFING, 1, 2),
    "hammer": (talib.CDLHAMMER, 1, 1),
    "morning_star": (talib.CDLMORNINGSTAR, 1, 3),
    "morning_doji_star": (talib.CDLMORNINGDOJISTAR, 1, 3),
    "bearish_engulfing": (talib.CDLENGULFING, -1, 2),
    "shooting_star": (talib.CDLSHOOTINGSTAR, -1, 1),
    "hanging_man": (talib.CDLHANGINGMAN, -1, 1),
    "evening_star": (talib.CDLEVENINGSTAR, -1, 3),
    "evening_doji_star": (talib.CDLEVENINGDOJISTAR, -1, 3),
    "doji": (talib.CDLDOJI, 1, 1),
    "long_legged_doji": (talib.CDLLONGLEGGEDDOJI, 1, 1),
    "dragonfly_doji": (talib.CDLDRAGONFLYDOJI, 1, 1),
    "gravestone_doji": (talib.CDLGRAVESTONEDOJI, 1, 1),
}
_STARS = (talib.CDLMORNINGSTAR, talib.CDLMORNINGDOJISTAR, talib.CDLEVENINGSTAR, talib.CDLEVENINGDOJISTAR)


def candle_patterns(open_: Values, high: Values, low: Values, close: Values) -> tuple[Values, Values, Values]:
    """Bits of the patterns that end on each bar: `BULLISH_CANDLES`, `BEARISH_CANDLES`, `DOJI_CANDLES`.

    Parameters
    ----------
    open_, high, low, close : frames of shape (n_candles, n_symbols), oldest first, NaN where there is no candle.

    Returns
    -------
    The same shape each, float64: sums of powers of two, 0 where there is no pattern. NaN before a series'
    ``TREND_BARS``-th candle and where there is none.

    Notes
    -----
    TA-Lib compares a body or a shadow with the mean of those of the last 5 or 10 bars, which it keeps as a running
    sum: the last bits of its yardstick depend on where it began. So it must begin at an anchored start.
    """
    opens, highs, lows, closes = (unpack(values) for values in (open_, high, low, close))
    found = _found(opens, highs, lows, closes)
    at_bottom = {bars: _is_lowest(lows, bars) for bars in (1, 2, 3)}
    at_top = {bars: _is_lowest(-highs, bars) for bars in (1, 2, 3)}
    unknown = ~rolling_all(~np.isnan(closes), TREND_BARS)
    packed = []
    for names, places in ((BULLISH_CANDLES, at_bottom), (BEARISH_CANDLES, at_top), (DOJI_CANDLES, None)):
        bits = np.zeros(closes.shape)
        for bit, name in enumerate(names):
            counts = found[name] if places is None else found[name] & places[_SHAPES[name][2]]
            bits += counts * float(1 << bit)
        bits[unknown] = np.nan
        packed.append(pack(bits, close))
    return packed[0], packed[1], packed[2]


def _found(opens: Array, highs: Array, lows: Array, closes: Array) -> dict[str, Flags]:
    """Where TA-Lib sees each shape, wherever it stands."""
    answers = {}
    for function in {function: None for function, _, _ in _SHAPES.values()}:
        compiled = unwrap(function)
        options = {"penetration": PENETRATION} if function in _STARS else {}
        answer = np.empty(closes.shape, dtype=np.int32)
        for row, series in enumerate(zip(opens, highs, lows, closes, strict=True)):
            answer[row] = compiled(*series, **options)
        answers[function] = answer
    return {name: np.sign(answers[function]) == sign for name, (function, sign, _) in _SHAPES.items()}


def _is_lowest(lows: Array, n_bars: int) -> Flags:
    """Whether one of the last ``n_bars`` bars has the lowest low of the last `TREND_BARS`; False while unknown."""
    lowest = np.zeros(lows.shape, dtype=np.bool_)
    if lows.shape[1] < TREND_BARS:
        return lowest
    least = _least_of_full_windows(lows, TREND_BARS)
    lowest[:, TREND_BARS - 1 :] = _least_of_full_windows(lows, n_bars)[:, TREND_BARS - n_bars :] <= least
    return lowest


def _least_of_full_windows(array: Array, window: int) -> Array:
    """The least of every ``window`` neighbours, from overlapping windows of 1, 2, 4 ... bars; NaN beside a NaN."""
    size = 1
    while 2 * size <= window:
        array = np.minimum(array[:, size:], array[:, :-size])
        size *= 2
    rest = window - size
    return np.minimum(array[:, rest:], array[:, : array.shape[1] - rest]) if rest else array
