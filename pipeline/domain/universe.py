"""What is traded: symbols as ccxt writes them, and series (one symbol at one timeframe on one exchange)."""

import re
from typing import NamedTuple

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe

SYMBOL_PATTERN = r"^[A-Z0-9]+/[A-Z0-9]+(:[A-Z0-9]+)?$"
EXCHANGE_PATTERN = r"^[a-z0-9_]+$"

# Quote currencies that a joined name such as BTCUSDT may end in; longer ones first, so that USDT wins over T.
QUOTES = ("FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "BTC", "ETH", "BNB")


class SeriesKey(NamedTuple):
    """One series of candles."""

    exchange: str
    symbol: str
    timeframe: Timeframe

    def __str__(self) -> str:
        return f"{self.exchange} {self.symbol} {self.timeframe}"


def base_of(symbol: str) -> str:
    """The asset that is bought: ``BTC`` of ``BTC/USDT``."""
    return symbol.partition("/")[0]


def parse_symbol(text: str) -> str:
    """The symbol that ``text`` means, as ccxt writes it.

    ``BTC/USDT`` and ``BTC/USDT:USDT`` stand as they are; ``BTC_USDT``, ``BTC-USDT``, ``BTC_USDT_USDT`` (a perpetual,
    as freqtrade names its files) and ``BTCUSDT`` are taken apart. Lower case is raised.
    """
    upper = text.strip().upper()
    if re.match(SYMBOL_PATTERN, upper):
        return upper
    parts = re.split(r"[_-]", upper)
    if all(part.isalnum() for part in parts):
        if len(parts) == 2:
            return f"{parts[0]}/{parts[1]}"
        if len(parts) == 3 and parts[1] == parts[2]:
            return f"{parts[0]}/{parts[1]}:{parts[2]}"
        if len(parts) == 1:
            for quote in QUOTES:
                if upper.endswith(quote) and len(upper) > len(quote):
                    return f"{upper.removesuffix(quote)}/{quote}"
    raise DataContractError(f"symbol must read like BTC/USDT, was {text!r}")
