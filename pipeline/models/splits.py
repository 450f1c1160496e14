"""Which bars a model may learn from, and on which it is judged: the one place where periods are cut.

Add here what divides time. A *period* names closes; the rows in it come from `Panel.rows`, which leaves out those
whose label looks past the period's end (the purge). Between a period that is learned from and the one that is judged
lies the *embargo*. It is not the purge again, it does three things that the purge cannot:

- a selection that forgot to purge still holds no label that reaches into the judged period, because the embargo is
  never shorter than a label (`least_embargo`);
- features look back, up to hundreds of bars, and volatility lasts: the first judged bars are described by almost the
  same values as the last learned ones, and every hour between them makes such twins rarer;
- a model serves only some time after the last bar that it learned from. A judgement without that gap would be about a
  model that nobody can have.

López de Prado, Advances in Financial Machine Learning (2018), chapter 7, has the two words.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from pipeline.contracts.blocks import TIME_UNIT
from pipeline.domain.errors import DataContractError
from pipeline.domain.timeframe import Timeframe
from pipeline.models.panel import HORIZON_BARS, Panel, Rows


class Period(NamedTuple):
    """The closes in ``(after, until]``, both aware UTC; ``panel.rows(*period)`` are its rows."""

    after: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """One step of a walk forward: what is learned from, and the later closes that are judged."""

    train_after: datetime
    train_until: datetime
    test_after: datetime
    test_until: datetime

    @property
    def train(self) -> Period:
        """The closes that a model of this fold may know."""
        return Period(self.train_after, self.train_until)

    @property
    def test(self) -> Period:
        """The closes that it is judged on."""
        return Period(self.test_after, self.test_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """A training window in three parts, oldest first: weights, when to stop, what a raw number is worth."""

    fit: Period
    stop: Period
    calibrate: Period


def least_embargo(timeframe: Timeframe) -> timedelta:
    """How far a label looks ahead: no gap between learning and judging may be shorter."""
    return HORIZON_BARS * timeframe.duration


def walk_forward(
    timeframe: Timeframe,
    through: datetime,
    *,
    n_folds: int,
    fold_weeks: int,
    training_weeks: int,
    embargo: timedelta,
) -> tuple[Fold, ...]:
    """Folds whose test periods follow one another without a gap and end at ``through``; oldest first.

    Each fold learns from ``training_weeks`` that end ``embargo`` before its test begins: a window that moves, as in
    service, where a model is retrained on the newest weeks. A cross-validation that shuffles bars would let a model
    learn from the week after the one that it is judged on.

    Raises
    ------
    DataContractError
        If a number of weeks or folds is below 1, or the embargo is shorter than a label.
    """
    for name, value in (("n_folds", n_folds), ("fold_weeks", fold_weeks), ("training_weeks", training_weeks)):
        _check_at_least(name, value, 1)
    _check_embargo(timeframe, embargo)
    length = timedelta(weeks=fold_weeks)
    starts = [through - count * length for count in range(n_folds, 0, -1)]
    return tuple(
        Fold(
            train_after=start - embargo - timedelta(weeks=training_weeks),
            train_until=start - embargo,
            test_after=start,
            test_until=start + length,
        )
        for start in starts
    )


def training_slices(
    timeframe: Timeframe,
    after: datetime,
    until: datetime,
    *,
    stop_weeks: int,
    calibration_weeks: int,
    embargo: timedelta,
) -> Slices:
    """A training window ``(after, until]`` cut into slices with an embargo between them.

    The calibration slice is the newest, because what a raw number is worth changes faster than which bars resemble one
    another; the stopping slice lies before it, so that the calibrator sees a model that never saw its rows.

    Parameters
    ----------
    stop_weeks : int
        0 for a model that stops by itself: the stopping slice is then empty, and costs no second embargo.

    Raises
    ------
    DataContractError
        If nothing is left to fit on, or the embargo is shorter than a label.
    """
    _check_at_least("stop_weeks", stop_weeks, 0)
    _check_at_least("calibration_weeks", calibration_weeks, 1)
    _check_embargo(timeframe, embargo)
    calibrate = Period(until - timedelta(weeks=calibration_weeks), until)
    stop_until = calibrate.after - embargo
    stop = Period(stop_until - timedelta(weeks=stop_weeks), stop_until)
    fit = Period(after, stop.after - embargo if stop_weeks else stop.after)
    if fit.until <= fit.after:
        raise DataContractError(
            f"a training window must be longer than its stopping and calibration slices and the embargoes between "
            f"them, {until - fit.until}, was {until - after}"
        )
    return Slices(fit=fit, stop=stop, calibrate=calibrate)


def check_no_overlap(timeframe: Timeframe, earlier: Period, later: Period) -> None:
    """Refuse two periods between which a label that is not purged would reach from one into the other."""
    _check_embargo(timeframe, later.after - earlier.until)


def check_disjoint(panel: Panel, train_rows: Rows, test_rows: Rows) -> None:
    """Refuse rows to learn from whose labels take in a close that is judged, or come after one.

    This looks at the rows themselves, so that it also catches a selection that went around `Panel.rows`. A label that
    ends on the first judged close is refused as well: it contains a price of the judged period.

    Raises
    ------
    DataContractError
        Naming the newest label and the first judged close.
    """
    if not len(train_rows) or not len(test_rows):
        return
    newest = panel.close_at[train_rows[:, 1].max()] + np.timedelta64(least_embargo(panel.timeframe))
    first = panel.close_at[test_rows[:, 1].min()]
    if newest >= first:
        raise DataContractError(
            f"labels learned from must end before the first judged close ({first} UTC), was {newest} UTC: select the "
            f"rows of a period by Panel.rows, and leave an embargo"
        )


def known_by(panel: Panel, instant: datetime) -> Panel:
    """The panel without any bar that closes after ``instant``; rows keep their numbers, nothing is copied.

    A training function that is given this cannot look ahead, however it selects: what is not there does not leak.
    """
    limit = np.datetime64(instant.replace(tzinfo=None), TIME_UNIT)
    bars = slice(int(np.searchsorted(panel.close_at, limit, side="right")))
    return replace(
        panel,
        features=panel.features[:, bars],
        close_at=panel.close_at[bars],
        close=panel.close[:, bars],
        high=panel.high[:, bars],
        low=panel.low[:, bars],
        atr_ratio=panel.atr_ratio[:, bars],
        is_usable=panel.is_usable[:, bars],
    )


def _check_at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise DataContractError(f"{name} must be {least} or more, was {value}")


def _check_embargo(timeframe: Timeframe, embargo: timedelta) -> None:
    if embargo < (least := least_embargo(timeframe)):
        raise DataContractError(
            f"embargo must be at least {least} (what a label of {timeframe} looks ahead), was {embargo}"
        )
