"""Follow many advices to their ends: from bars to outcomes, for each of several horizons.

The rules stand on docs/outcomes.md; this is their arithmetic on arrays of shape (n_advices,).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.outcomes.paths import Advice, Instants, Market, ShorterBars, turned
from pipeline.outcomes.rules import AT_LIMIT, Entry, ExitReason, OutcomeRules
from pipeline.outcomes.walk import CODES, REASONS, Bars, Flags, Floats, Hit, Whole, extremes, first_hit

GAPS = tuple(CODES[reason] for reason in (ExitReason.STOP_GAP, ExitReason.TARGET_GAP, ExitReason.ENTRY_GAP))
LIMITS = tuple(CODES[reason] for reason in AT_LIMIT)
NUMBERS = ("gross_return", "net_return", "r_multiple", "mfe", "mae", "ladder_return", "long_return")
PRICES = ("entry_price", "exit_price")
INSTANTS = ("entry_at", "exit_at", "resolved_at")
COLUMNS = (
    *("path", "horizon", "entry_at", "entry_price", "exit_at", "exit_price", "exit_reason", "bars_held"),
    *("resolved_at", *NUMBERS, "targets_reached", "is_ambiguous"),
)


@dataclass(frozen=True, slots=True)
class _Inside:
    """What shorter bars told of the bars of hits; arrays of shape (n,)."""

    is_told: Flags
    exit_after: Instants  # time from the bar's open to the exit
    best: Floats  # extremes of the shorter bars up to the exit
    worst: Floats


@dataclass(frozen=True, slots=True)
class _Held:
    """Positions along their paths, all turned to BUY; hits are of the three targets."""

    advice: Advice
    market: Market
    rules: OutcomeRules
    first_row: Whole
    bars: Bars
    entry: Floats
    has_entry: Flags
    hits: Sequence[Hit]
    inside: _Inside  # of the first target's hits
    last_traded: Whole  # per path and bar the newest bar up to it that was traded, -1 for none


def ambiguous_bars(market: Market, advice: Advice, horizon: Whole, rules: OutcomeRules) -> tuple[Whole, Whole]:
    """Places and rows of the bars that reach both barriers of an advice: what shorter candles may decide."""
    held = _held(market, advice, horizon, rules, ())
    rows = [
        np.column_stack([advice.place, held.first_row + hit.bar])[hit.is_both & (hit.bar < horizon)]
        for hit in held.hits
    ]
    both = np.unique(np.concatenate(rows), axis=0)
    return both[:, 0], both[:, 1]


def follow(
    market: Market,
    advice: Advice,
    horizons: Mapping[str, Whole],
    rules: OutcomeRules,
    *,
    delisted_at: Instants,
    shorter: Sequence[ShorterBars] = (),
) -> pd.DataFrame:
    """The outcomes of those advices whose horizon is over; no row for the others, which wait.

    Parameters
    ----------
    market : Market
        The candles that are known, from the earliest bar 1 on.
    horizons : name -> array of shape (n,)
        Bars until the end, 1 or more; no longer than ``market`` allows for.
    delisted_at : array of shape (n_symbols,)
        When each symbol's delisting was noticed, NaT while it is traded.
    shorter : sequence of ShorterBars
        Candles of shorter timeframes, those of the shortest first.

    Returns
    -------
    DataFrame with `COLUMNS`
        ``path`` is the advice's position; horizon by horizon, in the order of the advices. NaN and NaT where nothing
        was entered (`no_entry`).
    """
    longest = np.max(np.stack(list(horizons.values())), axis=0)
    held = _held(market, advice, longest, rules, shorter)
    frames = [_ended(held, name, horizon, delisted_at[advice.place]) for name, horizon in horizons.items()]
    return pd.concat(frames, ignore_index=True)


def _held(market: Market, advice: Advice, longest: Whole, rules: OutcomeRules, shorter: Sequence[ShorterBars]) -> _Held:
    first_row = market.rows_of(advice.close_at)
    steps = np.arange(int(longest.max(initial=1)))
    bars = market.bars(first_row[:, np.newaxis] + steps, advice.place, advice.side)
    is_at_open = rules.entry is Entry.NEXT_OPEN
    hits, insides = [], []
    for target in range(advice.targets.shape[1]):
        barriers = advice.side * advice.stop, advice.side * advice.targets[:, target]
        hit, inside = _decided(first_hit(bars, *barriers), advice, market, first_row, barriers, shorter)
        if is_at_open:
            is_gap = (hit.bar == 0) & np.isin(hit.code, GAPS) & ~inside.is_told
            hit = replace(hit, code=np.where(is_gap, CODES[ExitReason.ENTRY_GAP], hit.code))
        hits.append(hit)
        insides.append(inside)
    return _Held(
        advice,
        market,
        rules,
        first_row,
        bars,
        entry=bars.open[:, 0] if is_at_open else advice.side * advice.entry,
        has_entry=bars.is_traded[:, 0] if is_at_open else np.ones(len(advice), dtype=bool),
        hits=hits,
        inside=insides[0],
        last_traded=np.maximum.accumulate(np.where(bars.is_traded, steps, -1), axis=1),
    )


def _decided(
    hit: Hit,
    advice: Advice,
    market: Market,
    first_row: Whole,
    barriers: tuple[Floats, Floats],
    shorter: Sequence[ShorterBars],
) -> tuple[Hit, _Inside]:
    """Let shorter bars say which barrier came first where one bar reaches both."""
    code, price, is_both = hit.code.copy(), hit.price.copy(), hit.is_both.copy()
    inside = _Inside(
        np.zeros(len(code), dtype=bool),
        np.full(len(code), market.duration),
        np.full(len(code), -np.inf),
        np.full(len(code), np.inf),
    )
    for finer in shorter:
        asked = np.nonzero(hit.is_both & ~inside.is_told)[0]
        found, rows = finer.within(advice.place[asked], first_row[asked] + hit.bar[asked])
        paths = asked[found]
        bars = turned(finer.bars.at(rows), advice.side[paths])
        # The open of the first that was traded is the bar's own, which has been asked.
        bars.open[np.arange(len(paths)), bars.is_traded.argmax(axis=1)] = np.nan
        inner = first_hit(bars, barriers[0][paths], barriers[1][paths])
        is_told = inner.is_hit
        told = paths[is_told]
        best, worst = extremes(bars, inner, is_told, np.full(len(paths), -1))
        is_gap = np.isin(inner.code, GAPS)
        code[told], price[told], is_both[told] = inner.code[is_told], inner.price[is_told], inner.is_both[is_told]
        inside.is_told[told] = True
        inside.best[told], inside.worst[told] = best[is_told], worst[is_told]
        inside.exit_after[told] = ((inner.bar + np.where(is_gap, 0, 1)) * finer.duration)[is_told]
    return Hit(hit.bar, code, price, is_both), inside


def _ended(held: _Held, name: str, horizon: Whole, delisted_at: Instants) -> pd.DataFrame:
    """The outcomes at one horizon."""
    advice, market = held.advice, held.market
    last_row = held.first_row + horizon - 1
    is_over = last_row <= market.newest[advice.place]
    is_delisted = ~is_over & ~np.isnat(delisted_at)
    done = np.nonzero(is_over | is_delisted)[0]
    newest_close = market.open_at(market.newest[advice.place]) + market.duration
    newest_close = np.where(market.newest[advice.place] < 0, delisted_at, newest_close)
    known_row = market.next_stored[np.minimum(last_row, len(market.next_stored) - 1), advice.place]
    resolved_at = np.where(is_over, market.open_at(known_row) + market.duration, np.maximum(delisted_at, newest_close))

    last = held.last_traded[np.arange(len(advice)), horizon - 1]
    final = np.where(last >= 0, held.bars.close[np.arange(len(advice)), np.maximum(last, 0)], held.entry)
    left = np.select(
        [is_delisted, last != horizon - 1],
        [CODES[ExitReason.DELISTED], CODES[ExitReason.NO_TRADE]],
        CODES[ExitReason.HORIZON],
    )
    exits = [_exit(hit, horizon, left, final) for hit in held.hits]
    nets = [_net(held, code, price) for code, price in exits]
    code, price = exits[0]
    is_out = held.hits[0].is_hit & (held.hits[0].bar < horizon)
    bar = np.where(is_out, held.hits[0].bar, last)
    inside = held.inside
    at_open = is_out & np.isin(code, GAPS) & ~inside.is_told
    mfe, mae = _excursions(held, is_out, last)
    turn = advice.side.astype(np.float64)
    exit_after = np.where(is_out & inside.is_told, inside.exit_after, np.where(at_open, 0, 1) * market.duration)
    exit_at = np.where(bar < 0, advice.close_at, market.open_at(held.first_row + bar) + exit_after)
    columns = {
        "path": np.arange(len(advice)),
        "entry_at": advice.close_at,
        "entry_price": held.entry * turn,
        "exit_at": exit_at,
        "exit_price": price * turn,
        "bars_held": bar + np.where(at_open, 0, 1),
        "resolved_at": resolved_at,
        "gross_return": turn * (price / held.entry - 1.0),
        "net_return": nets[0],
        "r_multiple": nets[0] * advice.entry / np.abs(advice.entry - advice.stop),
        "mfe": mfe,
        "mae": mae,
        "ladder_return": np.mean(nets, axis=0),
        "long_return": _cost_after(held.entry * turn, final * turn, np.ones(len(turn)), held.rules, True),
        "targets_reached": np.sum([np.isin(c, LIMITS) for c, _ in exits], axis=0),
        "is_ambiguous": is_out & held.hits[0].is_both,
    }
    frame = pd.DataFrame({column: values[done] for column, values in columns.items()})
    frame["exit_reason"] = np.array([str(reason) for reason in REASONS], dtype=object)[code[done]]
    frame["horizon"] = name
    return _typed(_without_entry(frame, ~held.has_entry[done]))


def _exit(hit: Hit, horizon: Whole, left: Whole, final: Floats) -> tuple[Whole, Floats]:
    is_out = hit.is_hit & (hit.bar < horizon)
    return np.where(is_out, hit.code, left), np.where(is_out, hit.price, final)


def _net(held: _Held, code: Whole, price: Floats) -> Floats:
    turn = held.advice.side.astype(np.float64)
    return _cost_after(held.entry * turn, price * turn, turn, held.rules, ~np.isin(code, LIMITS))


def _cost_after(entry: Floats, exit_price: Floats, turn: Floats, rules: OutcomeRules, slips: Flags | bool) -> Floats:
    """Net return of a position of side ``turn`` between two prices; an exit that takes the market's price slips."""
    paid = entry * (1.0 + turn * rules.slippage)
    got = exit_price * (1.0 - turn * np.where(slips, rules.slippage, 0.0))
    net: Floats = turn * (got / paid - 1.0) - rules.fee * (1.0 + got / paid)
    return net


