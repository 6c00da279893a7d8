"""Taps that pay are found, and others left out."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.fitting.adaptive_filter import chosen_taps
from mscn_tf.runtime.adaptive_filter import REACH, Taps, add_flow
from mscn_tf.signals import images
from tests.pyramids import tap_arrays, write_codec
from tests.tiny import picture

BOUND = 30


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return Codec.load(write_codec(tmp_path_factory.mktemp("b") / "random.mscnb", 32, *[True] * 6))


def own_filter(values, taps):
    out = values.copy()
    around = np.pad(values, [(REACH, REACH), (REACH, REACH), (0, 0)], "edge")
    add_flow(out, around, taps, BOUND)
    return out


def test_taps_that_were_made_are_found():
    random = np.random.default_rng(0)
    values = 0.3 + 0.4 * random.random((120, 90, 3))
    taps = random.integers(-9, 10, Taps.count).astype(np.int8)
    found = chosen_taps(Taps(tap_arrays()), own_filter(values, taps), values, BOUND, 1e-9)
    np.testing.assert_array_equal(found, taps)


def test_none_pay_where_all_is_right_or_bits_are_dear():
    model, values = Taps(tap_arrays()), picture(61, 47, 3) / 255.0
    assert not chosen_taps(model, values, values, BOUND, 1e-6).any()
    taps = np.full(Taps.count, 2, np.int8)
    assert not chosen_taps(model, own_filter(values, taps), values, BOUND, 1e6).any()


@pytest.mark.parametrize("bit_error", [1e-4, 1e-3, 1e-2])
def test_one_tap_more_or_less_is_no_better(bit_error):
    random = np.random.default_rng(1)
    model, values = Taps(tap_arrays()), picture(64, 64, 5) / 255.0
    original = own_filter(values, random.integers(-3, 4, Taps.count).astype(np.int8))
    original += random.normal(0, 0.01, original.shape)

    def cost(taps):
        told = [part for part in np.split(taps, [24, 36]) if part.any()]
        bits = sum(model.costs[part.astype(int) + model.limit].sum() for part in told)
        return np.square(own_filter(values, taps) - original).sum() + bit_error * bits

    found = chosen_taps(model, original, values, BOUND, bit_error)
    least = cost(found)
    assert least <= cost(model.none())
    for k in np.flatnonzero(found)[::5]:
        for change in (-1, 1):
            other = found.copy()
            other[k] += change
            assert least <= cost(other) * 1.001


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (1, 1), (2, 2)])
def test_of_tiles_that_hold_hardly_a_pixel(shape):
    values = picture(40, 40, 1)[: shape[0], : shape[1]] / 255.0
    assert chosen_taps(Taps(tap_arrays()), values, values, BOUND, 1e-3).shape == (48,)


def test_files_tell_taps_that_mend(codec):
    original = picture(70, 90, 4)
    data = codec.encode(original, quality=9)
    tiles = codec.decode_symbols(data)
    assert any(tile.taps.any() for tile in tiles)
    plain = [tile._replace(taps=None) for tile in tiles]
    without = codec.pack(plain, [(70, 90)], [144], [3])
    gained, before = (images.psnr(original, codec.decode(each), 255) for each in (data, without))
    assert gained > before + 0.01
    assert codec.encode(original, quality=9) == data
    for other in (original[..., :1], original[:1, :1], original[:5, :, :1]):
        assert codec.decode(codec.encode(other, quality=7)).shape == other.shape
    alpha = np.concatenate([original, original[..., :1]], -1)
    assert codec.decode(codec.encode(alpha, quality=7)).shape == alpha.shape
