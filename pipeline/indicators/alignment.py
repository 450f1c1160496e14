"""Columns of another series beside one's own bars: a higher timeframe's, a reference symbol's; as of the same close.

Joining by the open, or by the newest row at hand, is the usual way to see the future, or the past, without noticing:
the bar of four hours that opens at noon ends at four, and one that is missing is not the one before it.
"""

import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.timeframe import Timeframe


def higher_opens(opens: pd.DatetimeIndex, timeframe: Timeframe, higher: Timeframe) -> pd.DatetimeIndex:
    """Open of the newest bar of ``higher`` that has closed when each bar of ``timeframe`` closes."""
    since = pd.Timestamp(higher.origin)
    closed = (opens + timeframe.duration - since) // pd.Timedelta(higher.duration)
    return pd.DatetimeIndex(since + (closed - 1) * pd.Timedelta(higher.duration)).as_unit(TIME_UNIT)


def as_of_close(
    frame: pd.DataFrame, opens: pd.DatetimeIndex, symbols: pd.Index, timeframe: Timeframe, higher: Timeframe
) -> pd.DataFrame:
    """A column of the higher timeframe on the bars of the lower one.

    Parameters
    ----------
    frame : DataFrame of shape (n_higher_bars, n_higher_symbols), indexed by the opens of ``higher``
    opens, symbols
        Bars and columns of the result, those of ``timeframe``.

    Returns
    -------
    DataFrame of shape (n_bars, n_symbols)
        NaN where the symbol has no bar of ``higher`` that ends at the newest boundary up to the close: a bar that is
        late is unknown, and not the one before it.
    """
    joined = frame.reindex(index=higher_opens(opens, timeframe, higher), columns=symbols)
    return joined.set_axis(opens, axis=0)


def spread(frame: pd.DataFrame, symbol: str, opens: pd.DatetimeIndex, symbols: pd.Index) -> pd.DataFrame:
    """One symbol's column beside every symbol; NaN where that symbol, or its bar, is not in the frame."""
    column = frame[symbol].reindex(opens) if symbol in frame.columns else pd.Series(float("nan"), index=opens)
    return pd.DataFrame(dict.fromkeys(symbols, column), index=opens, columns=symbols)
