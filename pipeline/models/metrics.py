"""How good numbers about the future were: measures of probabilities, quantiles and flags against what came.

Add a measure here when it needs the outcomes and the predictions of some rows and nothing else. How sure a measure is
belongs to `bootstrap`, which rows are judged to `validation`.

Everywhere ``y`` is what came (1.0 up, 0.0 not, or the number that a quantile is about), ``p`` what was said of it,
both of shape (n_rows,), aligned and known: a row without an answer is left out before, for every predictor alike.
Without rows a measure is NaN.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.models.panel import Flags, Numbers

Indices = npt.NDArray[np.intp]

N_BINS = 20  # of a probability, for its calibration
SMALLEST = 1e-15  # a probability of 0 that went wrong costs this one's log loss and not infinity, as in scikit-learn
EXTREME_LEVEL = 0.95


class HitRate(NamedTuple):
    """How often calls were right, and how many there were; NaN of 0."""

    share: float
    n_calls: int


class Ranking:
    """Outcomes in the order of their probabilities, sorted once, for the AUC under many weightings of the rows.

    Rows of one probability form a tie. A bootstrap reweights the same rows hundreds of times, and the sort is what
    costs; with it done a weighting is a few passes over the rows.
    """

    def __init__(self, y: Numbers, p: Numbers) -> None:
        self.order: Indices = np.argsort(p, kind="stable")
        self._is_up = y[self.order] > 0.5
        ranked = p[self.order]
        self._ends: Indices = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(p) - 1)[: len(p)]

    def auc(self, weights: Numbers) -> float:
        """The AUC of the rows with ``weights`` (n_rows,), in the order of ``order``; NaN without both outcomes."""
        n_up = np.cumsum(np.where(self._is_up, weights, 0.0))[self._ends]
        n_down = np.cumsum(np.where(self._is_up, 0.0, weights))[self._ends]
        if not len(n_up) or n_up[-1] <= 0.0 or n_down[-1] <= 0.0:
            return float("nan")
        below = np.append(0.0, n_down[:-1])
        won = np.diff(n_up, prepend=0.0) @ (below + n_down) / 2.0
        return float(won / (n_up[-1] * n_down[-1]))


def auc(y: Numbers, p: Numbers, weights: Numbers | None = None) -> float:
    """Probability that a row that went up was given more than one that did not; a tie counts one half.

    This is the Mann-Whitney statistic over both counts (Hanley and McNeil 1982), and so the area under the ROC curve.
    NaN unless both outcomes occur.

    Parameters
    ----------
    weights : array of shape (n_rows,), optional
        How often each row counts; 0 or more. Once each, if left out.
    """
    ranking = Ranking(y, p)
    return ranking.auc(np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)[ranking.order])


def squared_errors(y: Numbers, p: Numbers) -> Numbers:
    """Per row, what the Brier score is the mean of."""
    errors: Numbers = (p - y) ** 2
    return errors


def brier(y: Numbers, p: Numbers) -> float:
    """Mean squared distance of probability and outcome (Brier 1950): 0 is perfect, a constant .5 gets .25."""
    return _mean(squared_errors(y, p))


def brier_skill(y: Numbers, p: Numbers, base: Numbers) -> float:
    """``1 - brier(p) / brier(base)``: the share of the base rate's loss that is saved; below 0 it is worse.

    The base rate is that of the rows that were learned from. The share of ups among the judged rows would be a
    reference that knows their outcome.
    """
    loss = brier(y, base)
    return 1.0 - brier(y, p) / loss if loss > 0.0 else float("nan")


def log_losses(y: Numbers, p: Numbers) -> Numbers:
    """Per row, minus the natural logarithm of what was given to what came."""
    sure = np.clip(np.where(y > 0.5, p, 1.0 - p), SMALLEST, 1.0)
    losses: Numbers = -np.log(sure)
    return losses


def log_loss(y: Numbers, p: Numbers) -> float:
    """Mean log loss in nats; a constant .5 gets .6931."""
    return _mean(log_losses(y, p))


def equal_count_bins(p: Numbers, n_bins: int = N_BINS) -> Indices:
    """The bin of every row, 0 the lowest: about equally many rows in each, equal probabilities never parted.

    Fewer bins than ``n_bins`` come out where probabilities repeat; a constant has one.
    """
    edges = np.unique(np.quantile(p, np.arange(1, n_bins) / n_bins)) if len(p) else np.empty(0)
    _, bins = np.unique(np.searchsorted(edges, p, side="left"), return_inverse=True)
    return bins.astype(np.intp)


def ece(y: Numbers, p: Numbers, n_bins: int = N_BINS) -> float:
    """Expected calibration error: how far, on average over bins, probabilities are from the share that went up.

    ``sum over bins of (n_bin / n) x |mean probability - share up|``, Naeini, Cooper and Hauskrecht (2015), with 20
    bins of equal counts. The usual ten bins of equal width would see one or two of a model of returns, whose
    probabilities lie between .4 and .6, and let a tail that is wrong cancel in the crowd. Noise adds to an ECE and
    never takes away: of m rows in a bin, a perfect model shows about .4 / sqrt(m).
    """
    bins = equal_count_bins(p, n_bins)
    return float(np.abs(np.bincount(bins, p - y)).sum() / len(y)) if len(y) else float("nan")


def hit_rate_above(y: Numbers, p: Numbers, threshold: float) -> HitRate:
    """The share that went up where ``p > threshold``: how often a BUY was right."""
    return _hit_rate(y > 0.5, p > threshold)


def hit_rate_below(y: Numbers, p: Numbers, threshold: float) -> HitRate:
    """The share that did not go up where ``p < threshold``: how often a SELL was right."""
    return _hit_rate(y < 0.5, p < threshold)


def pinball_losses(y: Numbers, q: Numbers, level: float) -> Numbers:
    """Per row, the distance of outcome and quantile, ``level`` times where the outcome is above, else 1 - level times.

    Koenker and Bassett (1978); its mean is smallest for the true quantile, in the unit of ``y``.
    """
    above = y - q
    losses: Numbers = np.maximum(level * above, (level - 1.0) * above)
    return losses


def pinball(y: Numbers, q: Numbers, level: float) -> float:
    """Mean pinball loss of one quantile."""
    return _mean(pinball_losses(y, q, level))


def is_inside(y: Numbers, low: Numbers, high: Numbers) -> Flags:
    """Whether an outcome lies in ``[low, high]``."""
    return (low <= y) & (y <= high)


def coverage(y: Numbers, low: Numbers, high: Numbers) -> float:
    """The share of outcomes in ``[low, high]``."""
    return _mean(is_inside(y, low, high))


def flagged_share(flags: Flags) -> float:
    """The share of rows that are flagged."""
    return _mean(flags)


def extreme_moves(returns: Numbers, groups: Indices, level: float = EXTREME_LEVEL) -> Flags:
    """Which absolute returns are beyond the ``level`` quantile of their own group's, a group being a symbol.

    One quantile over all symbols would call the wild ones extreme and the calm ones never, and any flag that knows the
    wild ones would look foresighted.
    """
    sizes = np.abs(returns)
    flags = np.zeros(len(sizes), dtype=np.bool_)
    for group in np.unique(groups):
        among = groups == group
        flags[among] = sizes[among] > np.quantile(sizes[among], level)
    return flags


def lift(flags: Flags, is_extreme: Flags) -> float:
    """How many times as often an extreme move follows a flag as it follows any row; NaN without flags or extremes."""
    often = _mean(is_extreme)
    return _mean(is_extreme[flags]) / often if often > 0.0 else float("nan")


def _hit_rate(is_right: Flags, is_called: Flags) -> HitRate:
    return HitRate(_mean(is_right[is_called]), int(is_called.sum()))


def _mean(values: Numbers | Flags) -> float:
    return float(values.mean()) if len(values) else float("nan")
