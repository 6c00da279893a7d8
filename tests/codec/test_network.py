"""The network in NumPy beside the one that is trained."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.codec.encoder import Encoder
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.fitting.meta_sgd import inner_loop
from mscn_tf.networks.sphere import legendre_functions
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.grids import global_grid
from mscn_tf.runtime.harmonics import legendre_table
from mscn_tf.runtime.tiles import Tiles

OTHER_GRID = [axis[None] for axis in global_grid((30, 50))]


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("tests/golden/v1.mscnb", None),
        ("speech", None),
        ("scene", None),
        ("temperature", None),
        ("temperature", OTHER_GRID),
    ],
)
def test_inner_loop_is_the_trained_codecs(name, grid):
    bundle = Bundle.load(name)
    codec, encoder = BasisCodec.restored(bundle, grid), Encoder(Tiles(bundle), grid)
    shape = [axis.shape[1] for axis in codec.grid]
    random = np.random.default_rng(0)
    tiles = random.uniform(0, 1, (3, *shape, codec.network.channels)).astype("f4")
    q16 = np.array([160, 80, 40])  # at the highest quality no element is left out
    quality = tf.constant(q16 / 16, tf.float32)
    codes = encoder.codes(tiles, q16)
    expected = codec.fit_code(tf.constant(tiles), quality)
    np.testing.assert_allclose(codes, expected, rtol=0, atol=5e-5 * np.abs(expected).max())
    symbols = encoder.quantise(codes, q16)
    known = Tiles(bundle).prior.dequantise(symbols, q16).astype("f4")
    corrected = encoder._run(encoder._correct, tiles, q16, known)
    expected = inner_loop(
        lambda adapted: codec.squared_error(tf.constant(tiles), adapted["code"], quality),
        {"code": tf.constant(known)},
        {"code": codec.step_sizes[:1]},
        steps=1,
    )["code"]
    np.testing.assert_allclose(corrected, expected, rtol=0, atol=5e-5 * np.abs(expected).max())


def test_fewer_elements_are_those_of_a_shorter_code():
    """As the encoder leaves the last elements out at low qualities."""
    bundle = Bundle.load("thumb32")
    encoder = Encoder(Tiles(bundle))
    size = encoder.leading(32)
    assert size < 1024
    tiles = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), np.uint8)
    pixels = (tiles / 255).astype("f4")
    codec, quality = BasisCodec.restored(bundle), tf.fill([2], 2.0)
    codes = encoder.codes(tiles, np.full(2, 32))
    padded = 2 * codec.step_sizes[0] * codec.network.analyse(tf.constant(pixels))
    padded *= tf.cast(tf.range(1024) < size, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(padded)
        error = tf.reduce_sum(codec.squared_error(pixels, padded, quality))
    expected = padded - codec.step_sizes[1] * tape.gradient(error, padded)
    np.testing.assert_allclose(codes[:, :size], expected[:, :size], rtol=0, atol=1e-4)


def test_legendre_functions():
    latitude = np.linspace(-np.pi / 2, np.pi / 2, 13)
    expected = np.stack([row.numpy() for row in legendre_functions(tf.constant(latitude), 40)], -1)
    table = legendre_table(latitude, 40).transpose(1, 0, 2)
    np.testing.assert_allclose(table, expected, rtol=0, atol=1e-10)
