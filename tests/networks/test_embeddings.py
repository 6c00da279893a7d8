from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.networks.embeddings import (
    NerfFrequencies,
    RandomFourierFeatures,
    SeparableCosines,
    cosine_features,
)
from tests.harness import check_layer

EMBEDDINGS = [
    lambda: SeparableCosines(3),
    lambda: RandomFourierFeatures(6, scale=2.0, seed=4),
    lambda: NerfFrequencies(3),
    lambda: NerfFrequencies(2, include_input=False),
]


def coordinates(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(dtype)


@pytest.mark.parametrize("make", EMBEDDINGS)
def test_round_trips(make):
    check_layer(make(), coordinates(2, 5, 2))


@settings(deadline=None, max_examples=20)
@given(
    make=st.sampled_from(EMBEDDINGS),
    size=st.integers(1, 4),
    batch=st.lists(st.integers(1, 4), min_size=1, max_size=3),
)
def test_size_and_independence_of_points(make, size, batch):
    """The promised size, and each point's features are its own, whatever stands beside it."""
    embedding = make()
    x = coordinates(*batch, size)
    features = embedding(x)
    assert features.shape == (*batch, embedding.output_size(size))
    np.testing.assert_allclose(features[0, ...], embedding(x[:1])[0], atol=1e-5)


def test_cosines_are_the_orthonormal_dct():
    points = 7
    x = (2 * np.arange(points) + 1) / points - 1
    features = cosine_features(tf.constant(x), points, points).numpy()
    np.testing.assert_allclose(features.T @ features, np.eye(points), atol=1e-12)
    k, n = np.meshgrid(np.arange(points), np.arange(points))
    dct = np.cos(np.pi * k * (2 * n + 1) / (2 * points)) * np.sqrt(2 / points)
    dct[:, 0] /= np.sqrt(2)
    np.testing.assert_allclose(features, dct, atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_separable_cosines_are_orthonormal_on_their_grid(size):
    axis = (2 * np.arange(4) + 1) / 4 - 1
    grid = np.stack(np.meshgrid(*[axis] * size, indexing="ij"), -1).reshape(-1, size)
    features = SeparableCosines(4, dtype="float64")(grid).numpy()
    np.testing.assert_allclose(features.T @ features, np.eye(4**size), atol=1e-12)


def test_separable_cosines_are_products_in_row_major_order():
    x = coordinates(5, 2, dtype=np.float64)
    features = SeparableCosines(3, dtype="float64")(x).numpy().reshape(5, 3, 3)
    scale = np.sqrt([1 / 3, 2 / 3, 2 / 3])
    rows, cols = (scale * np.cos(np.pi * np.arange(3) * (x[:, a, None] + 1) / 2) for a in range(2))
    np.testing.assert_allclose(features, rows[:, :, None] * cols[:, None, :], atol=1e-12)


def test_random_fourier_features():
    x = coordinates(6, 3, dtype=np.float64)
    layer = RandomFourierFeatures(4000, scale=3.0, seed=1, dtype="float64")
    features = layer(x).numpy()
    matrix = layer.get_weights()[0]
    phase = 2 * np.pi * x @ matrix
    np.testing.assert_allclose(features, np.hstack([np.cos(phase), np.sin(phase)]), atol=1e-10)
    # 6,000 normal draws: the sample deviation is within 5 standard errors (5 in 10 million fail).
    assert abs(matrix.std() / 3.0 - 1) < 5 / np.sqrt(2 * matrix.size)
    assert not layer.trainable_weights
    again = RandomFourierFeatures(4000, scale=3.0, seed=1, dtype="float64")
    np.testing.assert_array_equal(again(x), features)
    other = RandomFourierFeatures(4000, scale=3.0, seed=2, dtype="float64")
    assert np.abs(other(x) - features).max() > 0.1


def test_nerf_frequencies():
    x = coordinates(6, 2, dtype=np.float64)
    features = NerfFrequencies(3, dtype="float64")(x).numpy()
    phases = [np.pi * 2**k * x[:, a] for a in range(2) for k in range(3)]
    expected = np.stack([x[:, 0], x[:, 1], *np.sin(phases), *np.cos(phases)], 1)
    np.testing.assert_allclose(features, expected, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomFourierFeatures(5),
        lambda: RandomFourierFeatures(0),
        lambda: SeparableCosines(0),
        lambda: NerfFrequencies(0),
    ],
)
def test_wrong_sizes_are_refused(make):
    with pytest.raises(ValueError, match="must be"):
        make()
