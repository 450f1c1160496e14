"""A panel: features of many series on one grid of bars, and what came after each bar.

Models learn from all symbols of a timeframe together. Rows of a panel are named by (place, bar), so that a model that
looks at a sequence of bars finds those before a row, and nothing is copied to select some. What a label is is said
here and nowhere else.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.domain.timeframe import Timeframe

HORIZON_BARS = 1  # bars after a row that its labels look at

Features = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.intp]  # shape (n_rows, 2): place, bar


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What models are told of some series' bars; bars oldest first, series in a group's order."""

    names: tuple[str, ...]  # of the features
    features: Features  # (n_symbols, n_bars, n_features), NaN where unknown
    atr_ratio: Numbers  # (n_symbols, n_bars), ATR 14 / close, NaN where unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel(Inputs):
    """What models are told, and the prices around it that they learn to foretell."""

    timeframe: Timeframe
    symbols: tuple[str, ...]
    close_at: npt.NDArray[np.datetime64]  # (n_bars,), UTC
    close: Numbers  # (n_symbols, n_bars), quote currency, NaN where there is no candle; so are high and low
    high: Numbers
    low: Numbers
    is_usable: npt.NDArray[np.bool_]  # (n_symbols, n_bars): a traded bar of a series that nothing blocks

    @property
    def begins_at(self) -> datetime:
        """Open of the first bar."""
        first = self.close_at[0] - np.timedelta64(self.timeframe.seconds, "s")
        return datetime.fromisoformat(f"{first}+00:00")

    def rows(self, after: datetime, until: datetime) -> Rows:
        """The usable bars with ``after < close_at <= until`` whose label is known and looks at no close past ``until``.

        By bar, then place, so that a slice of them is a stretch of time.
        """
        ends = self.close_at + np.timedelta64(HORIZON_BARS * self.timeframe.seconds, "s")
        in_time = (self.close_at > _instant(after)) & (ends <= _instant(until))
        return np.argwhere((self.is_usable & self.has_label & in_time).T)[:, ::-1]

    @property
    def has_label(self) -> npt.NDArray[np.bool_]:
        """Shape (n_symbols, n_bars): whether the next bar was traded; False on the last bar."""
        known = np.zeros_like(self.is_usable)
        known[:, :-HORIZON_BARS] = self.is_usable[:, HORIZON_BARS:]
        return known

    def went_up(self, rows: Rows) -> Numbers:
        """1.0 where the next close is above the row's, else 0.0: an unchanged close did not go up. Shape (n_rows,)."""
        place, bar = rows.T
        risen: Numbers = (self.close[place, bar + HORIZON_BARS] > self.close[place, bar]).astype(np.float64)
        return risen

    def next_high(self, rows: Rows) -> Numbers:
        """How far above the row's close the next bar reaches, a fraction of it. Shape (n_rows,)."""
        return self._reach(self.high, rows)

    def next_low(self, rows: Rows) -> Numbers:
        """How far from the row's close the next bar's low is, a fraction of it, negative below. Shape (n_rows,)."""
        return self._reach(self.low, rows)

    def _reach(self, prices: Numbers, rows: Rows) -> Numbers:
        place, bar = rows.T
        reach: Numbers = prices[place, bar + HORIZON_BARS] / self.close[place, bar] - 1.0
        return reach


def stacked(features: Block) -> Features:
    """The features of a block as one array of shape (n_symbols, n_bars, n_features)."""
    table: Features = np.stack([frame.to_numpy(dtype=np.float32).T for frame in features.values()], axis=-1)
    return table


def make_panel(
    timeframe: Timeframe, features: Block, candles: Block, ratios: pd.DataFrame, is_usable: pd.DataFrame
) -> Panel:
    """A panel of frames that share index (open_at, every bar of the grid, oldest first) and columns (symbols).

    Parameters
    ----------
    features : Block
        One frame per feature, in the order that models are given them.
    candles : Block
        close, high, low.
    ratios, is_usable
        ATR 14 / close; and whether a bar was traded and its series is not blocked on it.
    """
    close = candles["close"]
    closes = (
        (pd.DatetimeIndex(close.index) + timeframe.duration)
        .tz_localize(None)
        .to_numpy(dtype=f"datetime64[{TIME_UNIT}]")
    )
    return Panel(
        timeframe=timeframe,
        symbols=tuple(str(symbol) for symbol in close.columns),
        names=tuple(features),
        features=stacked(features),
        close_at=closes,
        close=close.to_numpy().T,
        high=candles["high"].to_numpy().T,
        low=candles["low"].to_numpy().T,
        atr_ratio=ratios.to_numpy().T,
        is_usable=is_usable.to_numpy().T,
    )


def _instant(instant: datetime) -> np.datetime64:
    return np.datetime64(instant.replace(tzinfo=None), TIME_UNIT)
