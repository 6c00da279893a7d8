from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.fitting.shared_start import gradients_at_zero
from mscn_tf.networks.embeddings import NerfFrequencies
from mscn_tf.networks.modulations import (
    BasisModulation,
    LatentModulation,
    ShiftModulation,
    SubspaceModulation,
    WeightModulation,
    network_sizes,
)
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation
from mscn_tf.sparsity.pruning import MaskedModulation

N, C = 25, 3
LIMITS = {"log_alpha": 6.0}
EMBEDDING = NerfFrequencies(2, dtype="float64")
SIZES = network_sizes(8, 2, C, embedding=EMBEDDING)
COORDINATES = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(N, 2)
MODULATIONS = {
    "latent": lambda: LatentModulation(SIZES, 6, seed=1, dtype="float64"),
    "subspace": lambda: SubspaceModulation(SIZES, 6, seed=1, dtype="float64"),
    "shift": lambda: ShiftModulation(SIZES, dtype="float64"),
    "weights": lambda: WeightModulation(SIZES, dtype="float64"),
    "basis": lambda: BasisModulation(SIZES, 6, seed=1, dtype="float64"),
    "gates": lambda: GatedModulation(
        WeightModulation(SIZES, dtype="float64"), "group", "delta", 0.7, dtype="float64"
    ),
    "gates on shifts": lambda: GatedModulation(
        ShiftModulation(SIZES, dtype="float64"), "modulation", "delta", 0.7, dtype="float64"
    ),
    "mask": lambda: MaskedModulation(
        ShiftModulation(SIZES, dtype="float64"), "delta", dtype="float64"
    ),
}


def make(kind: str, batch: int):
    modulation = MODULATIONS[kind]()
    network = ModulatedSiren(8, 2, C, modulation, EMBEDDING, w0=3.0, seed=0, dtype="float64")
    network.build(tf.TensorShape([None, 2]))
    signals = np.random.default_rng(batch).uniform(size=[batch, N, C])

    def error(values: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.abs(values - signals) ** 3, axis=[1, 2])

    noise = modulation.noise(batch, tf.constant([1, 2]))
    return network, error, lambda adapted: error(network(COORDINATES, {**adapted, **noise})), noise


@pytest.mark.parametrize("kind", MODULATIONS)
@pytest.mark.parametrize("batch", [1, C, 7])
def test_it_is_the_gradient(kind, batch):
    network, error, loss, noise = make(kind, batch)
    start = network.modulation.initial(batch)
    with tf.GradientTape() as tape:
        tape.watch(start)
        total = tf.reduce_sum(loss(start))
    wanted = tape.gradient(total, start)
    found = gradients_at_zero(network, tf.constant(COORDINATES), error, start, noise)
    assert found.keys() == wanted.keys()
    assert np.abs(wanted["code"]).max() > 1e-4
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("kind", ["gates", "gates on shifts"])
@pytest.mark.parametrize("sampled", [False, True])
def test_second_order_gradient_through_a_look_ahead(kind, sampled):
    """In phi0, theta0 and the step sizes, against finite differences."""
    network, error, _, noise = make(kind, 4)
    noise, modulation = noise if sampled else {}, network.modulation
    random = np.random.default_rng(0)
    modulation.gates.log_alpha.assign(random.choice([-9.0, -1.0, 0.5], modulation.gate_count))
    sizes = {
        "code": tf.Variable(random.uniform(0.2, 0.5, [2, modulation.code_size])),
        "log_alpha": tf.Variable(random.uniform(200, 500, [2, modulation.gate_count])),
    }

    def outer(look: bool) -> tf.Tensor:
        def loss(adapted):
            values = network(COORDINATES, {**adapted, **noise})
            return error(values) + 1e-3 * modulation.expected_l0(adapted)

        initial = modulation.initial(4)
        first = gradients_at_zero(network, tf.constant(COORDINATES), error, initial, noise)
        with tf.GradientTape() as tape:
            tape.watch(initial)
            price = tf.reduce_sum(1e-3 * modulation.expected_l0(initial))
        first["log_alpha"] += 1e-2 * tape.gradient(price, initial["log_alpha"])
        if look:
            ahead = modulation.ahead({**initial, **noise}, first["code"], sizes["code"][0])
            first["log_alpha"] += ahead
        adapted = inner_loop(loss, initial, sizes, 2, first_gradients=first, limits=LIMITS)
        return tf.reduce_mean(loss(adapted))

    assert abs(outer(True) - outer(False)) > 1e-7
    variables = [modulation.gates.log_alpha, network.siren_layers[1].kernel, *sizes.values()]
    with tf.GradientTape() as tape:
        total = outer(True)
    for variable, gradient in zip(variables, tape.gradient(total, variables)):
        value = variable.numpy()
        direction = random.normal(size=value.shape) * np.abs(value).mean()
        ends = []
        for sign in (1, -1):
            variable.assign(value + sign * 1e-6 * direction)
            ends.append(outer(True))
        variable.assign(value)
        difference = float(ends[0] - ends[1]) / 2e-6
        assert abs(difference) > 1e-7
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-3)


@pytest.mark.parametrize("kind", MODULATIONS)
@pytest.mark.parametrize("first_order", [False, True])
def test_an_inner_loop_that_is_given_it(kind, first_order):
    """Codes and outer gradients are those of one that finds out by itself."""
    network, error, loss, noise = make(kind, 5)
    initial = network.modulation.initial(5)
    sizes = {k: tf.Variable(np.full([1, v.shape[1]], 0.1)) for k, v in initial.items()}

    @tf.function
    def outer(given: bool) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            initial = network.modulation.initial(5)
            first = gradients_at_zero(network, tf.constant(COORDINATES), error, initial, noise)
            adapted = inner_loop(
                loss, initial, sizes, 2, first_order, first_gradients=first if given else None
            )
            total = tf.reduce_mean(loss(adapted))
        return adapted["code"], tape.gradient(
            total, [*network.trainable_variables, *sizes.values()], unconnected_gradients="zero"
        )

    (code, gradients), (wanted_code, wanted) = outer(True), outer(False)
    np.testing.assert_allclose(code, wanted_code, rtol=1e-9, atol=1e-12)
    for gradient, one in zip(gradients, wanted):
        np.testing.assert_allclose(gradient, one, rtol=1e-8, atol=1e-12)
    assert any(np.abs(one).max() > 1e-4 for one in wanted)
