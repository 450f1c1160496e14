"""The bars after each advice, cut out of a block of candles and turned so that every advice is a BUY."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.domain.timeframe import Timeframe
from pipeline.outcomes.walk import Bars, Flags, Floats, Whole

FIELDS = ("open", "high", "low", "close")
Instants = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Advice:
    """What is followed; arrays of shape (n,), targets of shape (n, 3), prices in quote currency."""

    place: Whole  # column of its symbol in the block
    close_at: Instants  # UTC; bar 1 opens then
    side: Whole  # 1 BUY, -1 SELL
    entry: Floats  # the close that the advice was given at
    stop: Floats
    targets: Floats

    def __len__(self) -> int:
        return len(self.side)

    def part(self, rows: slice) -> "Advice":
        """Some of it, in the same order."""
        return Advice(
            *(self.place[rows], self.close_at[rows], self.side[rows], self.entry[rows], self.stop[rows]),
            self.targets[rows],
        )


@dataclass(frozen=True, slots=True)
class Market:
    """Candles as arrays of shape (n_bars, n_symbols), with empty rows behind them for paths that end in the future."""

    values: Mapping[str, Floats]
    is_traded: Flags
    newest: Whole  # per symbol the row of its newest stored bar, -1 for none
    next_stored: Whole  # per row and symbol the first stored row from there on; the number of rows where none is
    first_open: np.datetime64
    duration: np.timedelta64
    n_bars: int

    @classmethod
    def of(cls, candles: Block, timeframe: Timeframe, longest: int) -> "Market":
        """``candles`` with `FIELDS` and is_filled, every bar of the grid; ``longest`` is the most bars of a path."""
        index = pd.DatetimeIndex(candles["close"].index)
        empty = np.full((longest + 1, candles["close"].shape[1]), np.nan)
        values = {name: np.concatenate([candles[name].to_numpy(dtype=np.float64), empty]) for name in FIELDS}
        filled = np.concatenate([candles["is_filled"].to_numpy(dtype=np.float64), empty])
        is_stored = ~np.isnan(values["close"])
        n_rows = len(is_stored)
        rows = np.arange(n_rows)[:, np.newaxis]
        return cls(
            values=values,
            is_traded=is_stored & (filled == 0.0),
            newest=np.where(is_stored, rows, -1).max(axis=0),
            next_stored=np.minimum.accumulate(np.where(is_stored, rows, n_rows)[::-1], axis=0)[::-1],
            first_open=np.datetime64(index[0].tz_localize(None), TIME_UNIT),
            duration=np.timedelta64(timeframe.seconds * 1_000_000, TIME_UNIT),
            n_bars=len(index),
        )

    def rows_of(self, opens: Instants) -> Whole:
        """The row of the bar that opens at each instant; beyond the block's end its first empty row."""
        rows: Whole = ((opens - self.first_open) // self.duration).astype(np.int64)
        return np.minimum(rows, self.n_bars)

    def open_at(self, rows: Whole) -> Instants:
        """When the bars of these rows open."""
        opens: Instants = self.first_open + rows * self.duration
        return opens

    def bars(self, rows: Whole, places: Whole, side: Whole) -> Bars:
        """Bars of rows of shape (n, n_bars), turned by their path's side."""
        rows = np.minimum(rows, len(self.is_traded) - 1)
        columns = places[:, np.newaxis]
        opened, high, low, close = (self.values[name][rows, columns] for name in FIELDS)
        return turned(Bars(opened, high, low, close, self.is_traded[rows, columns]), side)


@dataclass(frozen=True, slots=True)
class ShorterBars:
    """The candles of a shorter timeframe within some bars, each complete; not turned."""

    duration: np.timedelta64  # of one of them
    at: Mapping[tuple[int, int], int]  # place and row of the bar -> its row here
    bars: Bars  # (n, bars of the shorter timeframe in one of the longer)

    def within(self, places: Whole, rows: Whole) -> tuple[Whole, Whole]:
        """Of some bars those that are here, as positions in the arguments, and their rows here."""
        found = [
            (n, self.at[key])
            for n, key in enumerate(zip(places.tolist(), rows.tolist(), strict=True))
            if key in self.at
        ]
        both = np.array(found, dtype=np.int64).reshape(-1, 2)
        return both[:, 0], both[:, 1]


def turned(bars: Bars, side: Whole) -> Bars:
    """Bars as a BUY would see them: of a SELL negative, with high and low in each other's place."""
    turn = side[:, np.newaxis].astype(np.float64)
    is_sold = turn < 0
    return Bars(
        bars.open * turn,
        np.where(is_sold, -bars.low, bars.high),
        np.where(is_sold, -bars.high, bars.low),
        bars.close * turn,
        bars.is_traded,
    )


def naive(instant: datetime) -> np.datetime64:
    """A UTC instant as numpy has them."""
    return np.datetime64(instant.replace(tzinfo=None), TIME_UNIT)
