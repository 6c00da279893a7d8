"""Pictures with alpha: colours in tiles or pyramids, and alpha as it is."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.codec import Codec
from mscn_tf.codec.parts import Parts
from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
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
def test_colours_are_coded_as_a_picture_of_their_own_and_alpha_stays(codec, channels):
    original = with_alpha(29, 43, channels)
    data = codec.encode(original, quality=8)
    decoded = codec.decode(data)
    assert decoded.shape == original.shape
    alone = codec.decode(codec.encode(original[..., :-1], quality=8))
    np.testing.assert_array_equal(decoded[..., :-1], alone)
    np.testing.assert_array_equal(decoded[..., -1], original[..., -1])
    assert 1 in codec.info(data)["items"][0]["exact"]


@pytest.mark.parametrize("scale", [0.5, 0.3, 1.5, 3])
def test_alpha_in_other_sizes(codec, scale):
    """What covers nothing stays clear, what is all covered opaque; in all it covers as much."""
    original = with_alpha(48, 64, 4)
    original[..., 3] = np.where(np.hypot(*(np.indices((48, 64)) - 24)) < 15, 255, 0)
    alpha = codec.decode(codec.encode(original, quality=5), scale=scale)[..., 3]
    assert abs(alpha.mean() - original[..., 3].mean()) < 2
    away = np.hypot(*((np.indices(alpha.shape) + 0.5) / scale - 24))
    assert (alpha[away > 15 + 4 / min(scale, 1)] == 0).all()
    assert (alpha[away < 15 - 4 / min(scale, 1)] == 255).all()


@pytest.mark.parametrize(("quality", "levels"), [(1, 2), (5.5, 23), (10, 256)])
def test_coarser_alpha_takes_fewer_values(codec, quality, levels):
    original = with_alpha(16, 64, 4)
    original[..., 3] = np.linspace(0, 255, 16 * 64).round().reshape(16, 64)
    alpha = codec.decode(codec.encode(original, quality=5, alpha_quality=quality))[..., 3]
    assert len(np.unique(alpha)) == levels
    assert (alpha.min(), alpha.max()) == (0, 255)
    error = np.abs(alpha.astype(int) - original[..., 3]).max()
    assert error <= np.ceil(127.5 / (levels - 1)) * (levels < 256)


def test_qualities_of_alpha_that_are_refused(codec):
    original = with_alpha(8, 8, 4)
    for quality in (0.5, 11, np.nan):
        with pytest.raises(MscnError, match="must be 1 to 10"):
            codec.encode(original, alpha_quality=quality)
    with pytest.raises(MscnError, match="without lossless"):
        codec.encode(original, alpha_quality=5, lossless=True)


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
        planes = [p for p in range(2) if container.is_exact(item, p)]
        again = codec.pack(
            symbols,
            [original.shape[:2]],
            [160],
            [original.shape[2]],
            exact_planes=[container.exact[item]],
            exact_blocks=[container.exact_block(item, plane) for plane in planes],
        )
        np.testing.assert_array_equal(codec.decode(again), decoded)


def test_files_whose_alpha_is_coded_decode(codec, monkeypatch):
    """As older versions wrote them."""
    for otherwise in ("cheapest", "in_few_colours"):
        monkeypatch.setattr(Parts, otherwise, lambda _, data, *__: data)
    original = with_alpha(21, 34, 4)
    planes = [original[..., :3], original[..., 3:]]
    parts = [codec.encode(plane, quality=2) for plane in planes]
    symbols = [tile for part in parts for tile in codec.decode_symbols(part)]
    if isinstance(symbols[0], np.ndarray):
        symbols = np.stack(symbols)
    data = codec.pack(symbols, [original.shape[:2]], [32], [4])
    assert data[4] == 1
    wanted = np.concatenate([codec.decode(part) for part in parts], axis=-1)
    np.testing.assert_array_equal(codec.decode(data), wanted)


def test_a_wanted_size_holds_for_both_planes(codec):
    original = with_alpha(48, 64, 4)
    size = len(codec.encode(original, quality=5))
    assert 0.8 * size < len(codec.encode(original, size=size + 10)) <= size + 10
    with pytest.raises(MscnError, match=r"out of reach.*--alpha-quality"):
        codec.encode(original, size=len(exact.encode(original[..., 3:])))
