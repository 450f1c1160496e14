"""Baseline: whether a score, or a number of texts, is unusual for its asset, at this hour of the day.

Compared with the same hour of the 30 days before: days overlap nowhere, so that each says something of its own, and
talk has its hours.
"""

from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT

DAYS = 30
LEAST_DAYS = 10  # with a known score, for a baseline
# Scores that hardly move have no spread; a hundredth more must not look like an upheaval.
LEAST_SPREAD = 0.05
FLOOD_TIMES, FLOOD_TEXTS = 5.0, 20  # as many texts as usual, and so many at least, are a flood

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
ONE_DAY = timedelta(days=1)


def with_days_before(closes: pd.DatetimeIndex) -> tuple[pd.DatetimeIndex, Counts]:
    """The closes and those of the same hour on the days before.

    Returns
    -------
    DatetimeIndex, increasing
        What must be known.
    array of shape (DAYS + 1, n_closes)
        Where each close stands in it, then where that of a day before does, and so on.
    """
    at = closes.as_unit(TIME_UNIT).asi8
    wanted = at - np.arange(DAYS + 1)[:, np.newaxis] * (ONE_DAY // timedelta(microseconds=1))
    found, places = np.unique(wanted, return_inverse=True)
    index = pd.DatetimeIndex(found.view(f"M8[{TIME_UNIT}]")).tz_localize("UTC")
    return index, places.reshape(wanted.shape)


def z_scores(values: Numbers, places: Counts) -> tuple[Numbers, Counts]:
    """How far each score is from those of the days before, in their standard deviations.

    Parameters
    ----------
    values : array of shape (n_known, n_assets)
        Scores at what `with_days_before` asks for; NaN where unknown.

    Returns
    -------
    two arrays of shape (n_closes, n_assets)
        The z-score, NaN with fewer than `LEAST_DAYS` days; and how many of the days are known.
    """
    now, before = values[places[0]], values[places[1:]]
    is_known = ~np.isnan(before)
    n_days = is_known.sum(axis=0)
    divisor = np.maximum(n_days, 1)
    mean = np.where(is_known, before, 0.0).sum(axis=0) / divisor
    spread = np.sqrt((np.where(is_known, before - mean, 0.0) ** 2).sum(axis=0) / divisor)
    z = (now - mean) / np.maximum(spread, LEAST_SPREAD)
    return np.where(n_days >= LEAST_DAYS, z, np.nan), n_days


def is_flood(now: float, usual: float) -> bool:
    """Whether so many texts a day are a flood where ``usual`` ones are usual."""
    return now >= FLOOD_TEXTS and now >= FLOOD_TIMES * usual


def floods(counts: Counts, places: Counts) -> npt.NDArray[np.bool_]:
    """Where there are `FLOOD_TIMES` as many texts as usual, whoever wrote them.

    Parameters
    ----------
    counts : array of shape (n_known, n_assets, n_sources)
        Texts of a window at what `with_days_before` asks for, those left out by the cap included.

    Returns
    -------
    array of shape (n_closes, n_assets, n_sources), bool
        False where fewer than `LEAST_DAYS` of the days before have a text at all: a source that is new is no flood.
    """
    now, before = counts[places[0]], counts[places[1:]]
    n_days = (before > 0).sum(axis=0)
    usual = before.sum(axis=0) / np.maximum(n_days, 1)
    is_flood: npt.NDArray[np.bool_] = (n_days >= LEAST_DAYS) & (now >= FLOOD_TEXTS) & (now >= FLOOD_TIMES * usual)
    return is_flood
