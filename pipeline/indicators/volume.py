"""Volume: how much was traded, and on which side.

Add an indicator here when it reads the volume column. Volume is in base currency.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from pipeline.indicators.columns import Values, fill_before, first_rows, pack, previous, unpack
from pipeline.indicators.rolling import rolling_median

# symbol -> (on-balance volume, close) on the bar before the block
Carry = Mapping[str, tuple[float, float]]


def obv(close: Values, volume: Values, carry: Carry | None = None) -> Values:
    """On-balance volume: the sum of all volumes so far, a falling close's taken away; base currency.

    Parameters
    ----------
    close, volume : frames of shape (n_candles, n_symbols), oldest first, NaN where a symbol has no candle.
    carry : of symbols that have candles before the frames: on-balance volume and close on the last of them.

    Returns
    -------
    The same shape, NaN where there is no candle. A symbol without a carry starts with its first volume.

    Notes
    -----
    Follows `ta`: an unchanged close *adds* its volume (in the textbook and in TA-Lib it adds nothing). The
    level depends on where the series began, so no strategy may use it. A series that is continued by its
    carry gets the same bits as one that is computed at once, because the carry takes part in the sum as the
    value before the first.
    """
    closes, volumes = unpack(close), unpack(volume)
    first = first_rows(closes)
    symbols = [str(name) for name in (close.columns if isinstance(close, pd.DataFrame) else [close.name])]
    carried = np.array([(carry or {}).get(symbol, (0.0, np.nan)) for symbol in symbols], dtype=np.float64).reshape(
        -1, 2
    )
    before = previous(closes)
    begun = np.flatnonzero(first[:, 0] < closes.shape[1])
    before[begun, first[begun, 0]] = carried[begun, 1]
    summands = np.empty((closes.shape[0], closes.shape[1] + 1))
    summands[:, 0] = carried[:, 0]
    summands[:, 1:] = np.where(closes < before, -volumes, volumes)
    fill_before(summands[:, 1:], first, 0.0)
    return pack(fill_before(np.cumsum(summands, axis=1)[:, 1:], first, np.nan), close)


def volume_median(volume: Values, window: int) -> Values:
    """Median volume of the last ``window`` bars, the current one included; base currency.

    NaN before the ``window``-th candle. A median, because one bar of a panic would lift a mean for ``window``
    bars, and then nothing looks busy next to it.
    """
    return pack(rolling_median(unpack(volume), window), volume)
