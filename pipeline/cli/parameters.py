"""What people type after a command: instants, days, exchanges, symbols and timeframes, read the same way everywhere."""

import calendar
import re
from datetime import date, datetime
from typing import Any

import click

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe, parse_instant, parse_timeframe
from pipeline.domain.universe import EXCHANGE_PATTERN, parse_symbol

EVERY_EXCHANGE = "all"  # instead of the name of one
FEBRUARY = 2
FIRST_YEAR, LAST_YEAR = 1970, 9998  # further off, a window has no day before or after it
WRITTEN_DAY = re.compile(r"\s*(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)\s*")


class InstantType(click.ParamType[Any]):
    """An instant; see `parse_instant`."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The aware instant that ``value`` means."""
        if isinstance(value, datetime):
            return value
        try:
            return parse_instant(value)
        except DataContractError as error:
            self.fail(f"{error}{_no_such_day(value)}", param, ctx)


class DayType(click.ParamType[Any]):
    """A day of UTC, as its midnight without a zone; not `click.DateTime`, which does not say what is wrong."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The naive midnight that the day ``value`` begins with."""
        if isinstance(value, datetime):
            return value
        written = WRITTEN_DAY.fullmatch(value)
        if written is None or _no_such_day(value):
            self.fail(f"must be a day like 2024-06-30, was {value!r}{_no_such_day(value)}", param, ctx)
        return datetime.combine(date(*map(int, written.groups())), datetime.min.time())


def _no_such_day(text: str) -> str:
    """What is wrong with the day that ``text`` begins with, to be said behind it; nothing if all is right."""
    written = WRITTEN_DAY.match(text)
    if written is None:
        return ""
    year, month, day = map(int, written.groups())
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return f": years go from {FIRST_YEAR} to {LAST_YEAR}"
    if not 1 <= month <= 12:
        return f": there is no month {month}"
    n_days = calendar.monthrange(year, month)[1]
    name = f"{calendar.month_name[month]} {year}" if month == FEBRUARY else calendar.month_name[month]
    return "" if 1 <= day <= n_days else f": {name} has {n_days} days"


class ExchangeType(click.ParamType[Any]):
    """An exchange as ccxt writes it: ``binance``."""

    name = "exchange"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The exchange, as it was typed."""
        if not re.fullmatch(EXCHANGE_PATTERN, value):
            self.fail(f"must be lower case like binance, was {value!r}", param, ctx)
        return str(value)


class SymbolType(click.ParamType[Any]):
    """A symbol in any usual spelling: ``BTC/USDT``, ``BTCUSDT``, ``btc_usdt``."""

    name = "symbol"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The symbol as ccxt writes it."""
        try:
            return parse_symbol(value)
        except DataContractError as error:
            self.fail(str(error), param, ctx)


class TimeframeType(click.ParamType[Any]):
    """A timeframe such as ``1h``."""

    name = "timeframe"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Timeframe:
        """The timeframe."""
        try:
            return parse_timeframe(value)
        except DataContractError as error:
            self.fail(str(error), param, ctx)


INSTANT = InstantType()
DAY = DayType()
EXCHANGE = ExchangeType()
SYMBOL = SymbolType()
TIMEFRAME = TimeframeType()
