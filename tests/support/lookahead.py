"""A detector of functions that look into the future, and functions that do, to try it on.

A function of candles looks ahead if its values on past bars change when later candles are added. Nothing else
is checked here: a function may be wrong in every other way.
"""

from collections.abc import Callable

import pandas as pd

from pipeline.contracts.blocks import Block

Function = Callable[[Block], Block | pd.DataFrame]


def first_rewrite(function: Function, bars: Block) -> int | None:
    """The first number of bars whose values change when the later bars are added, or None.

    ``function`` gets the first 1, 2, ... bars of the block and returns one row per bar; NaN equals NaN.
    """
    full = _frames(function(bars))
    n_bars = len(next(iter(bars.values())))
    for cut in range(1, n_bars):
        past = _frames(function({field: frame.iloc[:cut] for field, frame in bars.items()}))
        if past.keys() != full.keys() or not all(past[name].equals(full[name].iloc[:cut]) for name in full):
            return cut
    return None


def _frames(result: Block | pd.DataFrame) -> Block:
    return {"": result} if isinstance(result, pd.DataFrame) else result


def _next_candle(bars: Block) -> pd.DataFrame:
    return bars["close"].shift(-1)


def _centred_window(bars: Block) -> pd.DataFrame:
    return bars["close"].rolling(5, center=True).mean()


def _whole_sample_mean(bars: Block) -> pd.DataFrame:
    return bars["close"] - bars["close"].mean()


def _share_of_maximum(bars: Block) -> pd.DataFrame:
    return bars["close"] / bars["close"].max()


def _backfilled_warm_up(bars: Block) -> pd.DataFrame:
    return bars["close"].rolling(20).mean().bfill()


def _rank_in_sample(bars: Block) -> pd.DataFrame:
    return bars["volume"].rank(pct=True)


def _second_of_two_columns(bars: Block) -> Block:
    return {"honest": bars["close"].rolling(20).mean(), "not": bars["high"].shift(-1)}


PEEKERS: dict[str, Function] = {
    "backfilled_warm_up": _backfilled_warm_up,
    "centred_window": _centred_window,
    "next_candle": _next_candle,
    "rank_in_sample": _rank_in_sample,
    "second_of_two_columns": _second_of_two_columns,
    "share_of_maximum": _share_of_maximum,
    "whole_sample_mean": _whole_sample_mean,
}
