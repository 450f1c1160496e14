"""What every wire format must be able to say, so that one server can speak any of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from tests.support.exchange_clock import MILLISECOND
from tests.support.exchange_faults import Fault
from tests.support.exchange_limits import Refusal, WeightWindow
from tests.support.exchange_market import Market
from tests.support.http_server import Answer, Request


class Endpoint(StrEnum):
    """What can be asked, whatever an exchange calls it."""

    PING = "ping"
    TIME = "time"
    MARKETS = "markets"  # and currencies
    CANDLES = "candles"
    TICKERS = "tickers"
    OTHER = "other"


class Asked(NamedTuple):
    """A request, as far as every exchange understands it."""

    endpoint: Endpoint
    symbol: str | None  # as ccxt writes it; None if the request names none that exists
    weight: int
    request: Request


class Dialect(ABC):
    """One exchange's way of asking and answering; knows the wire, not the candles."""

    name: str  # ccxt's
    window: WeightWindow

    def __init__(self, market: Market) -> None:
        self.market = market
        self.clock_skew = timedelta(0)  # of what the exchange says the time is (F14)

    def told_ms(self) -> int:
        """What the exchange says the time is."""
        return self.market.clock.now_ms() + self.clock_skew // MILLISECOND

    @abstractmethod
    def read(self, request: Request) -> Asked:
        """What a request asks for."""

    @abstractmethod
    def answer(self, asked: Asked, faults: Sequence[Fault]) -> Answer:
        """The answer, with what is wrong with its rows."""

    @abstractmethod
    def refuse(self, reason: Refusal, retry_after_s: int) -> Answer:
        """The answer to whom the exchange refuses."""

    def headers(self) -> tuple[tuple[str, str], ...]:
        """What every answer carries besides its own headers."""
        return ()
