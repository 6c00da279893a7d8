from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
import tf2onnx

from mscn_tf.export.compaction import compacted
from mscn_tf.export.onnx import OPSET
from mscn_tf.networks.embeddings import RandomFourierFeatures
from mscn_tf.networks.modulations import WeightModulation, network_sizes
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.sparsity.gated import GatedModulation

WIDTH, DEPTH = 24, 3


def gated_network(seed, embedding=None, granularity="group"):
    """A network, random adapted parameters with half of the gates closed, and its gates."""
    sizes = network_sizes(WIDTH, DEPTH, 3, embedding=embedding)
    modulation = GatedModulation(WeightModulation(sizes), granularity, "all")
    network = ModulatedSiren(WIDTH, DEPTH, 3, modulation, embedding, w0=5.0, seed=seed)
    network.build(tf.TensorShape([None, 2]))
    random = np.random.default_rng(seed)
    adapted = {
        "code": tf.constant(random.normal(0, 0.05, [1, modulation.code_size]), tf.float32),
        "log_alpha": tf.constant(
            random.choice([-9.0, 0.5, 9.0], [1, modulation.gate_count], p=[0.5, 0.25, 0.25]),
            tf.float32,
        ),
    }
    return network, adapted, modulation.gate_values(adapted).numpy()[0]


def check_same(network, adapted, narrow):
    coordinates = np.random.default_rng(0).uniform(-1, 1, [100, 2]).astype("f4")
    expected = network(coordinates, adapted)[0]
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(narrow(coordinates), expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize("seed", range(4))
def test_closed_units_go_and_values_stay(seed):
    network, adapted, gates = gated_network(seed)
    narrow = compacted(network, adapted)
    check_same(network, adapted, narrow)
    units = [layer.units for layer in narrow.layers]
    open_gates = (np.split(gates[: DEPTH * WIDTH], DEPTH) > np.float32(0)).sum(1)
    assert units == [*open_gates, 3]


def test_with_an_embedding():
    network, adapted, _ = gated_network(5, RandomFourierFeatures(6, seed=1))
    check_same(network, adapted, compacted(network, adapted))


def test_gates_on_single_weights():
    """A unit goes where all its weights happen to be closed; no other does."""
    network, adapted, _ = gated_network(6, granularity="unstructured")
    closed = adapted["log_alpha"].numpy()
    closed[0, : 3 * WIDTH].reshape(3, WIDTH)[:2, :5] = -9  # incoming weights of the first units
    adapted["log_alpha"] = tf.constant(closed)
    narrow = compacted(network, adapted)
    check_same(network, adapted, narrow)
    assert narrow.layers[0].units <= WIDTH - 5


@pytest.mark.parametrize("seed", range(3))
def test_gates_on_activations(seed):
    """Closed units go; what half-open ones scale, the next layer's weights do."""
    network, adapted, gates = gated_network(seed, granularity="activation")
    assert np.mean((gates > 0) & (gates < 1)) > 0.1
    narrow = compacted(network, adapted)
    check_same(network, adapted, narrow)
    open_gates = (np.split(gates, DEPTH) > np.float32(0)).sum(1)
    assert [layer.units for layer in narrow.layers] == [*open_gates, 3]


def test_all_activations_closed():
    network, adapted, gates = gated_network(7, granularity="activation")
    adapted["log_alpha"] = tf.fill([1, len(gates)], -9.0)
    narrow = compacted(network, adapted)
    assert [layer.units for layer in narrow.layers] == [1, 1, 1, 3]
    x = np.ones([4, 2], "f4")
    np.testing.assert_allclose(narrow(x), network(x, adapted)[0], rtol=0, atol=1e-6)


def test_all_gates_closed():
    network, adapted, gates = gated_network(7)
    adapted["log_alpha"] = tf.fill([1, len(gates)], -9.0)
    narrow = compacted(network, adapted)
    assert [layer.units for layer in narrow.layers] == [1, 1, 1, 3]
    np.testing.assert_array_equal(narrow(np.ones([4, 2], "f4")), np.full([4, 3], 0.5))


def test_one_signal_at_a_time():
    network, adapted, _ = gated_network(8)
    with pytest.raises(ValueError, match="one by one"):
        compacted(network, {name: tf.repeat(value, 2, 0) for name, value in adapted.items()})


def test_narrow_networks_become_graphs():
    """As docs/deploy.md has it: fewer weights, the same values in ONNX Runtime."""
    network, adapted, _ = gated_network(9)
    points = [tf.TensorSpec([None, 2], tf.float32, "points")]

    def graph(function):
        function = tf.function(function, input_signature=points)
        model, _ = tf2onnx.convert.from_function(function, input_signature=points, opset=OPSET)
        return model.SerializeToString()

    narrow = graph(compacted(network, adapted))
    whole = graph(lambda points: network(points, adapted)[0])
    assert len(narrow) < 0.7 * len(whole)
    session = onnxruntime.InferenceSession(narrow, providers=["CPUExecutionProvider"])
    check_same(network, adapted, lambda points: session.run(None, {"points": points})[0])
