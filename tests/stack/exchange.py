"""usage: exchange.py write|read FOLDER

Writes models and a codec that one generation of TensorFlow and Keras made, with what comes of them,
or reads what the other wrote and finds the same. `test_exchange` runs it with both.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mscn_tf.codec import Codec
from mscn_tf.entropy.scale_prior import ScalePrior
from mscn_tf.fitting.meta_learner import MetaLearner
from mscn_tf.networks.basis import BasisNetwork
from mscn_tf.networks.embeddings import RandomFourierFeatures
from mscn_tf.networks.modulations import LatentModulation, ShiftModulation, network_sizes
from mscn_tf.networks.network import ModulatedSiren
from mscn_tf.networks.sphere import SphereNetwork
from mscn_tf.sparsity.gated import GatedModulation
from tests import tiny
from tests.harness import Holder, flat

SIZES = dict(channels=2, code_size=14, features=3, feature_frequencies=4, feature_code_size=8)
SIZES.update(width=5, depth=2)


def _uniform(*shape: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(shape).uniform(-1, 1, shape), tf.float32)


def _siren(modulation: type, *arguments: object, embedding: object = None) -> ModulatedSiren:
    return ModulatedSiren(
        6, 2, 3, modulation(network_sizes(6, 2, 3, 2, embedding), *arguments), embedding, seed=0
    )


def _gated(sizes: tuple[int, ...]) -> GatedModulation:
    return GatedModulation(ShiftModulation(sizes))


MODELS = {
    "basis": lambda: Holder(BasisNetwork(edge=6, coordinate_frequencies=3, **SIZES)),
    "sphere": lambda: Holder(SphereNetwork([4, 6], 5, **SIZES)),
    "gated": lambda: _siren(_gated),
    "latent": lambda: _siren(LatentModulation, 5, embedding=RandomFourierFeatures(8, seed=2)),
    "meta-learner": lambda: MetaLearner(width=6, depth=2, w0=8.0, steps=2, seed=0),
    "prior": lambda: Holder(ScalePrior(6, bands=3)),
}


def inputs(name: str, model: keras.Model) -> list[tf.Tensor]:
    quality = tf.constant([1.5, 9.0])
    if name in ("basis", "sphere"):
        return [_uniform(2, 14), _uniform(1, 7), _uniform(1, 4), quality]
    if name == "meta-learner":
        return [0.5 + 0.4 * _uniform(3, 5, 4, 3)]
    if name == "prior":
        return [4 * _uniform(2, 6), quality]
    return [_uniform(7, 2), 0.1 * _uniform(4, model.modulation.code_size)]


def write(folder: Path) -> None:
    """Models with all weights off their start, and the bundle of a codec that was trained."""
    outputs = {}
    for name, make in MODELS.items():
        model = make()
        model(*inputs(name, model))
        model.set_weights([w + _uniform(*w.shape) * 0.1 for w in model.get_weights()])
        model.save(folder / f"{name}.keras")
        for i, output in enumerate(flat(model(*inputs(name, model)))):
            outputs[f"{name}.{i}"] = output.numpy()
    bundle = tiny.make(folder).bundle
    codec = Codec.load(bundle)
    data = codec.encode(tiny.picture(50, 77, 9), quality=6.0)
    (folder / "picture.mscn").write_bytes(data)
    np.savez(folder / "outputs.npz", picture=codec.decode(data), **outputs)


def read(folder: Path) -> None:
    """Raises an error where something is not as it was written."""
    expected = dict(np.load(folder / "outputs.npz"))
    codec = Codec.load(folder / "tiny.mscnb")
    picture = codec.decode((folder / "picture.mscn").read_bytes())
    np.testing.assert_array_equal(picture, expected.pop("picture"))
    for name in MODELS:
        model = keras.models.load_model(folder / f"{name}.keras")
        for i, output in enumerate(flat(model(*inputs(name, model)))):
            known = expected.pop(f"{name}.{i}")
            np.testing.assert_allclose(output, known, rtol=1e-5, atol=1e-6, err_msg=name)
    assert not expected


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](Path(sys.argv[2]))