def _excursions(held: _Held, is_out: Flags, last: Whole) -> tuple[Floats, Floats]:
    """How far the price went for and against each position until it ended, as shares of the entry."""
    hit, inside = held.hits[0], held.inside
    told = is_out & inside.is_told
    best, worst = extremes(held.bars, hit, is_out & ~told, np.where(told, hit.bar - 1, last))
    best = np.where(told, np.maximum(best, inside.best), best)
    worst = np.where(told, np.minimum(worst, inside.worst), worst)
    size = np.abs(held.entry)
    return np.maximum(best - held.entry, 0.0) / size, np.minimum(worst - held.entry, 0.0) / size


def _without_entry(frame: pd.DataFrame, has_none: Flags) -> pd.DataFrame:
    """Nothing was bought, so nothing was earned."""
    if has_none.any():
        frame.loc[has_none, [*NUMBERS, *PRICES]] = np.nan
        frame.loc[has_none, ["entry_at", "exit_at"]] = np.datetime64("NaT", TIME_UNIT)
        frame.loc[has_none, "exit_reason"] = str(ExitReason.NO_ENTRY)
        frame.loc[has_none, ["bars_held", "targets_reached"]] = 0
        frame.loc[has_none, "is_ambiguous"] = False
    return frame


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for name in INSTANTS:
        frame[name] = pd.DatetimeIndex(frame[name]).as_unit(TIME_UNIT).tz_localize("UTC")
    return frame[list(COLUMNS)].astype({"bars_held": np.int16, "targets_reached": np.int16})
