"""The estimates of bits that encoders go by are what files take."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.codec import Codec
from mscn_tf.codec.tiling import as_floats, to_tiles
from mscn_tf.fitting.basis_codec import BasisCodec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.pyramid_shares import changes
from mscn_tf.runtime.pyramids import Tiling
from tests.pyramids import write_codec
from tests.tiny import picture

LOWEST, HIGHEST = 16, 160
SEEDED = settings(max_examples=8, derandomize=True)


def noise(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def gradient(height: int, width: int, seed: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / max(height, width)
    slopes = np.random.default_rng(seed).uniform(-255, 255, (2, 3))
    return np.clip(128 + y[..., None] * slopes[0] + x[..., None] * slopes[1], 0, 255).astype("u1")


def constant(height: int, width: int, seed: int) -> np.ndarray:
    colour = np.random.default_rng(seed).integers(0, 256, 3)
    return np.broadcast_to(colour, (height, width, 3)).astype(np.uint8)


@st.composite
def archives(draw) -> tuple[list[np.ndarray], list[int]]:
    """Pictures of any kinds and sizes, and a quality for each."""
    kinds = st.sampled_from([noise, gradient, constant, picture])
    sides, seeds = st.integers(1, 48), st.integers(0, 2**32 - 1)
    one = st.builds(lambda kind, *args: kind(*args), kinds, sides, sides, seeds)
    pictures = draw(st.lists(one, min_size=1, max_size=3))
    qualities = st.integers(LOWEST, HIGHEST)
    return pictures, draw(st.lists(qualities, min_size=len(pictures), max_size=len(pictures)))


def check(data: bytes, estimates: list[float]) -> None:
    """Block by block, and as a whole, against estimates in bits."""
    container = Container.from_bytes(data)
    assert len(estimates) == len(container.blocks)
    for block, bits in zip(container.blocks, estimates):
        assert len(block) == pytest.approx(bits / 8, rel=0.01, abs=8)
    expected = [bytes(round(bits / 8)) for bits in estimates]
    whole = len(dataclasses.replace(container, blocks=expected).to_bytes())
    assert len(data) == pytest.approx(whole, rel=0.01, abs=8)


@cache
def shipped(name: str) -> Codec:
    return Codec.load(name)


@SEEDED
@given(archives(), st.sampled_from([1, 5, 64]), st.sampled_from([0.0, 1.0, 2.0]))
def test_tiles(archive, tiles_per_block, bit_price):
    pictures, qualities = archive
    codec = shipped("thumb32")
    prior, encoder = codec.scheme.prior, codec.encoder
    parts = [to_tiles(as_floats(pixels), 32) for pixels in pictures]
    q16 = np.repeat(qualities, [len(part) for part in parts])
    # The linear part of the codes is enough here.
    fitting = BasisCodec.restored(codec.bundle)
    codes = fitting.network.analyse(tf.constant(np.concatenate(parts))).numpy()
    symbols = encoder.quantise(codes, q16, bit_price)
    data = codec.pack(
        symbols,
        [pixels.shape[:2] for pixels in pictures],
        qualities,
        [3] * len(pictures),
        tiles_per_block=tiles_per_block,
    )
    bits = prior.bits(symbols, q16).sum(axis=1)
    check(data, np.add.reduceat(bits, np.arange(0, len(bits), tiles_per_block)).tolist())


def check_pyramids(codec: Codec, data: bytes) -> None:
    prior, container = codec.scheme.prior, Container.from_bytes(data)
    estimates = []
    for item, q16 in enumerate(container.q16):
        tiling = Tiling.of(container, item)
        for fitted, place in zip(codec.decode_symbols(data, item), tiling.places()):
            size, symbols = tiling.tile_shape(*place), fitted.symbols
            _, signs = prior.prospects(symbols, symbols, *size, q16)
            bits = prior.bits(prior.coded(fitted, *size, q16), *size, q16)
            # It counts a bit a sign; what they are predicted to cost is known besides.
            for magnitudes, costs in zip(map(np.abs, symbols.details), signs):
                own = np.clip(magnitudes, 1, costs.shape[-1]) - 1
                known = np.take_along_axis(costs, own[..., None], -1)[..., 0]
                bits += known[magnitudes > 0].sum(dtype=np.float64)
            if prior.shares and fitted.shares.any():
                bits += prior.shares.costs[changes(fitted.shares) + prior.shares.limit].sum()
            if prior.filter_updates and fitted.filter_update.any():
                limit = prior.filter_updates.limit
                steps = zip(prior.filter_updates.costs, fitted.filter_update)
                bits += sum(costs[step + limit] for costs, step in steps)
            estimates.append(bits)
    check(data, estimates)


@SEEDED
@given(archives())
def test_pyramids(archive):
    pictures, qualities = archive
    codec = shipped("photo")
    check_pyramids(codec, codec.encode(pictures, quality=qualities[0] / 16, effort=1))


@pytest.fixture(scope="module")
def small_tiles(tmp_path_factory) -> Codec:
    path = tmp_path_factory.mktemp("bundle") / "random.mscnb"
    return Codec.load(write_codec(path, 32, mends=True, filter_updates=True))


@SEEDED
@given(archives())
def test_pyramids_of_many_tiles(small_tiles, archive):
    pictures, qualities = archive
    data = small_tiles.encode(pictures, quality=qualities[0] / 16, effort=1)
    check_pyramids(small_tiles, data)
