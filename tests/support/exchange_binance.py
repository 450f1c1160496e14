"""Binance's spot wire format: `/api/v3/` ping, time, exchangeInfo, klines and ticker/24hr.

After the exchange's own documentation and recorded answers; weights, error codes and headers are the true ones.
"""

import json
from collections.abc import Sequence
from typing import Any

from pipeline.domain.timeframe import Timeframe
from tests.support.exchange_clock import bar_ms
from tests.support.exchange_dialect import Asked, Dialect, Endpoint
from tests.support.exchange_faults import VALUES, Fault, Query, Row, as_sent, is_plain
from tests.support.exchange_limits import Refusal, WeightWindow
from tests.support.exchange_market import Market
from tests.support.http_server import Answer, Request

WEIGHT_A_MINUTE = 6_000
REFUSALS_BEFORE_BAN = 10
DEFAULT_LIMIT, LARGEST_LIMIT = 500, 1_000
ADVICE = "Please use WebSocket Streams for live updates to avoid"
AMOUNT_OF_A_TRADE = 500.0  # in quote currency, on average
END_OF_TIME_MS = 2**53
SMALLEST, LARGEST = "0.00000001", "9000000.00000000"

PATHS = {
    "/api/v3/ping": (Endpoint.PING, 1),
    "/api/v3/time": (Endpoint.TIME, 1),
    "/api/v3/exchangeInfo": (Endpoint.MARKETS, 20),
    "/api/v3/klines": (Endpoint.CANDLES, 2),
    "/api/v3/ticker/24hr": (Endpoint.TICKERS, 80),
}
TICKER_WEIGHTS = ((20, 2), (100, 40))  # up to so many symbols; more, or all, cost 80

# One kline: open time, prices, volume, close time, quote volume, trades, what takers bought in base and quote, unused.
KLINE = '[%d,"%.8f","%.8f","%.8f","%.8f","%s",%d,"%s",%d,"%s","%s","0"]'

RATE_LIMITS = (("RAW_REQUESTS", "MINUTE", 5, 61_000), ("ORDERS", "SECOND", 10, 100), ("ORDERS", "DAY", 1, 200_000))
FILTERS: tuple[dict[str, Any], ...] = (
    {"filterType": "PRICE_FILTER", "minPrice": SMALLEST, "maxPrice": LARGEST, "tickSize": SMALLEST},
    {"filterType": "LOT_SIZE", "minQty": SMALLEST, "maxQty": LARGEST, "stepSize": SMALLEST},
    {"filterType": "ICEBERG_PARTS", "limit": 10},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": LARGEST, "stepSize": "0.00000000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "avgPriceMins": 5},
    {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
)
MARKET: dict[str, Any] = {
    **dict.fromkeys(("baseAssetPrecision", "quotePrecision", "quoteAssetPrecision"), 8),
    **dict.fromkeys(("baseCommissionPrecision", "quoteCommissionPrecision"), 8),
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
    **dict.fromkeys(("icebergAllowed", "ocoAllowed", "quoteOrderQtyMarketAllowed", "isSpotTradingAllowed"), True),
    "isMarginTradingAllowed": False,
    "filters": FILTERS,
    "permissions": ["SPOT"],
}


