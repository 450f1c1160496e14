"""What an exchange offers: its symbols by volume, and whether it can be reached, what time it has, what it allows."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.domain.timeframe import Timeframe
from resources.exchange_client import Gate, clock_skew, open_client, vendor_errors


@dataclass(frozen=True, slots=True)
class Listing:
    """A symbol that trades, over the last 24 hours."""

    symbol: str
    last_price: float | None
    quote_volume: float | None  # in the quote currency
    change_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How an exchange answered."""

    answered_in: timedelta  # its list of markets
    clock_skew: timedelta | None  # our clock less its own; None where it does not tell the time
    symbols: int  # that trade
    not_traded: tuple[str, ...]  # of those asked about
    timeframes: tuple[str, ...]  # of ours, which it offers
    requests_per_minute: int  # of weight 1, within our share of the limit


def listings(exchange: str, url: str | None = None, quote: str | None = "USDT") -> list[Listing]:
    """Spot symbols that trade now, the most traded first.

    Raises
    ------
    SourceUnavailableError, RateLimitedError, SourceRefusedError
        The exchange did not answer, or not us.
    """
    return asyncio.run(_listings(exchange, url, quote))


def survey(exchange: str, symbols: Sequence[str] = (), url: str | None = None) -> Survey:
    """Ask an exchange once for its markets and its time; errors as of `listings`."""
    return asyncio.run(_survey(exchange, symbols, url))


async def _listings(exchange: str, url: str | None, quote: str | None) -> list[Listing]:
    gate = Gate()
    client = open_client(exchange, gate, url=url)
    try:
        with vendor_errors(exchange, gate):
            markets = await client.load_markets()
            tickers = await client.fetch_tickers()
    finally:
        await client.close()
    found = [
        _listing(symbol, tickers.get(symbol) or {})
        for symbol, market in markets.items()
        if market.get("spot") and market.get("active") is not False and quote in (None, market.get("quote"))
    ]
    return sorted(found, key=lambda each: (-(each.quote_volume or 0.0), each.symbol))


def _listing(symbol: str, ticker: dict[str, Any]) -> Listing:
    last, base_volume, quote_volume = ticker.get("last"), ticker.get("baseVolume"), ticker.get("quoteVolume")
    if quote_volume is None and base_volume is not None and last is not None:
        quote_volume = base_volume * last
    return Listing(symbol, last, quote_volume, ticker.get("percentage"))


async def _survey(exchange: str, symbols: Sequence[str], url: str | None) -> Survey:
    gate = Gate()
    client = open_client(exchange, gate, url=url, symbols=symbols)
    skew = None
    try:
        with vendor_errors(exchange, gate):
            began = time.monotonic()
            markets = await client.load_markets()
            answered_in = timedelta(seconds=time.monotonic() - began)
            if client.has.get("fetchTime"):
                asked_at = datetime.now(UTC)
                told = await client.fetch_time()
                skew = clock_skew(asked_at, datetime.now(UTC), told)
    finally:
        await client.close()
    trading = {symbol for symbol, market in markets.items() if market.get("active") is not False}
    offered = client.timeframes or {}
    return Survey(
        answered_in=answered_in,
        clock_skew=skew,
        symbols=len(trading),
        not_traded=tuple(symbol for symbol in symbols if symbol not in trading),
        timeframes=tuple(str(timeframe) for timeframe in Timeframe if str(timeframe) in offered),
        requests_per_minute=int(60_000 / client.rateLimit),
    )
