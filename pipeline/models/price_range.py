"""Price range: how far the next bar is likely to reach, as quantiles of its high and low.

Three quantiles each, by gradient-boosted trees, learned in units of the bar's average true range and given back as
fractions of its close. What is left to learn is how the coming hour differs from an average one, which is the same
question for every coin and every year; so one model serves them all.

The band from the 10 % to the 90 % quantile is then corrected on a later slice of bars that the trees have not seen
(conformalised quantile regression: Romano, Patterson, Candès 2019, theorem 2, each edge at its own level). Trees alone
are too narrow in most quarters, because they fit some noise: 78 to 80 of 100 real hours instead of 80.

Add here what turns features into a range. What trading does with a range belongs to `pricing`, how good it is to
`validation`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import DataContractError
from pipeline.models.panel import Features, Flags, Numbers, Panel, Rows
from pipeline.models.trees import Arrays, Trees, check_width, columns_of, from_boosting, has_features
from pipeline.progress import Report

LEVELS = (0.1, 0.5, 0.9)
RANGES = tuple(f"{side}_q{level * 100:.0f}" for side in ("high", "low") for level in LEVELS)
_SIDES = (slice(0, 3), slice(3, 6))  # of RANGES

# A bar's own size and shape, what volatility and volume did lately, and the time of day. Features of the reference
# symbol made coverage drift from one quarter to the next and did not lower the loss.
RANGE_FEATURES = (
    *("return_1", "return_3", "return_12", "body", "upper_wick", "lower_wick", "range", "rsi", "bb_width"),
    *("distance_sma_20", "volume_share", "volume_trend", "volatility_12", "volatility_rank", "unchanged", "tick"),
    *("hour_sin", "hour_cos", "weekday_sin", "weekday_cos"),
)

LEAST_FIT_ROWS = 500
LEAST_CALIBRATION_ROWS = 100
# Small trees: 15 leaves and 150 rounds took two to three times as long, for no lower a loss on later quarters.
MAX_ITER = 80
LEARNING_RATE = 0.06
MAX_LEAF_NODES = 8
LARGEST_LEAF = 500  # rows that a leaf holds at least; fewer where there are not LEAVES_OF_ROWS times as many
LEAVES_OF_ROWS = 100


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PriceRangeModel:
    """Quantiles of the next bar's high and low. All that it knows is in arrays of numbers."""

    quantiles: tuple[Trees, ...]  # one per name in RANGES, in average true ranges
    widening: Numbers  # (2, 2): high, low; what is taken off the lower edge and put onto the upper one
    columns: npt.NDArray[np.int32]  # of a panel's features, those that the trees look at
    n_features: int  # of a panel, all of them
    n_fit_rows: int
    n_calibration_rows: int

    def predict(self, features: Features, atr_ratio: Numbers) -> Numbers:
        """Quantiles of (next high / close - 1) and (next low / close - 1).

        The three of a side never cross, and no quantile of the low lies above that of the high: quantiles are fitted
        apart from each other, and here and there do. Nothing else is bent; a high may lie below the close, since now
        and then the next bar opens there.

        Parameters
        ----------
        features : shape (n_rows, n_features)
            Rows of a panel, all of its features, not scaled.
        atr_ratio : shape (n_rows,)
            ATR 14 / close.

        Returns
        -------
        Numbers of shape (n_rows, 6)
            In the order of `RANGES`. NaN throughout where a feature that the model looks at or the ratio is unknown or
            infinite, or the ratio is not above 0: a guess for an unknown volatility would look like a forecast.

        Raises
        ------
        DataContractError
            If the features are not as many as the model was trained on.
        """
        check_width(features, self.n_features)
        ratio = np.asarray(atr_ratio, dtype=np.float64)
        is_known = has_features(features, self.columns) & np.isfinite(ratio) & (ratio > 0.0)
        reaches = np.stack([trees.sums(features[is_known]) for trees in self.quantiles], axis=1)
        high, low = (_widened(reaches[:, at], edge) for at, edge in zip(_SIDES, self.widening, strict=True))
        found = np.full((len(features), len(RANGES)), np.nan)
        found[is_known] = np.hstack([high, np.minimum(low, high)]) * ratio[is_known, np.newaxis]
        return found

    def to_arrays(self) -> Arrays:
        """Everything by name, for `from_arrays`."""
        counts = {"n_features": self.n_features, "n_fit_rows": self.n_fit_rows}
        counts["n_calibration_rows"] = self.n_calibration_rows
        arrays: Arrays = {name: np.array([count]) for name, count in counts.items()}
        arrays |= {"widening": self.widening, "columns": self.columns}
        for quantile, trees in zip(RANGES, self.quantiles, strict=True):
            arrays |= {f"{quantile}.{name}": array for name, array in trees.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """What `to_arrays` gave."""
        return cls(
            quantiles=tuple(
                Trees.from_arrays(
                    {
                        name.removeprefix(f"{quantile}."): array
                        for name, array in arrays.items()
                        if name.startswith(f"{quantile}.")
                    }
                )
                for quantile in RANGES
            ),
            widening=arrays["widening"],
            columns=arrays["columns"],
            n_features=int(arrays["n_features"][0]),
            n_fit_rows=int(arrays["n_fit_rows"][0]),
            n_calibration_rows=int(arrays["n_calibration_rows"][0]),
        )


def fit_price_range(
    panel: Panel, fit_rows: Rows, calibration_rows: Rows, *, seed: int, report: Report = lambda done, total: None
) -> PriceRangeModel:
    """Learn the quantiles of the next bar's high and low, and correct their band on later rows.

    The correction only ever widens. A calm quarter would otherwise narrow the band of the next one, which need not be
    calm; a band a little too wide is a lesser fault than one that breaks what it promises.

    Parameters
    ----------
    panel : Panel
        With `RANGE_FEATURES` among its features, and the labels of the rows.
    fit_rows, calibration_rows
        What the trees learn from, and later rows that they must not see; with an embargo between them. Rows whose
        range, features or label are unknown are left out; the model counts those that remained. 13 weeks of hours to
        calibrate on did best: 4 or 8 follow what is peculiar to them, and 26 leave the trees half a year old.
    seed : int
        For the sample that scikit-learn cuts features into bins by, beyond 200,000 rows.
    report
        Is told how many of the quantiles are learned.

    Raises
    ------
    DataContractError
        If there are fewer than `LEAST_FIT_ROWS` or `LEAST_CALIBRATION_ROWS` usable rows, a label is the same for
        all, or the panel lacks a feature.
    """
    columns = columns_of(panel, RANGE_FEATURES)
    fit_rows = _usable(panel, fit_rows, columns)
    calibration_rows = _usable(panel, calibration_rows, columns)
    _check_count("fit_rows", fit_rows, LEAST_FIT_ROWS)
    _check_count("calibration_rows", calibration_rows, LEAST_CALIBRATION_ROWS)
    reaches = _reaches(panel, fit_rows)
    for name, reach in zip(("next_high", "next_low"), reaches, strict=True):
        if np.ptp(reach) == 0.0:
            raise DataContractError(f"{name} must differ between the rows to fit, was {reach[0]} ATR in all of them")

    seen = panel.features[tuple(fit_rows.T)][:, columns]
    quantiles = []
    for reach in reaches:
        for level in LEVELS:
            quantiles.append(from_boosting(_boosted(seen, reach, level, seed), columns))
            report(len(quantiles), len(RANGES))

    later = panel.features[tuple(calibration_rows.T)]
    said = np.stack([trees.sums(later) for trees in quantiles], axis=1)
    held_back = zip(_SIDES, _reaches(panel, calibration_rows), strict=True)
    return PriceRangeModel(
        quantiles=tuple(quantiles),
        widening=np.array([_widening(np.sort(said[:, side], axis=1), reach) for side, reach in held_back]),
        columns=np.array(columns, dtype=np.int32),
        n_features=len(panel.names),
        n_fit_rows=len(fit_rows),
        n_calibration_rows=len(calibration_rows),
    )


def is_sound(ranges: Numbers) -> Flags:
    """Which rows of `PriceRangeModel.predict` can be stored. Shape (n_rows,).

    All six known and finite, each side in order, the low not above the high, and no price at or below 0.
    """
    high, low = (ranges[:, side] for side in _SIDES)
    with np.errstate(invalid="ignore"):  # of two infinities
        in_order = np.hstack([np.diff(high, axis=1) >= 0.0, np.diff(low, axis=1) >= 0.0, low <= high])
    is_price = np.isfinite(ranges) & (ranges > -1.0)
    sound: Flags = np.logical_and.reduce(np.hstack([in_order, is_price]), axis=1)
    return sound


def _boosted(seen: Features, reach: Numbers, level: float, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(
        loss="quantile",
        quantile=level,
        max_iter=MAX_ITER,
        learning_rate=LEARNING_RATE,
        max_leaf_nodes=MAX_LEAF_NODES,
        min_samples_leaf=min(LARGEST_LEAF, max(1, len(reach) // LEAVES_OF_ROWS)),
        early_stopping=False,  # it would hold rows back at random, and neighbouring hours are nearly twins
        random_state=seed,
    )
    # Threads that wait for each other at every node spin; beside other work that takes longer than one alone.
    with threadpool_limits(1, user_api="openmp"):
        return model.fit(seen, reach)


def _widening(said: Numbers, reach: Numbers) -> tuple[float, float]:
    """How far each edge must go out so that as many rows lie beyond it as its level says, and not less than 0."""
    beyond = (said[:, 0] - reach, reach - said[:, -1])
    lower, upper = (max(0.0, _conformal(distance, LEVELS[-1])) for distance in beyond)
    return lower, upper


def _conformal(distances: Numbers, level: float) -> float:
    """The smallest distance that a next one exceeds with a chance of at most 1 - ``level``: the (n + 1)st counts."""
    place = min(len(distances), ceil((len(distances) + 1) * level))
    return float(np.partition(distances, place - 1)[place - 1])


def _widened(reaches: Numbers, edges: Numbers) -> Numbers:
    ordered: Numbers = np.sort(reaches, axis=1)
    ordered[:, 0] -= edges[0]
    ordered[:, -1] += edges[1]
    return ordered


def _reaches(panel: Panel, rows: Rows) -> Numbers:
    """The labels in average true ranges. Shape (2, n_rows): high, low."""
    ratio = panel.atr_ratio[tuple(rows.T)]
    return np.stack([panel.next_high(rows) / ratio, panel.next_low(rows) / ratio])


def _usable(panel: Panel, rows: Rows, columns: Sequence[int]) -> Rows:
    cells = tuple(rows.T)
    rows = rows[has_features(panel.features[cells], columns) & (panel.atr_ratio[cells] > 0.0)]
    return rows[np.isfinite(_reaches(panel, rows)).all(axis=0)]


def _check_count(name: str, rows: Rows, least: int) -> None:
    if len(rows) < least:
        raise DataContractError(f"{name} with features, range and label must be {least} or more, was {len(rows)}")
