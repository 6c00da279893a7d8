"""Files of wavelet pyramids: pictures of any size, regions, resolutions, archives."""

from __future__ import annotations

import functools
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mscn_tf.codec import Codec, pyramid_encoding
from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.runtime import pyramids, wavelet
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.pyramid_prior import Fitted
from mscn_tf.runtime.pyramids import Tiling
from mscn_tf.signals.images import psnr
from tests.pyramids import LEVELS, colour, write_codec
from tests.tiny import picture

PICTURE = Path(__file__).resolve().parents[2] / "demo" / "kodim.png"


@pytest.fixture(scope="module")
def codec(tmp_path_factory):
    return Codec.load(write_codec(tmp_path_factory.mktemp("bundle") / "random.mscnb"), threads=1)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 50), st.integers(1, 50), st.sampled_from([1, 3]), st.integers(16, 160))
def test_any_picture_comes_back(codec, height, width, channels, q16):
    original = picture(height, width, 3)[..., :channels]
    data = codec.encode(original, quality=q16 / 16)
    decoded = codec.decode(data)
    assert decoded.shape == original.shape
    assert decoded.dtype == np.uint8
    if q16 > 140:
        assert psnr(original, decoded) > 30


def test_the_file_is_the_formula(codec):
    """Decoding is the wavelet of the dequantised symbols, turned to colours."""
    original = picture(16, 14, 5)
    data = codec.encode(original, quality=7)
    prior = codec.scheme.prior
    (fitted,) = codec.decode_symbols(data)
    coded = prior.decode(prior.encode(fitted, 16, 14, 112), 16, 14, 112)
    channels = wavelet.synthesise(prior.dequantise(coded, 112), 16, 14)
    values = np.einsum("cx,chw->hwx", colour(), channels) + 0.5
    wanted = np.rint(np.clip(values, 0, 1) * 255)
    assert np.array_equal(codec.decode(data), wanted)


@pytest.mark.parametrize(("height", "width"), [(70, 45), (33, 9), (5, 64)])
def test_pieces_that_fit_a_cache_make_the_whole(codec, monkeypatch, height, width):
    """Strips of rows, of any number, and the last one shorter."""
    data = codec.encode(picture(height, width, 2), quality=6)
    whole = codec.decode(data)
    monkeypatch.setattr(pyramids, "_STRIP", 12)
    monkeypatch.setattr(pyramids, "_TOGETHER", 200)
    monkeypatch.setattr(wavelet, "_TOGETHER", 100)
    assert np.array_equal(codec.decode(data), whole)


@pytest.mark.parametrize(("height", "width"), [(70, 45), (33, 9), (5, 64), (128, 31)])
def test_tiles_make_the_file_of_the_whole(codec, monkeypatch, height, width):
    """Finest levels that are found for a tile at a time."""
    original = np.dstack([picture(height, width, 2), picture(height, width, 3)[..., :1]])
    encode = functools.partial(codec.encode, original)
    found = [encode(quality=6), encode(psnr=25.0)]
    monkeypatch.setattr(pyramid_encoding, "_FINE", 0)
    assert found == [encode(quality=6), encode(psnr=25.0)]


def test_threads_change_nothing(codec, monkeypatch):
    """Of two planes with tiles, in strips of which several share the tiles that they need."""
    monkeypatch.setattr(pyramids, "_STRIP", 12)
    several = Codec(codec.bundle, threads=3)
    original = np.dstack([picture(50, 40, 2), picture(50, 40, 3)[..., :1]])
    data = codec.encode(original, quality=6)
    assert several.encode(original, quality=6) == data
    tuned = codec.encode(original, quality=6, tune="ssim")
    assert several.encode(original, quality=6, tune="ssim") == tuned != data
    for view in ({}, {"scale": 0.4}, {"region": (3, 17, 30, 20), "size": (9, 70)}):
        assert np.array_equal(several.decode(data, **view), codec.decode(data, **view))
    for one, other in zip(several.decode_symbols(data), codec.decode_symbols(data)):
        (found, *_), (known, *_) = one, other
        np.testing.assert_array_equal(found.coarse, known.coarse)


def test_what_fails_in_a_thread_fails_in_a_line(codec):
    several = Codec(codec.bundle, 3)
    data = bytearray(several.encode(picture(30, 40, 2)))
    data[-100] ^= 1
    with pytest.raises(MscnError, match="checksum of block"):
        several.decode(bytes(data))
    for threads in (0, 257):
        with pytest.raises(MscnError, match=f"threads={threads}: must be 1 to 256"):
            Codec(codec.bundle, threads)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_pyramids_as_tiles(codec, count):
    original = picture(codec.scheme.edge, 2 * codec.scheme.edge, 5)
    data = codec.encode(original, quality=4)
    symbols = codec.decode_symbols(data)
    wrong = [*symbols, *symbols][:count]
    with pytest.raises(MscnError, match="as many pyramids are wanted as there are tiles: 2"):
        codec.pack(wrong, [original.shape[:2]], [64], [3])
    assert codec.pack(symbols, [original.shape[:2]], [64], [3]) == data