class Binance(Dialect):
    """What api.binance.com answers."""

    name = "binance"

    def __init__(self, market: Market, weight_limit: int | None = None) -> None:
        super().__init__(market)
        self.window = WeightWindow(weight_limit or WEIGHT_A_MINUTE, ban_after=REFUSALS_BEFORE_BAN)
        self._symbols = {_market_id(symbol): symbol for symbol in market.candles.symbols}

    def read(self, request: Request) -> Asked:
        """See `Dialect`."""
        endpoint, weight = PATHS.get(request.path, (Endpoint.OTHER, 1))
        if endpoint is Endpoint.TICKERS and (wanted := _wanted(request)) is not None:
            weight = next((cost for most, cost in TICKER_WEIGHTS if len(wanted) <= most), weight)
        return Asked(endpoint, self._symbols.get(request.params.get("symbol", "")), weight, request)

    def answer(self, asked: Asked, faults: Sequence[Fault]) -> Answer:
        """See `Dialect`."""
        match asked.endpoint:
            case Endpoint.PING:
                return Answer(b"{}")
            case Endpoint.TIME:
                return _json({"serverTime": self.told_ms()})
            case Endpoint.MARKETS:
                return _json(self._exchange_info())
            case Endpoint.CANDLES:
                return self._klines(asked, faults)
            case Endpoint.TICKERS:
                return self._tickers(asked)
        return Answer(b"<html><body><h2>404 Not found</h2></body></html>", 404, "text/html")

    def refuse(self, reason: Refusal, retry_after_s: int) -> Answer:
        """See `Dialect`."""
        wait = (("Retry-After", str(retry_after_s)),)
        match reason:
            case Refusal.RATE_LIMITED:
                limit = f"current limit is {self.window.limit} request weight per 1 MINUTE"
                return _error(429, -1003, f"Too much request weight used; {limit}. {ADVICE} polling the API.", wait)
            case Refusal.BANNED:
                until = self.market.clock.now_ms() + 1000 * retry_after_s
                return _error(
                    418, -1003, f"Way too much request weight used; IP banned until {until}. {ADVICE} bans.", wait
                )
            case Refusal.UNAVAILABLE:
                return _error(503, -1001, "Internal error; unable to process your request. Please try again.")
            case Refusal.UNKNOWN_SYMBOL:
                return _error(400, -1121, "Invalid symbol.")

    def headers(self) -> tuple[tuple[str, str], ...]:
        """How much of the minute's weight is used."""
        used = str(self.window.used)
        return ("x-mbx-used-weight", used), ("x-mbx-used-weight-1m", used)

    def _exchange_info(self) -> dict[str, Any]:
        limits = (("REQUEST_WEIGHT", "MINUTE", 1, self.window.limit), *RATE_LIMITS)
        names = ("rateLimitType", "interval", "intervalNum", "limit")
        return {
            "timezone": "UTC",
            "serverTime": self.told_ms(),
            "rateLimits": [dict(zip(names, limit, strict=True)) for limit in limits],
            "exchangeFilters": [],
            "symbols": [self._listing(symbol) for symbol in self.market.symbols],
        }

    def _listing(self, symbol: str) -> dict[str, Any]:
        base, quote = symbol.split("/")
        status = "BREAK" if symbol in self.market.halted_ms else "TRADING"
        return {"symbol": base + quote, "status": status, "baseAsset": base, "quoteAsset": quote, **MARKET}

    def _klines(self, asked: Asked, faults: Sequence[Fault]) -> Answer:
        params = asked.request.params
        for name in ("symbol", "interval"):
            if not params.get(name):
                return _error(400, -1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        if asked.symbol not in self.market.symbols:
            return self.refuse(Refusal.UNKNOWN_SYMBOL, 0)
        if params["interval"] not in list(Timeframe):
            return _error(400, -1120, "Invalid interval.")
        try:
            start, end = (int(params[name]) if name in params else None for name in ("startTime", "endTime"))
            limit = int(params.get("limit", DEFAULT_LIMIT))
        except ValueError:
            return _error(400, -1100, "Illegal characters found in a parameter.")
        query = Query(
            symbol=str(asked.symbol),
            timeframe=Timeframe(params["interval"]),
            limit=min(limit, LARGEST_LIMIT),
            now_ms=self.market.clock.now_ms(),
            end_ms=END_OF_TIME_MS if end is None else end,
            start_ms=start,
        )
        rows, duration_ms = self.market.page(query, faults), bar_ms(query.timeframe)
        return Answer(f"[{','.join(_kline(row, duration_ms) for row in rows)}]".encode())

    def _tickers(self, asked: Asked) -> Answer:
        wanted = _wanted(asked.request)
        symbols = self.market.symbols if wanted is None else [self._symbols.get(name) for name in wanted]
        if not set(symbols) <= set(self.market.symbols):
            return self.refuse(Refusal.UNKNOWN_SYMBOL, 0)
        tickers = [_ticker(str(symbol), self.market.last_day(str(symbol)), self.told_ms()) for symbol in symbols]
        return _json(tickers[0] if "symbol" in asked.request.params else tickers)


def _market_id(symbol: str) -> str:
    return symbol.replace("/", "")


def _wanted(request: Request) -> list[str] | None:
    """The market ids that tickers are asked for; None for all."""
    if "symbols" in request.params:
        return [str(name) for name in json.loads(request.params["symbols"])]
    return [request.params["symbol"]] if "symbol" in request.params else None


def _json(content: object) -> Answer:
    return Answer(json.dumps(content, separators=(",", ":")).encode())


def _error(status: int, code: int, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(json.dumps({"code": code, "msg": message}).encode(), status, headers=headers)


def _kline(row: Row, duration_ms: int) -> str:
    """A row as it is sent, as if takers bought everything; quickly, if no fault has been there."""
    opened, first, high, low, close, volume = row
    closed = opened + duration_ms - 1
    if not is_plain(row):
        return json.dumps([opened, *map(as_sent, row[VALUES]), closed, "0", 0, "0", "0", "0"])
    quote_volume = volume * (first + high + low + close) / 4.0
    base, quote, trades = f"{volume:.8f}", f"{quote_volume:.8f}", int(quote_volume / AMOUNT_OF_A_TRADE) + 1
    return KLINE % (opened, first, high, low, close, base, closed, quote, trades, base, quote)


def _ticker(symbol: str, rows: list[Row], now_ms: int) -> dict[str, Any]:
    """The last 24 hours of a symbol; all zero if it has no candles."""
    day = rows or [[now_ms, 0.0, 0.0, 0.0, 0.0, 0.0]]
    first, last = day[0][1], day[-1][4]
    volume, amount = sum(row[5] for row in day), sum(row[5] * row[4] for row in day)
    numbers = {
        "priceChange": last - first,
        "weightedAvgPrice": amount / volume if volume else 0.0,
        **dict.fromkeys(("prevClosePrice", "openPrice"), first),
        **dict.fromkeys(("lastPrice", "bidPrice", "askPrice"), last),
        **dict.fromkeys(("lastQty", "bidQty", "askQty"), 1.0),
        "highPrice": max(row[2] for row in day),
        "lowPrice": min(row[3] for row in day),
        "volume": volume,
        "quoteVolume": amount,
    }
    return {
        "symbol": _market_id(symbol),
        **{name: as_sent(value) for name, value in numbers.items()},
        "priceChangePercent": f"{100.0 * (last / first - 1.0) if first else 0.0:.3f}",
        "openTime": day[0][0],
        "closeTime": now_ms,
        "firstId": 0,
        "lastId": 0,
        "count": int(amount / AMOUNT_OF_A_TRADE) + 1,
    }
