"""Kraken's spot wire format: `/0/public/` Time, Assets, AssetPairs, OHLC and Ticker.

Another format than Binance's in all that matters to a client: seconds instead of milliseconds, at most 720 closed
candles and no way to older ones, an exclusive `since`, errors under HTTP 200, names of its own for assets (XBT), fewer
timeframes. After the exchange's own documentation and recorded answers.
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

REQUESTS_A_MINUTE = 60  # one a second stays within the limit, says the exchange
MOST_ROWS = 721  # 720 committed ones and the one that runs, in recorded answers as well

PATHS = {
    "/0/public/SystemStatus": Endpoint.PING,
    "/0/public/Time": Endpoint.TIME,
    "/0/public/Assets": Endpoint.MARKETS,
    "/0/public/AssetPairs": Endpoint.MARKETS,
    "/0/public/OHLC": Endpoint.CANDLES,
    "/0/public/Ticker": Endpoint.TICKERS,
}
INTERVALS = {
    str(timeframe.seconds // 60): timeframe
    for timeframe in map(Timeframe, ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w"))
}

# The oldest assets have a class letter before their name, X for coins and Z for currencies, and two other names.
OTHER_NAMES = {"BTC": "XBT", "DOGE": "XDG"}
OLDEST_COINS = frozenset({"XBT", "XDG", "ETH", "ETC", "LTC", "XRP", "XLM", "XMR", "ZEC"})
CURRENCIES = frozenset({"USD", "EUR", "GBP", "CAD", "JPY"})

# One row: open in seconds, prices, volume-weighted price, volume, number of trades.
OHLC = '[%d,"%.8f","%.8f","%.8f","%.8f","%.8f","%.8f",%d]'

PAIR: dict[str, Any] = {
    **dict.fromkeys(("aclass_base", "aclass_quote"), "currency"),
    "lot": "unit",
    **dict.fromkeys(("cost_decimals", "pair_decimals", "lot_decimals"), 8),
    "lot_multiplier": 1,
    "leverage_buy": [],
    "leverage_sell": [],
    "fees": [[0, 0.40]],
    "fees_maker": [[0, 0.25]],
    "fee_volume_currency": "ZUSD",
    "margin_call": 80,
    "margin_stop": 40,
    "ordermin": "0.00000001",
    "costmin": "0.5",
    "tick_size": "0.00000001",
}


class Kraken(Dialect):
    """What api.kraken.com answers."""

    name = "kraken"

    def __init__(self, market: Market, weight_limit: int | None = None) -> None:
        super().__init__(market)
        self.window = WeightWindow(weight_limit or REQUESTS_A_MINUTE)
        self._symbols = {name: symbol for symbol in market.candles.symbols for name in _pair_names(symbol)}

    def read(self, request: Request) -> Asked:
        """See `Dialect`."""
        symbol = self._symbols.get(request.params.get("pair", ""))
        return Asked(PATHS.get(request.path, Endpoint.OTHER), symbol, 1, request)

    def answer(self, asked: Asked, faults: Sequence[Fault]) -> Answer:
        """See `Dialect`."""
        now_s = self.told_ms() // 1000
        match asked.endpoint:
            case Endpoint.PING:
                return _result({"status": "online", "timestamp": str(self.market.clock.now())})
            case Endpoint.TIME:
                return _result({"unixtime": now_s, "rfc1123": ""})
            case Endpoint.MARKETS:
                return _result(self._assets() if asked.request.path.endswith("Assets") else self._pairs())
            case Endpoint.CANDLES:
                return self._ohlc(asked, faults)
            case Endpoint.TICKERS:
                return self._tickers(asked)
        return _error("EGeneral:Unknown method")

    def refuse(self, reason: Refusal, retry_after_s: int) -> Answer:
        """See `Dialect`; Kraken never says how long to wait."""
        match reason:
            case Refusal.RATE_LIMITED:
                return _error("EGeneral:Too many requests")
            case Refusal.BANNED:
                return _error("EGeneral:Temporary lockout")
            case Refusal.UNAVAILABLE:
                return _error("EService:Unavailable")
            case Refusal.UNKNOWN_SYMBOL:
                return _error("EQuery:Unknown asset pair")

    def _assets(self) -> dict[str, Any]:
        ids = dict.fromkeys(_asset_id(name) for symbol in self.market.symbols for name in symbol.split("/"))
        common = {"aclass": "currency", "decimals": 8, "display_decimals": 5, "status": "enabled"}
        return {asset: {"altname": _altname(asset), **common} for asset in ids}

    def _pairs(self) -> dict[str, Any]:
        return {_pair_names(symbol)[0]: self._pair(symbol) for symbol in self.market.symbols}

    def _pair(self, symbol: str) -> dict[str, Any]:
        base, quote = map(_asset_id, symbol.split("/"))
        status = "cancel_only" if symbol in self.market.halted_ms else "online"
        names = {"altname": _pair_names(symbol)[1], "wsname": f"{_altname(base)}/{_altname(quote)}"}
        return {**names, "base": base, "quote": quote, "status": status, **PAIR}

    def _ohlc(self, asked: Asked, faults: Sequence[Fault]) -> Answer:
        params = asked.request.params
        if asked.symbol not in self.market.symbols:
            return self.refuse(Refusal.UNKNOWN_SYMBOL, 0)
        timeframe = INTERVALS.get(params.get("interval", "1"))
        since = params.get("since")
        if timeframe is None or not (since is None or since.removeprefix("-").isdecimal()):
            return _error("EGeneral:Invalid arguments")
        now_ms = self.market.clock.now_ms()
        query = Query(
            symbol=str(asked.symbol),
            timeframe=timeframe,
            limit=MOST_ROWS,
            now_ms=now_ms,
            end_ms=now_ms,
            newer_than_ms=None if since is None else int(since) * 1000,
        )
        rows = self.market.page(query, faults)
        committed = [row[0] for row in rows if row[0] + bar_ms(timeframe) <= now_ms]
        pair, last = _pair_names(query.symbol)[0], max(committed, default=0) // 1000
        listed = ",".join(map(_ohlc_row, rows))
        return Answer(f'{{"error":[],"result":{{"{pair}":[{listed}],"last":{last}}}}}'.encode())

    def _tickers(self, asked: Asked) -> Answer:
        names = asked.request.params.get("pair")
        wanted = self.market.symbols if names is None else [self._symbols.get(name) for name in names.split(",")]
        if not set(wanted) <= set(self.market.symbols):
            return self.refuse(Refusal.UNKNOWN_SYMBOL, 0)
        symbols = map(str, wanted)
        return _result({_pair_names(symbol)[0]: _ticker(self.market.last_day(symbol)) for symbol in symbols})


def _asset_id(asset: str) -> str:
    """Kraken's id of an asset that ccxt knows by its common name."""
    name = OTHER_NAMES.get(asset, asset)
    return f"X{name}" if name in OLDEST_COINS else f"Z{name}" if name in CURRENCIES else name


