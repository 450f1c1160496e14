"""Prices and expiry: where to enter, where advice is proven wrong, what it aims at, until when it stands.

Add here what follows from a signal's type, the close, the ATR and the timeframe. What really happened to the
price afterwards belongs to the lifecycle.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from math import inf, isfinite, isnan
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.domain.signal import SignalType, check_aware
from pipeline.domain.timeframe import Timeframe

TARGET_MULTIPLES = {"tp1": 1.0, "tp2": 2.0, "tp3": 3.0}  # in R

# Bars that a signal stands; 1 where nothing is said. One bar of 1m or 5m is over before anybody has read it.
EXPIRY_BARS: Mapping[Timeframe, int] = MappingProxyType({Timeframe.M1: 3, Timeframe.M5: 3})


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """The bounds of R, the distance between entry and stop, as fractions of the entry price."""

    min_risk: float = 0.005  # nearer than 0.5 % the spread and one ordinary tick trigger the stop
    max_risk: float = 0.10  # a stop further away protects nobody
    risk_without_atr: float = 0.02
    price_floor: float = 0.01  # no stop or target below 1 % of the entry; reached only if max_risk > 0.33

    def __post_init__(self) -> None:
        for name in (rule.name for rule in fields(self)):
            if not ((value := getattr(self, name)) > 0.0 and isfinite(value)):
                raise ConfigurationError(f"{name} must be a fraction of the entry above 0, was {value}")
        if self.min_risk > self.max_risk:
            raise ConfigurationError(f"min_risk must be at most max_risk ({self.max_risk}), was {self.min_risk}")
        if self.price_floor >= 1.0:
            raise ConfigurationError(f"price_floor must be below 1 (the entry), was {self.price_floor}")


HOUSE_RULES = PriceRules()


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of one signal in quote currency; an ALERT has an entry only."""

    entry_price: float
    stop_loss_price: float | None = None
    target_prices: dict[str, float] | None = None  # tp1, tp2, tp3

    def __post_init__(self) -> None:
        stop = {} if self.stop_loss_price is None else {"stop_loss_price": self.stop_loss_price}
        for name, price in ({"entry_price": self.entry_price} | stop | (self.target_prices or {})).items():
            if not 0.0 < price < inf:
                raise DataContractError(f"{name} must be finite and above 0, was {price}")


def prices(
    signal_type: SignalType,
    close: float,
    atr: float | None,
    multiple: float,
    rules: PriceRules = HOUSE_RULES,
    reach: float | None = None,
) -> Prices:
    """Entry, stop and targets of a signal on a bar.

    Entry is the close; R = clip(multiple x ATR 14, 0.5 %, 10 %) of it, 2 % where the ATR is unknown; the stop
    is 1 R against the advice, the targets 1, 2 and 3 R along it. A distance in ATR asks the same patience of
    calm and of wild markets, where a fixed percentage is noise in one and out of reach in the other.

    Nothing is rounded: tick sizes belong to exchanges and change, a coin at 0.00000012 has no decimals to
    spare, and equal inputs must give equal rows. Who places orders rounds to the exchange's tick.

    Parameters
    ----------
    close : float
        Quote currency, finite and above 0.
    atr : float, optional
        ATR 14 in quote currency; ``None`` or NaN = unknown.
    multiple : float
        The profile's `stop_atr_multiple`.
    reach : float, optional
        How far the price is expected to go along the advice, a fraction of the close. Where that is less than R, the
        targets lie at 1, 2 and 3 times it; the stop stays. ``None``, NaN and what is not above 0 change nothing.

    Raises
    ------
    DataContractError
        If an input is out of range, or a price would not be finite and above 0.
    """
    if signal_type is SignalType.ALERT:
        return Prices(close)
    if not 0.0 < multiple < inf:
        raise DataContractError(f"multiple must be finite and above 0, was {multiple}")
    risk = _risk(close, atr, multiple, rules)
    side = 1.0 if signal_type is SignalType.BUY else -1.0
    floor = rules.price_floor * close
    first = aim(risk, close, reach)
    return Prices(
        close,
        max(close - side * risk, floor),
        {name: max(close + side * times * first, floor) for name, times in TARGET_MULTIPLES.items()},
    )


def aim(risk: float, close: float, reach: float | None) -> float:
    """How far off the first target lies, in quote currency: R, or ``reach`` as in `prices` where that is nearer."""
    return min(risk, reach * close) if reach is not None and reach > 0.0 else risk


def _risk(close: float, atr: float | None, multiple: float, rules: PriceRules) -> float:
    """R in quote currency."""
    if atr is None or isnan(atr):
        return rules.risk_without_atr * close
    if not 0.0 <= atr < inf:
        raise DataContractError(f"atr must be finite and 0 or more, or unknown, was {atr}")
    return min(max(multiple * atr, rules.min_risk * close), rules.max_risk * close)


def expiry(close_at: datetime, timeframe: Timeframe, bars: Mapping[Timeframe, int] = EXPIRY_BARS) -> datetime:
    """When advice given at ``close_at`` ends: ``bars`` bars later, one where ``bars`` names no other number.

    A signal is active at t if ``created_at <= t < expiry``: with one bar it ends just as the next is judged.
    """
    check_aware("close_at", close_at)
    return close_at + expiry_bars(timeframe, bars) * timeframe.duration


def expiry_bars(timeframe: Timeframe, bars: Mapping[Timeframe, int] = EXPIRY_BARS) -> int:
    """How many bars advice of a timeframe stands."""
    count = bars.get(timeframe, 1)
    if count < 1:
        raise ConfigurationError(f"expiry bars of {timeframe} must be 1 or more, was {count}")
    return count


def stop_distances(
    close: npt.NDArray[np.float64],
    atr: npt.NDArray[np.float64],
    multiple: float | npt.NDArray[np.float64],
    rules: PriceRules = HOUSE_RULES,
) -> npt.NDArray[np.float64]:
    """R in quote currency, as `prices` takes it, for many bars at once; NaN in ``atr`` is an unknown range."""
    bounded = np.clip(multiple * atr, rules.min_risk * close, rules.max_risk * close)
    distances: npt.NDArray[np.float64] = np.where(np.isnan(atr), rules.risk_without_atr * close, bounded)
    return distances
