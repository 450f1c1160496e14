"""Intervals of rates: what a hit rate of so many trials leaves open."""

import numpy as np
import numpy.typing as npt

Z_95 = 1.959963984540054  # normal quantile of two sides of 2.5 %


def wilson(
    wins: npt.NDArray[np.float64], n: npt.NDArray[np.float64], z: float = Z_95
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper end of the Wilson score interval of a rate; NaN without a trial.

    Unlike the normal approximation it stays inside [0, 1] and holds what it says for few trials and rates near 0 or 1.
    Source: E. B. Wilson, Probable inference, JASA 22 (1927).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = wins / n
        centre = (rate + z * z / (2.0 * n)) / (1.0 + z * z / n)
        half = z / (1.0 + z * z / n) * np.sqrt(rate * (1.0 - rate) / n + z * z / (4.0 * n * n))
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)
