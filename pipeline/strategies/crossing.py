"""Crossings: of one line over another, and of a threshold that re-arms; what strategies share, sides included.

Add a rule here when two strategies need it. All of them look back over a fixed number of bars and no
further: a rule that remembers for ever gives one answer over a long history and another over a short one,
so that a replay would disagree with the live run.
"""

from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

BUY, SELL, ALERT = 1, -1, 2  # the sides that a rule may take, as int8; 0 is none
TOUCH_LIMIT = 50  # bars that two lines may lie on each other before the earlier side is forgotten
CROSS_LOOKBACK = TOUCH_LIMIT + 1  # those bars, and the one before them
TOUCH_TOLERANCE = 1e-12  # of the price: far above rounding noise, far below what one tick does to an average

Events = npt.NDArray[np.int8]
Frame = TypeVar("Frame", pd.DataFrame, pd.Series)

TOUCH, ABOVE, BELOW, UNKNOWN = 0, 1, 2, 3
_TRIPPED, _REARMED = 1, 2


def last_event(events: Events, limit: int) -> Events:
    """Find the kind of the latest event before each bar.

    Parameters
    ----------
    events : array of shape (n_candles, ...), int8
        Kind of the event on each bar, 1 to 3, oldest bar first; 0 where nothing happened.
    limit : int
        How many bars back an event still counts; the bar itself never does.

    Returns
    -------
    array of the same shape, int8
        0 where the ``limit`` bars before hold no event.

    Notes
    -----
    A running maximum over (position, kind) packed into one integer, on one array: memory is what costs here.
    `DataFrame.ffill(limit=...)` on a frame per kind says the same at several times the price.
    """
    position = 4 * np.arange(1, len(events) + 1, dtype=np.int32).reshape(-1, *[1] * (events.ndim - 1))
    latest = position + events
    latest *= events != 0
    latest = np.maximum.accumulate(latest, axis=0, out=latest)[:-1]
    found = np.zeros_like(events)
    found[1:] = latest.astype(np.int8) & 3  # the kind is in the lowest bits
    found[1:] *= latest >= position[1:] - 4 * limit
    return found


def relation(left: Frame, right: Frame, price: Frame) -> Events:
    """Say where ``left`` lies to ``right``: `ABOVE`, `BELOW`, `TOUCH`, or `UNKNOWN` where either of them is.

    Values within `TOUCH_TOLERANCE` of the price touch. Two averages of the same few prices are often exactly
    equal on paper (a flat market, a stablecoin that moves by single ticks) and differ in the sixteenth digit
    in the machine: compared exactly, the order of additions would decide on trades.

    Parameters
    ----------
    left, right, price : DataFrame of shape (n_candles, n_symbols), or Series
        In quote currency, on the same index, oldest first. ``price`` gives the scale; it is positive, and
        known wherever the other two are.

    Returns
    -------
    array of the same shape, int8
    """
    gap = left.to_numpy() - right.to_numpy()
    tolerance = TOUCH_TOLERANCE * price.to_numpy()
    above = (gap > tolerance).view(np.int8)
    below = (gap < np.negative(tolerance, out=tolerance)).view(np.int8)
    found: Events = ABOVE * above + BELOW * below + UNKNOWN * np.isnan(gap).view(np.int8)
    return found


def line_crosses(fast: Frame, slow: Frame, price: Frame) -> Frame:
    """Mark the candles on which ``fast`` crosses ``slow``.

    A level comparison (`line_levels`) would repeat the same advice on every candle of a trend; a crossing
    happens once, so it is the crossing that becomes a signal. A touch is not a crossing: it keeps the side
    that was held before it, for at most `TOUCH_LIMIT` candles, so that "above, on, above" is silent and
    "below, on, above" is one cross, on the candle that leaves the line.

    Parameters
    ----------
    fast, slow, price : DataFrame of shape (n_candles, n_symbols), or Series
        In quote currency, on the same index, oldest first; NaN where unknown. ``price`` is the scale on
        which a touch is judged (`relation`).

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), int8
        ``+1`` BUY on an upward cross, ``-1`` SELL on a downward cross, ``0`` otherwise. ``0`` wherever
        either line, or the one before it, is unknown; an unknown candle also ends a touch.

    Notes
    -----
    Uses the current candle and the `CROSS_LOOKBACK` before it, never later ones.
    """
    lies = relation(fast, slow, price)
    before = last_event(lies, CROSS_LOOKBACK)
    return as_sides((lies == ABOVE) & (before == BELOW), (lies == BELOW) & (before == ABOVE), fast)


def line_levels(fast: Frame, slow: Frame) -> Frame:
    """Mark every candle by the side of ``slow`` on which ``fast`` lies: the specification's comparison.

    Shapes, order and units are those of `line_crosses`; equal or unknown is ``0``. Exact, without tolerance.
    """
    left, right = fast.to_numpy(), slow.to_numpy()
    return as_sides(left > right, left < right, fast)


def threshold_trips(
    beyond: npt.NDArray[np.bool_], rearmed: npt.NDArray[np.bool_], memory: int
) -> npt.NDArray[np.bool_]:
    """Mark the candles on which an armed threshold is passed.

    A value that hovers around its threshold would pass it again and again; it has to come back to the
    re-arming level before it may trip once more.

    Parameters
    ----------
    beyond, rearmed : array of shape (n_candles, ...), bool
        Where the value is past the threshold, and where it is back; never both. An unknown value is neither.
    memory : int
        Candles for which a trip stands; after them the threshold is armed again.

    Returns
    -------
    array of the same shape, bool
        True where the value is beyond and the last event of the ``memory`` candles before it, if any, was
        a re-arming. Every candle beyond renews the trip, so a value that stays beyond trips once.
    """
    events = _TRIPPED * beyond.view(np.int8) + _REARMED * rearmed.view(np.int8)
    tripped: npt.NDArray[np.bool_] = beyond & (last_event(events, memory) != _TRIPPED)
    return tripped


def as_sides(buy: npt.NDArray[np.bool_], sell: npt.NDArray[np.bool_], like: Frame) -> Frame:
    """Give two masks, never both true, the labels of ``like``: +1 BUY, -1 SELL, 0 neither, as int8."""
    return _labelled(buy.view(np.int8) - sell.view(np.int8), like)


def as_alerts(alert: npt.NDArray[np.bool_], like: Frame) -> Frame:
    """Give a mask the labels of ``like``: 2 ALERT, 0 nothing, as int8."""
    return _labelled(ALERT * alert.view(np.int8), like)


def _labelled(sides: Events, like: Frame) -> Frame:
    if isinstance(like, pd.Series):
        return pd.Series(sides, index=like.index, name=like.name, copy=False)
    return pd.DataFrame(sides, index=like.index, columns=like.columns, copy=False)
