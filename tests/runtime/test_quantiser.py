"""The quantiser's algebra: the same in NumPy and TensorFlow, and exact where it must be."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.runtime import quantiser
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.quality import centred, check_sixteenths

RANDOM = np.random.default_rng(0)
BASE = RANDOM.integers(-(2**19), 2**19, (2, 500))
SIXTEENTHS = np.arange(16)[:, None]


@pytest.mark.parametrize("xp", [np, tf])
def test_whole_numbers_are_exact_in_float32(xp):
    low, high = BASE.astype("f4")
    between = quantiser.whole_between(xp, low, high, SIXTEENTHS.astype("f4"))
    expected = (BASE[0] * (16 - SIXTEENTHS) + BASE[1] * SIXTEENTHS) // 16
    np.testing.assert_array_equal(np.asarray(between), expected)


@pytest.mark.parametrize("xp", [np, tf])
def test_scale_indices_are_rounded_and_bounded(xp):
    fixed = np.array([-(2.0**20), 8191, 8192, 2**14 * 3 - 1, 2.0**20], "f4")
    indices = quantiser.scale_index(xp, fixed, 9)
    assert np.asarray(indices).tolist() == [0, 0, 1, 3, 8]


@pytest.mark.parametrize("xp", [np, tf])
def test_dead_zones_are_worth_their_bits(xp):
    bits = np.array([-3.0, 0.0, 4.0, 1e9], "f4")
    zones = np.asarray(quantiser.dead_zones(xp, bits, 0.1))
    np.testing.assert_allclose(zones, [0, 0, 0.2, 0.45], rtol=1e-6)
    values = np.array([-0.69, -0.71, 0.0, 1.71, 1.69], "f4")
    rounded = np.asarray(quantiser.round_dead_zone(xp, values, np.float32(0.2)))
    assert rounded.tolist() == [0, -1, 0, 2, 1]


def test_floats_between_qualities():
    assert quantiser.between(2.0, 4.0, 4) == 2.5


@pytest.mark.parametrize("xp", [np, tf])
def test_rows_around_qualities(xp):
    q16 = np.array([16, 17, 31, 32, 159, 160], np.int32)
    rows = [np.asarray(part).tolist() for part in quantiser.around(xp, q16)]
    assert rows == [[0, 0, 0, 1, 8, 9], [1, 1, 1, 2, 9, 9], [0, 1, 15, 0, 15, 0]]


@pytest.mark.parametrize("q16", [15, 161, [16, 8]])
def test_other_qualities_are_refused(q16):
    with pytest.raises(MscnError, match=r"^quality [\d.]+ is not 1 to 10$"):
        check_sixteenths(q16)


def test_networks_are_told_qualities_about_the_middle():
    assert centred(np.array([1.0, 5.5, 10.0])).tolist() == [-1, 0, 1]
