"""Direction: an LSTM that says how likely the next close is higher, pooled over symbols; and how it is trained.

The network sees some features of the last `SEQUENCE_BARS` bars through an LSTM and all features of the judged bar
beside it. Its last layer starts at the weights of a logistic regression on those features and everything else starts
at no influence: what is to be learned beyond a weighted sum is small, and a network that first has to find that sum
spends its training on it. Seen on hours of 2022-01 to 2023-06: started at random it stayed at an AUC of .52 to .545
after as many passes, where the regression has .554 (docs/models.md has what was tried).

Training takes two passes over the window. The first learns on its oldest part, notes after which pass over the data
the loss on the stopping slice was lowest, and calibrates on the newest slice, which it never saw. The second learns on
the whole window for as many passes, for the newest ten weeks are worth more than any refinement (.551 to .555), and is
served with the first one's calibrator.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.domain.errors import ConfigurationError, DataContractError
from pipeline.models.baselines import logistic_weights
from pipeline.models.calibration import Calibrator, calibrator_of, fit_calibrator
from pipeline.models.direction_network import DIGITS, DirectionNetwork
from pipeline.models.features import FEATURES, SEQUENCE, SEQUENCE_BARS
from pipeline.models.metrics import log_loss
from pipeline.models.panel import Features, Inputs, Numbers, Panel, Rows
from pipeline.models.scaling import Scaler
from pipeline.models.splits import Period, Slices
from pipeline.progress import Report

LEAST_ROWS = 2_000  # fewer are fitted by chance
MOST_ROWS = 400_000  # what trains within minutes and 4 GB; more are thinned out evenly in time
PREDICTED_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionTraining:
    """How the network is trained. The defaults were chosen on hours of 2022, and hold for other timeframes too."""

    units: int = 16
    hidden: int = 32
    dropout: float = 0.2
    weight_decay: float = 1e-5  # L2, of every kernel
    learning_rate: float = 2e-3  # falls to nothing along a cosine
    batch_rows: int = 4_096
    passes: int = 4  # over the data, at most
    seed: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionModel:
    """A trained network with its scaler and calibrator."""

    network: DirectionNetwork
    scaler: Scaler
    calibrator: Calibrator

    def raw(self, sequences: Features, last: Features) -> Numbers:
        """What the network says, shape (n_rows,); features unscaled, shapes as `DirectionNetwork` takes them."""
        return self.network(of_sequence(self.scaler)(sequences), self.scaler(last))

    def predict_raw(self, inputs: Inputs, rows: Rows) -> Numbers:
        """What the network says of rows, shape (n_rows,); NaN where fewer than `SEQUENCE_BARS` bars are at hand."""
        found = np.full(len(rows), np.nan)
        known = np.flatnonzero(rows[:, 1] >= SEQUENCE_BARS - 1)
        for start in range(0, len(known), PREDICTED_AT_ONCE):
            part = known[start : start + PREDICTED_AT_ONCE]
            found[part] = self.raw(*gathered(inputs, rows[part]))
        return found

    def predict(self, inputs: Inputs, rows: Rows) -> Numbers:
        """Calibrated probability that the next close is higher, shape (n_rows,), as `predict_raw`."""
        return self.calibrated(self.predict_raw(inputs, rows))

    def calibrated(self, raw: Numbers) -> Numbers:
        """What the network's probabilities are worth, rounded as they are."""
        return np.round(self.calibrator(raw), DIGITS)

    def to_arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Everything that the model consists of, by part and name."""
        parts = {
            "network": self.network.to_arrays(),
            "scaler": self.scaler.to_arrays(),
            "calibrator": self.calibrator.to_arrays(),
        }
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "DirectionModel":
        """What `to_arrays` gave."""

        def part(name: str) -> dict[str, npt.NDArray[np.generic]]:
            return {key.removeprefix(f"{name}."): a for key, a in arrays.items() if key.startswith(f"{name}.")}

        return cls(
            network=DirectionNetwork.from_arrays(part("network")),
            scaler=Scaler.from_arrays(part("scaler")),
            calibrator=calibrator_of(part("calibrator")),
        )


def of_sequence(scaler: Scaler) -> Scaler:
    """The part of a scaler of all features that is about the sequence's."""
    places = [FEATURES.index(name) for name in SEQUENCE]
    return Scaler(scaler.mean[places], scaler.spread[places])


def gathered(inputs: Inputs, rows: Rows) -> tuple[Features, Features]:
    """Unscaled inputs of rows: sequences (n_rows, `SEQUENCE_BARS`, n) and the features of the bar (n_rows, m)."""
    place, bar = rows.T
    bars = bar[:, np.newaxis] + np.arange(1 - SEQUENCE_BARS, 1)
    columns = [inputs.names.index(name) for name in SEQUENCE]
    sequences = inputs.features[place[:, np.newaxis, np.newaxis], bars[:, :, np.newaxis], columns]
    return sequences, inputs.features[place, bar]


def train_direction(
    panel: Panel, slices: Slices, training: DirectionTraining | None = None, report: Report = lambda done, total: None
) -> DirectionModel:
    """Train on the slices of a window; the same panel, slices and parameters give the same weights to the bit.

    ``report`` is told how many of the training steps are done.

    Raises
    ------
    DataContractError
        If the slices have too few rows, or only one outcome: whoever serves a model keeps the one before.
    """
    training = training or DirectionTraining()
    window = Period(slices.fit.after, slices.calibrate.until)
    fit, stop, calibrate, whole = (
        _known_rows(panel, period) for period in (slices.fit, slices.stop, slices.calibrate, window)
    )
    for name, rows, least in (("fit", fit, LEAST_ROWS), ("stop", stop, 100), ("calibrate", calibrate, 100)):
        if len(rows) < least:
            raise DataContractError(f"rows to {name} on must be {least} or more, was {len(rows)}")
        if len(np.unique(panel.went_up(rows))) < 2:
            raise DataContractError(f"rows to {name} on must have risen and not, were all the same")
    steps = _Steps(report, 2 * training.passes)
    network, scaler, n_passes = _fitted(panel, fit, training, stop, training.passes, steps)
    raw = network(*_scaled(panel, calibrate, scaler))
    calibrator = fit_calibrator(raw, panel.went_up(calibrate))
    network, scaler, _ = _fitted(panel, whole, training, None, n_passes, steps)
    steps.finish()
    return DirectionModel(network=network, scaler=scaler, calibrator=calibrator)


