"""Pictures with alpha: two planes, in files of tiles and of pyramids."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.signals.images import psnr
from tests.pyramids import write_codec
from tests.tiny import picture


@pytest.fixture(scope="module", params=["tiles", "pyramids"])
def codec(request, tmp_path_factory):
    if request.param == "tiles":
        return Codec.load(request.getfixturevalue("tiny").bundle)
    return Codec.load(write_codec(tmp_path_factory.mktemp("bundle") / "random.mscnb"))


def with_alpha(height, width, channels, seed=0):
    """uint8 [height, width, channels], of which 2 and 4 end in alpha."""
    opaque = picture(height, width, seed)
    alpha = picture(height, width, seed + 1)[..., :1]
    kept = {1: [0], 2: [0, 3], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[channels]
    return np.concatenate([opaque, alpha], -1)[..., kept]


@pytest.mark.parametrize("channels", [2, 4])
def test_planes_are_coded_as_pictures_of_their_own(codec, channels):
    original = with_alpha(29, 43, channels)
    decoded = codec.decode(codec.encode(original, quality=8))
    assert decoded.shape == original.shape
    for part in (np.s_[..., :-1], np.s_[..., -1:]):
        alone = codec.decode(codec.encode(original[part], quality=8))
        np.testing.assert_array_equal(decoded[part], alone)


def test_archives_regions_and_sizes(codec):
    originals = [with_alpha(20 + n, 30 - n, n, n) for n in (3, 4, 1, 2, 4)]
    data = codec.encode(originals, quality=10)
    container = Container.from_bytes(data)
    assert container.to_bytes() == data
    assert [len(container.planes(item)) for item in range(5)] == [1, 2, 1, 2, 2]
    whole = list(codec.decode_all(data))
    for item, (original, decoded) in enumerate(zip(originals, whole)):
        assert decoded.shape == original.shape
        assert psnr(original, decoded) > 30
        part = codec.decode(data, item, region=(3, 5, 11, 12))
        np.testing.assert_array_equal(part, decoded[5:17, 3:14])
        larger = codec.decode(data, item, scale=2)
        assert larger.shape == (2 * original.shape[0], 2 * original.shape[1], original.shape[2])
        symbols = codec.decode_symbols(data, item)
        again = codec.pack(symbols, [original.shape[:2]], [160], [original.shape[2]])
        np.testing.assert_array_equal(codec.decode(again), decoded)


def test_a_wanted_size_holds_for_both_planes(codec):
    original = with_alpha(48, 64, 4)
    size = len(codec.encode(original, quality=5))
    assert 0.8 * size < len(codec.encode(original, size=size + 10)) <= size + 10
