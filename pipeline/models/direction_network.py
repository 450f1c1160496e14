"""The direction network at work: an LSTM and two dense layers in plain numpy.

Keras needs seconds to start and compiles anew for each number of rows; this needs milliseconds, and a test holds both
equal. Training lives in `pipeline.models.direction`.

A row's probability has the same bits whichever rows stand beside it, though a product's last bits depend on its shape
and on where a row stands in it, on some processors more than on others: it is computed in double precision and rounded
to what the single precision of the weights knows. Blocks of one size, the last one padded, keep the shape.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from pipeline.models.panel import Features, Numbers

BLOCK_ROWS = 512
STEEPEST = 60.0  # beyond it a sigmoid is 0 or 1
DIGITS = 6  # of a probability: what lies below is the rounding of the weights


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionNetwork:
    """Weights, float32, named and shaped as Keras has them; ``units`` LSTM cells, ``hidden`` dense ones."""

    lstm_kernel: Features  # (n_sequence_features, 4 units): input gate, forget gate, cell, output gate
    lstm_recurrent: Features  # (units, 4 units)
    lstm_bias: Features  # (4 units,)
    dense_kernel: Features  # (units + n_features, hidden)
    dense_bias: Features  # (hidden,)
    head_kernel: Features  # (hidden + n_features, 1)
    head_bias: Features  # (1,)

    def __call__(self, sequences: Features, last: Features) -> Numbers:
        """Probability that the next close is higher, shape (n_rows,), rounded to `DIGITS`.

        Parameters
        ----------
        sequences : array of shape (n_rows, n_bars, n_sequence_features)
            Scaled, oldest bar first, the judged bar last.
        last : array of shape (n_rows, n_features)
            Scaled features of the judged bar.
        """
        n_rows = len(last)
        exact = {name: weights.astype(np.float64) for name, weights in self.to_arrays().items()}
        probabilities = np.empty(n_rows)
        for start in range(0, n_rows, BLOCK_ROWS):
            block = slice(start, min(start + BLOCK_ROWS, n_rows))
            rows = _block(exact, _padded(sequences[block]), _padded(last[block]))
            probabilities[block] = rows[: block.stop - start]
        return np.round(probabilities, DIGITS)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """The weights by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "DirectionNetwork":
        """What `to_arrays` gave."""
        return cls(**{field.name: arrays[field.name].astype(np.float32) for field in fields(cls)})


def _block(weights: Mapping[str, Numbers], sequences: Numbers, last: Numbers) -> Numbers:
    """Probabilities of the rows of one block."""
    units = len(weights["lstm_recurrent"])
    state = np.zeros((len(last), units))
    cell = np.zeros_like(state)
    for bar in range(sequences.shape[1]):
        gates = np.ascontiguousarray(sequences[:, bar]) @ weights["lstm_kernel"] + state @ weights["lstm_recurrent"]
        gates += weights["lstm_bias"]
        opened, kept, shown = (_sigmoid(gates[:, n * units : (n + 1) * units]) for n in (0, 1, 3))
        cell = kept * cell + opened * np.tanh(gates[:, 2 * units : 3 * units])
        state = shown * np.tanh(cell)
    hidden = np.tanh(np.concatenate([state, last], axis=1) @ weights["dense_kernel"] + weights["dense_bias"])
    logits = np.concatenate([hidden, last], axis=1) @ weights["head_kernel"] + weights["head_bias"]
    return _sigmoid(logits[:, 0])


def _padded(rows: Features) -> Numbers:
    block = np.zeros((BLOCK_ROWS, *rows.shape[1:]))
    block[: len(rows)] = rows
    return block


def _sigmoid(values: Numbers) -> Numbers:
    result: Numbers = 1.0 / (1.0 + np.exp(np.minimum(-values, STEEPEST)))
    return result
