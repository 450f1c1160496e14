"""The real ccxt client, pointed at a local exchange."""

import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from tests.support.exchange_server import LocalExchange

OPTIONS = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}


@asynccontextmanager
async def ccxt_client(local: LocalExchange, *, timeout_ms: int = 10_000) -> AsyncIterator[Any]:
    """ccxt's asynchronous client of the exchange that ``local`` plays, without its own rate limiter."""
    vendor = importlib.import_module("ccxt.async_support")
    settings = {"timeout": timeout_ms, "enableRateLimit": False, "options": OPTIONS}
    client = getattr(vendor, local.dialect.name)(settings)
    client.timeout_on_exit = 0
    client.urls["api"] = {name: local.url + urlsplit(url).path for name, url in client.urls["api"].items()}
    try:
        yield client
    finally:
        await client.close()
