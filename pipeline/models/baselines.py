"""Predictors that any model must beat, or it has learned nothing worth its trouble.

Add a baseline when a reader would ask "and against simply ...?". Each `fit_...` learns from the training period of a
fold and gives a predictor, as models do, so that all are judged on the same rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pipeline.domain.errors import DataContractError
from pipeline.models.metrics import Indices
from pipeline.models.out_of_sample import Fit
from pipeline.models.panel import Features, Numbers, Panel, Rows
from pipeline.models.price_range import LEVELS
from pipeline.models.scaling import Scaler
from pipeline.models.splits import Fold

LEAST_ROWS = 100
REGULARISATION = 0.01  # scikit-learn's C: weak beside 10,000 rows, and enough where two features are nearly one


@dataclass(frozen=True, slots=True)
class BaseRate:
    """The share of training rows that went up, said of every row."""

    share: float

    def predict(self, panel: Panel, rows: Rows) -> Numbers:
        """The share, once per row."""
        return np.full(len(rows), self.share)


@dataclass(frozen=True, slots=True)
class Persistence:
    """How often a rise followed a fall, an unchanged close and a rise; said by the sign of the row's own return."""

    shares: Numbers  # after a fall, nothing, a rise, and where the close before is unknown

    def predict(self, panel: Panel, rows: Rows) -> Numbers:
        """The share for the sign of each row's last return."""
        return self.shares[_last_move(panel, rows)]


@dataclass(frozen=True, slots=True)
class LogisticRegression:
    """A weighted sum of the row's scaled features, through a sigmoid."""

    scaler: Scaler
    weights: Numbers  # (n_features,)
    intercept: float

    def predict(self, panel: Panel, rows: Rows) -> Numbers:
        """The probability that each row goes up."""
        place, bar = rows.T
        z = self.scaler(panel.features[place, bar]).astype(np.float64) @ self.weights + self.intercept
        probability: Numbers = 1.0 / (1.0 + np.exp(-np.clip(z, -50.0, 50.0)))
        return probability


@dataclass(frozen=True, slots=True)
class AtrBand:
    """Quantiles of how many average true ranges the next bar reached, times the row's own range."""

    reaches: Numbers  # (6,): high .1 .5 .9, low .1 .5 .9, in ATR

    def predict(self, panel: Panel, rows: Rows) -> Numbers:
        """Shape (n_rows, 6): quantiles of the next high, then of the low, fractions of the close; NaN without ATR."""
        place, bar = rows.T
        quantiles: Numbers = panel.atr_ratio[place, bar][:, None] * self.reaches
        return quantiles


def fit_base_rate(panel: Panel, fold: Fold) -> BaseRate:
    """The base rate of a fold's training rows."""
    return BaseRate(float(panel.went_up(_training_rows(panel, fold)).mean()))


def fit_persistence(panel: Panel, fold: Fold) -> Persistence:
    """What followed each sign of the last return. Whether moves go on or turn back is learned: hours turn back.

    Where a sign has not been seen the share is the base rate.
    """
    rows = _training_rows(panel, fold)
    went_up, moves = panel.went_up(rows), _last_move(panel, rows)
    seen = np.bincount(moves, minlength=4)
    ups = np.bincount(moves, went_up, minlength=4)
    return Persistence(np.where(seen > 0, ups / np.maximum(seen, 1), went_up.mean()))


def fit_logistic_regression(panel: Panel, fold: Fold) -> LogisticRegression:
    """A logistic regression on the features of the row's bar, scaled by the training rows."""
    rows = _training_rows(panel, fold)
    place, bar = rows.T
    values = panel.features[place, bar]
    scaler = Scaler.fit(values)
    weights, intercept = logistic_weights(scaler(values), panel.went_up(rows))
    return LogisticRegression(scaler, weights, intercept)


def fit_atr_band(panel: Panel, fold: Fold) -> AtrBand:
    """The quantiles, over a fold's training rows, of the next bar's high and low in units of the row's ATR."""
    rows = _training_rows(panel, fold)
    ratio = panel.atr_ratio[tuple(rows.T)]
    known = ratio > 0.0
    if known.sum() < LEAST_ROWS:
        raise DataContractError(f"training rows with an ATR must be {LEAST_ROWS} or more, was {known.sum()}")
    reaches = [reach(rows[known]) / ratio[known] for reach in (panel.next_high, panel.next_low)]
    return AtrBand(np.concatenate([np.quantile(reach, LEVELS) for reach in reaches]))


DIRECTION_BASELINES: Mapping[str, Fit] = MappingProxyType(
    {"base_rate": fit_base_rate, "persistence": fit_persistence, "logistic_regression": fit_logistic_regression}
)
RANGE_BASELINES: Mapping[str, Fit] = MappingProxyType({"atr_band": fit_atr_band})


def logistic_weights(x: Features, y: Numbers) -> tuple[Numbers, float]:
    """Weights and intercept of the regularised logistic regression of ``y`` on scaled features.

    By Newton's method on the normal equations, which is fast and exact for many rows of few features, and gives equal
    numbers for equal input where a stochastic solver would need a seed.

    Parameters
    ----------
    x : array of shape (n_rows, n_features)
        Scaled; no NaN.
    y : array of shape (n_rows,)
        1.0 or 0.0.

    Raises
    ------
    DataContractError
        If only one outcome occurs.
    """
    from sklearn.linear_model import LogisticRegression as Regression

    if len(np.unique(y)) < 2:
        raise DataContractError(f"outcomes to learn from must be of both kinds, was {y[:1].tolist()} throughout")
    fitted = Regression(C=REGULARISATION, solver="newton-cholesky", max_iter=100).fit(x.astype(np.float64), y)
    return fitted.coef_[0].astype(np.float64), float(fitted.intercept_[0])


def _training_rows(panel: Panel, fold: Fold) -> Rows:
    rows = panel.rows(*fold.train)
    if len(rows) < LEAST_ROWS:
        raise DataContractError(
            f"training rows from {fold.train_after:%Y-%m-%d} to {fold.train_until:%Y-%m-%d} must be {LEAST_ROWS} or "
            f"more, was {len(rows)}"
        )
    return rows


def _last_move(panel: Panel, rows: Rows) -> Indices:
    """0 after a fall, 1 after nothing, 2 after a rise, 3 where the close before is unknown."""
    place, bar = rows.T
    move = np.sign(panel.close[place, bar] - panel.close[place, np.maximum(bar - 1, 0)])
    return np.where(np.isnan(move) | (bar == 0), 3, np.nan_to_num(move) + 1).astype(np.intp)
