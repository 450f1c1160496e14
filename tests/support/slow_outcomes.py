"""Outcomes once more, one bar after the other, as docs/outcomes.md tells them: what the fast way is held against.

Nothing here is shared with the pipeline, and nothing is clever: what is needed twice is worked out twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

BUY, SELL = 1, -1
Entry = Literal["next_open", "signal_close"]
Lower = Sequence[tuple[timedelta, Mapping[datetime, "Bar"]]]


@dataclass(frozen=True)
class Bar:
    """A stored candle. One that was filled up is stored, but nobody traded in it."""

    open_at: datetime
    close_at: datetime
    open: float
    high: float
    low: float
    close: float
    is_filled: bool = False


@dataclass(frozen=True)
class Advice:
    """What a signal said at the close of its bar."""

    side: int  # BUY or SELL
    close_at: datetime
    entry_price: float
    stop: float
    targets: tuple[float, float, float]


@dataclass(frozen=True)
class Costs:
    """Shares of what is traded: 0.001 are 10 hundredths of a per cent."""

    fee: float
    slippage: float


@dataclass(frozen=True)
class Outcome:
    """A row of ``signal_outcomes``; without an entry there is no price, no exit and no return."""

    entry_at: datetime | None
    entry_price: float | None
    exit_at: datetime | None
    exit_price: float | None
    exit_reason: str
    bars_held: int
    resolved_at: datetime
    gross_return: float | None
    net_return: float | None
    r_multiple: float | None
    mfe: float | None
    mae: float | None
    ladder_return: float | None
    targets_reached: int
    long_return: float | None
    is_ambiguous: bool


@dataclass(frozen=True)
class Exit:
    """How a position with one stop and one target was left, and the prices that it met until then."""

    reason: str
    at: datetime
    price: float
    bars_held: int
    met: tuple[float, ...]
    is_ambiguous: bool = False


def outcome(
    advice: Advice,
    horizon_bars: int,
    bars: Mapping[datetime, Bar],
    duration: timedelta,
    costs: Costs,
    *,
    entry: Entry = "next_open",
    as_of: datetime,
    delisted_at: datetime | None = None,
    lower: Lower = (),
) -> Outcome | None:
    """What following ``advice`` for ``horizon_bars`` brought, as far as it is known at ``as_of``; None while it waits.

    ``bars`` are the candles of the advice's own series by their open, ``lower`` those of shorter timeframes, in any
    order: they are looked at within bars that have closed by ``as_of``, and so have closed as well. ``delisted_at`` is
    the instant at which the delisting was noticed.
    """
    if horizon_bars < 1:
        raise ValueError(f"horizon_bars must be 1 or more, was {horizon_bars}")
    stored = {at: bar for at, bar in bars.items() if bar.close_at <= as_of}
    is_delisted = delisted_at is not None and delisted_at <= as_of
    opens = [advice.close_at + number * duration for number in range(horizon_bars)]

    resolved_at = _resolved_at(stored, opens[-1], delisted_at if is_delisted else None)
    if resolved_at is None:
        return None

    if entry == "signal_close":
        entry_price = advice.entry_price
    else:
        first = stored.get(opens[0])
        if first is None or first.is_filled:
            return _no_entry(resolved_at)
        entry_price = first.open

    exits = [_walk(advice, target, entry_price, opens, stored, lower, duration, entry) for target in advice.targets]
    nets = [_net_return(advice.side, entry_price, each, costs) for each in exits]
    headline, net = exits[0], nets[0]
    moves = [advice.side * (price / entry_price - 1) for price in headline.met]
    return Outcome(
        entry_at=advice.close_at,
        entry_price=entry_price,
        exit_at=headline.at,
        exit_price=headline.price,
        exit_reason=headline.reason,
        bars_held=headline.bars_held,
        resolved_at=resolved_at,
        gross_return=advice.side * (headline.price / entry_price - 1),
        net_return=net,
        r_multiple=net / (abs(advice.entry_price - advice.stop) / advice.entry_price),
        mfe=max([0.0, *moves]),
        mae=min([0.0, *moves]),
        ladder_return=sum(nets) / 3,
        targets_reached=sum(each.reason in ("target", "target_gap") for each in exits),
        long_return=_long_return(entry_price, opens, stored, costs),
        is_ambiguous=headline.is_ambiguous,
    )


def _resolved_at(stored: Mapping[datetime, Bar], last_open: datetime, delisted_at: datetime | None) -> datetime | None:
    """From when on everything is known, or None where it is not."""
    if last_open in stored:
        return stored[last_open].close_at
    later = [bar for bar in stored.values() if bar.open_at > last_open]
    if later:
        return min(later, key=lambda bar: bar.open_at).close_at
    if delisted_at is None:
        return None
    return max([delisted_at, *(bar.close_at for bar in stored.values())])


def _no_entry(resolved_at: datetime) -> Outcome:
    return Outcome(
        entry_at=None,
        entry_price=None,
        exit_at=None,
        exit_price=None,
        exit_reason="no_entry",
        bars_held=0,
        resolved_at=resolved_at,
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


def _walk(
    advice: Advice,
    target: float,
    entry_price: float,
    opens: Sequence[datetime],
    stored: Mapping[datetime, Bar],
    lower: Lower,
    duration: timedelta,
    entry: Entry,
) -> Exit:
    """Hold from bar 1 on, until the stop, the target or the end."""
    side, stop = advice.side, advice.stop
    met: list[float] = []
    last_traded_at, last_traded_close, last_traded_number = advice.close_at, entry_price, 0

    for number, open_at in enumerate(opens, start=1):
        bar = stored.get(open_at)
        if bar is None or bar.is_filled:
            continue

        opens_beyond_stop = _is_stopped(side, bar.open, stop)
        opens_beyond_target = _is_at_target(side, bar.open, target)
        if number == 1 and entry == "next_open":
            if opens_beyond_stop or opens_beyond_target:
                return Exit("entry_gap", bar.open_at, bar.open, 0, (*met, bar.open))
        elif opens_beyond_stop:
            return Exit("stop_gap", bar.open_at, bar.open, number - 1, (*met, bar.open))
        elif opens_beyond_target:
            return Exit("target_gap", bar.open_at, bar.open, number - 1, (*met, bar.open))

        reaches_stop = _is_stopped(side, _worst(side, bar), stop)
        reaches_target = _is_at_target(side, _best(side, bar), target)
        candles = _whole_bar_of_shortest(bar, lower, duration) if reaches_stop and reaches_target else None
        if candles is not None:
            left = _walk_through_candles(side, stop, target, candles, number, list(met))
            if left is not None:
                return left
        if reaches_stop:
            return Exit("stop", bar.close_at, stop, number, (*met, stop), is_ambiguous=reaches_target)
        elif reaches_target:
            return Exit("target", bar.close_at, target, number, (*met, target, _worst(side, bar)))
        else:
            met += [bar.high, bar.low]
        last_traded_at, last_traded_close, last_traded_number = bar.close_at, bar.close, number

    if last_traded_number == len(opens):
        reason = "horizon"
    elif all(bar.close_at < opens[-1] + duration for bar in stored.values()):  # of others one waits for more
        reason = "delisted"
    else:
        reason = "no_trade"
    return Exit(reason, last_traded_at, last_traded_close, last_traded_number, tuple(met))


def _walk_through_candles(
    side: int, stop: float, target: float, candles: Sequence[Bar], number: int, met: list[float]
) -> Exit | None:
    """Walk through the candles that a bar of both consists of; None if they contradict it and reach neither.

    The exit's bar is one of them, but it is still in bar ``number`` of the series, and after that bar's open.
    """
    is_first = True
    for candle in candles:
        if candle.is_filled:
            continue
        if not is_first and _is_stopped(side, candle.open, stop):
            return Exit("stop_gap", candle.open_at, candle.open, number, (*met, candle.open))
        if not is_first and _is_at_target(side, candle.open, target):
            return Exit("target_gap", candle.open_at, candle.open, number, (*met, candle.open))
        is_first = False

        reaches_stop = _is_stopped(side, _worst(side, candle), stop)
        reaches_target = _is_at_target(side, _best(side, candle), target)
        if reaches_stop:
            return Exit("stop", candle.close_at, stop, number, (*met, stop), is_ambiguous=reaches_target)
        if reaches_target:
            return Exit("target", candle.close_at, target, number, (*met, target, _worst(side, candle)))
        met += [candle.high, candle.low]
    return None


def _whole_bar_of_shortest(bar: Bar, lower: Lower, duration: timedelta) -> list[Bar] | None:
    """Candles of the shortest timeframe that has all of ``bar``, in the order of time; None where none has."""
    for length, candles in sorted(lower, key=lambda each: each[0]):
        if length >= duration or duration % length:
            continue
        wanted = [bar.open_at + number * length for number in range(duration // length)]
        if all(open_at in candles for open_at in wanted):
            return [candles[open_at] for open_at in wanted]
    return None


def _is_stopped(side: int, price: float, stop: float) -> bool:
    return price <= stop if side == BUY else price >= stop


def _is_at_target(side: int, price: float, target: float) -> bool:
    return price >= target if side == BUY else price <= target


def _best(side: int, bar: Bar) -> float:
    return bar.high if side == BUY else bar.low


def _worst(side: int, bar: Bar) -> float:
    return bar.low if side == BUY else bar.high


def _bought(price: float, costs: Costs) -> float:
    return price * (1 + costs.slippage)


def _sold(price: float, costs: Costs) -> float:
    return price * (1 - costs.slippage)


def _net_return(side: int, entry_price: float, left: Exit, costs: Costs) -> float:
    """Slippage at the entry, and at an exit that is no target; fees at both."""
    is_limit_order = left.reason in ("target", "target_gap")
    if side == BUY:
        e = _bought(entry_price, costs)
        x = left.price if is_limit_order else _sold(left.price, costs)
        return (x / e - 1) - costs.fee * (1 + x / e)
    e = _sold(entry_price, costs)
    x = left.price if is_limit_order else _bought(left.price, costs)
    return -(x / e - 1) - costs.fee * (1 + x / e)


def _long_return(entry_price: float, opens: Sequence[datetime], stored: Mapping[datetime, Bar], costs: Costs) -> float:
    """A purchase, whatever the advice's side, until the last close of the horizon at which somebody traded."""
    closes = [stored[at].close for at in opens if at in stored and not stored[at].is_filled]
    e = _bought(entry_price, costs)
    x = _sold(closes[-1] if closes else entry_price, costs)
    return (x / e - 1) - costs.fee * (1 + x / e)
