"""One exchange through ccxt: how its client is opened and throttled, and its errors in our words.

The only module that knows ccxt's names. ccxt is imported inside functions: loading definitions never loads it.
"""

import asyncio
import email.utils
import json
import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from pipeline.domain.errors import (
    ConfigurationError,
    RateLimitedError,
    SeriesEndedError,
    SourceRefusedError,
    SourceUnavailableError,
)
from pipeline.domain.timeframe import EPOCH, Timeframe

TIMEOUT_MS = 10_000
RATE_SHARE = 0.8  # of what the exchange allows an address: other programs may share it
DEFAULT_PAUSE = timedelta(seconds=5)  # where an exchange asks to slow down and does not say for how long
USED_WEIGHT = ("x-mbx-used-weight-1m", "x-mbx-used-weight")
# Kraken says "Unknown asset pair" of a symbol that it has dropped, which ccxt has no word for.
DROPPED_SYMBOL = {"kraken": "EQuery:Unknown asset pair"}


class Gate:
    """Lets requests through, but for a time after the exchange has asked to slow down; one for all requests."""

    def __init__(self) -> None:
        self._opens = 0.0  # on the monotonic clock
        self.closes = math.inf  # when nothing is asked any longer, on the monotonic clock
        self.requests = 0
        self.used_weight: int | None = None  # as the exchange counts it, where it tells

    @property
    def pause(self) -> timedelta:
        """How long from now on requests are unwelcome."""
        return timedelta(seconds=max(0.0, self._opens - time.monotonic()))

    @property
    def is_shut(self) -> bool:
        """Whether requests are unwelcome until nothing is asked any longer, so that waiting is in vain."""
        return self._opens > max(self.closes, time.monotonic())

    async def passed(self, exchange: str) -> None:
        """Wait until requests are welcome; `RateLimitedError` if that is too late."""
        while self._opens > time.monotonic():
            if self.is_shut:
                raise RateLimitedError(exchange, self.pause)
            await asyncio.sleep(self.pause.total_seconds())

    def shut_for(self, pause: timedelta) -> None:
        """Let nothing through for a time; a longer pause that was asked for before stands."""
        self._opens = max(self._opens, time.monotonic() + pause.total_seconds())

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """Take note of an answer: its weight, and whether it asks to slow down."""
        self.requests += 1
        lower = {name.lower(): value for name, value in headers.items()}
        for name in USED_WEIGHT:
            if (weight := lower.get(name, "")).isdigit():
                self.used_weight = int(weight)
                break
        if status in (418, 429) or (status == 503 and "retry-after" in lower):
            self.shut_for(retry_after(lower.get("retry-after")) or DEFAULT_PAUSE)


def retry_after(value: str | None) -> timedelta | None:
    """What a Retry-After header asks for: seconds, or an HTTP date."""
    if value is None:
        return None
    if value.strip().isdigit():
        return timedelta(seconds=int(value))
    try:
        instant = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(instant.astimezone(UTC) - datetime.now(UTC), timedelta(0))


def check_exchange(exchange: str, timeframes: Collection[Timeframe]) -> None:
    """Refuse an exchange that ccxt does not know, and timeframes that it does not offer; asks nobody.

    Raises
    ------
    ConfigurationError
        Naming what is offered.
    """
    client = _class_of(exchange)()
    if not client.has.get("fetchOHLCV"):
        raise ConfigurationError(f"market.exchange must offer candles, {exchange} does not")
    offered = client.timeframes or {}
    if missing := [str(timeframe) for timeframe in timeframes if str(timeframe) not in offered]:
        ours = " ".join(str(timeframe) for timeframe in Timeframe if str(timeframe) in offered)
        raise ConfigurationError(
            f"market.timeframes must be offered by {exchange} ({ours}), {', '.join(missing)} is not"
        )


def open_client(exchange: str, gate: Gate, *, url: str | None, symbols: Collection[str] = ()) -> Any:
    """A client of the exchange's public endpoints, to be closed after use; ``gate`` hears of every answer.

    Markets are loaded of the kinds that ``symbols`` are of, spot where none is named; ``url`` replaces the exchange's
    own address.
    """
    import ccxt

    kind = _class_of(exchange)
    described = kind().describe()
    config: dict[str, Any] = {
        "timeout": TIMEOUT_MS,
        "enableRateLimit": True,
        "rateLimit": described["rateLimit"] / RATE_SHARE,
        "options": {"defaultType": "spot", "fetchCurrencies": False, "warnOnFetchOpenOrdersWithoutSymbol": False},
    }
    if not any(":" in symbol for symbol in symbols):
        config["options"]["fetchMarkets"] = {"types": ["spot"]}
    if exchange in DROPPED_SYMBOL:
        config["exceptions"] = {"exact": {DROPPED_SYMBOL[exchange]: ccxt.BadSymbol}}
    if described.get("rollingWindowSize"):  # where the exchange counts so: a burst is welcome, its sum is bounded
        config["rateLimiterAlgorithm"] = "rollingWindow"
    client = kind(config)
    if url is not None:
        client.urls["api"] = _rewritten(client.urls["api"], url)
        if urlsplit(url).scheme == "http":
            client.timeout_on_exit = 0  # only TLS takes time to say goodbye
    _listen(client, exchange, gate)
    return client


