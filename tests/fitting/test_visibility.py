"""What `--tune=ssim` takes errors for: as MS-SSIM counts them."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.evaluation.metrics import ms_ssim
from mscn_tf.fitting.visibility import prices, weights
from mscn_tf.runtime.wavelet import analyse, sizes, synthesise

LEVELS, SIDE = 4, 384


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    """Smooth on the left, texture on the right."""
    random = np.random.default_rng(0)
    ramp = 90 + 60 * np.sin(np.arange(SIDE) / 60)[:, None] * np.ones(SIDE)
    ramp[:, SIDE // 2 :] += random.normal(0, 25, (SIDE, SIDE // 2))
    return np.clip(ramp, 0, 255).round().astype(np.uint8)[..., None]


def loss(picture: np.ndarray, level: int, columns: slice) -> float:
    """Of MS-SSIM, by errors of one size at some of a level's coefficients."""
    pyramid = analyse(picture[..., 0][None].astype(np.float64), LEVELS)
    part = pyramid.details[level][..., columns]
    part += 4 * np.random.default_rng(1).choice([-1, 1], part.shape)
    changed = synthesise(pyramid, SIDE, SIDE).clip(0, 255).round().astype(np.uint8)
    found = ms_ssim(picture, changed[0][..., None])
    assert found is not None
    return 1 - found


@pytest.mark.parametrize("level", [1, 2, 3])
def test_errors_weigh_what_ms_ssim_counts_them(picture, level):
    width = -(-SIDE >> (level + 1))
    # Away from the edge between the two, where each sees the other.
    smooth, rough = slice(0, width // 3), slice(width - width // 3, width)
    found = [weights(picture, LEVELS)[level][:, part].mean() for part in (smooth, rough)]
    lost = [loss(picture, level, part) for part in (smooth, rough)]
    assert lost[0] > 2 * lost[1]
    assert np.log(found[0] / found[1]) == pytest.approx(np.log(lost[0] / lost[1]), abs=0.4)


def test_bits_are_dearer_where_errors_hide(picture):
    (found,) = prices([weights(picture, LEVELS)])
    assert [price.shape for price in found] == sizes(SIDE, SIDE, LEVELS)[1:]
    for price in found:
        left, right = np.array_split(price, 2, axis=1)
        assert left.mean() < 0.7 * right.mean()
    assert np.median(found[0]) > 2 * np.median(found[2])  # hardly seen at the finest level
    # Tiles of one picture share what is usual.
    halves = prices([weights(picture[:, :192], LEVELS), weights(picture[:, 192:], LEVELS)])
    for whole, left in zip(found, halves[0]):
        np.testing.assert_allclose(left[:, :4], whole[:, :4], rtol=0.05)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 3), (33, 2, 3)])
def test_pictures_of_any_size(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    (found,) = prices([weights(pixels, 7)])
    assert [price.shape for price in found] == sizes(*shape[:2], 7)[1:]
    assert all(np.isfinite(price).all() for price in found)
