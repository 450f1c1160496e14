"""What our live source makes of a local exchange: windows in, what was handed over and asked for out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pipeline.domain.timeframe import EPOCH, Timeframe
from pipeline.domain.universe import SeriesKey
from resources.exchange import ExchangeMarket
from resources.market import Fetched, SeriesWindow
from tests.support.exchange_clock import MILLISECOND
from tests.support.exchange_dialect import Endpoint
from tests.support.exchange_server import LocalExchange


@dataclass
class Handed:
    """Everything that a fetch handed over."""

    frame: pd.DataFrame
    failures: dict[str, str] = field(default_factory=dict)  # by symbol
    ended: dict[str, str] = field(default_factory=dict)  # by symbol
    last: Fetched | None = None

    def opens(self, symbol: str = "BTC/USDT") -> list[datetime]:
        """Opens of the rows of a symbol, in the order in which they came."""
        return [at.to_pydatetime() for at in self.frame.loc[self.frame["symbol"] == symbol, "open_at"]]


def live_market(local: LocalExchange, **changes: Any) -> ExchangeMarket:
    """Our source at the exchange, our clock set as the exchange's; it hardly waits for anything unless told to."""
    fields: dict[str, Any] = {
        "exchange": local.dialect.name,
        "grace": timedelta(seconds=5),
        "straggler_limit": timedelta(0),
        "deadline": timedelta(seconds=30),
        "url": local.url,
        "first_pause": timedelta(milliseconds=10),
        "now": local.clock.now,
    }
    return ExchangeMarket(**{**fields, **changes})


def a_window(
    local: LocalExchange,
    start: datetime,
    end: datetime,
    *,
    symbol: str = "BTC/USDT",
    timeframe: Timeframe = Timeframe.H1,
    is_backward: bool = False,
) -> SeriesWindow:
    """Bars of one series of the exchange."""
    return SeriesWindow(SeriesKey(local.dialect.name, symbol, timeframe), start, end, is_backward)


def handed_over(market: ExchangeMarket, windows: Iterable[SeriesWindow]) -> Handed:
    """All portions of a fetch together."""
    parts = list(market.portions(list(windows)))
    handed = Handed(pd.concat([part.frame for part in parts], ignore_index=True), last=parts[-1])
    for part in parts:
        handed.failures |= {key.symbol: reason for key, reason in part.failures.items()}
        handed.ended |= {key.symbol: reason for key, reason in part.ended.items()}
    return handed


def asked_since(local: LocalExchange, symbol: str = "BTC/USDT") -> list[datetime]:
    """From which instants on candles of a symbol were asked for, request by request (Binance's format)."""
    return [
        EPOCH + int(seen.params["startTime"]) * MILLISECOND
        for seen in local.requests
        if seen.endpoint is Endpoint.CANDLES and seen.symbol == symbol
    ]
