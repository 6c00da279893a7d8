"""Pictures in fewer colours."""

from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.fitting.few_colours import in_few_colours


def colours_of(pixels):
    return np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)


def error(pixels, other):
    return float(np.square(pixels.astype(float) - other).sum())


@pytest.mark.parametrize("channels", [1, 3])
def test_fewer_the_dearer_bits_are(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, channels), np.uint8)
    found = [in_few_colours(pixels, price) for price in (0.0, 10.0, 1e3, 1e9)]
    np.testing.assert_array_equal(found[0], pixels)
    counts = [len(colours_of(one)) for one in found]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[1] > counts[2] > counts[3] == 1
    assert np.abs(found[3][0, 0] - pixels.reshape(-1, channels).mean(0)).max() <= 0.5
    errors = [error(pixels, one) for one in found]
    assert errors == sorted(errors)


def test_soft_edges_go_before_what_is_flat():
    """Two grounds and a ramp between them: the grounds stay about as they are."""
    ramp = np.linspace(20, 230, 30).astype(np.uint8)
    row = np.concatenate([np.full(300, 20, np.uint8), ramp, np.full(300, 230, np.uint8)])
    pixels = np.tile(row[None, :, None], (5, 1, 1))
    found = in_few_colours(pixels, 2e3)
    assert 2 < len(colours_of(found)) < 15
    np.testing.assert_allclose(
        found[:, [0, -1]].astype(int), pixels[:, [0, -1]].astype(int), atol=1
    )


def test_the_mean_of_a_box_has_least_error():
    pixels = np.array([[[0], [0], [0], [9], [200], [210]]], np.uint8)
    np.testing.assert_array_equal(in_few_colours(pixels, 100.0)[0, :, 0], [2, 2, 2, 2, 205, 205])
