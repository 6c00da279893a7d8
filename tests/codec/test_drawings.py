"""Drawings in fewer colours, beside photographs, and as they are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from mscn_tf.codec import Codec
from mscn_tf.runtime import exact
from mscn_tf.runtime.container import Container
from mscn_tf.signals.images import psnr
from tests.codec.test_exact import smooth
from tests.runtime.test_exact_drawings import window


@pytest.fixture(scope="module")
def photo():
    return Codec.load("photo")


def drawn(height, width):
    """uint8 ``[H, W, 3]``: a window with soft edges, in many colours."""
    large = Image.fromarray(window(2 * height, 2 * width))
    return np.asarray(large.resize((width, height), Image.Resampling.BOX))


def webp(picture, size):
    """What WebP leaves of a picture in so many bytes, or a few more."""
    for quality in range(0, 101, 2):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "WEBP", method=6, quality=quality)
        if file.tell() >= size:
            break
    return np.asarray(Image.open(file).convert("RGB"))


def told(codec, data, item=0):
    return codec.info(data)["items"][item]


def test_of_a_drawing_more_is_left_than_webp_leaves(photo):
    picture = drawn(80, 120)
    data = photo.encode(picture, size=1000)
    assert len(data) <= 1000
    decoded = photo.decode(data)
    assert psnr(picture, decoded) > psnr(picture, webp(picture, len(data))) + 6
    off = int(np.abs(decoded.astype(int) - picture).max())
    assert off > 0
    assert told(photo, data)["within"] == off  # which `mscn info` tells
    assert told(photo, data)["exact"] == [0]


def test_quality_weighs_colours_against_bits(photo):
    picture = drawn(90, 120)
    files = [photo.encode(picture, quality=quality) for quality in (2, 5, 8)]
    assert sorted(map(len, files)) == list(map(len, files))
    psnrs = [psnr(picture, photo.decode(data)) for data in files]
    assert psnrs == sorted(psnrs)
    assert files[1] == photo.encode(picture, quality=5)
    exact_file = photo.encode(picture, lossless=True)
    np.testing.assert_array_equal(photo.decode(exact_file), picture)
    assert told(photo, exact_file)["within"] == 0
    assert len(files[2]) < len(exact_file)


def test_drawings_lie_beside_photographs_and_alpha(photo):
    picture = drawn(60, 80)
    alpha = np.zeros((60, 80, 1), np.uint8)
    alpha[10:50, 20:60] = 255
    items = [smooth(60, 80), np.concatenate([picture, alpha], -1), picture, picture[..., :1]]
    data = photo.encode(items, quality=5)
    decoded = list(photo.decode_all(data))
    assert [told(photo, data, item)["exact"] for item in range(4)] == [[], [0, 1], [0], [0]]
    np.testing.assert_array_equal(decoded[1][..., 3:], alpha)
    np.testing.assert_array_equal(decoded[1][..., :3], decoded[2])
    alone = photo.decode(photo.encode(items[0], quality=5))
    np.testing.assert_array_equal(decoded[0], alone)
    forms = [block[0] for block in Container.from_bytes(data).exact_blocks]
    assert forms.count(exact.DRAWING) == 3


def test_a_bound_is_kept_of_drawings_too(photo):
    picture = drawn(60, 80)
    data = photo.encode(picture, max_error=2)
    assert np.abs(photo.decode(data).astype(int) - picture).max() <= 2
