"""How hand-worked outcomes are written down: hours from the signal's close, prices around 100, a fee of 1 %.

A case is data, so that any implementation can be asked for it. The bar that the signal was made from reaches every
stop and every target in all of them: whoever looks at it is wrong everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.slow_outcomes import BUY, SELL, Advice, Bar, Costs, Entry, Lower, Outcome

CLOSE_AT = datetime(2024, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
FEE = Costs(fee=0.01, slippage=0.0)
SLIPPAGE = Costs(fee=0.0, slippage=0.25)

A_BUY = Advice(BUY, CLOSE_AT, 100.0, 90.0, (110.0, 120.0, 130.0))
A_SELL = Advice(SELL, CLOSE_AT, 100.0, 110.0, (90.0, 80.0, 70.0))

Prices = tuple[float, float, float, float]  # open, high, low, close


@dataclass(frozen=True)
class Filled:
    """A bar that was made up: nobody traded, the price is said to be ``price``."""

    price: float


MISSING = None
Slot = Prices | Filled | None


@dataclass(frozen=True)
class Case:
    """An advice, the candles that are stored, and what is to come of it (None: it waits)."""

    name: str
    advice: Advice
    bars: dict[datetime, Bar]
    expected: Outcome | None
    horizon_bars: int
    duration: timedelta = HOUR
    costs: Costs = FEE
    entry: Entry = "next_open"
    as_of: datetime = CLOSE_AT + 100 * HOUR
    delisted_at: datetime | None = None
    lower: Lower = field(default=())


def at(hours: float) -> datetime:
    """So many hours after the signal's close."""
    return CLOSE_AT + hours * HOUR


def candles(slots: Sequence[Slot], length: timedelta = HOUR, start: datetime = CLOSE_AT) -> dict[datetime, Bar]:
    """Candles one after the other from ``start`` on, without those that are missing."""
    stored = {}
    for number, slot in enumerate(slots):
        open_at = start + number * length
        if isinstance(slot, Filled):
            prices = (slot.price,) * 4
        elif slot is not None:
            prices = slot
        else:
            continue
        stored[open_at] = Bar(open_at, open_at + length, *prices, is_filled=isinstance(slot, Filled))
    return stored


def bars(*slots: Slot) -> dict[datetime, Bar]:
    """The signal's own bar, which reaches everything, and bar 1, 2 and so on."""
    return candles([(100.0, 500.0, 1.0, 100.0), *slots], start=CLOSE_AT - HOUR)


def minutes(length: int, *slots: Slot, bar: int = 1) -> tuple[timedelta, dict[datetime, Bar]]:
    """Candles of a shorter timeframe from the open of a bar on."""
    each = timedelta(minutes=length)
    return each, candles(slots, each, at(bar - 1))


def left(
    reason: str,
    price: float,
    *,
    held: int,
    exit_at: float,
    resolved_at: float,
    mfe: float,
    mae: float,
    entry: float = 100.0,
    is_ambiguous: bool = False,
) -> dict[str, Any]:
    """How the position was left, and what it went through; instants in hours."""
    prices = {"entry_price": entry, "exit_price": price, "mfe": mfe, "mae": mae}
    instants = {"entry_at": CLOSE_AT, "exit_at": at(exit_at), "resolved_at": at(resolved_at)}
    return prices | instants | {"exit_reason": reason, "bars_held": held, "is_ambiguous": is_ambiguous}


def brought(
    *, gross: float, net: float, ladder: float, long: float, reached: int = 0, r: float | None = None
) -> dict[str, Any]:
    """What it brought; the planned risk is 10 of 100, so that R is ten times the net return, unless ``r`` is given."""
    returns = {"gross_return": gross, "net_return": net, "ladder_return": ladder, "long_return": long}
    return returns | {"targets_reached": reached, "r_multiple": 10 * net if r is None else r}


def told(*parts: dict[str, Any]) -> Outcome:
    """An outcome of what was ``left`` and ``brought``."""
    return Outcome(**{name: value for part in parts for name, value in part.items()})


def no_entry(resolved_at: float) -> Outcome:
    """Nobody could enter."""
    return Outcome(
        entry_at=None,
        entry_price=None,
        exit_at=None,
        exit_price=None,
        exit_reason="no_entry",
        bars_held=0,
        resolved_at=at(resolved_at),
        gross_return=None,
        net_return=None,
        r_multiple=None,
        mfe=None,
        mae=None,
        ladder_return=None,
        targets_reached=0,
        long_return=None,
        is_ambiguous=False,
    )
