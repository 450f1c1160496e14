"""Features: what models are told about a bar, each without a unit and without knowledge of later bars.

Add a feature here when it follows from a series' own candles, indicators, levels and patterns, or from the reference
symbol's features on the same bar. It must look back over at most `FEATURE_BARS` bars, and be comparable between a coin
of a millionth and one of a hundred thousand, and between a calm year and a wild one: moves are measured in what is
usual (the deviation of returns over two days of hours, or the average true range), volumes in their own mean. A new
feature changes `schema_hash`, so that no older model is asked about it.

Values are rounded to single precision, as they are stored, so that a tick, which reads them back, and a replay, which
computes them, give a model the same bits. For the same reason sums are those of `indicators.rolling` and logarithms
are TA-Lib's: each value depends on its own window alone, however much was loaded.
"""

import hashlib
from collections.abc import Mapping
from inspect import unwrap
from math import cos, pi, sin

import numpy as np
import pandas as pd
import talib

from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import HIGHER_TIMEFRAMES, Timeframe
from pipeline.indicators.alignment import spread
from pipeline.indicators.columns import Array, unpack
from pipeline.indicators.rolling import rolling_mean, rolling_squares

# The compiled functions themselves: the same bits wherever in an array a value stands.
_LN, _MAX, _MIN = (unwrap(function) for function in (talib.LN, talib.MAX, talib.MIN))

USUAL_BARS = 48  # over which the usual size of a return is measured
LONG_BARS = 168
RETURN_BARS = (1, 2, 3, 6, 12, 24, 72, 168)
TREND_BARS = 20  # bars of the higher timeframe that its trend looks back over

RETURNS = tuple(f"return_{n}" for n in RETURN_BARS)
SHAPES = ("body", "upper_wick", "lower_wick", "range", "place_in_bar")
MOMENTUM = ("rsi", "adx", "macd_histogram", "bb_percent", "bb_width")
PLACES = ("distance_sma_20", "distance_sma_50", "distance_sma_200", "place_24", "place_168", "support", "resistance")
PATTERNS = ("candle_patterns", "chart_patterns")
VOLUMES = ("volume_share", "volume_trend", "signed_volume", "signed_volume_12")
UNEVENNESS = ("volatility_12", "volatility_rank", "unchanged", "tick")
CALENDAR = ("hour_sin", "hour_cos", "weekday_sin", "weekday_cos")
CONTEXT = ("higher_trend",)
OWN = (*RETURNS, *SHAPES, *MOMENTUM, *PLACES, *PATTERNS, *VOLUMES, *UNEVENNESS, *CALENDAR, *CONTEXT)

_OF_REFERENCE = ("return_1", "return_2", "return_3", "return_6", "return_12", "return_24", "place_in_bar", "place_24")
_ALSO_OF_REFERENCE = ("bb_percent", "rsi", "distance_sma_50", "volume_share", "volatility_12")
REFERENCE = "reference_"
REFERENCES = tuple(REFERENCE + name for name in (*_OF_REFERENCE, *_ALSO_OF_REFERENCE))

FEATURES = (*OWN, *REFERENCES)
# What a model sees of each of the bars before the judged one, too.
SEQUENCE = (
    *("return_1", "body", "upper_wick", "lower_wick", "range", "place_in_bar", "bb_percent"),
    *("volume_share", "signed_volume", "reference_return_1", "reference_place_in_bar"),
)
SEQUENCE_BARS = 24  # the judged bar is the last of them
FEATURE_BARS = max(LONG_BARS + 1, (TREND_BARS + 1) * 16)  # candles before a bar that its features look back over


def schema_hash() -> str:
    """Names, order and meaning of the features: a model that was told others has nothing to say about these."""
    meaning = "1"  # one more whenever a feature keeps its name and changes its formula
    said = "|".join((meaning, *FEATURES, str(SEQUENCE_BARS), *SEQUENCE))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def own_features(candles: Block, columns: Block, timeframe: Timeframe) -> Block:
    """`OWN` on the bars of ``columns``.

    Parameters
    ----------
    candles : Block
        open, high, low, close, volume of shape (n_candles, n_symbols): every bar of the grid, oldest first, from
        `FEATURE_BARS` before the first of ``columns`` or earlier, to the last of them.
    columns : Block
        `BAR_COLUMNS` of `indicators.structure`, on the last of those bars.

    Returns
    -------
    Block of shape (n_bars, n_symbols), float32
        NaN where unknown: before a series has so many candles, or where a market did not move at all.
    """
    like = columns["rsi_14"]
    n_bars = len(like)
    index = pd.DatetimeIndex(candles["close"].index[-(n_bars + FEATURE_BARS) :])
    loaded = {name: unpack(candles[name].loc[index[0] :]) for name in ("open", "high", "low", "close", "volume")}
    known = {name: unpack(frame) for name, frame in columns.items() if name != "obv"}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        returns = _log_returns(loaded["close"], n_bars + LONG_BARS - 1)
        usual = _deviation(returns, USUAL_BARS, n_bars)
        found = {
            **_moves(loaded, usual, n_bars),
            **_shapes(loaded, known["atr_14"], n_bars),
            **_positions(loaded, known, n_bars),
            **_volumes(loaded, n_bars),
            **_unevenness(loaded, returns, usual, known["atr_14"]),
            "higher_trend": _higher_trend(loaded["close"], index, known["atr_14"], timeframe),
        }
    has_candle = ~np.isnan(loaded["close"][:, -n_bars:])
    found |= _calendar(index[-n_bars:] + timeframe.duration, has_candle)
    return {name: _rounded(found[name], like) for name in OWN}


