"""Our stand-ins are tensorflow-compression's, value for value."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.entropy import freeze, scale_prior
from mscn_tf.stack import compression as ours

tfc = pytest.importorskip("tensorflow_compression", reason="has no wheel for this Python")


def mixtures(seed: int, count: int) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(seed)
    scale = np.exp(random.uniform(-4, 8, [count, 2]))
    weight = random.dirichlet([1, 1], count)
    return {
        "loc": tf.zeros([count, 2]),
        "scale": tf.constant(scale, tf.float32),
        "weight": tf.constant(weight, tf.float32),
    }


@pytest.mark.parametrize("seed", range(3))
def test_log_probabilities_and_their_gradients(seed):
    parts = mixtures(seed, 4000)
    symbols = np.random.default_rng(seed).normal(0, 1, 4000) * parts["scale"].numpy()[:, 0] * 2
    symbols = tf.constant(np.round(symbols), tf.float32)
    found = []
    for kind in (tfc.NoisyNormalMixture, ours.OwnNoisyNormalMixture):
        with tf.GradientTape() as tape:
            tape.watch([symbols, parts["scale"], parts["weight"]])
            value = kind(**parts).log_prob(symbols)
        gradients = tape.gradient(value, [symbols, parts["scale"], parts["weight"]])
        found.append([value, kind(**parts).prob(symbols), *gradients])
    for theirs, own in zip(*found):
        np.testing.assert_array_equal(theirs, own)


@pytest.mark.parametrize("name", ["lower_bound", "upper_bound"])
def test_bounds_and_their_gradients(name):
    values = tf.constant([-2.0, 0.5, 0.5, 1.0, 1.0, 3.0, 3.0])
    upstream = tf.constant([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0])
    found = []
    for bound in (getattr(tfc, name), getattr(ours, f"own_{name}")):
        with tf.GradientTape() as tape:
            tape.watch(values)
            bounded = bound(values, 1.0)
        found.append([bounded, tape.gradient(bounded, values, upstream)])
    for theirs, own in zip(*found):
        np.testing.assert_array_equal(theirs, own)


def test_frozen_tables(monkeypatch):
    prior = scale_prior.ScalePrior(16, bands=4)
    prior.build(None)
    prior.mixture.assign([0.3, -0.4])
    prior.spread.assign([-0.7, 0.9])
    theirs = freeze.frozen_arrays(prior)
    monkeypatch.setattr(scale_prior, "NoisyNormalMixture", ours.OwnNoisyNormalMixture)
    own = freeze.frozen_arrays(prior)
    for name in theirs:
        np.testing.assert_array_equal(theirs[name], own[name])
