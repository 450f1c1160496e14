"""From midnight to midnight: levels, regimes and jumps of the market and of each symbol.

Eras of 128 days stand on levels of their own, which nothing before them determines. That is why any day can
be had without the days before it, and why prices do not run away, as a random walk from 2009 on would.
"""

from datetime import timedelta
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.domain.timeframe import BITCOIN_GENESIS
from resources.simulation.noise import Numbers, Stream, bell, uniform

DAY = timedelta(days=1)
FIRST_DAY = BITCOIN_GENESIS  # day 0
ERA_DAYS = 128
SPELL_DAYS = 8  # a regime lasts at least this long; equal neighbours make longer ones

# Over an era a free random walk would spread by volatility x sqrt(128); its levels spread by 10 days' worth.
LEVEL_SPREAD = 10.0
LARGEST_JUMP = 0.10  # as a log return; the market's and a symbol's together stay below 30 %
SMALLEST_JUMP = 0.03


class Regime(IntEnum):
    """What the market is doing."""

    RANGE = 0
    UP = 1
    DOWN = 2
    VOLATILE = 3


REGIME_ODDS = np.array([0.35, 0.25, 0.22, 0.18]).cumsum()  # in the order of Regime
VOLATILITY = np.array([0.6, 0.9, 1.0, 2.0])  # as a multiple of the average
DRIFT = np.array([0.0, 0.5, -0.5, 0.0])  # per day, as a multiple of the average volatility


class Temper(NamedTuple):
    """How wild a path is."""

    volatility: float  # of a day's log return, on average
    jump_odds: float  # per day
    jump_scale: float  # of the jumps' sizes; 1 = up to `LARGEST_JUMP`


class Days(NamedTuple):
    """Consecutive days; log prices around 0."""

    midnights: Numbers  # (n_days + 1,) log price at the start of each day, and at the end of the last
    volatility: Numbers  # (n_days,) standard deviation of the day's log return
    jump: Numbers  # (n_days,) log return of the day's jump, mostly 0
    jump_minute: npt.NDArray[np.int64]  # (n_days,) in which minute it happens
    regime: npt.NDArray[np.int64]  # (n_days,) see Regime


@lru_cache(maxsize=4096)
def _era(seed: int, name: str, temper: Temper, era: int) -> Days:
    """The 128 days of one era."""
    level = bell(Stream(seed, "levels", name).words(era, 2, 4))[:, 0] * temper.volatility * LEVEL_SPREAD
    spells = uniform(Stream(seed, "regimes", name).words(era, 1, ERA_DAYS // SPELL_DAYS))[0]
    regime = np.searchsorted(REGIME_ODDS, spells, side="right").clip(max=len(Regime) - 1).repeat(SPELL_DAYS)
    words = Stream(seed, "days", name).words(era, 1, ERA_DAYS * 4).reshape(ERA_DAYS, 4)

    odds, size, when = (uniform(words[:, column]) for column in (1, 2, 3))
    sign = np.where(odds < temper.jump_odds / 2, 1.0, -1.0)
    scale = SMALLEST_JUMP + (LARGEST_JUMP - SMALLEST_JUMP) * size * size
    jump = np.where(odds < temper.jump_odds, sign * scale * temper.jump_scale, 0.0)

    volatility = VOLATILITY[regime] * temper.volatility
    walk = np.cumsum(DRIFT[regime] * temper.volatility + volatility * bell(words[:, 0]) + jump)
    spent = np.cumsum(volatility * volatility)
    midnights = np.empty(ERA_DAYS + 1)
    midnights[0] = level[0]
    midnights[1:] = level[0] + walk + spent / spent[-1] * (level[1] - level[0] - walk[-1])
    midnights[-1] = level[1]  # to the bit, since the next era starts from it
    return Days(midnights, volatility, jump, (when * 1440).astype(np.int64), regime.astype(np.int64))


def days(seed: int, name: str, temper: Temper, first: int, count: int) -> Days:
    """Days ``first`` to ``first + count``, counted from 2009-01-01, of the path called ``name``."""
    eras = range(first // ERA_DAYS, (first + count - 1) // ERA_DAYS + 1)
    parts = [_era(seed, name, temper, era) for era in eras]
    start = first - eras[0] * ERA_DAYS
    midnights = np.concatenate([*(part.midnights[:-1] for part in parts), parts[-1].midnights[-1:]])
    return Days(
        midnights[start : start + count + 1],
        *(np.concatenate(columns)[start : start + count] for columns in list(zip(*parts, strict=True))[1:]),
    )