def test_tiles_leave_no_seams(codec, tmp_path):
    """The same symbols' picture, however it is cut for coding."""
    original = picture(70, 45, 1)
    whole = Codec.load(write_codec(tmp_path / "whole.mscnb", 128))
    data = codec.encode(original, quality=6)
    tiles = [symbols for symbols, *_ in codec.decode_symbols(data)]
    places = Tiling((70, 45), 16).places()
    assert len(tiles) == len(places) == 5 * 3
    rows = [[t for t, (row, _) in zip(tiles, places) if row == r] for r in range(5)]
    steps = codec.scheme.prior.step(96)

    def joined(parts):
        return np.concatenate([np.concatenate(row, axis=-1) for row in parts], axis=-2)

    symbols = wavelet.Pyramid(
        joined([[t.coarse for t in row] for row in rows]),
        [joined([[t.details[n] for t in row] for row in rows]) for n in range(LEVELS)],
    )
    again = whole.decode(whole.pack([Fitted(symbols)], [(70, 45)], [96], [3]))
    # Scale indices, and with them centroids, differ a little where tiles meet.
    assert np.abs(again.astype(int) - codec.decode(data)).max() <= 0.3 * steps * 255 + 1


@pytest.mark.parametrize(
    ("height", "width", "tiles"),
    [(1, 700, 3), (700, 1, 3), (3, 300, 5), (8, 65, 3), (9, 65, 5), (16, 90, 6), (1, 16, 1)],
)
def test_tiles_of_narrow_pictures_are_as_large_as_others(codec, height, width, tiles):
    """Never larger: so a region takes no more."""
    original = picture(height, width, 3)
    data = codec.encode([original, picture(17, 40, 4)], quality=6)
    container = Container.from_bytes(data)
    assert [len(container.tiles_of(item)) for item in (0, 1)] == [tiles, 2 * 3]
    edge = codec.scheme.edge
    assert container.by_area == (tiles < -(-height // edge) * -(-width // edge))
    assert data[4] == (3 if container.by_area else 1)
    tiling = Tiling.of(container, 0)
    areas = [np.prod(tiling.tile_shape(*place)) for place in tiling.places()]
    assert max(areas) <= edge**2
    assert sum(areas) == height * width
    whole = codec.decode(data)
    x, y, w, h = width // 3, height // 3, -(-width // 2), -(-height // 2)
    part = codec.decode(data, region=(x, y, w, h))
    assert np.array_equal(part, whole[y : y + h, x : x + w])


@pytest.mark.parametrize(
    "region", [(0, 0, 45, 70), (3, 20, 30, 41), (44, 69, 1, 1), (17, 0, 5, 70)]
)
def test_a_region_is_a_part_of_the_whole(codec, region):
    data = codec.encode(picture(70, 45, 1), quality=6)
    x, y, w, h = region
    part = codec.decode(data)[y : y + h, x : x + w]
    assert np.array_equal(codec.decode(data, region=region), part)


def test_a_region_needs_only_the_blocks_around_it(codec):
    data = codec.encode(picture(400, 16, 1), quality=6)
    container = Container.from_bytes(data)
    container.blocks[-1] = b"\xff" * 9  # that of the last rows
    wanted = codec.decode(data, region=(0, 0, 16, 50))
    assert np.array_equal(codec.decode(container, region=(0, 0, 16, 50)), wanted)


def test_the_coarse_part_alone_gives_a_picture_as_small(codec):
    side = 2**LEVELS
    original = picture(6 * side, 5 * side, 1)
    found = codec.decode(codec.encode(original, quality=10), size=(5, 6))
    means = original.reshape(6, side, 5, side, 3).mean((1, 3))
    assert np.abs(found - means).mean() < 5


@pytest.mark.parametrize("scale", [0.125, 0.25, 0.4, 0.5, 1.7, 2])
def test_other_resolutions_look_alike(codec, scale):
    y, x = np.mgrid[:64, :96] / 96.0
    smooth = np.stack([x, y, 0.5 + 0.4 * np.sin(3 * x + 2 * y)], -1)
    data = codec.encode(np.rint(smooth * 255).astype(np.uint8), quality=10)
    shape = round(64 * scale), round(96 * scale)
    found = codec.decode(data, scale=scale)
    assert found.shape == (*shape, 3)
    rows = (np.arange(shape[0]) + 0.5) / scale - 0.5
    columns = (np.arange(shape[1]) + 0.5) / scale - 0.5
    y, x = np.meshgrid(rows / 96, columns / 96, indexing="ij")
    wanted = np.stack([x, y, 0.5 + 0.4 * np.sin(3 * x + 2 * y)], -1) * 255
    inside = slice(2, -2) if min(shape) > 8 else slice(None)
    error = np.abs(found.astype(float) - np.clip(wanted, 0, 255))[inside, inside]
    assert error.mean() < (1.5 if scale >= 0.5 else 5)


def test_archives(codec):
    pictures = [picture(20 + 7 * n, 33 - 5 * n, n)[..., : 1 + 2 * (n % 2)] for n in range(4)]
    data = codec.encode(pictures, quality=5, names=list("abcd"))
    for n, decoded in enumerate(codec.decode_all(data)):
        assert np.array_equal(decoded, codec.decode(data, item=n))
        assert np.array_equal(decoded, codec.decode(codec.encode(pictures[n], quality=5)))


@pytest.mark.parametrize("target", [{"size": 2600}, {"psnr": 28.0}])
def test_targets(codec, target):
    original = picture(60, 50, 9)
    data = codec.encode(original, **target)
    if "psnr" in target:
        assert psnr(original, codec.decode(data)) >= 28
        return
    limit = target.get("size", 7 * 60 * 50 / 8)
    assert 0.97 * limit - 8 <= len(data) <= limit


def test_more_effort_is_no_worse(codec):
    original = picture(60, 50, 9)
    weight = codec.bundle.manifest.rate_weight

    def cost(effort):
        data = codec.encode(original, quality=4, effort=effort)
        step = codec.scheme.prior.step(64)
        error = ((codec.decode(data) / 255.0 - original / 255.0) ** 2).sum()
        return error / step**2 + weight * 8 * len(data)

    assert cost(4) <= 1.02 * cost(1)
    assert codec.encode(original, quality=4) == codec.encode(original, quality=4, effort=3)
    with pytest.raises(MscnError, match="effort=0: must be 1 to 9"):
        codec.encode(original, effort=0)


def test_damage_inside_a_block_is_one_line(codec):
    data = codec.encode(picture(30, 30, 2), quality=9)
    container = Container.from_bytes(data, "file")
    container.blocks[0] = b"\xff" * 40
    with pytest.raises(MscnError, match="file: the coded data is damaged"):
        codec.decode(container)


def test_a_picture_of_equal_channels_is_the_grey_one():
    codec = Codec.load("photo")
    grey = np.random.default_rng(0).integers(0, 256, (24, 40, 1)).astype(np.uint8)
    colours = np.repeat(grey, 3, axis=-1)
    assert codec.encode(colours, quality=6) == codec.encode(grey, quality=6)
    assert codec.decode(codec.encode(colours, lossless=True)).shape == grey.shape
    colours[3, 4, 1] ^= 1
    assert codec.decode(codec.encode(colours, quality=6)).shape == colours.shape


def test_tuned_for_structures_more_of_them_are_left_in_as_many_bytes():
    codec = Codec.load("photo", threads=1)
    original = np.asarray(Image.open(PICTURE).convert("RGB"))[150:330, 200:440]

    def measures(tune: str) -> tuple[float, float]:
        data = codec.encode(original, bpp=0.5, effort=1, tune=tune)
        assert data == codec.encode(original, bpp=0.5, effort=1, tune=tune)
        decoded = codec.decode(data)
        return psnr(original, decoded), ms_ssim(original, decoded)

    usual, tuned = measures("psnr"), measures("ssim")
    assert tuned[1] > usual[1] + 0.0005
    assert tuned[0] < usual[0]


def test_a_pass_leaves_behind_no_more_than_its_symbols():
    """Of a tile some 220 bytes a pixel are there at a time; with what passes leave it was 400."""
    codec = Codec.load("photo", threads=1)
    original = np.asarray(Image.open(PICTURE).convert("RGB"))[:512, :512]
    codec.encode(original[:32, :32])  # makes networks and sessions
    tracemalloc.start()
    try:
        codec.encode(original, quality=4, effort=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 280 * 512 * 512


def test_only_what_can_be_tuned_is():
    with pytest.raises(MscnError, match="tune=ssim: with thumb32 it must be psnr"):
        Codec.load("thumb32").encode(picture(32, 32, 0), tune="ssim")
