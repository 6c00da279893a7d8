"""SIREN, gates and the inner loop against formulas written down once more, in NumPy float64.

NumPy's inner gradients are complex steps (Squire and Trapp 1998), exact to rounding, so that the
second-order gradient can be checked by finite differences of them.
"""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.networks.modulations import WeightModulation
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation
from mscn_tf.sparsity.pruning import parameters

SIZES, W0, PRICE, STEPS = (2, 5, 5, 3), 3.0, 0.02, 2
M = 63  # (2 + 1) 5 + (5 + 1) 5 + (5 + 1) 3
B = 2
RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-1, 1, [9, 2])
SIGNALS = RANDOM.uniform(0, 1, [B, 9, 3])
NOISE = RANDOM.uniform(0.05, 0.95, [B, M])
ALPHA = {"code": RANDOM.uniform(0.1, 0.3, [1, M]), "log_alpha": RANDOM.uniform(1, 9, [1, M])}


def siren(weights):
    """Values ``[9, 3]`` of Sitzmann et al. 2020, eq. 3, for all weights and biases ``[63]``."""
    hidden, at = X, 0
    for m, n in zip(SIZES, SIZES[1:]):
        kernel, bias = weights[at : at + m * n].reshape(m, n), weights[at + m * n : at + m * n + n]
        hidden, at = hidden @ kernel + bias, at + (m + 1) * n
        if at < M:
            hidden = np.sin(W0 * hidden)
    return 0.5 + hidden


def gates(log_alpha, u):
    """Louizos et al. 2018, eqs. 10 and 11."""
    stretched = 1.2 / (1 + np.exp(-(np.log(u / (1 - u)) + log_alpha) / (2 / 3))) - 0.1
    return np.where(stretched.real < 0, 0, np.where(stretched.real > 1, 1, stretched))


def objective(target, theta, code, log_alpha, b):
    """Error of a signal plus price times expected density (Schwarz & Teh 2022, eqs. 6 and 8)."""
    z = gates(log_alpha, NOISE[b])
    weights = theta + z * code if target == "delta" else z * (theta + code)
    error = np.mean((siren(weights) - SIGNALS[b]) ** 2)
    return error + PRICE * np.mean(1 / (1 + np.exp(2 / 3 * np.log(0.1 / 1.1) - log_alpha)))


def step(target, theta, alpha, code, log_alpha, b):
    """One step of MetaSGD on code and gates together."""
    change = 1e-30j * np.eye(M)
    of_code = [objective(target, theta, code + d, log_alpha, b).imag / 1e-30 for d in change]
    of_gates = [objective(target, theta, code, log_alpha + d, b).imag / 1e-30 for d in change]
    return (
        code - alpha["code"][0] * np.array(of_code),
        log_alpha - alpha["log_alpha"][0] * np.array(of_gates),
    )


def outer(target, theta, phi, alpha):
    """Mean objective after the inner loop, and what it has adapted."""
    total, found = 0.0, []
    for b in range(B):
        code, log_alpha = np.zeros(M), phi
        for _ in range(STEPS):
            code, log_alpha = step(target, theta, alpha, code, log_alpha, b)
        total += objective(target, theta, code, log_alpha, b) / B
        found.append((code, log_alpha))
    return total, [np.stack(part) for part in zip(*found)]


@pytest.mark.parametrize("target", ["delta", "all"])
def test_gated_inner_loop_and_its_gradient(target):
    modulation = GatedModulation(
        WeightModulation(SIZES, dtype="float64"), "unstructured", target, dtype="float64"
    )
    network = ModulatedSiren(5, 2, 3, modulation, w0=W0, seed=0, dtype="float64")
    network.build(tf.TensorShape([None, 2]))
    phi = modulation.gates.log_alpha
    phi.assign(RANDOM.normal(0, 1.5, M))
    sizes = {name: tf.Variable(value) for name, value in ALPHA.items()}

    def losses(adapted):
        values = network(tf.constant(X), {**adapted, "noise": tf.constant(NOISE)})
        error = tf.reduce_mean((values - SIGNALS) ** 2, [1, 2])
        return error + PRICE * modulation.expected_l0(adapted) / modulation.gated_size

    layers = [part for layer in network.siren_layers for part in (layer.kernel, layer.bias)]
    with tf.GradientTape() as tape:
        adapted = inner_loop(losses, modulation.initial(B), sizes, STEPS)
        total = tf.reduce_mean(losses(adapted))
    gradients = tape.gradient(total, [*layers, phi, *sizes.values()])
    theta = np.concatenate([np.ravel(g) for g in gradients[: len(layers)]])
    found = dict(zip(("phi", *sizes), gradients[len(layers) :]), theta=theta)

    start = {"theta": parameters(network), "phi": phi.numpy(), **ALPHA}

    def numpy_total(**moved):
        of = {**start, **moved}
        alpha = {name: of[name] for name in ALPHA}
        return outer(target, of["theta"], of["phi"], alpha)

    value, (code, log_alpha) = numpy_total()
    np.testing.assert_allclose(total, value, rtol=1e-10)
    np.testing.assert_allclose(adapted["code"], code, rtol=1e-5, atol=1e-10)
    np.testing.assert_allclose(adapted["log_alpha"], log_alpha, rtol=1e-5, atol=1e-10)
    for name, gradient in found.items():
        direction, h = RANDOM.normal(size=start[name].shape), 1e-5
        ends = [numpy_total(**{name: start[name] + sign * h * direction})[0] for sign in (1, -1)]
        difference = (ends[0] - ends[1]) / (2 * h)
        assert abs(difference) > 1e-6, name
        np.testing.assert_allclose(np.sum(gradient * direction), difference, rtol=1e-5)
