"""The indicators and crossings of our technical strategies with vectorbt, which runs in an environment of its own.

Takes a file of arrays of shape (n_candles, n_symbols), prints its processor seconds, warm and with compilation.
vectorbt has no ADX; everything else that it offers of our catalogue is computed.
"""

import json
import sys
import time
from importlib.metadata import version

import numpy as np
import pandas as pd
import vectorbt as vbt


def work(candles: dict[str, pd.DataFrame]) -> int:
    """Indicators and crossings; how many bars are marked."""
    close, high, low, volume = (candles[name] for name in ("close", "high", "low", "volume"))
    averages = {window: vbt.MA.run(close, window) for window in (20, 50, 200)}
    for window in (12, 26):
        vbt.MA.run(close, window, ewm=True)
    rsi = vbt.RSI.run(close, 14)
    macd = vbt.MACD.run(close, fast_window=12, slow_window=26, signal_window=9, macd_ewm=True, signal_ewm=True)
    bands = vbt.BBANDS.run(close, 20, alpha=2.0)
    vbt.ATR.run(high, low, close, 14)
    vbt.OBV.run(close, volume)
    marks = [
        averages[20].ma_crossed_above(averages[50].ma.to_numpy()),
        averages[20].ma_crossed_below(averages[50].ma.to_numpy()),
        averages[50].ma_crossed_above(averages[200].ma.to_numpy()),
        averages[50].ma_crossed_below(averages[200].ma.to_numpy()),
        rsi.rsi_crossed_below(30.0),
        rsi.rsi_crossed_above(70.0),
        macd.macd_crossed_above(macd.signal.to_numpy()),
        macd.macd_crossed_below(macd.signal.to_numpy()),
        bands.close_crossed_above(bands.upper.to_numpy()),
        bands.close_crossed_below(bands.lower.to_numpy()),
    ]
    return sum(int(mark.to_numpy().sum()) for mark in marks)


def main() -> None:
    """Time it."""
    arrays = np.load(sys.argv[1])
    opens = pd.date_range("2024-01-01", periods=arrays["close"].shape[0], freq="1h")
    candles = {name: pd.DataFrame(arrays[name], index=opens) for name in arrays.files}
    seconds = []
    for _ in range(4):
        started = time.process_time()
        marks = work(candles)
        seconds.append(time.process_time() - started)
    result = {"version": version("vectorbt"), "cold_s": seconds[0], "seconds": sorted(seconds[1:])[1], "marks": marks}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
