"""Scaling: features as a network wants them, measured on the training rows and on no others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.models.panel import Features

LIMIT = 5.0  # standard deviations: beyond them a feature says no more than "far"


@dataclass(frozen=True, slots=True)
class Scaler:
    """Mean and spread of each feature; it travels with the model that was trained on its output."""

    mean: Features  # (n_features,)
    spread: Features  # (n_features,), 1 where a feature did not vary

    @classmethod
    def fit(cls, values: Features) -> "Scaler":
        """The scaler of training rows, shape (n_rows, n_features); NaN is left out.

        A feature that did not vary, or was never known, is mapped to 0: it has nothing to say, and dividing by its
        spread would make rounding errors loud.
        """
        exact = values.astype(np.float64)
        known = ~np.isnan(exact)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, exact, 0.0).sum(axis=0) / count
        deviation = np.where(known, exact - mean, 0.0)
        spread = np.sqrt((deviation * deviation).sum(axis=0) / count)
        is_constant = spread <= 1e-6 * np.maximum(np.abs(mean), 1.0)
        return cls(mean.astype(np.float32), np.where(is_constant, 1.0, spread).astype(np.float32))

    def __call__(self, values: Features) -> Features:
        """Shape (..., n_features), float32: (value - mean) / spread within ±`LIMIT`; unknown becomes 0, the mean."""
        scaled = (values - self.mean) / self.spread
        np.clip(scaled, -LIMIT, LIMIT, out=scaled)
        np.copyto(scaled, 0.0, where=np.isnan(scaled))
        return scaled

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Mean and spread by name."""
        return {"mean": self.mean, "spread": self.spread}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "Scaler":
        """What `to_arrays` gave."""
        return cls(arrays["mean"].astype(np.float32), arrays["spread"].astype(np.float32))
