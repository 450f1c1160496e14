"""The walk along many price paths at once: which of a stop and a target comes first, in which bar, at which price.

Everything here is of a BUY: who walks with a SELL turns its prices round first (`paths.Paths`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.outcomes.rules import ExitReason

Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

REASONS = tuple(ExitReason)
CODES = {reason: code for code, reason in enumerate(REASONS)}


@dataclass(frozen=True, slots=True)
class Bars:
    """Prices of shape (n_paths, n_bars), oldest first; where nobody traded they are ignored."""

    open: Floats
    high: Floats
    low: Floats
    close: Floats
    is_traded: Flags

    def at(self, rows: npt.NDArray[Any]) -> "Bars":
        """Some of the paths."""
        return Bars(self.open[rows], self.high[rows], self.low[rows], self.close[rows], self.is_traded[rows])


@dataclass(frozen=True, slots=True)
class Hit:
    """Of each path the first bar that reaches a barrier; all of shape (n_paths,)."""

    bar: Whole  # 0 is the first bar; the number of bars where none does
    code: Whole  # of `REASONS`; that of HORIZON where none does
    price: Floats  # NaN where none does
    is_both: Flags  # the bar reaches both barriers, and neither at its open

    @property
    def is_hit(self) -> Flags:
        """Which paths reach a barrier at all."""
        found: Flags = self.code != CODES[ExitReason.HORIZON]
        return found


def first_hit(bars: Bars, stop: Floats, target: Floats) -> Hit:
    """Follow each path to its first barrier; a bar that reaches both counts as stopped.

    Parameters
    ----------
    bars : Bars of shape (n_paths, n_bars)
    stop, target : arrays of shape (n_paths,)
        The stop below, the target above.
    """
    stop, target = stop[:, np.newaxis], target[:, np.newaxis]
    with np.errstate(invalid="ignore"):
        opens_at_stop, opens_at_target = bars.open <= stop, bars.open >= target
        falls, rises = bars.low <= stop, bars.high >= target
    reached = (opens_at_stop | opens_at_target | falls | rises) & bars.is_traded
    rows = np.arange(len(reached))
    is_hit = reached.any(axis=1)
    bar = np.where(is_hit, reached.argmax(axis=1), reached.shape[1])
    at = (rows, np.where(is_hit, bar, 0))
    gaps = [opens_at_stop[at], opens_at_target[at]]
    code = np.select(
        [~is_hit, *gaps, falls[at]],
        [CODES[r] for r in (ExitReason.HORIZON, ExitReason.STOP_GAP, ExitReason.TARGET_GAP, ExitReason.STOP)],
        CODES[ExitReason.TARGET],
    )
    price = np.select([~is_hit, gaps[0] | gaps[1], falls[at]], [np.nan, bars.open[at], stop[:, 0]], target[:, 0])
    is_both = is_hit & ~gaps[0] & ~gaps[1] & falls[at] & rises[at]
    return Hit(bar, code, price, is_both)


def extremes(bars: Bars, hit: Hit, is_out: Flags, last: Whole) -> tuple[Floats, Floats]:
    """The highest and lowest price of each path up to its exit, where it is out; else up to its bar ``last``.

    Of the exit's bar counts: at an open or at the stop, that price alone; at the target, the target and the low, since
    nobody knows which came first. -inf and inf where nothing was traded.
    """
    rows = np.arange(len(hit.bar))
    high = np.maximum.accumulate(np.where(bars.is_traded, bars.high, -np.inf), axis=1)
    low = np.minimum.accumulate(np.where(bars.is_traded, bars.low, np.inf), axis=1)
    before = np.where(is_out, hit.bar - 1, last)
    best = np.where(before >= 0, high[rows, np.maximum(before, 0)], -np.inf)
    worst = np.where(before >= 0, low[rows, np.maximum(before, 0)], np.inf)
    at_target = is_out & (hit.code == CODES[ExitReason.TARGET])
    lowest = np.where(at_target, bars.low[rows, np.where(is_out, hit.bar, 0)], hit.price)
    return np.where(is_out, np.maximum(best, hit.price), best), np.where(is_out, np.minimum(worst, lowest), worst)
