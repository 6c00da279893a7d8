from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.networks.embeddings import NerfFrequencies, RandomFourierFeatures, SeparableCosines
from mscn_tf.networks.modulations import (
    LatentModulation,
    ShiftModulation,
    WeightModulation,
    network_sizes,
)
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation
from tests.harness import check_layer

MODULATIONS = {
    "weights": WeightModulation,
    "shift": ShiftModulation,
    "latent": lambda sizes, **kwargs: LatentModulation(sizes, 5, seed=1, **kwargs),
    "gated delta": lambda sizes, **kwargs: GatedModulation(ShiftModulation(sizes), **kwargs),
    "gated all": lambda sizes, **kwargs: GatedModulation(
        WeightModulation(sizes), "group", "all", **kwargs
    ),
}


def make(kind="weights", width=6, depth=2, channels=3, size=2, embedding=None, **kwargs):
    sizes = network_sizes(width, depth, channels, size, embedding)
    dtype = kwargs.get("dtype", "float32")
    modulation = MODULATIONS[kind](sizes, dtype=dtype)
    return ModulatedSiren(width, depth, channels, modulation, embedding, seed=0, **kwargs)


def uniform(*shape: int, scale: float = 1.0, dtype: str = "f4") -> np.ndarray:
    return (np.random.default_rng(shape).uniform(-1, 1, shape) * scale).astype(dtype)


@pytest.mark.parametrize("kind", MODULATIONS)
def test_round_trips(kind):
    network = make(kind)
    check_layer(network, uniform(7, 2), uniform(4, network.modulation.code_size, scale=0.1))


@pytest.mark.parametrize("kind", MODULATIONS)
def test_values_are_the_same_without_derivatives(kind):
    network = make(kind)
    inputs = uniform(7, 2), uniform(4, network.modulation.code_size, scale=0.1)
    found, expected = network(*inputs, training=False), network(*inputs)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.ptp(expected) > 0


@pytest.mark.parametrize(
    "embedding", [SeparableCosines(3), NerfFrequencies(2), RandomFourierFeatures(8, seed=2)]
)
def test_round_trips_with_embedding(embedding):
    network = make("shift", embedding=embedding, first_w0=10.0, w0=5.0, offset=0.0)
    check_layer(network, uniform(4, 7, 2), uniform(4, 12, scale=0.1))


def test_round_trip_with_all_that_a_gate_needs():
    network = make("gated delta")
    modulation = network.modulation
    inputs = {**modulation.initial(4), **modulation.noise(4, [1, 2])}
    inputs["code"] += uniform(4, 12, scale=0.1)
    check_layer(network, uniform(7, 2), inputs)


def test_forward_equals_numpy():
    """The whole network in NumPy float64, one signal at a time, with its own weights."""
    network = make("weights", dtype="float64", w0=11.0, first_w0=4.0)
    x, code = uniform(5, 2, dtype="f8"), uniform(3, network.modulation.code_size, scale=0.1)
    values = network(x, code).numpy()
    weights = network.get_weights()
    for b in range(3):
        hidden, used = x, 0
        for i, w0 in enumerate([4.0, 11.0, None]):
            kernel, bias = weights[2 * i], weights[2 * i + 1]
            kernel = kernel + code[b, used : used + kernel.size].reshape(kernel.shape)
            used += kernel.size
            bias = bias + code[b, used : used + bias.size]
            used += bias.size
            hidden = hidden @ kernel + bias
            if w0:
                hidden = np.sin(w0 * hidden)
        assert used == code.shape[1]
        np.testing.assert_allclose(values[b], hidden + 0.5, atol=1e-12)


@settings(deadline=None, max_examples=15)
@given(
    kind=st.sampled_from(list(MODULATIONS)),
    width=st.integers(1, 8),
    depth=st.integers(1, 3),
    channels=st.integers(1, 4),
    size=st.integers(1, 3),
    batch=st.integers(1, 4),
    points=st.integers(1, 5),
    shared=st.booleans(),
)
def test_batch_equals_signal_by_signal(kind, width, depth, channels, size, batch, points, shared):
    network = make(kind, width, depth, channels, size, w0=3.0)
    x = uniform(points, size) if shared else uniform(batch, points, size)
    code = uniform(batch, network.modulation.code_size, scale=0.1)
    values = network(x, code)
    assert values.shape == (batch, points, channels)
    for b in range(batch):
        alone = network(x if shared else x[b : b + 1], code[b : b + 1])
        np.testing.assert_allclose(values[b], alone[0], atol=1e-5)


@pytest.mark.parametrize("kind", MODULATIONS)
def test_gradients_of_one_signal_ignore_the_others(kind):
    """Second order too: what the outer loop differentiates."""
    network = make(kind, w0=3.0)
    x, code = uniform(5, 2), tf.constant(uniform(3, network.modulation.code_size, scale=0.1))

    def gradients(code):
        with tf.GradientTape() as outer:
            outer.watch(code)
            with tf.GradientTape() as inner:
                inner.watch(code)
                loss = tf.reduce_sum(network(x, code) ** 2)
            first = inner.gradient(loss, code)
            norm = tf.reduce_sum(first**2)
        return first, outer.gradient(norm, code)

    together = gradients(code)
    for b in range(3):
        for all_signals, alone in zip(together, gradients(code[b : b + 1])):
            np.testing.assert_allclose(all_signals[b], alone[0], rtol=1e-3, atol=1e-4)


def test_shared_points_are_the_same_as_repeated_ones():
    network = make("shift")
    x, code = uniform(5, 2), uniform(3, 12, scale=0.1)
    np.testing.assert_allclose(network(x, code), network(np.tile(x, [3, 1, 1]), code), atol=1e-5)


def test_a_network_without_hidden_layers_still_answers_for_each_signal():
    network = make("shift", depth=0)
    assert network(uniform(5, 2), np.zeros([4, 0], "f4")).shape == (4, 5, 3)


def test_any_number_of_signals_and_points_in_one_graph():
    network = make("weights")
    function = tf.function(network.__call__)
    spec = tf.TensorSpec([None, None, 2]), tf.TensorSpec([None, network.modulation.code_size])
    concrete = function.get_concrete_function(*spec)
    for batch, points in [(1, 4), (3, 2)]:
        x, code = uniform(batch, points, 2), uniform(batch, network.modulation.code_size)
        np.testing.assert_allclose(
            concrete(tf.constant(x), tf.constant(code)), network(x, code), atol=1e-4
        )


def test_modulation_of_another_network_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 6, 6, 1\).*\(2, 6, 6, 3\)"):
        ModulatedSiren(6, 2, 3, ShiftModulation((2, 6, 6, 1)))
    network = ModulatedSiren(6, 2, 3, ShiftModulation((2, 6, 6, 3)))
    with pytest.raises(ValueError, match=r"\(3, 6, 6, 3\)"):
        network(uniform(5, 3), uniform(2, 12))


def test_a_network_of_the_sizes_that_its_modulation_was_built_for():
    modulation = MODULATIONS["shift"](network_sizes(6, 2, 3))
    network, same = ModulatedSiren.of(modulation, w0=10.0, seed=0), make("shift", w0=10.0)
    inputs = uniform(7, 2), uniform(4, modulation.code_size, scale=0.1)
    np.testing.assert_array_equal(network(*inputs), same(*inputs))
