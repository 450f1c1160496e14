"""What `ta` and TA-Lib make of the candles of one symbol, under our names for the columns.

`ta` is the definition from the first value on; TA-Lib starts its recursions differently and agrees after the
warm-up.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import talib
from ta.momentum import RSIIndicator
from ta.trend import MACD, ADXIndicator, EMAIndicator, SMAIndicator
from ta.volatility import AverageTrueRange, BollingerBands
from ta.volume import OnBalanceVolumeIndicator

from pipeline.contracts.blocks import Block

Reference = Callable[[pd.DataFrame], dict[str, pd.Series]]


def candles_of(block: Block, symbol: str) -> pd.DataFrame:
    """One symbol's candles, a column per field; bars without a candle are left out."""
    return pd.DataFrame({field: frame[symbol] for field, frame in block.items()}).dropna()


def ta_columns(candles: pd.DataFrame) -> dict[str, pd.Series]:
    """By `ta`, with NaN for what it gives as 0 while it warms up (ATR and ADX)."""
    close, high, low, volume = (candles[field].reset_index(drop=True) for field in ("close", "high", "low", "volume"))
    lines, bands = MACD(close), BollingerBands(close)
    columns = {f"sma_{window}": SMAIndicator(close, window).sma_indicator() for window in (20, 50, 200)}
    columns |= {f"ema_{window}": EMAIndicator(close, window).ema_indicator() for window in (12, 26)}
    columns |= {
        "rsi_14": RSIIndicator(close).rsi(),
        "macd": lines.macd(),
        "macd_signal": lines.macd_signal(),
        "macd_histogram": lines.macd_diff(),
        "bb_middle": bands.bollinger_mavg(),
        "bb_upper": bands.bollinger_hband(),
        "bb_lower": bands.bollinger_lband(),
        "bb_width": bands.bollinger_wband(),
        "bb_percent": bands.bollinger_pband(),
        "atr_14": AverageTrueRange(high, low, close).average_true_range().where(close.index >= 13),
        "adx_14": ADXIndicator(high, low, close).adx().where(close.index >= 27),
        "obv": OnBalanceVolumeIndicator(close, volume).on_balance_volume(),
    }
    return {name: column.set_axis(candles.index) for name, column in columns.items()}


def talib_columns(candles: pd.DataFrame) -> dict[str, pd.Series]:
    """By TA-Lib; without on-balance volume, where an unchanged close counts for nothing."""
    close, high, low = (candles[field].to_numpy() for field in ("close", "high", "low"))
    macd, macd_signal, macd_histogram = talib.MACD(close)
    bb_upper, bb_middle, bb_lower = talib.BBANDS(close, 20, 2, 2)
    columns = {f"sma_{window}": talib.SMA(close, window) for window in (20, 50, 200)}
    columns |= {f"ema_{window}": talib.EMA(close, window) for window in (12, 26)}
    columns |= {"macd": macd, "macd_signal": macd_signal, "macd_histogram": macd_histogram}
    columns |= {"bb_upper": bb_upper, "bb_middle": bb_middle, "bb_lower": bb_lower}
    columns |= {"rsi_14": talib.RSI(close), "atr_14": talib.ATR(high, low, close)}
    columns |= {"adx_14": talib.ADX(high, low, close)}
    return {name: pd.Series(column, index=candles.index) for name, column in columns.items()}


def error(column: str, value: pd.Series, reference: pd.Series, close: pd.Series) -> pd.Series:
    """How far apart two values are, as a share of the larger of the reference and a millionth of the close.

    %b is a place between two bands and has no size of its own: it is measured by their distance, which is 1.
    """
    floor = 1.0 if column == "bb_percent" else 1e-6 * close
    return (value - reference).abs() / np.maximum(reference.abs(), floor)
