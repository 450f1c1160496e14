"""Calibrating: what stated confidence came true as, fitted day by day on outcomes that were known by then.

The arithmetic is `pipeline.performance.calibration`. Live signals are given what was fitted when they came, and keep
it; a replay walks over its past once its outcomes are told, and gives each signal what would have been known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.contracts.outcomes import ConfidenceCalibrations
from pipeline.contracts.validation import hold_to
from pipeline.domain.signal import Origin
from pipeline.domain.timeframe import RESOLUTION, midnight_before
from pipeline.performance.calibration import (
    FITTED_AFTER,
    KIND,
    CalibrationRules,
    Resolved,
    fit,
    midnights,
)
from pipeline.storage.calibrations import (
    has_fit,
    live_closes_to,
    lock_fits,
    read_resolved,
    recalibrate,
    store_fits,
)
from pipeline.storage.database import Database


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What calibrating did."""

    fits: pd.DataFrame  # as `storage.calibrations.read_fits` has them, of every instant that was fitted
    written: int  # rows of fits stored or changed
    signals: int  # that were given something else than they had


def calibrate_live(database: Database, rules: CalibrationRules, scope: str, as_of: datetime) -> Calibrated:
    """Fit as of the newest midnight whose outcomes are told, unless that was done; what is stored is final.

    After an outage nothing is fitted before live runs have caught up with that midnight.
    """
    midnight = midnight_before(as_of - FITTED_AFTER)
    with database.begin() as conn:
        lock_fits(conn, scope)
        closes_to = live_closes_to(conn)
        if closes_to is None or closes_to < midnight or has_fit(conn, Origin.LIVE, scope, midnight):
            return Calibrated(pd.DataFrame(), 0, 0)
        fits = _fits(database, Origin.LIVE, scope, [midnight], rules)
        return Calibrated(fits, store_fits(conn, Origin.LIVE, scope, [midnight], fits), 0)


def calibrate_replayed(
    database: Database, rules: CalibrationRules, scope: str, after: datetime, until: datetime
) -> Calibrated:
    """Fit day by day for a replay's closes with ``after < close <= until``, and give its signals what was known."""
    instants = midnights(after + RESOLUTION, until)
    with database.begin() as conn:
        lock_fits(conn, scope)
        fits = _fits(database, Origin.REPLAY, scope, instants, rules)
        written = store_fits(conn, Origin.REPLAY, scope, instants, fits)
        changed = recalibrate(conn, database, scope, after, until, fits, rules)
    return Calibrated(fits, written, changed)


def _fits(
    database: Database, origin: Origin, scope: str, instants: Sequence[datetime], rules: CalibrationRules
) -> pd.DataFrame:
    known = read_resolved(database, origin, scope, instants, rules.window)
    kinds = pd.MultiIndex.from_frame(known[list(KIND)])
    names = kinds.unique().sort_values()
    resolved = Resolved(
        resolved_at=pd.DatetimeIndex(known["resolved_at"]).tz_localize(None).to_numpy(f"datetime64[{TIME_UNIT}]"),
        confidence=known["confidence"].to_numpy(dtype=np.float64),
        is_win=known["is_win"].to_numpy(dtype=np.float64),
        kinds=names.get_indexer(kinds).astype(np.int32),
        n_kinds=len(names),
    )
    fits = fit(resolved, instants, rules)
    named = names.take(fits.pop("kind").to_numpy()).to_frame(index=False)
    return hold_to(ConfidenceCalibrations, pd.concat([named, fits], axis=1))