def _listen(client: Any, exchange: str, gate: Gate) -> None:
    """Let the gate stand before each request and hear each answer, and let no answer pass for "no candles".

    ccxt takes a body that is no JSON for an empty answer, and drops candles whose times are before the one asked
    for, as seconds are. Both look like a market without trades.
    """
    import ccxt

    hear, send, check = client.on_rest_response, client.fetch, client.handle_errors

    async def fetch(*request: Any, **named: Any) -> Any:
        await gate.passed(exchange)  # behind ccxt's own queue: what waits there is held back too
        return await send(*request, **named)

    def on_rest_response(code: int, reason: str, url: str, method: str, headers: Any, *rest: Any) -> Any:
        gate.heard(code, headers)
        return hear(code, reason, url, method, headers, *rest)

    def handle_errors(code: int, reason: str, url: str, *rest: Any) -> Any:
        _, _, body, read, *_ = rest
        if read is None and code < HTTPStatus.BAD_REQUEST and not _is_number(body):
            raise ccxt.ExchangeNotAvailable(f"{code} {url} is no JSON: {body[:80]}")
        return check(code, reason, url, *rest)

    def parse_ohlcvs(rows: Any, market: Any = None, *_: Any, **__: Any) -> list[Any]:
        if not isinstance(rows, list | None):
            raise ccxt.BadResponse(f"candles must be a list, was {str(rows)[:80]}")
        return [client.parse_ohlcv(row, market) for row in rows or ()]

    client.fetch, client.on_rest_response, client.handle_errors = fetch, on_rest_response, handle_errors
    client.parse_ohlcvs, client.on_json_response = parse_ohlcvs, _json(client.on_json_response)


def _json(strict: Callable[[str], Any]) -> Callable[[str], Any]:
    """Read JSON, and what Python calls JSON: one NaN among the prices is a fault of its candle, not of the page."""

    def loads(body: str) -> Any:
        try:
            return strict(body)
        except ValueError:
            return json.loads(body)

    return loads


def _is_number(body: str) -> bool:
    """Whether it is a number alone, as some exchanges tell the time; ccxt reads objects and lists as JSON."""
    try:
        float(body)
    except ValueError:
        return False
    return True


def clock_skew(asked_at: datetime, answered_at: datetime, told_ms: int) -> timedelta:
    """Our clock less the exchange's, which told its time at some instant between question and answer."""
    return asked_at + (answered_at - asked_at) / 2 - (EPOCH + timedelta(milliseconds=told_ms))


@contextmanager
def vendor_errors(exchange: str, gate: Gate) -> Iterator[None]:
    """Raise our errors in place of ccxt's, most specific first; what may pass by itself is temporary.

    A connection that breaks within a body is an `ExchangeError` to ccxt, like much else: whatever has no class of
    its own is worth another try.
    """
    import ccxt

    try:
        yield
    except (ccxt.RateLimitExceeded, ccxt.DDoSProtection) as error:
        if not gate.pause:  # Kraken says so under status 200
            gate.shut_for(DEFAULT_PAUSE)
        raise RateLimitedError(exchange, gate.pause) from error
    except (ccxt.BadSymbol, ccxt.MarketClosed) as error:
        raise SeriesEndedError(f"{exchange} does not trade it: {_short(error)}") from error
    except (ccxt.AuthenticationError, ccxt.RestrictedLocation, ccxt.NotSupported, ccxt.BadRequest) as error:
        raise SourceRefusedError(f"{exchange} refused: {_short(error)}") from error
    except ccxt.BaseError as error:
        raise SourceUnavailableError(f"{exchange} did not answer: {_short(error)}") from error
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise SourceUnavailableError(f"{exchange} answered what cannot be read: {_short(error)}") from error


def _short(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__} {error}".split())[:200]


def _class_of(exchange: str) -> Any:
    import ccxt.async_support

    if exchange not in ccxt.async_support.exchanges:
        raise ConfigurationError(
            f"market.exchange must be one that ccxt knows, such as binance or kraken, was {exchange!r}"
        )
    return getattr(ccxt.async_support, exchange)


def _rewritten(address: Any, url: str) -> Any:
    """The same paths on another host, in whatever tree ccxt keeps them."""
    if isinstance(address, dict):
        return {key: _rewritten(value, url) for key, value in address.items()}
    return url.rstrip("/") + urlsplit(address).path if isinstance(address, str) else address
