"""Latents turned to principal axes."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec.modulated_network import InnerLoop, Network
from mscn_tf.runtime.errors import MscnError
from mscn_tf.training.modulated_codec import codec_trainer, inner_arrays, weights_of
from mscn_tf.training.principal_axes import principal_axes
from tests import tiny, tiny_modulated

COUNT, SAMPLES = 5, 4000


class Linear:
    """What codes do to values is a matrix."""

    def __init__(self, effects):
        self._effects = effects

    def gradient(self, code, points, errors_of):
        return errors_of(None).reshape(len(code), -1) @ self._effects.T


def test_codes_become_uncorrelated_and_distances_those_of_values():
    random = np.random.default_rng(0)
    points, channels = np.zeros([6, 2]), 2
    effects = random.normal(size=[COUNT, 12]) * np.array([3, 1, 1, 0.7, 1])[:, None]
    codes = random.normal(size=[SAMPLES, COUNT]) @ random.normal(size=[COUNT, COUNT])
    rows = principal_axes(Linear(effects), codes, points, channels, 0)
    turned = codes @ np.linalg.inv(rows)
    moments = turned.T @ turned / SAMPLES
    variances = np.diag(moments)
    assert (np.diff(variances) < 0).all()
    np.testing.assert_allclose(moments, np.diag(variances), atol=1e-9 * variances[0])
    # With the ridge, which damps what moves values least; and as far as probes tell.
    curvature = effects @ effects.T
    curvature += 0.1 * np.trace(curvature) / COUNT * np.eye(COUNT)
    np.testing.assert_allclose(rows @ curvature @ rows.T, np.eye(COUNT), atol=0.15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("axes")
    tiny.write_pictures(folder)
    return folder


def config_of(folder, **changes):
    model = dict(modulation="subspace", latent_size=12, code_size=12)
    config = tiny_modulated.get_config(str(folder), **{**model, **changes})
    config.principal_axes = (3,)
    return config


def test_the_turn_of_a_training_finds_codes_faster(folder):
    """Of one inner step that all elements take at one size, as before the turn."""
    trainer = codec_trainer(config_of(folder))
    signals, points = trainer.signals[:16], trainer.coordinates

    def error():
        model, weights = trainer.config.model, weights_of(trainer.fit)
        network = Network(np, model, weights)
        arrays = inner_arrays(trainer.fit, np.arange(network.size))
        values = network.values(InnerLoop(np, network, model, arrays)(signals, points), points)
        return np.mean((values - signals) ** 2)

    before = error()
    trainer._turn_latents()
    assert error() < 0.8 * before
    # Adam's moments turn along, so that the next step is one that helps.
    for step in range(5):
        trainer.update(step)
    assert np.isfinite(error())


def test_only_latents_are_turned(folder):
    with pytest.raises(MscnError, match=r"principal_axes=\(3,\): model.modulation=weights has no"):
        codec_trainer(config_of(folder, modulation="weights"))