def with_reference(own: Block, reference: Block, symbol: str) -> Block:
    """`FEATURES`: a block's own, and those of the reference symbol on the same bars beside each of its symbols.

    ``reference`` is a block of `OWN` that holds the symbol's bars, perhaps ``own`` itself; NaN on bars that it lacks.
    """
    like = own[OWN[0]]
    opens = pd.DatetimeIndex(like.index)
    nothing = pd.DataFrame(index=opens)
    beside = {
        name: spread(reference.get(name.removeprefix(REFERENCE), nothing), symbol, opens, like.columns)
        for name in REFERENCES
    }
    return own | {name: frame.astype(np.float32) for name, frame in beside.items()}


def is_known(features: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Where all of a series' own features are known; what the reference lacks counts as average."""
    like = features[OWN[0]]
    known = np.ones(like.shape, dtype=np.bool_)
    for name in OWN:
        known &= ~np.isnan(features[name].to_numpy())
    return pd.DataFrame(known, index=like.index, columns=like.columns)


def _rounded(values: Array, like: pd.DataFrame) -> pd.DataFrame:
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float32)
    return pd.DataFrame(values.T, index=like.index, columns=like.columns, copy=False)


def _log_returns(closes: Array, n_last: int) -> Array:
    """Log returns from bar to bar, of the last ``n_last`` bars. Shape (n_symbols, n_last)."""
    return _logs(closes[:, -n_last:] / closes[:, -n_last - 1 : -1])


def _logs(ratios: Array) -> Array:
    return np.stack([_LN(row) for row in np.ascontiguousarray(ratios)]) if len(ratios) else ratios


def _deviation(returns: Array, window: int, n_bars: int) -> Array:
    """Standard deviation of the last ``window`` returns, on the last ``n_bars``."""
    squares = rolling_squares(returns[:, -(n_bars + window - 1) :], window)
    deviation: Array = np.sqrt(squares[:, -n_bars:] / window)
    return deviation


def _mean(values: Array, window: int, n_bars: int) -> Array:
    """Mean of the last ``window`` values, on the last ``n_bars``."""
    return rolling_mean(values[:, -(n_bars + window - 1) :], window)[:, -n_bars:]


def _moves(loaded: Mapping[str, Array], usual: Array, n_bars: int) -> dict[str, Array]:
    """Returns over several horizons, in units of what is usual for one of that length."""
    closes = loaded["close"]
    moves = {}
    for n in RETURN_BARS:
        ratios = closes[:, -n_bars:] / closes[:, -n_bars - n : closes.shape[1] - n]
        moves[f"return_{n}"] = _logs(ratios) / (usual * n**0.5)
    return moves


def _shapes(loaded: Mapping[str, Array], ranges: Array, n_bars: int) -> dict[str, Array]:
    """The candle's parts in average true ranges, and where in it the close lies (-1 its low, 1 its high)."""
    opens, highs, lows, closes = (loaded[name][:, -n_bars:] for name in ("open", "high", "low", "close"))
    spread_ = highs - lows
    place = np.where(spread_ == 0.0, 0.0, (2.0 * closes - highs - lows) / spread_)
    return {
        "body": (closes - opens) / ranges,
        "upper_wick": (highs - np.maximum(opens, closes)) / ranges,
        "lower_wick": (np.minimum(opens, closes) - lows) / ranges,
        "range": spread_ / ranges,
        "place_in_bar": place,
    }


def _positions(loaded: Mapping[str, Array], known: Mapping[str, Array], n_bars: int) -> dict[str, Array]:
    """Where the close stands: in oscillators, bands, averages, recent ranges, levels and patterns."""
    closes, ranges = loaded["close"][:, -n_bars:], known["atr_14"]
    found = {
        "rsi": known["rsi_14"] / 50.0 - 1.0,
        "adx": known["adx_14"] / 50.0 - 0.5,
        "macd_histogram": known["macd_histogram"] / ranges,
        "bb_percent": np.where(known["bb_width"] == 0.0, 0.0, known["bb_percent"] - 0.5),
        "bb_width": known["bb_width"] / 100.0 * closes / ranges,
        "candle_patterns": np.sign(known["bullish_candles"]) - np.sign(known["bearish_candles"]),
        "chart_patterns": np.sign(known["bullish_patterns"]) - np.sign(known["bearish_patterns"]),
    }
    for window in (20, 50, 200):
        found[f"distance_sma_{window}"] = (closes - known[f"sma_{window}"]) / ranges
    for window in (24, 168):
        highs, lows = (_extreme(loaded[name], window, n_bars, name == "high") for name in ("high", "low"))
        found[f"place_{window}"] = np.where(highs == lows, 0.0, (2.0 * closes - highs - lows) / (highs - lows))
    # Nearness, 1 at the level and 0 far away: where there is none it is 0, which a distance could not say.
    for name, distance in (
        ("support", closes - known["support"]),
        ("resistance", known["resistance"] - closes),
    ):
        found[name] = np.where(np.isnan(distance), 0.0, 1.0 / (1.0 + np.abs(distance) / ranges))
    return found


