"""The spelled-out inner loop of modulated codecs is that of the training."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.experimental import numpy as tnp

from mscn_tf.codec.modulated_network import MODULATIONS, InnerLoop, Network, points_of
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.runtime.grids import centres
from mscn_tf.training.modulated_codec import inner_arrays, weights_of
from tests import modulated

FORMS = [
    dict(sparsity="gates"),
    dict(sparsity="gates", granularity="group"),
    dict(sparsity="gates", per_signal=False, initial_open=0.8),
    dict(sparsity="gates", modulation="shift", look_ahead=True),
    dict(sparsity="gates", modulation="latent", latent_size=7),
    dict(sparsity="gates", modulation="subspace", latent_size=7),
    dict(sparsity="gradient"),
    dict(sparsity="mask", target="delta"),
    dict(modulation="shift"),
    dict(modulation="latent", latent_size=7),
]


@pytest.mark.parametrize("kind", MODULATIONS)
def test_gradient_is_that_of_finite_differences(kind):
    random = np.random.default_rng(0)
    sizes = (2, 6, 5, 3)
    weights = {}
    for number, (inputs, units) in enumerate(zip(sizes, sizes[1:])):
        weights[f"kernel_{number}"] = random.normal(0, 0.5, (inputs, units))
        weights[f"bias_{number}"] = random.normal(0, 0.3, units)
    weights["map"] = random.normal(0, 0.5, (4, 71 if kind == "subspace" else 11))
    count = {"weights": 71, "shift": 11, "latent": 4, "subspace": 4}[kind]
    weights["places"] = np.arange(count)
    network = Network(np, dict(modulation=kind, w0=3.0), weights)
    points = points_of(np, [centres(4)[None]] * 2, False).reshape(-1, 2)
    signals, code = random.random((3, 16, 3)), random.normal(0, 0.1, (3, count))

    def errors(code):
        return np.sum((network.values(code, points) - signals) ** 2, (1, 2))

    found = network.gradient(code, points, lambda values: 2 * (values - signals))
    moved = 1e-5 * np.eye(count)
    expected = np.stack([(errors(code + m) - errors(code - m)) / 2e-5 for m in moved], 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def fit_of(form):
    fit = MetaLearner(**modulated.model(**form))
    fit.price.assign(0.3)
    if form.get("sparsity") == "mask":
        fit.modulation.mask.assign(np.arange(fit.modulation.code_size) % 3 > 0)
    return fit


@pytest.mark.parametrize("form", FORMS, ids=lambda form: "-".join(map(str, form.values())))
def test_codes_are_those_of_the_layers(form):
    fit, data = fit_of(form), modulated.signals()
    signals = data.train[:3]
    adapted = fit.adapt(tf.constant(signals), tf.constant(data.coordinates))
    expected = adapted["code"].numpy()
    if hasattr(fit.modulation, "gated_code"):
        expected = fit.modulation.gated_code(adapted).numpy()
    arrays = inner_arrays(fit, np.arange(expected.shape[1]))
    weights, model = weights_of(fit), modulated.model(**form)
    found = InnerLoop(np, Network(np, model, weights), model, arrays)(signals, data.coordinates)
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
    loop = InnerLoop(tnp, Network(tnp, model, weights), model, arrays)
    again = loop(tf.constant(signals), tf.constant(data.coordinates))
    np.testing.assert_allclose(again, found, atol=2e-4 * np.abs(expected).max())
    values = Network(np, model, weights).values(found, data.coordinates)
    layers = fit.network(tf.constant(data.coordinates), adapted)
    np.testing.assert_allclose(values, layers, atol=2e-4)


def test_what_files_do_not_hold_stays_zero():
    form, data = dict(sparsity="gates"), modulated.signals()
    fit, model = fit_of(form), modulated.model(**form)
    places = np.array([5, 2, 40])
    arrays = inner_arrays(fit, places)
    network = Network(np, model, weights_of(fit, places))
    found = InnerLoop(np, network, model, arrays)(data.train[:2], data.coordinates)
    assert set(np.flatnonzero(found.any(0))) <= set(places)
    code = np.array([[1.0, 2.0, 3.0]])
    placed = network.placed(code)
    np.testing.assert_array_equal(placed[0, places], code[0])
    assert np.count_nonzero(placed) == 3


def test_points_of_grids():
    box = points_of(np, [np.array([[0.1, 0.2]]), np.array([[1.0, 2.0, 3.0]])], False)
    assert box.shape == (1, 2, 3, 2)
    np.testing.assert_array_equal(box[0, 1, 2], [0.2, 3.0])
    latitude, longitude = np.array([[np.pi / 2, 0.0]]), np.array([[0.0, np.pi / 2, 1.0]])
    sphere = points_of(np, [latitude, longitude], True)
    np.testing.assert_allclose(np.linalg.norm(sphere, axis=-1), 1.0)
    np.testing.assert_allclose(sphere[0, :, 1], [[0, 0, 1], [0, 1, 0]], atol=1e-15)