def _altname(asset_id: str) -> str:
    return asset_id[1:] if asset_id[1:] in OLDEST_COINS | CURRENCIES else asset_id


def _pair_names(symbol: str) -> tuple[str, str]:
    """Id and alternative name of a pair; they differ only where both assets have a class letter."""
    base, quote = map(_asset_id, symbol.split("/"))
    altname = _altname(base) + _altname(quote)
    return (base + quote if base != _altname(base) and quote != _altname(quote) else altname), altname


def _result(content: object) -> Answer:
    return Answer(json.dumps({"error": [], "result": content}).encode())


def _error(message: str) -> Answer:
    return Answer(json.dumps({"error": [message]}).encode())


def _ohlc_row(row: Row) -> str:
    """A row as it is sent; quickly, if no fault has been there."""
    opened, first, high, low, close, volume = row
    if is_plain(row):
        average = (first + high + low + close) / 4.0 if volume else 0.0
        return OHLC % (opened // 1000, first, high, low, close, average, volume, int(volume) + 1)
    *prices, amount = map(as_sent, row[VALUES])
    return json.dumps([opened // 1000, *prices, "0.0", amount, 0])


def _ticker(rows: list[Row]) -> dict[str, Any]:
    """Of today and of the last 24 hours, which are the same here; all zero without candles."""
    day = rows or [[0, 0.0, 0.0, 0.0, 0.0, 0.0]]
    volume, amount = sum(row[5] for row in day), sum(row[5] * row[4] for row in day)
    last, average = as_sent(day[-1][4]), as_sent(amount / volume if volume else 0.0)
    return {
        "a": [last, "1", "1.000"],
        "b": [last, "1", "1.000"],
        "c": [last, "1.00000000"],
        "v": [as_sent(volume)] * 2,
        "p": [average] * 2,
        "t": [len(rows)] * 2,
        "l": [as_sent(min(row[3] for row in day))] * 2,
        "h": [as_sent(max(row[2] for row in day))] * 2,
        "o": as_sent(day[0][1]),
    }
