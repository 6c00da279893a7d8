"""The wavelet: perfect reconstruction at any size, known filters, smooth pictures stay sparse."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime import wavelet

# Low-pass synthesis filter of the 9/7 wavelet as published, scaled to a sum of sqrt(2).
SYNTHESIS = np.array(
    [-0.091271763114, -0.057543526229, 0.591271763114, 1.115087052457]
    + [0.591271763114, -0.057543526229, -0.091271763114]
) / np.sqrt(2)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 70), st.integers(1, 70), st.integers(0, 7), st.integers(0, 9)
)
def test_synthesis_undoes_analysis(channels, height, width, levels, seed):
    picture = np.random.default_rng(seed).normal(size=(channels, height, width))
    pyramid = wavelet.analyse(picture, levels)
    again = wavelet.synthesise(pyramid, height, width)
    assert again.shape == picture.shape
    assert np.abs(again - picture).max() < 1e-12
    counts = [np.prod(s) for s in wavelet.sizes(height, width, levels)]
    inside = pyramid.coarse[0].size
    for level in range(levels):
        size = wavelet.sizes(height, width, levels)[level]
        inside += sum(r * c for r, c in wavelet.detail_sizes(*size))
    assert inside == counts[0]  # critically sampled


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 200), st.integers(1, 90), st.integers(0, 4), st.integers(1, 5), st.integers(0, 9)
)
def test_parts_are_those_of_the_whole(height, width, levels, blocks, seed):
    picture = np.random.default_rng(seed).normal(size=(2, height, width)).astype(np.float32)
    whole, edge = wavelet.analyse(picture, levels), blocks << levels
    spans = [
        [(first, min(first + edge, side)) for first in range(0, side, edge)]
        for side in (height, width)
    ]
    for part in itertools.product(*spans):
        (top, bottom), (left, right) = wavelet.reach_of((height, width), part, levels)
        seen = picture[:, top:bottom, left:right]
        found = wavelet.analyse_part(seen, (top, left), part, levels)
        known = whole.coarse[wavelet.part_at(levels, part)]
        np.testing.assert_array_equal(found.coarse, known)
        for level, detail in enumerate(found.details):
            known = whole.details[level][wavelet.part_at(level + 1, part)]
            np.testing.assert_array_equal(detail, known)


def test_parts_need_little_around_them():
    part = (512, 768), (0, 256)
    assert wavelet.reach_of((1000, 300), part, 3) == [(480, 800), (0, 288)]


def test_scaling_function_is_the_published_filter():
    coarse = np.zeros((1, 1, 17))
    coarse[0, 0, 8] = 1.0
    details = [np.zeros((1, 3, 1, 17))]
    line = wavelet.synthesise(wavelet.Pyramid(coarse, details), 1, 34)[0, 0]
    assert line[13:20] == pytest.approx(SYNTHESIS, abs=1e-9)
    assert np.abs(line[:13]).max() == np.abs(line[20:]).max() == 0


def test_nearly_orthonormal():
    picture = np.random.default_rng(0).normal(size=(1, 128, 128))
    pyramid = wavelet.analyse(picture, 3)
    energy = (pyramid.coarse**2).sum() + sum((d**2).sum() for d in pyramid.details)
    assert energy == pytest.approx((picture**2).sum(), rel=0.1)


def test_planes_have_no_details():
    y, x = np.mgrid[:64, :64] / 64.0
    pyramid = wavelet.analyse((0.3 + x - 2 * y)[None], 2)
    inside = pyramid.details[0][0, :, 4:-4, 4:-4]
    assert np.abs(inside).max() < 1e-9


def test_leaving_levels_out_halves():
    picture = np.full((1, 50, 33), 0.5)
    pyramid = wavelet.analyse(picture, 3)
    half = wavelet.synthesise(pyramid, 50, 33, skip=2)
    assert half.shape == (1, 13, 9)
    assert half == pytest.approx(np.full(half.shape, 0.5 * 2**2), abs=1e-9)
