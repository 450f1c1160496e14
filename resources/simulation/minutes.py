"""Within the day: the paths of the market and of one symbol through their minutes, and the candles they make.

Every candle of every timeframe is made of minutes, so that a day's high is the highest of its hours' and
volumes add up. Operations run along whole days, whatever part of them is wanted: the same day is the same
arithmetic, to the bit.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from resources.simulation.days import Temper, days
from resources.simulation.listings import LOTS_PER_MINUTE, Listing, listing
from resources.simulation.noise import Numbers, Stream, bell, uniform

MINUTES = 1440
HOURS = 24
SPARE_WORDS = 32  # after the minutes' words of a day: one an hour, rounded up

MARKET = Temper(volatility=0.020, jump_odds=0.012, jump_scale=0.6)
JUMP_ODDS = 0.016  # of a symbol, per day

_HOUR = (np.arange(MINUTES) + 0.5) / 60.0
# Most is traded when Europe and America are both awake: a hump around 14:30 UTC on a flat night.
SEASON = 0.75 + 0.65 * np.maximum(0.0, 1.0 - ((_HOUR - 14.5) / 8.0) ** 2)

NARROWEST, WIDEST = np.uint64(21), np.uint64(2**21 - 1)  # a word gives three numbers of 21 bits


class Path(NamedTuple):
    """A log price through the minutes of consecutive days."""

    ends: Numbers  # (n_days, 1441) at midnight and at the end of every minute
    scale: Numbers  # (n_days, 1440) standard deviation of each minute's log return
    bustle: Numbers  # (n_days, 1440) how busy the minute is, 1 on average


class Candles(NamedTuple):
    """Candles as columns, one row each, oldest first."""

    open: Numbers
    high: Numbers
    low: Numbers
    close: Numbers
    volume: Numbers


def _path(seed: int, name: str, temper: Temper, first: int, count: int) -> Path:
    """Brownian bridges from midnight to midnight, faster in busy hours, each with its day's jump."""
    day = days(seed, name, temper, first, count)
    words = Stream(seed, "minutes", name).words(first, count, MINUTES + SPARE_WORDS)
    hourly = uniform(words[:, MINUTES : MINUTES + HOURS])
    bustle = (0.45 + 1.65 * hourly * hourly).repeat(MINUTES // HOURS, axis=1) * SEASON
    spent = np.cumsum(bustle * bustle, axis=1)
    total = spent[:, -1:].copy()
    spent /= total
    scale = bustle * (day.volatility[:, None] / np.sqrt(total))

    ends = np.empty((count, MINUTES + 1))
    walk = np.cumsum(scale * bell(words[:, :MINUTES]), axis=1)
    start, end = day.midnights[:-1, None], day.midnights[1:, None]
    ends[:, 1:] = start + walk + spent * (end - start - day.jump[:, None] - walk[:, -1:])
    ends[:, 1:] += day.jump[:, None] * (np.arange(MINUTES) >= day.jump_minute[:, None])
    ends[:, 0], ends[:, -1] = day.midnights[:-1], day.midnights[1:]  # to the bit, since days meet there
    return Path(ends, scale, bustle)


@lru_cache(maxsize=8)
def _market(seed: int, first: int, count: int) -> Path:
    """What all symbols share; kept, since they are mostly asked for the same days."""
    return _path(seed, "market", MARKET, first, count)


def minutes(seed: int, symbol: str, first: int, count: int) -> Candles:
    """Every minute of days ``first`` to ``first + count``; shape (count * 1440,)."""
    terms = listing(seed, symbol)
    market = _market(seed, first, count)
    own = _path(seed, symbol, Temper(terms.volatility, JUMP_ODDS, 1.0), first, count)
    price = np.round(terms.level * np.exp(terms.beta * market.ends + own.ends), terms.decimals)
    start, end = price[:, :-1], price[:, 1:]
    scale = terms.beta * market.scale + own.scale

    words = Stream(seed, "wicks", symbol).words(first, count, MINUTES)
    above, below, noise = ((words >> np.uint64(shift) & WIDEST) * 2.0**-21 for shift in (0, 21, 42))
    upper, lower = np.maximum(start, end), np.minimum(start, end)
    high = np.maximum(np.round(upper * (1.0 + scale * above), terms.decimals), upper)
    low = np.minimum(np.round(lower * (1.0 - scale * below), terms.decimals), lower)
    bustle = market.bustle * own.bustle * (0.5 + noise)
    volume = _volume(terms, scale, (high - low) / start, bustle)
    return Candles(start.ravel(), high.ravel(), low.ravel(), end.ravel(), volume.ravel())


def _volume(terms: Listing, scale: Numbers, width: Numbers, bustle: Numbers) -> Numbers:
    """Whole lots: more in wild times, in busy hours, and in minutes that move more than their neighbours."""
    average = (terms.beta * MARKET.volatility + terms.volatility) / MINUTES**0.5
    wildness = (0.3 + width / scale) * (0.3 + 0.7 * scale / average)
    lots: Numbers = np.rint(0.4 * LOTS_PER_MINUTE * bustle * wildness)
    return lots * terms.lot


def bars(candles: Candles, size: int) -> Candles:
    """Candles of ``size`` minutes each; the number of minutes is a multiple of it."""
    start, high, low, end, volume = (column.reshape(-1, size) for column in candles)
    return Candles(start[:, 0], high.max(axis=1), low.min(axis=1), end[:, -1], volume.sum(axis=1))
