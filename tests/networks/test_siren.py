from __future__ import annotations

import itertools

import numpy as np
import pytest

from mscn_tf.networks.siren import LayerUpdate, SirenLayer
from tests.harness import check_layer

B, N, IN, OUT = 3, 5, 4, 6


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


@pytest.mark.parametrize("is_last", [False, True])
def test_round_trips(is_last):
    check_layer(SirenLayer(OUT, w0=20.0, is_last=is_last, seed=3), normal(B, N, IN).astype("f4"))


@pytest.mark.parametrize("shared_points", [False, True])
@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize(
    ("kernel", "bias", "bias_gate"), list(itertools.product([False, True], repeat=3))
)
@pytest.mark.parametrize("kernel_gate", [None, "each", "unit"])
def test_forward_equals_numpy(shared_points, is_last, kernel, bias, bias_gate, kernel_gate):
    """Gate times (shared plus update), signal by signal, in NumPy float64."""
    layer = SirenLayer(OUT, w0=7.0, is_last=is_last, seed=0, dtype="float64")
    inputs = normal(N, IN) if shared_points else normal(B, N, IN)
    update = LayerUpdate(
        kernel=normal(B, IN, OUT, seed=1) if kernel else None,
        bias=normal(B, OUT, seed=2) if bias else None,
        kernel_gate={
            None: None,
            "each": normal(B, IN, OUT, seed=3),
            "unit": normal(B, 1, OUT, seed=4),
        }[kernel_gate],
        bias_gate=normal(B, OUT, seed=5) if bias_gate else None,
    )
    outputs = layer(inputs, update).numpy()
    shared_kernel, shared_bias = (w.astype("f8") for w in layer.get_weights())
    per_signal = not shared_points or any(part is not None for part in update)
    assert outputs.shape == ((B, N, OUT) if per_signal else (N, OUT))
    for b in range(B):
        weights, biases = shared_kernel.copy(), shared_bias.copy()
        if update.kernel is not None:
            weights += update.kernel[b]
        if update.bias is not None:
            biases += update.bias[b]
        if update.kernel_gate is not None:
            weights *= update.kernel_gate[b]
        if update.bias_gate is not None:
            biases *= update.bias_gate[b]
        expected = (inputs if shared_points else inputs[b]) @ weights + biases
        if not is_last:
            expected = np.sin(7.0 * expected)
        np.testing.assert_allclose(outputs[b] if per_signal else outputs, expected, atol=1e-12)


@pytest.mark.parametrize("shared_points", [False, True])
@pytest.mark.parametrize("is_last", [False, True])
def test_output_gates_scale_what_comes_out(shared_points, is_last):
    """Of each signal, after the sine; shared weights and points become the signals' own."""
    layer = SirenLayer(OUT, w0=7.0, is_last=is_last, seed=0, dtype="float64")
    inputs, gate = normal(N, IN) if shared_points else normal(B, N, IN), normal(B, OUT, seed=6)
    update = LayerUpdate(bias=normal(B, OUT, seed=2), bias_gate=normal(B, OUT, seed=5))
    for others in (LayerUpdate(), update):
        plain = np.broadcast_to(layer(inputs, others), [B, N, OUT])
        outputs = layer(inputs, others._replace(output_gate=gate))
        np.testing.assert_allclose(outputs, plain * gate[:, None], atol=1e-12)


def test_no_update_is_an_empty_update():
    layer = SirenLayer(OUT, seed=0)
    inputs = normal(B, N, IN)
    np.testing.assert_array_equal(layer(inputs), layer(inputs, LayerUpdate()))


@pytest.mark.parametrize(("is_first", "bound"), [(True, 1 / 64), (False, np.sqrt(6 / 64) / 25)])
def test_initialisation(is_first, bound):
    """Uniform within the bounds of Sitzmann et al. 2020, to 5 standard errors."""
    layer = SirenLayer(500, w0=25.0, is_first=is_first, seed=0)
    layer.build([None, 64])
    for values, limit in zip(layer.get_weights(), [bound, 1 / np.sqrt(64)]):
        assert np.abs(values).max() <= limit
        # The variance of u^2, for u uniform within 1, is 4 / 45; its mean is 1 / 3.
        error = np.mean((values / limit) ** 2) - 1 / 3
        assert abs(error) < 5 * np.sqrt(4 / 45 / values.size)


def test_activations_keep_their_spread_through_many_layers():
    """The point of that initialisation: sines of a depth 8 network still have variance 1/2."""
    hidden = np.random.default_rng(0).uniform(-1, 1, [4000, 2]).astype("f4")
    for i in range(8):
        hidden = SirenLayer(256, w0=30.0, is_first=i == 0, seed=10 * i)(hidden)
    assert 0.4 < np.var(hidden) < 0.6


def test_seeds():
    def weights(seed):
        layer = SirenLayer(OUT, seed=seed)
        layer.build([None, IN])
        return np.concatenate([w.ravel() for w in layer.get_weights()])

    np.testing.assert_array_equal(weights(0), weights(0))
    assert np.abs(weights(0) - weights(1)).max() > 0
