"""Development activity: how busy an asset's repositories are, against their own last quarter.

Activity moves over weeks, so it is judged once a day, at 00:00 UTC, and stands until the next one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.document import ActivityKind

WEIGHTS: Mapping[ActivityKind, float] = {
    ActivityKind.RELEASE: 5.0,
    ActivityKind.MERGED: 3.0,
    ActivityKind.OPENED: 2.0,
    ActivityKind.COMMIT: 1.0,
    ActivityKind.ISSUE: 1.0,
}
WEEK_DAYS = 7  # the activity that is judged
BASELINE_DAYS = 90  # what it is judged against
DAY = 86_400_000_000  # microseconds
LONGEST_PAUSE = DAY  # between two readings of a repository; after a longer one its silence means nothing
# A repository that always does the same has no spread; one commit more must not look like an upheaval.
LEAST_SPREAD = 1.0

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What happened in repositories, one entry per event; arrays of one length, instants in microseconds since 1970."""

    repository: Counts  # place among the repositories
    weight: Numbers  # see `WEIGHTS`
    happened_at: Counts
    known_at: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """When it was known what happened in repositories, one entry per unbroken stretch; arrays of one length.

    A repository that could not be read for some days has two stretches: between them its silence means nothing.
    Instants in microseconds since 1970.
    """

    repository: Counts  # place among the repositories
    history_from: Counts  # from here on nothing is missing
    known_from: Counts  # since when that is so
    known_until: Counts  # the last time that it was read; a day later nobody knows any more


def activity_scores(
    events: Events, coverage: Coverage, asset_of: Counts, closes: pd.DatetimeIndex, n_assets: int
) -> Numbers:
    """tanh(z / 2), where z compares the activity of the last 7 days with the 7-day sums of the last 90.

    Parameters
    ----------
    asset_of : array of shape (n_repositories,)
        Place of each repository's asset among the assets.

    Returns
    -------
    array of shape (n_closes, n_assets), -1 to 1
        NaN where no repository of the asset is known for the whole of the 90 days, and still is: one that nobody has
        read is not a quiet one. Those that are not count for nothing.
    """
    at = closes.as_unit(TIME_UNIT).asi8
    days, place = np.unique(at // DAY, return_inverse=True)
    found = np.full((len(days), n_assets), np.nan)
    for row, day in enumerate(days):
        found[row] = _of_day(events, coverage, asset_of, int(day) * DAY, n_assets)
    return found[place]


def _of_day(events: Events, coverage: Coverage, asset_of: Counts, midnight: int, n_assets: int) -> Numbers:
    is_good = (
        (coverage.history_from <= midnight - BASELINE_DAYS * DAY)
        & (coverage.known_from <= midnight)
        & (midnight <= coverage.known_until + LONGEST_PAUSE)
    )
    is_whole = np.bincount(coverage.repository[is_good], minlength=len(asset_of)) > 0
    is_known = np.bincount(asset_of[is_whole], minlength=n_assets) > 0
    ago = midnight - events.happened_at
    seen = (events.known_at <= midnight) & (ago >= 0) & (ago < BASELINE_DAYS * DAY) & is_whole[events.repository]
    daily = np.bincount(
        asset_of[events.repository[seen]] * BASELINE_DAYS + ago[seen] // DAY,
        events.weight[seen],
        minlength=n_assets * BASELINE_DAYS,
    ).reshape(n_assets, BASELINE_DAYS)
    weekly = np.lib.stride_tricks.sliding_window_view(daily, WEEK_DAYS, axis=1).sum(axis=2)
    spread = np.maximum(weekly.std(axis=1), LEAST_SPREAD)
    scores: Numbers = np.where(is_known, np.tanh((weekly[:, 0] - weekly.mean(axis=1)) / spread / 2.0), np.nan)
    return scores