def _scaled(panel: Panel, rows: Rows, scaler: Scaler) -> tuple[Features, Features]:
    sequences, last = gathered(panel, rows)
    return of_sequence(scaler)(sequences), scaler(last)


def _known_rows(panel: Panel, period: Period) -> Rows:
    """The rows of a period that have a sequence before them, at most `MOST_ROWS`, thinned out evenly."""
    rows = panel.rows(*period)
    rows = rows[rows[:, 1] >= SEQUENCE_BARS - 1]
    if len(rows) > MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.intp)]
    return rows


class _Steps:
    """Counts passes over the data for whoever watches."""

    def __init__(self, report: Report, n_steps: int) -> None:
        self.report, self.n_steps, self.done = report, n_steps, 0

    def take(self) -> None:
        self.done += 1
        self.report(self.done, self.n_steps)

    def finish(self) -> None:
        self.report(self.n_steps, self.n_steps)


def _fitted(
    panel: Panel, rows: Rows, training: DirectionTraining, stop: Rows | None, n_passes: int, steps: _Steps
) -> tuple[DirectionNetwork, Scaler, int]:
    """The network after the pass with the lowest loss on ``stop`` (the last one without), its scaler, which pass."""
    keras = _keras()
    went_up = panel.went_up(rows)
    scaler = Scaler.fit(panel.features[tuple(rows.T)])
    inputs = list(_scaled(panel, rows, scaler))
    watched = None if stop is None else (_scaled(panel, stop, scaler), panel.went_up(stop))
    net = _begun(training, *logistic_weights(inputs[1], went_up))
    n_steps = n_passes * -(-len(rows) // training.batch_rows)  # so that the last pass is the most careful one
    decay = keras.optimizers.schedules.CosineDecay(training.learning_rate, n_steps, alpha=0.02)
    net.compile(keras.optimizers.Adam(decay), "binary_crossentropy")
    lowest, best, best_pass = np.inf, network_of(net), 0
    for number in range(1, n_passes + 1):
        net.fit(inputs, went_up.astype(np.float32), batch_size=training.batch_rows, epochs=1, verbose=0)
        steps.take()
        network = network_of(net)
        loss = -float(number) if watched is None else log_loss(watched[1], network(*watched[0]))
        if loss < lowest:
            lowest, best, best_pass = loss, network, number
    return best, scaler, best_pass


def _begun(training: DirectionTraining, weights: Numbers, intercept: float) -> Any:
    """The Keras model at the start: its head has the logistic regression's weights, and hears nothing else yet."""
    _keras().utils.set_random_seed(training.seed)
    net = build(training, len(SEQUENCE), len(weights))
    head = np.zeros((training.hidden + len(weights), 1), dtype=np.float32)
    head[training.hidden :, 0] = weights
    net.get_layer("head").set_weights([head, np.array([intercept], dtype=np.float32)])
    return net


def build(training: DirectionTraining, n_sequence: int, n_features: int) -> Any:
    """The untrained Keras model; inputs are sequences and the features of the bar, output the probability."""
    keras = _keras()
    layers = keras.layers

    def decay() -> Any:
        return keras.regularizers.L2(training.weight_decay)

    sequence = keras.Input((SEQUENCE_BARS, n_sequence), name="sequence")
    last = keras.Input((n_features,), name="last")
    state = layers.LSTM(training.units, kernel_regularizer=decay(), recurrent_regularizer=decay(), name="lstm")(
        sequence
    )
    state = layers.Dropout(training.dropout)(state)
    hidden = layers.Dense(training.hidden, activation="tanh", kernel_regularizer=decay(), name="dense")(
        layers.Concatenate()([state, last])
    )
    hidden = layers.Dropout(training.dropout)(hidden)
    output = layers.Dense(1, activation="sigmoid", kernel_regularizer=decay(), kernel_initializer="zeros", name="head")(
        layers.Concatenate()([hidden, last])
    )
    return keras.Model([sequence, last], output)


def network_of(net: Any) -> DirectionNetwork:
    """The weights of a Keras model that `build` made."""
    kernel, recurrent, bias = (np.array(each.value) for each in net.get_layer("lstm").weights)
    dense, dense_bias = (np.array(each.value) for each in net.get_layer("dense").weights)
    head, head_bias = (np.array(each.value) for each in net.get_layer("head").weights)
    return DirectionNetwork(
        lstm_kernel=kernel,
        lstm_recurrent=recurrent,
        lstm_bias=bias,
        dense_kernel=dense,
        dense_bias=dense_bias,
        head_kernel=head,
        head_bias=head_bias,
    )


def _keras() -> Any:
    """Keras on jax, on the processor; decided by the environment before the first import."""
    os.environ["KERAS_BACKEND"] = "jax"
    os.environ["JAX_PLATFORMS"] = "cpu"
    import keras

    if keras.backend.backend() != "jax":
        raise ConfigurationError(f"Keras must run on jax, was on {keras.backend.backend()}; unset KERAS_BACKEND")
    return keras
