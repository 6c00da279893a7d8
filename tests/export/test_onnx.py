from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf

from mscn_tf.export.onnx import OPSET, decoder_graph
from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.decoder import Decoder
from mscn_tf.runtime.grids import centres


def make_network(depth):
    network = BasisNetwork(
        edge=8,
        code_size=20,
        features=4,
        feature_frequencies=5,
        feature_code_size=9,
        width=6,
        depth=depth,
    )
    network.build(None)
    random = np.random.default_rng(0)
    for weight in network.weights:
        weight.assign(random.normal(0, 0.2, weight.shape))
    return network


@pytest.fixture(scope="module", params=[1, 3])
def exported(request):
    """A network of some depth, and its decoder as a function of the same arguments."""
    network = make_network(request.param)
    model = decoder_graph(network)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    weights = {name: w.numpy().astype("f8") for name, w in network.named_weights().items()}

    def decode(code, rows, cols, quality):
        inputs = dict(code=code, rows=rows, cols=cols, quality=quality, **weights)
        return session.run(["values"], inputs)[0]

    return network, model, weights, decode


def arguments(batch, height, width):
    random = np.random.default_rng([batch, height, width])
    return (
        random.normal(size=(batch, 20)),
        random.uniform(-1.1, 1.1, (batch, height)),
        random.uniform(-1.1, 1.1, (batch, width)),
        random.uniform(1, 10, batch),
    )


@pytest.mark.parametrize("sizes", [(1, 1, 1), (3, 8, 8), (2, 5, 13)])
def test_equals_the_network(exported, sizes):
    network, _, weights, decode = exported
    given = arguments(*sizes)
    values = decode(*given)
    assert values.dtype == np.float64
    assert values.shape == (*sizes, 3)
    exact = network.synthesise(
        {k: tf.constant(v) for k, v in weights.items()}, given[0], given[1:3], given[3]
    )
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-12)
    single = network(*(tf.constant(part, tf.float32) for part in given))
    np.testing.assert_allclose(values, single, rtol=0, atol=1e-5)


def test_the_graph(exported):
    """Standard, all in double precision, with the weights outside."""
    _, serialised, weights, _ = exported
    model = onnx.load_from_string(serialised)
    onnx.checker.check_model(model, full_check=True)
    assert [(o.domain, o.version) for o in model.opset_import if not o.domain] == [("", OPSET)]
    assert {node.domain for node in model.graph.node} == {""}
    double = onnx.TensorProto.DOUBLE
    kinds = {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    assert kinds == dict.fromkeys(["code", "rows", "cols", "quality", *weights], double)
    assert [o.name for o in model.graph.output] == ["values"]
    assert not any(t.data_type == onnx.TensorProto.FLOAT for t in model.graph.initializer)
    assert len(serialised) < 20_000


def test_the_trained_bundle_decodes_as_its_network_does(tiny):
    bundle = Bundle.load(tiny.bundle)
    network = BasisNetwork(**bundle.manifest.model["network"])
    network.build(None)
    weights = bundle.weights()
    for name, variable in network.named_weights().items():
        variable.assign(weights[name])
    random = np.random.default_rng(0)
    code = random.normal(size=(5, 32)) * np.geomspace(2, 0.05, 32)
    grid, quality = np.tile(centres(8).astype("f8"), [5, 1]), random.uniform(1, 10, 5)
    values = Decoder(bundle)(code, [grid, grid], quality)
    given = code, grid, grid, quality
    single = network(*(tf.constant(part, tf.float32) for part in given))
    np.testing.assert_allclose(values, single, rtol=0, atol=1e-5)
    exact = network.synthesise(
        {name: tf.constant(weight) for name, weight in weights.items()}, code, [grid, grid], quality
    )
    np.testing.assert_allclose(values, exact, rtol=0, atol=1e-12)


def test_the_same_network_gives_the_same_bytes():
    """tf2onnx's own names and order differ from call to call."""
    first, second = (decoder_graph(make_network(2)) for _ in range(2))
    assert first == second
