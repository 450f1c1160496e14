"""Whether confidence means something: what was stated against what came true, in classes of stated confidence."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.performance.intervals import wilson
from pipeline.performance.ranking import Codes, Floats

WIDTH = 0.05  # of a class
N_CLASSES = 20
EPSILON = 1e-9  # so that 0.65, which floats cannot say, is in the class that begins with it


def classes(confidence: Floats) -> Codes:
    """The class of each stated confidence, from 0; the last one holds 1."""
    found: Codes = np.clip(np.floor(confidence / WIDTH + EPSILON), 0, N_CLASSES - 1).astype(np.int32)
    return found


def class_name(number: int) -> str:
    """The bounds of a class; the upper one belongs to the next."""
    return f"{number * WIDTH:.2f}-{(number + 1) * WIDTH:.2f}"


@dataclass(frozen=True, slots=True)
class Reliability:
    """Stated and realised, of some groups of signals."""

    table: pd.DataFrame  # group, confidence (class), n, stated, realised, low, high; those with signals
    error: Floats  # expected calibration error of each group; NaN without signals


def reliability(confidence: Floats, is_win: Floats, codes: Codes, n_groups: int) -> Reliability:
    """Compare what signals stated with how often they won.

    Parameters
    ----------
    confidence, is_win : arrays of shape (n,)
        Stated, 0 to 1, and 1.0 where the signal won.
    codes : array of shape (n,)
        The group of each.

    Returns
    -------
    Reliability
        The expected calibration error is the mean distance of a class's win rate from its mean confidence, weighted by
        the signals of the class.
    """
    cells = codes.astype(np.int64) * N_CLASSES + classes(confidence)
    n_cells = n_groups * N_CLASSES
    n = np.bincount(cells, minlength=n_cells).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        stated = np.bincount(cells, confidence, n_cells) / n
        wins = np.bincount(cells, is_win, n_cells).astype(np.float64)
        realised = wins / n
        distance = np.where(n > 0, n * np.abs(realised - stated), 0.0).reshape(n_groups, N_CLASSES)
        error = distance.sum(axis=1) / n.reshape(n_groups, N_CLASSES).sum(axis=1)
    low, high = wilson(wins, n)
    told = np.flatnonzero(n)
    table = pd.DataFrame(
        {
            "group": told // N_CLASSES,
            "confidence": [class_name(int(number)) for number in told % N_CLASSES],
            "n": n[told].astype(np.int64),
            "stated": stated[told],
            "realised": realised[told],
            "low": low[told],
            "high": high[told],
        }
    )
    return Reliability(table, error)


def calibrated_beside_stated(
    calibrated: Floats, stated: Floats, is_win: Floats, codes: Codes, n_groups: int
) -> pd.DataFrame:
    """Whether calibrated confidence came closer to what happened than what was stated, on the signals that had both.

    Parameters
    ----------
    calibrated, stated, is_win : arrays of shape (n,)
        Calibrated confidence, NaN where a signal had none; stated confidence; 1.0 where the signal won.
    codes : array of shape (n,)
        The group of each.

    Returns
    -------
    DataFrame
        group, n, calibrated (mean), realised with its interval low and high, and the expected calibration errors
        stated_error and calibrated_error; a row for each group that has any.
    """
    has = ~np.isnan(calibrated)
    value, won, groups = calibrated[has], is_win[has], codes[has]
    n = np.bincount(groups, minlength=n_groups).astype(np.float64)
    wins = np.bincount(groups, won, n_groups).astype(np.float64)
    told = np.flatnonzero(n)
    low, high = wilson(wins, n)
    errors = {
        name: reliability(said, won, groups, n_groups).error
        for name, said in (("stated_error", stated[has]), ("calibrated_error", value))
    }
    return pd.DataFrame(
        {
            "group": told,
            "n": n[told].astype(np.int64),
            "calibrated": np.bincount(groups, value, n_groups)[told] / n[told],
            "realised": wins[told] / n[told],
            "low": low[told],
            "high": high[told],
            **{name: error[told] for name, error in errors.items()},
        }
    )
