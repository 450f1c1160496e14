"""Confidence as it came true: the share of signals that won among those that stated as much, by kind of signal.

What is fitted at an instant knows only outcomes that were resolved by then: the same walk over the past, live and in
replays. A share of a few signals says little: a kind with too few outcomes has no calibrated confidence, and classes
lean on their kind as a whole. More confidence never means less: where a class with more of it won less often, both are
given what they won together.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.domain.timeframe import midnight_before
from pipeline.performance.ranking import Codes, Floats
from pipeline.performance.reliability import N_CLASSES, classes

# A fit is as of midnight. An hour later the outcomes that it needs are told, and after another one it is made.
FITTED_AFTER, EFFECTIVE_AFTER = timedelta(hours=1), timedelta(hours=2)
ONE_DAY = timedelta(days=1)
# Of signals: what a stated confidence is a statement of. Profiles differ in their stops, and so in how often they win.
KIND = ("exchange", "timeframe", "profile", "source_group", "strategy")
STATED_PARTS = 1e6  # of a confidence that are told apart
NOTHING_TO_WIN = "alert"  # why an ALERT has none

Instants = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRules:
    """How stated confidence is calibrated."""

    min_outcomes: int = 100  # of a kind of signals, before anything is said about them
    prior_outcomes: float = 20.0  # that a class is taken to have had before, won as often as its kind
    window: timedelta = timedelta(days=365)  # outcomes that were resolved longer ago no longer count


def insufficient(n: int, needed: int) -> str:
    """Why a kind of signals has no calibrated confidence yet."""
    return f"insufficient_outcomes({n}<{needed})"


def fitted_at(close_at: datetime) -> datetime:
    """As of when the fit was made that a bar's signals are given: the newest one that is effective at its close."""
    return midnight_before(close_at - EFFECTIVE_AFTER)


