"""Which candles a local exchange has: stored ones, or an endless simulated market.

Add a provider here when tests need candles from somewhere else. What is closed, which page is cut out and what
is wrong with it is not its business: see `exchange_market` and `exchange_faults`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.contracts.candles import VALUES
from pipeline.domain.timeframe import Timeframe
from pipeline.domain.universe import SeriesKey, parse_symbol
from resources.market import SeriesWindow
from resources.simulated import EXCHANGE, SimulatedMarket
from resources.simulation.days import FIRST_DAY
from resources.simulation.listings import ASSETS
from tests.support.exchange_clock import MILLISECOND, milliseconds, open_ms_of, position_at
from tests.support.real_market import real_block

WIRE_DECIMALS = 8  # exchanges write prices and amounts with so many
DAY = timedelta(days=1)
CHUNK_BARS = 384  # how many bars of the simulated market are made at a time, at least
LONGEST_CHUNK = 182 * DAY  # every bar is made of minutes: half a year of them is enough at once


class Candles(NamedTuple):
    """Candles of one series, oldest first."""

    open_ms: npt.NDArray[np.int64]  # (n_candles,)
    values: npt.NDArray[np.float64]  # (n_candles, 5): open, high, low, close, volume

    def cut(self, rows: slice) -> "Candles":
        """Some of them."""
        return Candles(self.open_ms[rows], self.values[rows])


class CandleProvider(Protocol):
    """A source of candles for the exchange; bounds are opens, both inclusive, of any alignment."""

    @property
    def symbols(self) -> Sequence[str]:
        """What is listed, as ccxt writes it."""

    def first(self, symbol: str, timeframe: Timeframe, start_ms: int, end_ms: int, limit: int) -> Candles:
        """The oldest ``limit`` candles of the range."""

    def last(self, symbol: str, timeframe: Timeframe, end_ms: int, limit: int) -> Candles:
        """The newest ``limit`` candles up to ``end_ms``."""


NO_CANDLES = Candles(np.empty(0, np.int64), np.empty((0, 5)))


@dataclass(frozen=True)
class StoredCandles:
    """Candles that are all known beforehand; a series that is not among them is listed but empty."""

    series: Mapping[tuple[str, Timeframe], Candles]

    @property
    def symbols(self) -> Sequence[str]:
        """Each symbol once, in the order given."""
        return list(dict.fromkeys(symbol for symbol, _ in self.series))

    def first(self, symbol: str, timeframe: Timeframe, start_ms: int, end_ms: int, limit: int) -> Candles:
        """See `CandleProvider`."""
        candles = self.series.get((symbol, timeframe), NO_CANDLES)
        begin = int(candles.open_ms.searchsorted(start_ms))
        end = int(candles.open_ms.searchsorted(end_ms, side="right"))
        return candles.cut(slice(begin, min(end, begin + limit)))

    def last(self, symbol: str, timeframe: Timeframe, end_ms: int, limit: int) -> Candles:
        """See `CandleProvider`."""
        candles = self.series.get((symbol, timeframe), NO_CANDLES)
        end = int(candles.open_ms.searchsorted(end_ms, side="right"))
        return candles.cut(slice(max(0, end - limit), end))


def stored_candles(block: Block, timeframe: Timeframe, *, shift: timedelta = timedelta(0)) -> StoredCandles:
    """The candles of a block, moved in time by ``shift``, a multiple of the timeframe.

    What the block has filled, or has no close for, the exchange never had.
    """
    opens = pd.DatetimeIndex(block["close"].index).as_unit("ms").astype("int64").to_numpy() + shift // MILLISECOND
    is_real = block["close"].notna()
    if "is_filled" in block:
        is_real &= block["is_filled"] != 1.0
    values = np.stack([block[name].to_numpy(dtype=np.float64) for name in VALUES], axis=-1)
    columns = {symbol: is_real[symbol].to_numpy() for symbol in is_real.columns}
    return StoredCandles(
        {
            (symbol, timeframe): Candles(opens[rows], values[rows, column].round(WIRE_DECIMALS))
            for column, (symbol, rows) in enumerate(columns.items())
        }
    )


def real_candles(source: str, timeframe: Timeframe, *, shift: timedelta = timedelta(0)) -> StoredCandles:
    """The real candles of one folder of the shared data; skips where it is absent."""
    block = real_block(source, timeframe)
    names = {name: parse_symbol(name) for name in block["close"].columns}
    return stored_candles({name: frame.rename(columns=names) for name, frame in block.items()}, timeframe, shift=shift)


def simulated_symbols(n_symbols: int) -> list[str]:
    """The assets that the simulated market knows by name, then made-up ones, all in USDT."""
    known = [f"{asset}/USDT" for asset in ASSETS]
    return [*known, *(f"T{number:04d}/USDT" for number in range(len(known), n_symbols))][:n_symbols]


@dataclass(frozen=True)
class EndlessMarket:
    """The simulated market, from its listing (2009 unless stated) to any instant.

    Its candles are made in chunks and kept, since making them costs more than sending them.
    """

    symbols: Sequence[str]
    seed: int = 7
    listed_at: Mapping[str, datetime] = field(default_factory=dict)
    _chunks: dict[tuple[str, Timeframe, int], Candles] = field(default_factory=dict, init=False, repr=False)

    def first(self, symbol: str, timeframe: Timeframe, start_ms: int, end_ms: int, limit: int) -> Candles:
        """See `CandleProvider`."""
        begin = max(position_at(timeframe, start_ms - 1) + 1, self._listing(symbol, timeframe))
        end = position_at(timeframe, end_ms) + 1
        return self._bars(symbol, timeframe, begin, min(end, begin + limit))

    def last(self, symbol: str, timeframe: Timeframe, end_ms: int, limit: int) -> Candles:
        """See `CandleProvider`."""
        end = position_at(timeframe, end_ms) + 1
        return self._bars(symbol, timeframe, max(end - limit, self._listing(symbol, timeframe)), end)

    def prepare(self, timeframe: Timeframe, until: datetime, n_candles: int) -> None:
        """Make the last ``n_candles`` of every symbol now instead of when they are asked for."""
        for symbol in self.symbols:
            self.last(symbol, timeframe, milliseconds(until), n_candles)

    def _listing(self, symbol: str, timeframe: Timeframe) -> int:
        """Position of the symbol's first candle."""
        return timeframe.position(timeframe.ceil(max(FIRST_DAY, self.listed_at.get(symbol, FIRST_DAY))))

    def _bars(self, symbol: str, timeframe: Timeframe, begin: int, end: int) -> Candles:
        """The candles at positions ``begin`` to ``end``."""
        if begin >= end:
            return NO_CANDLES
        size = max(CHUNK_BARS, DAY // timeframe.duration)  # whole days, since a part of one costs as much
        size = min(size + -size % max(1, DAY // timeframe.duration), LONGEST_CHUNK // timeframe.duration)
        chunks = [
            self._chunk(symbol, timeframe, number, size) for number in range(begin // size, (end - 1) // size + 1)
        ]
        together = Candles(
            np.concatenate([chunk.open_ms for chunk in chunks]), np.concatenate([chunk.values for chunk in chunks])
        )
        bounds = [open_ms_of(timeframe, begin), open_ms_of(timeframe, end)]
        return together.cut(slice(*together.open_ms.searchsorted(bounds).tolist()))

    def _chunk(self, symbol: str, timeframe: Timeframe, number: int, size: int) -> Candles:
        key = symbol, timeframe, number
        if key not in self._chunks:
            window = SeriesWindow(
                SeriesKey(EXCHANGE, symbol, timeframe),
                timeframe.open_of(number * size),
                timeframe.open_of((number + 1) * size),
            )
            frame = SimulatedMarket(self.seed).candles([window]).frame
            opens = frame["open_at"].dt.as_unit("ms").astype("int64").to_numpy()
            self._chunks[key] = Candles(opens, frame[VALUES].to_numpy(dtype=np.float64).round(WIRE_DECIMALS))
        return self._chunks[key]
