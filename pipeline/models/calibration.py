"""What a raw probability is worth: maps from what a network says to how often that came true.

Add a map here when it is monotone, its result lies strictly between 0 and 1, and it is a few numbers that travel with
the model. It is fitted on rows that are later than any that the model learned from, because a model is surer of what it
has seen, and applied by numpy alone.

Every fit leans towards leaving a probability as it is. Six weeks of 20 symbols are 20,000 rows, and far less evidence:
symbols move together, and how often a bar rose in one quarter says nothing of the next. Seen on hours of 2022-01 to
2023-06, six folds of 13 weeks, a logistic regression calibrated on the six weeks before each: Brier skill .0077 as it
is, .0064 by plain Platt, .0063 by a plain isotonic map, .0078 by the maps here.
"""

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import DataContractError
from pipeline.models.metrics import equal_count_bins, log_loss
from pipeline.models.panel import Numbers

Kind = Literal["platt", "isotonic"]

LEAST_ROWS = 200  # fewer say nothing of a probability to two digits
EDGE = 1e-6  # no probability is nearer to 0 or 1
ISOTONIC_BINS = 50
BIN_ROWS = 200  # at least, in a bin of the isotonic map: a share of 200 is known to .035
ROWS_PER_FACT = 5.0  # rows of one bar that count as one, because the symbols move together
SLOPE_SPREAD = 0.15  # how far from 1 a slope is expected, one standard deviation
SHIFT_SPREAD = 0.01  # the same of a shift from 0: a quarter of a percent
PRIOR_ROWS = 1_000  # rows of a bin that its own raw probability counts as
NEWTON_STEPS = 50
CONVERGED = 1e-10


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A monotone map of probabilities: ``sigmoid(slope x logit(p) + shift)``, or straight lines between knots."""

    kind: Kind
    x: Numbers  # platt: (slope,); isotonic: raw probabilities of the knots, rising
    y: Numbers  # platt: (shift,); isotonic: calibrated probabilities of the knots, never falling

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise DataContractError(f"a calibrator's kind must be one of {' '.join(get_args(Kind))}, was {self.kind!r}")
        if self.x.shape != self.y.shape or self.x.ndim != 1 or not len(self.x):
            raise DataContractError(f"a calibrator's knots must be pairs, was {self.x.shape} and {self.y.shape}")
        is_monotone = (
            self.x[0] >= 0.0
            if self.kind == "platt"
            else bool((np.diff(self.x) > 0.0).all() and (np.diff(self.y) >= 0.0).all())
        )
        if not is_monotone or not np.isfinite([self.x, self.y]).all():
            raise DataContractError(
                f"a calibrator must never fall, was {self.kind} {self.x.tolist()} {self.y.tolist()}"
            )

    def __call__(self, p: Numbers) -> Numbers:
        """The calibrated probabilities of raw ones, same shape, within [1e-6, 1 - 1e-6]; NaN stays NaN."""
        if self.kind == "platt":
            calibrated = _sigmoid(self.x[0] * _logit(p) + self.y[0])
        else:
            calibrated = np.where(np.isnan(p), np.nan, np.interp(p, self.x, self.y))
        return np.clip(calibrated, EDGE, 1.0 - EDGE)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The map as plain arrays: kind, x, y."""
        return {"kind": np.array(self.kind), "x": self.x, "y": self.y}


def calibrator_of(arrays: dict[str, npt.NDArray[np.generic]]) -> Calibrator:
    """The map that `Calibrator.to_arrays` wrote; `DataContractError` if they are no map."""
    kind = cast(Kind, str(arrays["kind"]))  # checked where it is made
    return Calibrator(kind, arrays["x"].astype(np.float64), arrays["y"].astype(np.float64))