def midnights(first: datetime, last: datetime) -> list[datetime]:
    """The instants of the fits that are given to closes from ``first`` to ``last``, both inclusive."""
    begin, end = fitted_at(first.astimezone(UTC)), fitted_at(last.astimezone(UTC))
    return [begin + day * ONE_DAY for day in range((end - begin).days + 1)]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Outcomes that are known, in any order; arrays of shape (n,)."""

    resolved_at: Instants  # UTC, without a zone
    confidence: Floats  # stated, 0 to 1
    is_win: Floats  # 1.0 where the signal won
    kinds: Codes  # a number for the kind of each signal, from 0
    n_kinds: int


def fit(resolved: Resolved, instants: Sequence[datetime], rules: CalibrationRules) -> pd.DataFrame:
    """What each kind of signals is known to be worth at each of ``instants``.

    Returns
    -------
    DataFrame
        fitted_as_of, kind, confidence_class (of `reliability.classes`), outcomes and wins (of the class, resolved up to
        and including the instant, but not before the window), kind_outcomes (of all classes), stated (mean of the
        class) and calibrated: NaN where the kind has fewer outcomes than the rules ask for. By instant, kind and
        class; classes without an outcome have no row.
    """
    n_cells = resolved.n_kinds * N_CLASSES
    ends = np.array([at.astimezone(UTC).replace(tzinfo=None) for at in instants], dtype="datetime64[us]")
    begins = ends - np.timedelta64(rules.window)
    bounds = np.unique(np.concatenate([begins, ends]))
    steps = np.searchsorted(bounds, resolved.resolved_at, side="left")  # what is resolved at a bound is within it
    places = steps * n_cells + resolved.kinds.astype(np.int64) * N_CLASSES + classes(resolved.confidence)

    def known(weights: Floats | None) -> Floats:
        shape = (len(bounds) + 1, n_cells)
        summed = np.bincount(places, weights, shape[0] * shape[1]).reshape(shape).cumsum(axis=0)
        within: Floats = (summed[np.searchsorted(bounds, ends)] - summed[np.searchsorted(bounds, begins)]).astype(
            np.float64
        )
        return within.reshape(len(instants), resolved.n_kinds, N_CLASSES)

    # Whole numbers: sums of fractions over another past, or in another order, differ in their last bits.
    n, wins, stated = known(None), known(resolved.is_win), known(np.rint(resolved.confidence * STATED_PARTS))
    of_kind = n.sum(axis=2)
    at, kind, confidence_class = np.nonzero(n)
    table = pd.DataFrame(
        {
            "fitted_as_of": pd.DatetimeIndex(ends[at], tz="UTC"),
            "kind": kind,
            "confidence_class": confidence_class.astype(np.int16),
            "outcomes": n[at, kind, confidence_class].astype(np.int64),
            "wins": wins[at, kind, confidence_class].astype(np.int64),
            "kind_outcomes": of_kind[at, kind].astype(np.int64),
            "stated": stated[at, kind, confidence_class] / n[at, kind, confidence_class] / STATED_PARTS,
        }
    )
    return table.assign(calibrated=_shares(table, at * resolved.n_kinds + kind, rules))


def _shares(table: pd.DataFrame, group: npt.NDArray[np.int64], rules: CalibrationRules) -> Floats:
    """The share of each row, rising within its group; NaN where too little of the group is known."""
    n, wins, of_kind = (table[name].to_numpy(dtype=np.float64) for name in ("outcomes", "wins", "kind_outcomes"))
    shares = np.full(len(table), np.nan)
    ends = np.flatnonzero(np.diff(group, append=-1)) + 1  # rows are by group
    begins = np.concatenate([[0], ends])[:-1]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if of_kind[begin] >= rules.min_outcomes:
            shares[begin:end] = _rising(n[begin:end], wins[begin:end], rules)
    return shares


def _rising(n: Floats, wins: Floats, rules: CalibrationRules) -> Floats:
    """Shares of wins that lean on their sum's, and never fall."""
    from sklearn.isotonic import isotonic_regression

    weight = n + rules.prior_outcomes
    shrunk = (wins + rules.prior_outcomes * wins.sum() / n.sum()) / weight
    rising: Floats = isotonic_regression(shrunk, sample_weight=weight)
    return rising


def calibrate(signals: pd.DataFrame, fits: pd.DataFrame, rules: CalibrationRules) -> pd.DataFrame:
    """What signals that state so much confidence were known to be worth when they came.

    Parameters
    ----------
    signals
        `KIND`, signal_type, confidence and fitted_as_of: the fit that each is given, see `fitted_at`.
    fits
        What `fit` returns, with `KIND` in place of ``kind``.

    Returns
    -------
    DataFrame
        calibrated_confidence, 0 to 1, between the classes' stated means by a straight line and beyond them level; and
        uncalibrated_because: why there is none, None where there is one. Index and order of ``signals``.
    """
    value = np.full(len(signals), np.nan)
    because = np.full(len(signals), insufficient(0, rules.min_outcomes), dtype=object)
    known: dict[Hashable, pd.DataFrame] = dict(iter(fits.groupby(["fitted_as_of", *KIND], sort=False)))
    confidence = signals["confidence"].to_numpy(dtype=np.float64)
    for key, places in signals.groupby(["fitted_as_of", *KIND], sort=False).indices.items():
        rows = known.get(key)
        if rows is None:
            continue
        if rows["calibrated"].isna().any():
            because[places] = insufficient(int(rows["kind_outcomes"].iloc[0]), rules.min_outcomes)
            continue
        value[places] = np.interp(confidence[places], rows["stated"].to_numpy(), rows["calibrated"].to_numpy())
        because[places] = None
    is_alert = (signals["signal_type"] == "ALERT").to_numpy()
    value[is_alert], because[is_alert] = np.nan, NOTHING_TO_WIN
    return pd.DataFrame({"calibrated_confidence": value, "uncalibrated_because": because}, index=signals.index)
