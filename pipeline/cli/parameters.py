"""What people type after a command: instants, symbols and timeframes, read the same way everywhere."""

from datetime import datetime
from typing import Any

import click

from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe, parse_instant, parse_timeframe
from pipeline.domain.universe import parse_symbol


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
            self.fail(str(error), param, ctx)


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
SYMBOL = SymbolType()
TIMEFRAME = TimeframeType()