def _extreme(values: Array, window: int, n_bars: int, is_highest: bool) -> Array:
    """Highest or lowest value of the last ``window`` bars, on the last ``n_bars``."""
    function = _MAX if is_highest else _MIN
    rows = np.ascontiguousarray(values[:, -(n_bars + window - 1) :])
    return np.stack([function(row, window) for row in rows])[:, -n_bars:] if len(rows) else rows[:, -n_bars:]


def _volumes(loaded: Mapping[str, Array], n_bars: int) -> dict[str, Array]:
    """Volume against its own mean (0 where it equals it, towards 1 and -1 beyond), and on which side it was."""
    volumes = loaded["volume"]
    mean, short = (_mean(volumes, window, n_bars) for window in (LONG_BARS, 20))
    side = np.sign(loaded["close"] - loaded["open"])
    signed = _mean(volumes * side, 12, n_bars) / _mean(volumes, 12, n_bars)
    share = _against(volumes[:, -n_bars:], mean)
    return {
        "volume_share": share,
        "volume_trend": _against(short, mean),
        "signed_volume": np.maximum(share + 1.0, 0.0) * side[:, -n_bars:],
        "signed_volume_12": np.where(np.isnan(mean), np.nan, np.nan_to_num(signed)),
    }


def _against(value: Array, usual: Array) -> Array:
    """(value - usual) / (value + usual); 0 where both are 0."""
    total = value + usual
    return np.where(total == 0.0, 0.0, (value - usual) / total)


def _unevenness(loaded: Mapping[str, Array], returns: Array, usual: Array, ranges: Array) -> dict[str, Array]:
    """How this market moves: more or less than usual, and in how coarse steps.

    A close that equals the one before did not go up. How often that happens follows from the price step of the
    exchange against the usual move, and differs between coins by a factor of a hundred.
    """
    n_bars = usual.shape[1]
    closes = loaded["close"][:, -(n_bars + LONG_BARS) :]
    short, long = (_deviation(returns, window, n_bars) for window in (12, LONG_BARS))
    moves = np.abs(closes[:, 1:] - closes[:, :-1])
    is_same = np.where(np.isnan(moves), np.nan, (moves == 0.0).astype(np.float64))
    same = _mean(is_same, LONG_BARS, n_bars)
    step = _extreme(np.where(moves > 1e-9 * closes[:, 1:], moves, np.inf), LONG_BARS, n_bars, is_highest=False)
    tick = np.where(np.isinf(step), 1.0, step / (step + ranges))
    return {
        "volatility_12": _against(short, usual),
        "volatility_rank": _against(usual, long),
        "unchanged": np.sqrt(same),
        "tick": np.where(np.isnan(same), np.nan, np.sqrt(tick)),
    }


def _calendar(closes: pd.DatetimeIndex, has_candle: np.ndarray) -> dict[str, Array]:
    """Hour and weekday of the close on a circle."""
    found = {}
    for name, place, length in (("hour", closes.hour, 24), ("weekday", closes.day_of_week, 7)):
        for suffix, function in (("sin", sin), ("cos", cos)):
            circle = np.array([function(2.0 * pi * n / length) for n in range(length)])
            found[f"{name}_{suffix}"] = np.where(has_candle, circle[place.to_numpy()], np.nan)
    return found


def _higher_trend(closes: Array, index: pd.DatetimeIndex, ranges: Array, timeframe: Timeframe) -> Array:
    """How far the last close of the higher timeframe lies above the mean of its last ones, in usual moves of it.

    From the series' own closes at the boundaries of the higher bars, so that it does not matter whether that
    timeframe is stored; a higher bar counts once it has closed. 0 above the longest timeframe.
    """
    n_bars = ranges.shape[1]
    higher = HIGHER_TIMEFRAMES.get(timeframe)
    if higher is None:
        return np.where(np.isnan(ranges), np.nan, 0.0)
    ratio = higher.seconds // timeframe.seconds
    since = pd.Timestamp(higher.origin)
    closed = np.asarray((index + timeframe.duration - since) // pd.Timedelta(timeframe.duration))
    ends = np.flatnonzero(closed % ratio == 0)
    if not len(ends):
        return np.full_like(ranges, np.nan)
    boundary = np.ascontiguousarray(closes[:, ends])
    above = boundary - rolling_mean(boundary, TREND_BARS)
    newest = np.searchsorted(ends, np.arange(len(index) - n_bars, len(index)), side="right") - 1
    found = np.where(newest >= 0, above[:, newest], np.nan)
    trend: Array = found / (ranges * (ratio * TREND_BARS) ** 0.5)
    return trend
