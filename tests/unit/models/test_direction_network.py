"""The network in numpy: what Keras says, the same bits for a row whoever stands beside it."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.models.direction import DirectionTraining, build, network_of
from pipeline.models.direction_network import BLOCK_ROWS, DIGITS, DirectionNetwork
from pipeline.models.features import FEATURES, SEQUENCE, SEQUENCE_BARS
from pipeline.models.scaling import LIMIT

N_ROWS = 200


def some_inputs(seed: int, n_rows: int = N_ROWS) -> tuple[np.ndarray, np.ndarray]:
    """Scaled inputs as a scaler gives them: some of them at its limit."""
    rng = np.random.default_rng(seed)
    sequences = rng.standard_t(3, (n_rows, SEQUENCE_BARS, len(SEQUENCE))).clip(-LIMIT, LIMIT)
    last = rng.standard_t(3, (n_rows, len(FEATURES))).clip(-LIMIT, LIMIT)
    return sequences.astype(np.float32), last.astype(np.float32)


def a_network(seed: int = 1, size: float = 0.3, units: int = 16, hidden: int = 32) -> DirectionNetwork:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return (size * rng.standard_normal(shape)).astype(np.float32)

    return DirectionNetwork(
        lstm_kernel=some(len(SEQUENCE), 4 * units),
        lstm_recurrent=some(units, 4 * units),
        lstm_bias=some(4 * units),
        dense_kernel=some(units + len(FEATURES), hidden),
        dense_bias=some(hidden),
        head_kernel=some(hidden + len(FEATURES), 1),
        head_bias=some(1),
    )


@pytest.fixture(scope="module")
def keras_model():
    """The model that is trained, compiled once for all weights."""
    return build(DirectionTraining(), len(SEQUENCE), len(FEATURES))


def with_weights(model, network: DirectionNetwork):
    model.get_layer("lstm").set_weights([network.lstm_kernel, network.lstm_recurrent, network.lstm_bias])
    model.get_layer("dense").set_weights([network.dense_kernel, network.dense_bias])
    model.get_layer("head").set_weights([network.head_kernel, network.head_bias])
    return model


# --- what Keras says ------------------------------------------------------------------------------------------------


@given(seed=st.integers(0, 2**32 - 1), size=st.sampled_from([0.02, 0.1, 0.3]))
@settings(max_examples=12)
def test_probabilities_are_those_of_keras(keras_model, seed, size):
    network, inputs = a_network(seed, size), some_inputs(seed)
    expected = with_weights(keras_model, network).predict(list(inputs), batch_size=N_ROWS, verbose=0)[:, 0]

    assert expected.std() > 0.002
    np.testing.assert_allclose(network(*inputs), expected, rtol=0, atol=1e-6)


def test_the_weights_of_keras_are_taken_over_as_they_stand(keras_model):
    network = a_network(seed=4)
    again = network_of(with_weights(keras_model, network))

    for field in fields(DirectionNetwork):
        assert np.array_equal(getattr(again, field.name), getattr(network, field.name)), field.name


def test_bars_are_seen_oldest_first():
    network, (sequences, last) = a_network(), some_inputs(2)

    assert np.abs(network(sequences[:, ::-1], last) - network(sequences, last)).max() > 0.01


@pytest.mark.parametrize("name", [field.name for field in fields(DirectionNetwork)])
def test_every_weight_has_a_say(name):
    network, inputs = a_network(), some_inputs(2)
    louder = replace(network, **{name: getattr(network, name) * np.float32(1.5)})

    assert np.abs(louder(*inputs) - network(*inputs)).max() > 1e-3


# --- the same bits --------------------------------------------------------------------------------------------------


def test_a_row_has_the_same_bits_alone_among_others_and_in_any_block():
    network, (sequences, last) = a_network(), some_inputs(3, n_rows=BLOCK_ROWS + 88)
    whole = network(sequences, last)
    alone = np.concatenate([network(sequences[n : n + 1], last[n : n + 1]) for n in range(len(last))])
    order = np.random.default_rng(3).permutation(len(last))

    assert np.array_equal(alone, whole)
    assert np.array_equal(network(sequences[order], last[order]), whole[order])


def test_a_row_has_the_same_bits_among_a_hundred_thousand():
    network, (sequences, last) = a_network(), some_inputs(3, n_rows=500)
    many = np.arange(20_480) % 500  # forty blocks
    expected = network(sequences, last)

    for _ in range(5):
        assert np.array_equal(network(sequences[many], last[many]), expected[many])


def test_the_memory_layout_of_the_inputs_does_not_matter():
    network, (sequences, last) = a_network(), some_inputs(3)
    turned = np.asfortranarray(sequences), np.asfortranarray(last)

    assert np.array_equal(network(*turned), network(sequences, last))


def test_probabilities_are_rounded_to_what_single_precision_knows():
    p = a_network()(*some_inputs(5))

    assert p.dtype == np.float64
    assert np.array_equal(p, np.round(p, DIGITS))
    assert len(np.unique(p)) > N_ROWS * 0.9


def test_probabilities_lie_between_0_and_1_even_where_weights_are_huge():
    p = a_network(size=3.0)(*some_inputs(5))

    assert ((p >= 0.0) & (p <= 1.0)).all()
    assert p.min() < 0.001
    assert p.max() > 0.999


@pytest.mark.parametrize("n_rows", [0, 1, BLOCK_ROWS, BLOCK_ROWS + 1])
def test_there_are_as_many_probabilities_as_rows(n_rows):
    assert a_network()(*some_inputs(6, n_rows)).shape == (n_rows,)


def test_a_network_survives_its_way_through_arrays():
    network, inputs = a_network(), some_inputs(7)
    arrays = network.to_arrays()
    again = DirectionNetwork.from_arrays(arrays)

    assert sorted(arrays) == sorted(field.name for field in fields(DirectionNetwork))
    assert np.array_equal(again(*inputs), network(*inputs))
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}
