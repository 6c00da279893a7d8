from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.server import zoom


@pytest.mark.parametrize(
    ("shape", "last"),
    [((1, 1), 0), ((256, 256), 0), ((257, 1), 1), ((1, 512), 1), ((513, 2), 2), ((2**20, 1), 12)],
)
def test_at_zoom_0_a_picture_is_one_tile(shape, last):
    assert zoom.original(shape) == last
    region, size = zoom.part(shape, 0, 0, 0)
    assert region == (0, 0, shape[1], shape[0])
    assert max(size) <= 256
    assert zoom.part(shape, 0, 1, 0) is zoom.part(shape, 0, 0, 1) is None


@pytest.mark.parametrize("shape", [(300, 700), (512, 1024), (3, 5)])
def test_tiles_cover_the_picture_once(shape):
    last = zoom.original(shape)
    for z in range(last + 3):
        seen = np.zeros(shape, int)
        scale = 2.0 ** (z - last)
        for y in range(2**z):
            for x in range(2**z):
                found = zoom.part(shape, z, x, y)
                if found is None:
                    continue
                (left, top, width, height), size = found
                seen[top : top + height, left : left + width] += 1
                assert (left * scale, top * scale) == (256 * x, 256 * y)
                assert size == (-(-width * scale // 1), -(-height * scale // 1))
                assert 1 <= min(size) <= max(size) <= 256
        assert (seen == 1).all()


def test_the_last_zoom_shows_single_pixels():
    assert zoom.part((300, 700), 2 + zoom.BEYOND, 699, 299) == ((699, 299, 1, 1), (256, 256))
    assert zoom.part((300, 700), 2 + zoom.BEYOND, 700, 299) is None
    assert zoom.part((300, 700), 3 + zoom.BEYOND, 0, 0) is None
