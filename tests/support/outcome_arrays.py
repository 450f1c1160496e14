"""One advice and its bars asked of the arrays, as `slow_outcomes.outcome` is asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT, Block
from pipeline.domain.timeframe import Timeframe
from pipeline.outcomes import following
from pipeline.outcomes.paths import Market, ShorterBars, naive
from pipeline.outcomes.rules import Entry, OutcomeRules
from pipeline.outcomes.walk import Bars
from tests.support.slow_outcomes import Advice, Bar, Costs, Lower, Outcome

FIELDS = ("open", "high", "low", "close", "is_filled")


def block(bars: Mapping[datetime, Bar], opens: pd.DatetimeIndex) -> Block:
    """The bars of one symbol on a grid; NaN where there is none."""
    values = {
        name: [float(getattr(bars[at], name)) if at in bars else np.nan for at in opens.to_pydatetime()]
        for name in FIELDS
    }
    return {name: pd.DataFrame({"BTC/USDT": column}, index=opens) for name, column in values.items()}


def shorter_bars(
    lower: Lower, places: Sequence[int], rows: Sequence[int], opens: Sequence[datetime], duration: timedelta
) -> list[ShorterBars]:
    """The candles of shorter timeframes in the bars that are complete in them."""
    found = []
    for length, candles in sorted(lower, key=lambda each: each[0]):
        if length >= duration or duration % length:
            continue
        count = duration // length
        at, kept = {}, []
        for place, row, open_at in zip(places, rows, opens, strict=True):
            wanted = [open_at + n * length for n in range(count)]
            if all(each in candles for each in wanted):
                at[place, row] = len(kept)
                kept.append([[float(getattr(candles[each], name)) for name in FIELDS] for each in wanted])
        if kept:
            cube = np.array(kept)
            opened, high, low, close, filled = (cube[:, :, n] for n in range(len(FIELDS)))
            found.append(ShorterBars(np.timedelta64(length), at, Bars(opened, high, low, close, filled == 0.0)))
    return found


def outcome(
    advice: Advice,
    horizon_bars: int,
    bars: Mapping[datetime, Bar],
    duration: timedelta,
    costs: Costs,
    *,
    entry: str,
    as_of: datetime,
    delisted_at: datetime | None = None,
    lower: Lower = (),
) -> Outcome | None:
    """What the arrays say of one advice; None while it waits."""
    timeframe = next(each for each in Timeframe if each.duration == duration)
    known = {at: bar for at, bar in bars.items() if bar.close_at <= as_of}
    last = max([advice.close_at, *known])
    opens = pd.date_range(advice.close_at, last, freq=duration).as_unit(TIME_UNIT)
    market = Market.of(block(known, opens), timeframe, horizon_bars)
    followed = following.Advice(
        place=np.array([0]),
        close_at=np.array([naive(advice.close_at)]),
        side=np.array([advice.side]),
        entry=np.array([advice.entry_price]),
        stop=np.array([advice.stop]),
        targets=np.array([advice.targets]),
    )
    rules = OutcomeRules(entry=Entry(entry), fee=costs.fee, slippage=costs.slippage)
    horizon = np.array([horizon_bars])
    is_delisted = delisted_at is not None and delisted_at <= as_of
    asked, rows = following.ambiguous_bars(market, followed, horizon, rules)
    instants = [open_at.replace(tzinfo=advice.close_at.tzinfo) for open_at in market.open_at(rows).tolist()]
    found = following.follow(
        market,
        followed,
        {"expiry": horizon},
        rules,
        delisted_at=np.array([naive(delisted_at) if is_delisted else "NaT"], dtype=f"datetime64[{TIME_UNIT}]"),
        shorter=shorter_bars(lower, asked.tolist(), rows.tolist(), instants, duration),
    )
    if found.empty:
        return None
    row = found.iloc[0].drop(["path", "horizon"]).to_dict()
    return Outcome(**{name: _plain(value) for name, value in row.items()})


def _plain(value: object) -> object:
    """A value of a frame as plain Python has it."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if isinstance(value, np.generic) else value
