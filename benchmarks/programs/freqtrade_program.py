"""The indicators and rules of our technical strategies as a freqtrade strategy, in an environment of its own.

Takes a file of arrays of shape (n_candles, n_symbols); prints the processor seconds of `analyze_ticker`, which the bot
calls for each pair after each candle.
"""

import json
import statistics
import sys
import time
from importlib.metadata import version

import numpy as np
import pandas as pd
import talib.abstract as ta
from freqtrade.enums import CandleType, RunMode
from freqtrade.strategy import IStrategy


class Technical(IStrategy):
    """Our five technical strategies, as its documentation writes such things: TA-Lib on the pair's frame."""

    INTERFACE_VERSION = 3
    timeframe = "1h"
    stoploss = -0.1
    minimal_roi = {"0": 0.1}

    def populate_indicators(self, dataframe: pd.DataFrame, metadata: dict[str, str]) -> pd.DataFrame:
        """Every indicator of our catalogue that TA-Lib has."""
        for window in (20, 50, 200):
            dataframe[f"sma_{window}"] = ta.SMA(dataframe, timeperiod=window)
        for window in (12, 26):
            dataframe[f"ema_{window}"] = ta.EMA(dataframe, timeperiod=window)
        dataframe["rsi_14"] = ta.RSI(dataframe, timeperiod=14)
        dataframe[["macd", "macd_signal", "macd_histogram"]] = ta.MACD(dataframe)
        bands = ta.BBANDS(dataframe, timeperiod=20, nbdevup=2.0, nbdevdn=2.0)
        dataframe["bb_upper"], dataframe["bb_middle"] = bands["upperband"], bands["middleband"]
        dataframe["bb_lower"] = bands["lowerband"]
        spread = dataframe["bb_upper"] - dataframe["bb_lower"]
        dataframe["bb_width"] = spread / dataframe["bb_middle"]
        dataframe["bb_percent"] = (dataframe["close"] - dataframe["bb_lower"]) / spread
        dataframe["atr_14"] = ta.ATR(dataframe, timeperiod=14)
        dataframe["adx_14"] = ta.ADX(dataframe, timeperiod=14)
        dataframe["obv"] = ta.OBV(dataframe)
        dataframe["volume_median_20"] = dataframe["volume"].rolling(20).median()
        dataframe["realised_volatility_20"] = np.log(dataframe["close"]).diff().rolling(20).std()
        return dataframe

    def populate_entry_trend(self, dataframe: pd.DataFrame, metadata: dict[str, str]) -> pd.DataFrame:
        """What says BUY; without tags, texts per bar that would cost it ten times as much."""
        for above, below in CROSSINGS:
            dataframe.loc[_crossed(dataframe[above], dataframe[below]), "enter_long"] = 1
        rsi = dataframe["rsi_14"]
        dataframe.loc[(rsi < 30) & (rsi.shift() >= 30), "enter_long"] = 1
        return dataframe

    def populate_exit_trend(self, dataframe: pd.DataFrame, metadata: dict[str, str]) -> pd.DataFrame:
        """What says SELL."""
        for above, below in CROSSINGS:
            low = "bb_lower" if below == "bb_upper" else below
            dataframe.loc[_crossed(dataframe[low], dataframe[above]), "exit_long"] = 1
        rsi = dataframe["rsi_14"]
        dataframe.loc[(rsi > 70) & (rsi.shift() <= 70), "exit_long"] = 1
        return dataframe


CROSSINGS = (
    ("sma_20", "sma_50"),
    ("sma_50", "sma_200"),
    ("macd", "macd_signal"),
    ("close", "bb_upper"),
)


def _crossed(above: pd.Series, below: pd.Series) -> pd.Series:
    return (above > below) & (above.shift() <= below.shift())


def main() -> None:
    """Time it."""
    arrays = np.load(sys.argv[1])
    n_candles, n_symbols = arrays["close"].shape
    opens = pd.date_range("2024-01-01", periods=n_candles, freq="1h", tz="UTC")
    strategy = Technical({"runmode": RunMode.DRY_RUN, "candle_type_def": CandleType.SPOT, "stake_currency": "USDT"})
    seconds = []
    for _ in range(3):
        frames = [
            pd.DataFrame({"date": opens} | {name: arrays[name][:, place] for name in arrays.files})
            for place in range(n_symbols)
        ]
        started = time.process_time()
        marks = 0
        for place, frame in enumerate(frames):
            done = strategy.analyze_ticker(frame, {"pair": f"C{place:04d}/USDT"})
            marks += int(np.nansum(done["enter_long"].to_numpy(dtype=float)))
        seconds.append(time.process_time() - started)
    print(json.dumps({"version": version("freqtrade"), "seconds": statistics.median(seconds), "marks": marks}))


if __name__ == "__main__":
    main()
