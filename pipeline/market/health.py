"""Health: may a series be trusted, and if not, why not.

Add a rule here when it takes several bars, or the time that has passed, to see that something is wrong. What
a single row shows is the business of `pipeline.market.cleaning`. Thresholds are FAULTS.md's rows F03, F08,
F10, F11 and F14; they are facts about data and not taste, so they are no settings.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import Block
from pipeline.domain.signal import check_aware, check_fraction
from pipeline.domain.timeframe import Timeframe

JUMP = 0.30  # of the previous close; a token swap or a redenomination, hardly ever a market
FILLED_WINDOW = 500  # bars, as for the volatility statistics
WARN_FILLED = 0.01
MAX_FILLED = 0.05
MAX_MISSING = 3  # newest bars
CLOCK_TOLERANCE = timedelta(seconds=30)  # between our clock and the exchange's; more is worth a warning
STALE_BARS = 2
STALE_GRACE = timedelta(minutes=5)  # for 1m bars, two bars are less than an ordinary hiccup


class HealthStatus(StrEnum):
    """Whether a series is used, used with a caveat, or left out downstream."""

    OK = "OK"
    PARTIAL = "PARTIAL"
    BLOCKED = "BLOCKED"


@dataclass(frozen=True, slots=True)
class SeriesState:
    """What is known about a series as of an instant; a reason is given for everything but OK."""

    status: HealthStatus
    reason: str | None = None


def price_jumps(block: Block) -> pd.DataFrame:
    """Mark the bars that open more than 30 % away from the close before them.

    Open against the previous close, not close against close: a market that falls by 40 % within a bar trades
    all the way down, while a redenominated token opens elsewhere. Exactly 30 % is no jump.

    Parameters
    ----------
    block : Block
        Uses ``open`` and ``close``, shape (n_candles, n_symbols), quote currency, oldest first. A missing bar
        is compared across: the previous close is the newest one there is.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), bool
        False on a symbol's first bar and where it has no bar.
    """
    previous_close = block["close"].ffill().shift(1)
    return (block["open"] - previous_close).abs() > JUMP * previous_close


def filled_share(is_filled: pd.DataFrame, window: int = FILLED_WINDOW) -> pd.DataFrame:
    """Share of filled bars among the newest ``window`` bars of each symbol, at each bar.

    Counted over the bars that exist, so that a symbol listed ten bars ago with one gap has a share of 10 %
    instead of hiding it behind bars that never were.

    Parameters
    ----------
    is_filled : DataFrame of shape (n_candles, n_symbols)
        1.0 where the bar was filled, 0.0 where it was traded, NaN where there is none; oldest first.
    window : int
        Bars, at least 1.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), float64
        A fraction in [0, 1]; NaN where there is no bar.
    """
    exists = is_filled.notna()
    filled = is_filled.fillna(0.0).cumsum()  # sums of whole numbers, and so exact
    bars = exists.astype(np.float64).cumsum()
    filled, bars = (total - total.shift(window, fill_value=0.0) for total in (filled, bars))
    return (filled / bars.where(bars > 0)).where(exists)


def block_reasons(share: pd.DataFrame, is_jumped: pd.DataFrame) -> pd.DataFrame:
    """Why no signal may come from a bar, judged as of that bar's close; None where one may.

    The part of `series_state` that a bar carries for ever, and so the same live and replayed. Staleness is
    not part of it: at its own close a bar is never stale.

    Parameters
    ----------
    share : DataFrame of shape (n_candles, n_symbols), float64
        From `filled_share`.
    is_jumped : DataFrame of shape (n_candles, n_symbols), bool
        True from the first jump on that no operator has accepted.

    Returns
    -------
    DataFrame of shape (n_candles, n_symbols), object
        ``price_jump``, ``gapped(6.1%)`` or None.
    """
    shares = share.to_numpy(dtype=np.float64)
    reasons = np.full(shares.shape, None, dtype=object)
    for bar in zip(*np.nonzero(shares > MAX_FILLED), strict=True):  # few: such a symbol is hardly traded
        reasons[bar] = _gapped(shares[bar])
    reasons[is_jumped.to_numpy(dtype=bool)] = "price_jump"
    return pd.DataFrame(reasons, index=share.index, columns=share.columns, dtype=object)


def series_state(
    timeframe: Timeframe,
    as_of: datetime,
    *,
    newest_close: datetime | None,
    share_filled: float,
    is_jumped: bool,
    n_bars: int,
    n_needed: int,
) -> SeriesState:
    """Judge one series as of an instant.

    The first that applies is the reason, the one that a person must act on before the others:
    ``no_candles``, ``stale(newest close ...)``, ``missing(3 newest bars)``, ``price_jump``, ``gapped(6.1%)``
    (all BLOCKED), ``insufficient_history(13<200)``, ``filled(2.3%)`` (both PARTIAL).

    Parameters
    ----------
    timeframe : Timeframe
        Of the series.
    as_of : datetime
        Aware. A bar counts as missing once it closed at or before ``as_of``.
    newest_close : datetime or None
        Close of the newest bar that came from the source (never a filled one); None if there is none.
    share_filled : float
        `filled_share` at the newest bar, a fraction.
    is_jumped : bool
        Whether a price jump stands that no operator has accepted.
    n_bars, n_needed : int
        Bars that are stored, and bars that every indicator needs.

    Raises
    ------
    DataContractError
        An instant without time zone, or a share outside [0, 1].
    """
    check_aware("as_of", as_of)
    if newest_close is None:
        return SeriesState(HealthStatus.BLOCKED, "no_candles")
    check_fraction("share_filled", share_filled, "filled bars")
    blocked = _stopped(timeframe, as_of, newest_close)
    if blocked is None and is_jumped:
        blocked = "price_jump"
    if blocked is None and share_filled > MAX_FILLED:
        blocked = _gapped(share_filled)
    if blocked is not None:
        return SeriesState(HealthStatus.BLOCKED, blocked)
    if n_bars < n_needed:
        return SeriesState(HealthStatus.PARTIAL, f"insufficient_history({n_bars}<{n_needed})")
    if share_filled > WARN_FILLED:
        return SeriesState(HealthStatus.PARTIAL, f"filled({share_filled:.1%})")
    return SeriesState(HealthStatus.OK)


def skewed_state(timeframe: Timeframe, skew: timedelta) -> SeriesState | None:
    """The state of a series where our clock is further from the exchange's than a bar is long; None where it is not."""
    if abs(skew) <= timeframe.duration:
        return None
    return SeriesState(HealthStatus.BLOCKED, f"clock_skew({skew.total_seconds():.0f} s)")


def is_stale(timeframe: Timeframe, as_of: datetime, newest_close: datetime) -> bool:
    """Whether the newest close is older than two bars and five minutes."""
    return as_of - newest_close > STALE_BARS * timeframe.duration + STALE_GRACE


def _stopped(timeframe: Timeframe, as_of: datetime, newest_close: datetime) -> str | None:
    """Whether the newest bars are missing: by the clock, and for short bars by their number."""
    check_aware("newest_close", newest_close)
    if is_stale(timeframe, as_of, newest_close):
        return f"stale(newest close {newest_close:%Y-%m-%d %H:%M})"
    missing = timeframe.position(as_of) - timeframe.position(newest_close)
    return f"missing({missing} newest bars)" if missing >= MAX_MISSING else None


def _gapped(share: float) -> str:
    return f"gapped({share:.1%})"