def fit_calibrator(p: Numbers, y: Numbers) -> Calibrator:
    """Platt's map or an isotonic one, whichever has the lower log loss on later rows.

    Both are fitted on the first half and compared on the second; the better one is fitted again on all, Platt's where
    they tie. Platt's two numbers bend a sigmoid and are hard to fool; an isotonic map can follow any monotone shape,
    and needs many rows not to follow noise. Which of them serves a model is a question about data, so data answer it.

    Parameters
    ----------
    p, y : arrays of shape (n_rows,), oldest first
        Raw probabilities, and 1.0 where it came true, else 0.0.

    Raises
    ------
    DataContractError
        If there are too few rows, one outcome only, or a probability is not in [0, 1].
    """
    if len(p) < LEAST_ROWS or len(p) != len(y):
        raise DataContractError(f"rows to calibrate on must be {LEAST_ROWS} or more pairs, was {len(p)} and {len(y)}")
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise DataContractError("a probability to calibrate must be in [0, 1] and known, was otherwise")
    if len(np.unique(y)) < 2:
        raise DataContractError(f"outcomes to calibrate on must be of both kinds, was {y[0]} throughout")
    half = len(p) // 2
    losses = [log_loss(y[half:], fit(p[:half], y[:half])(p[half:])) for fit in (fit_platt, fit_isotonic)]
    return (fit_platt if losses[0] <= losses[1] else fit_isotonic)(p, y)


def fit_platt(p: Numbers, y: Numbers) -> Calibrator:
    """Slope and shift of the logit (Platt 1999), the most probable ones if 1 and 0 are expected; Newton's method.

    The log loss of a fifth of the rows, plus the squares of ``(slope - 1) / .15`` and ``shift / .01`` over two, is
    made least. Where rows have much to say it is maximum likelihood; where they have little, the identity.

    A slope below 0 would say that the model is right when turned round. On a slice of some weeks that is noise or a
    fault, and no reason to trade on it: the slope is then 0, and every row gets the share that came true.
    """
    design = np.column_stack([_logit(p), np.ones(len(p))])
    slope, shift = _newton(design, y)
    if slope <= 0.0:
        slope, shift = 0.0, _logit((y.sum() + 1.0) / (len(y) + 2.0))
    return Calibrator("platt", np.array([slope]), np.array([shift]))


def fit_isotonic(p: Numbers, y: Numbers) -> Calibrator:
    """The never falling map nearest to the shares of equally large bins (pool adjacent violators), lines between them.

    Knots are bins and not rows: a map of rows ends in steps of 0 and 1 wherever the few most extreme rows happened to
    agree, and gives whole stretches one value, which costs rank. A bin's share is taken together with 1,000 rows that
    came true as often as they said. Beyond the outer bins lines lead to (0, 0) and (1, 1): a constant there would
    take from the surest rows what makes them sure.
    """
    from sklearn.isotonic import isotonic_regression

    bins = equal_count_bins(p, int(np.clip(len(p) // BIN_ROWS, 1, ISOTONIC_BINS)))
    sizes = np.bincount(bins).astype(np.float64)
    knots = np.clip(np.bincount(bins, p) / sizes, EDGE, 1.0 - EDGE)
    shares = (np.bincount(bins, y) + PRIOR_ROWS * knots) / (sizes + PRIOR_ROWS)
    fitted = isotonic_regression(shares, sample_weight=sizes)
    return Calibrator("isotonic", np.r_[0.0, knots, 1.0], np.r_[0.0, fitted, 1.0])


def _newton(design: Numbers, y: Numbers) -> Numbers:
    """Slope and shift of least penalised loss; every step is halved until the loss does not rise.

    The loss is strictly convex, so that there is one such pair, and it is finite even where outcomes are parted.
    """
    expected = np.array([1.0, 0.0])
    penalty = np.array([SLOPE_SPREAD, SHIFT_SPREAD]) ** -2.0 * ROWS_PER_FACT

    def loss(pair: Numbers) -> float:
        z = design @ pair
        return float((np.logaddexp(0.0, z) - y * z).sum() + penalty @ (pair - expected) ** 2 / 2.0)

    pair = expected
    for _ in range(NEWTON_STEPS):
        fitted = _sigmoid(design @ pair)
        gradient = design.T @ (fitted - y) + penalty * (pair - expected)
        curvature = (design * (fitted * (1.0 - fitted))[:, None]).T @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        while np.abs(step).max() > CONVERGED and loss(pair - step) > loss(pair):
            step = step / 2.0
        if np.abs(step).max() <= CONVERGED:
            break
        pair = pair - step
    return pair


def _logit(p: Numbers) -> Numbers:
    inside = np.clip(p, EDGE, 1.0 - EDGE)
    logits: Numbers = np.log(inside) - np.log1p(-inside)
    return logits


def _sigmoid(z: Numbers) -> Numbers:
    return 1.0 / (1.0 + np.exp(-np.clip(z, -50.0, 50.0)))
