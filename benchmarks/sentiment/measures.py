"""How well labels and probabilities agree with what people said. Labels are places in `LABELS`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.sentiment.scoring import LABELS

BINS = 10

Counts = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


def accuracy(true: Counts, said: Counts) -> float:
    """The share of labels that are right."""
    return float(np.mean(true == said))


def macro_f1(true: Counts, said: Counts) -> float:
    """The mean over the classes that occur in ``true`` of the harmonic mean of precision and recall."""
    scores = []
    for label in np.unique(true):
        right = np.sum((true == label) & (said == label))
        scores.append(2.0 * right / (np.sum(true == label) + np.sum(said == label)))
    return float(np.mean(scores))


def confusion(true: Counts, said: Counts) -> Counts:
    """How many of each class (rows) were said to be of each (columns), both in the order of `LABELS`."""
    n = len(LABELS)
    return np.bincount(true * n + said, minlength=n * n).reshape(n, n)


def calibration_error(true: Counts, probabilities: Numbers) -> float:
    """Expected calibration error: how far being right is from the probability of the label said, over ten bins."""
    sure, is_right = probabilities.max(axis=1), probabilities.argmax(axis=1) == true
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(np.sum(is_right[bins == n]) - np.sum(sure[bins == n])) for n in range(BINS)]
    return float(sum(gaps) / len(true))


def two_classes(probabilities: Numbers) -> Counts:
    """The likelier of positive and negative, for sets that know no neutral."""
    outer = probabilities[:, [LABELS.index("positive"), LABELS.index("negative")]]
    places: Sequence[int] = (LABELS.index("positive"), LABELS.index("negative"))
    return np.where(outer[:, 0] >= outer[:, 1], *places)
