"""`signals execute` and `signals invalidate`: what people did with a signal, or think of it."""

import math
import re
from datetime import datetime
from typing import Any

import click
import sqlalchemy as sa
from sqlalchemy import RowMapping

from pipeline.cli.display import instant, price
from pipeline.cli.parameters import INSTANT
from pipeline.cli.session import open_database
from pipeline.domain.status import SignalStatus
from pipeline.json_values import json_text
from pipeline.settings import load_settings
from pipeline.storage.queries import UUID_DIGITS, detail, find_signal
from pipeline.storage.transitions import transition

ACTOR = "cli"
LEAST_DIGITS = 4  # of an id; fewer are more likely a mistake than a signal


class SignalIdType(click.ParamType[Any]):
    """A signal's id, or its beginning as `signals list` shows it."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Its hexadecimal digits, without dashes."""
        digits = str(value).strip().replace("-", "").lower()
        if not re.fullmatch(rf"[0-9a-f]{{{LEAST_DIGITS},{UUID_DIGITS}}}", digits):
            self.fail(
                f"must be a signal's id or {LEAST_DIGITS} of its first digits at least, was {value!r}", param, ctx
            )
        return digits


class PriceType(click.ParamType[Any]):
    """A price: a finite number above 0."""

    name = "price"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number."""
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 < number < math.inf:
            self.fail(f"must be a finite number above 0, was {value!r}", param, ctx)
        return number


class ReasonType(click.ParamType[Any]):
    """Words that are kept."""

    name = "reason"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The words."""
        if not str(value).strip():
            self.fail("must say why, was empty", param, ctx)
        return str(value)


SIGNAL_ID = SignalIdType()
json_option = click.option("--json", "as_json", is_flag=True, help="Print the signal as JSON.")


@click.command("execute")
@click.argument("beginning", type=SIGNAL_ID, metavar="ID")
@click.option("--price", "paid", type=PriceType(), required=True, help="At which price, in the quote currency.")
@click.option("--at", type=INSTANT, help="When; now by default. From the signal's close to before its expiry.")
@json_option
def execute_command(beginning: str, paid: float, at: datetime | None, as_json: bool) -> None:
    """Say that a signal was executed, and at which price.

    ID is the signal's id or its beginning, as `signals list` shows it. To say the same again changes nothing; what was
    executed otherwise, has expired or was taken back stays so, and so does an ALERT, which is no trade.

    \b
    Examples:
      signals execute 6f1b7c1e --price 64250.5
      signals execute 6f1b7c1e --price 64250.5 --at 2024-06-01T12:04
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        number = find_signal(conn, beginning)["id"]
        before = transition(conn, number, SignalStatus.EXECUTED, actor=ACTOR, at=at, price=paid)
        _tell(conn, beginning, before, as_json)


@click.command("invalidate")
@click.argument("beginning", type=SIGNAL_ID, metavar="ID")
@click.option("--reason", type=ReasonType(), required=True, help="Why; it is kept with the signal.")
@json_option
def invalidate_command(beginning: str, reason: str, as_json: bool) -> None:
    """Take an active signal back, for a reason.

    ID is the signal's id or its beginning, as `signals list` shows it. It is for good: what has ended stays so, and to
    say it again is an error that tells what the signal is.

    \b
    Example:
      signals invalidate 6f1b7c1e --reason "the exchange halts trading at noon"
    """
    with open_database(load_settings()) as database, database.begin() as conn:
        number = find_signal(conn, beginning)["id"]
        before = transition(conn, number, SignalStatus.INVALIDATED, actor=ACTOR, reason=reason)
        _tell(conn, beginning, before, as_json)


def _tell(conn: sa.Connection, beginning: str, before: SignalStatus | None, as_json: bool) -> None:
    """What the signal is now, and whether that is new."""
    signal = find_signal(conn, beginning)
    if as_json:
        click.echo(json_text(detail(signal)))
        return
    known = ", as was known" if before == signal["status"] else ""
    click.echo(
        f"{signal['status']}: {signal['signal_type']} {signal['symbol']} {signal['timeframe']} of "
        f"{instant(signal['created_at'])} by {signal['strategy']}, id {signal['id']}{known}"
    )
    click.echo(_execution(signal) if signal["status"] == SignalStatus.EXECUTED else f"because: {signal['end_reason']}")


def _execution(signal: RowMapping) -> str:
    """When and at which price, and what that brought."""
    done = f"at {price(signal['execution_price'])}, {instant(signal['executed_at'])}"
    if signal["profit_loss"] is None:
        return f"{done}; without an entry price there is no profit or loss"
    return f"{done}; profit or loss {signal['profit_loss']:+.2%} against the entry of {price(signal['entry_price'])}"
