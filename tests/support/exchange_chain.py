"""The chain over a local exchange: ticks at closes of a made-up market, and what the tables say afterwards."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import sqlalchemy as sa

from pipeline.contracts.blocks import Block
from pipeline.domain.timeframe import Timeframe
from pipeline.storage.database import Database
from tests.support.chain import tick
from tests.support.exchange_candles import StoredCandles, stored_candles
from tests.support.exchange_clock import ExchangeClock
from tests.support.exchange_server import LocalExchange, exchange_server
from tests.support.market import random_walk

CLOSE = datetime(2025, 4, 1, tzinfo=UTC)  # the clocks of America and Europe were changed in the weeks before
SYMBOLS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
HISTORY = 700  # bars before the close: the symbols were listed a month ago
FUTURE = 48
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class LiveChain:
    """A database, an exchange that it is filled from, and the market that this exchange shows."""

    database: Database
    exchange: LocalExchange
    market: Block
    close: datetime
    timeframe: Timeframe = Timeframe.H1

    def tick(self, bars: int = 0, **settings: str) -> dict[str, dict[str, Any]]:
        """What a schedule does ``bars`` after the close; settings with two underscores for a dot."""
        changes = {
            "market.source": "live",
            "market.exchange": self.exchange.dialect.name,
            "market.exchange_url": self.exchange.url,
            "market.symbols": ",".join(self.market["close"].columns),
            "market.timeframes": str(self.timeframe),
        }
        changes |= {name.replace("__", "."): value for name, value in settings.items()}
        return tick(self.database, self.close + bars * self.timeframe.duration, changes)

    def ask(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Rows of the database."""
        with self.database.begin() as conn:
            return [tuple(row) for row in conn.execute(sa.text(query), values)]

    def candles(self, symbol: str = "BTC/USDT") -> pd.DataFrame:
        """What is stored of a symbol, by open."""
        columns = ("open_at", "open", "high", "low", "close", "volume", "is_filled")
        query = f"SELECT {', '.join(columns)} FROM candles JOIN series USING (series_id) WHERE symbol = :symbol"
        found = pd.DataFrame(self.ask(query + " ORDER BY open_at", symbol=symbol), columns=columns)
        return found.set_index("open_at")

    def quarantine(self, symbol: str = "BTC/USDT") -> list[tuple[datetime | None, str]]:
        """Open and reason of the refused rows of a symbol."""
        query = "SELECT open_at, reason FROM candle_quarantine WHERE symbol = :symbol ORDER BY open_at, reason"
        return [(row[0], row[1]) for row in self.ask(query, symbol=symbol)]

    def signals(self, symbol: str = "BTC/USDT") -> list[tuple[datetime, str, str, str]]:
        """Close, type, strategy and status of the signals of a symbol."""
        query = "SELECT created_at, signal_type, strategy, status FROM trading_signals WHERE symbol = :symbol"
        return [(row[0], *row[1:]) for row in self.ask(query + " ORDER BY created_at, strategy", symbol=symbol)]

    def health(self, symbol: str = "BTC/USDT") -> tuple[str, str | None]:
        """Status and reason of a symbol."""
        query = "SELECT status, reason FROM source_health WHERE subject LIKE :subject"
        ((status, reason),) = self.ask(query, subject=f"% {symbol} %")
        return status, reason

    def others(self, symbol: str = "BTC/USDT") -> set[tuple[str, str | None]]:
        """Status and reason of all symbols but one."""
        return {self.health(other) for other in self.market["close"].columns if other != symbol}

    def is_stored_right(self, symbol: str = "BTC/USDT") -> bool:
        """Whether every bar from the first stored one to the close is stored, with the market's own values."""
        stored = self.candles(symbol)
        truth = pd.DataFrame({name: self.market[name][symbol] for name in ("open", "high", "low", "close", "volume")})
        truth = truth.loc[stored.index[0] : self.close - self.timeframe.duration]
        return stored.index.equals(truth.index) and bool((stored[truth.columns] == truth.round(8)).all(axis=None))


@contextmanager
def live_chain(
    database: Database,
    *,
    close: datetime = CLOSE,
    timeframe: Timeframe = Timeframe.H1,
    symbols: Sequence[str] = SYMBOLS,
    clock: ExchangeClock | None = None,
    history: int = HISTORY,
    seed: int = 26,
    longer: Timeframe | None = None,
    **server: Any,
) -> Iterator[LiveChain]:
    """The chain over a random market around ``close``, on an exchange with the real time unless stated.

    The exchange may have a ``longer`` timeframe too, with a market of its own.
    With what is not stated here, the bar that ends at the close makes BTC and SOL a BUY, by MACD and by averages.
    """
    start = close - history * timeframe.duration
    market = random_walk(seed=seed, n_candles=history + FUTURE, symbols=symbols, timeframe=timeframe, start=start)
    candles = stored_candles(market, timeframe)
    if longer is not None:
        begin = longer.floor(close) - history * longer.duration
        beside = random_walk(seed=seed, n_candles=history + FUTURE, symbols=symbols, timeframe=longer, start=begin)
        candles = StoredCandles({**candles.series, **stored_candles(beside, longer).series})
    with exchange_server(candles, clock=clock, **server) as exchange:
        yield LiveChain(database, exchange, market, close, timeframe)
