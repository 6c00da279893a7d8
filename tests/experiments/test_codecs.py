"""Codecs that MSCN is compared with: what they write decodes, and is as small as they promise."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tensorflow as tf
from ml_collections import ConfigDict

from mscn_tf.configs.experiments import codecs_faces
from mscn_tf.experiments import baselines
from mscn_tf.experiments.baselines import coin, measure_codec, struempler
from mscn_tf.experiments.data import SignalSet
from mscn_tf.experiments.per_signal import adam, fit_updates
from mscn_tf.experiments.runs import runs_of
from mscn_tf.experiments.stored import UniformCoder
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.runtime.errors import MscnError
from mscn_tf.sparsity.pruning import parameters
from mscn_tf.stack.keras_versions import KERAS_3

SIZES = (2, 8, 8, 1)
ROUNDING = dict(rounding_steps=200, rounding_rate=0.02, rounding_price=0.1)
RETRAINING = dict(retraining_steps=5, retraining_rate=1e-4)


@pytest.fixture(scope="module")
def signals():
    """Waves of one channel on 12x12, three to learn from and two to test."""
    axis = np.linspace(-1, 1, 12)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    phases = np.arange(5)[:, None, None]
    waves = 0.5 + 0.4 * np.sin(3 * points[None, :, :1] - 2 * points[None, :, 1:] + phases)
    waves, points = waves.astype(np.float32), points.astype(np.float32)
    return SignalSet(waves[:3], waves[2:3], waves[3:], points, (12, 12))


@pytest.fixture
def fit():
    """An untrained network of full weights."""
    config = codecs_faces.get_config().model
    config.update(width=8, depth=2, channels=1, w0=10.0)
    return MetaLearner(**config, seed=0)


def test_uniform_coder_keeps_codes_within_three_deviations():
    random = np.random.default_rng(0)
    coder = UniformCoder(random.normal(1.0, 2.0, [200, 50]), bits=6)
    code = np.clip(random.normal(1.0, 2.0, 50), -4.5, 6.5)
    np.testing.assert_allclose(coder.decode(coder.encode(code)), code, atol=12.2 / 63 / 2)
    far = coder.decode(coder.encode(np.array([1e3, -1e3] * 25)))
    np.testing.assert_allclose(far, [7.0, -5.0] * 25, atol=0.2)


def test_uniform_coder_takes_less_than_its_bits():
    """5 bits for codes of normal distribution are 4.3 by their histogram."""
    codes = np.random.default_rng(1).normal(size=[100, 400])
    sizes = [len(UniformCoder(codes[:50], 5).encode(code)) for code in codes[50:]]
    assert 0.8 * 5 * 400 / 8 < np.mean(sizes) < 0.9 * 5 * 400 / 8


def test_adam_treats_each_signal_alone(fit, signals):
    both = fit_updates(fit, signals.test, signals.coordinates, 10, 1e-2)
    alone = fit_updates(fit, signals.test[1:], signals.coordinates, 10, 1e-2)
    np.testing.assert_allclose(both[1:], alone, atol=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1e-2


def test_adam_tells_the_loss_how_far_it_is():
    """The second half of the steps pulls to 1, the first to -1."""

    def loss(values, done):
        return tf.reduce_sum(tf.square(values - tf.where(done < 0.5, -1.0, 1.0)), axis=1)

    assert adam(loss, tf.zeros([1, 1]), 400, 0.05).numpy() == pytest.approx(1.0, abs=0.05)


def test_coin_stores_two_bytes_a_weight(fit, signals):
    options = ConfigDict(dict(name="coin", steps=150, rate=1e-2))
    row = measure_codec(fit, signals, options)
    count = len(parameters(fit.network))
    assert row["stored"][0]["bytes"] == 2 * count
    assert row["kept"] == count
    assert row["psnr"] > 20  # an untrained network gives 10
    assert row["stored"][0]["psnr"] == pytest.approx(row["psnr"], abs=1.0)
    weights = parameters(fit.network)
    np.testing.assert_allclose(coin.decode(coin.encode(weights)), weights, rtol=1e-3)


def test_quantiser_reaches_each_tensors_largest_weight():
    tensors = struempler.tensor_of_element(SIZES)
    assert np.bincount(tensors).tolist() == [16, 8, 64, 8, 8, 1]
    updates = np.random.default_rng(2).normal(size=[3, len(tensors)])
    steps = struempler.quantiser_steps(updates, tensors, bits=5)[:, tensors]
    symbols = np.rint(updates / steps)
    for tensor in range(6):
        assert (np.abs(symbols[:, tensors == tensor]).max(axis=1) == 15).all()


def test_rounding_is_better_than_to_the_nearest(fit, signals):
    """In 3 bits; each weight still goes up or down by less than a step."""
    tensors = struempler.tensor_of_element(SIZES)
    updates = fit_updates(fit, signals.test, signals.coordinates, 100, 1e-2)
    steps = struempler.quantiser_steps(updates, tensors, 3)[:, tensors].astype(np.float32)
    options = ConfigDict({**ROUNDING, **RETRAINING})
    symbols = struempler.adaptive_rounding(fit, updates, steps, signals, options)
    assert (np.abs(symbols - updates / steps) < 1).all()

    def error(found):
        code = tf.constant(found * steps, tf.float32)
        return fit.errors({"code": code}, signals.test, signals.coordinates).numpy().mean()

    assert error(symbols) < 0.6 * error(np.rint(updates / steps))


def test_l1_penalty_saves_bytes(fit, signals):
    def row(penalty):
        options = dict(name="struempler", bits=(5,), learned=3, penalty=penalty, steps=100)
        options = ConfigDict({**options, "rate": 1e-2, **ROUNDING, **RETRAINING})
        return measure_codec(fit, signals, options)

    free, dear = row(0.0), row(1e-2)
    assert dear["kept"] < 0.8 * free["kept"]
    assert dear["stored"][0]["bytes"] < free["stored"][0]["bytes"]
    assert 30 < free["stored"][0]["psnr"] <= free["psnr"]


TFMOT = pytest.mark.skipif(KERAS_3, reason="tensorflow-model-optimization is for Keras 2")


@TFMOT
@pytest.mark.parametrize(("density", "clusters"), [(0.5, 0), (1.0, 4), (0.8, 3)])
def test_tfmot_prunes_and_clusters_our_layers(fit, signals, density, clusters):
    from mscn_tf.experiments.baselines import model_optimization as tool

    options = ConfigDict(dict(density=density, clusters=clusters, steps=60, rate=1e-2))
    with options.unlocked():
        options.cluster_steps = 10
    weights = tool.fitted_weights(fit, signals.test[0], signals.coordinates, options)
    assert np.count_nonzero(weights[2]) <= np.ceil(density * weights[2].size) + 1
    assert np.count_nonzero(weights[0]) == weights[0].size or clusters
    if clusters:
        assert max(len(np.unique(kernel)) for kernel in weights[::2]) <= clusters
    data = tool.encode(weights, clusters > 0)
    flat = np.concatenate([part.ravel() for part in weights])
    np.testing.assert_allclose(tool.decode(data, SIZES, clusters > 0), flat, rtol=1e-3, atol=1e-6)
    assert len(data) < 2 * len(flat)
    codes = tf.constant([0 * flat, flat - parameters(fit.network)])  # the start, and what was found
    start, found = fit.errors({"code": codes}, signals.test[:1], signals.coordinates).numpy()
    assert found < 0.5 * start


@TFMOT
def test_too_many_clusters_are_refused(fit, signals):
    options = dict(name="model_optimization", density=0.1, clusters=16, steps=1, rate=1e-2)
    with pytest.raises(MscnError, match="clusters=16: a kernel keeps 6 weights"):
        measure_codec(fit, signals, ConfigDict({**options, "cluster_steps": 1}))


def test_what_is_not_installed_is_one_line(fit, signals, monkeypatch):
    """Keras 3 has no tensorflow-model-optimization; None in its place is as good as not there."""
    monkeypatch.setitem(sys.modules, "tensorflow_model_optimization", None)
    monkeypatch.delitem(sys.modules, f"{baselines.__name__}.model_optimization", raising=False)
    with pytest.raises(MscnError, match=r"model_optimization needs .*Python 3\.9 to 3\.11"):
        measure_codec(fit, signals, ConfigDict(dict(name="model_optimization")))


def test_unknown_codec_is_refused(fit, signals):
    with pytest.raises(MscnError, match=r"codec\.name=jpeg: must be one of coin, coinpp"):
        measure_codec(fit, signals, ConfigDict(dict(name="jpeg")))


@pytest.mark.parametrize("size", ["cpu", "paper"])
def test_codecs_share_the_network_that_they_start_from(size):
    config = codecs_faces.get_config(size)
    config.seeds = (3,)
    runs = runs_of(config)
    starts = {run.begin.name for run in runs if run.begin}
    assert starts == {"shared-start-1-3"}
    assert sum(run.measured for run in runs) == len(runs) - 1
    assert "codec" not in next(run for run in runs if not run.measured).config
