from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mscn_tf.networks.rendering import (
    ImportanceSampling,
    RadianceGrid,
    StratifiedSampling,
    VolumeRendering,
)
from tests.harness import check_layer

SEED = np.array([1, 2], np.int32)


def test_round_trips():
    random = np.random.default_rng(0)
    near, far = np.array([0.5, 1.0], "f4"), np.array([2.0, 1.5], "f4")
    depths = np.sort(random.uniform(0.5, 1.5, (2, 6))).astype("f4")
    density = random.uniform(0, 3, (2, 6)).astype("f4")
    check_layer(StratifiedSampling(4), near, far, SEED)
    check_layer(ImportanceSampling(5), depths, density, SEED)
    grid = RadianceGrid(3, density_scale=7.0)
    grid.build(None)
    grid.grid.assign(random.normal(size=grid.grid.shape))
    check_layer(grid, random.uniform(-1, 1, (2, 5, 3)).astype("f4"))


def test_stratified_depths_lie_one_in_each_part():
    near, far = tf.constant([1.0, -2.0]), tf.constant([2.0, 6.0])
    depths = StratifiedSampling(8)(near, far, SEED).numpy()
    part = (depths - near.numpy()[:, None]) / (far - near).numpy()[:, None] * 8
    np.testing.assert_array_equal(np.floor(part), np.tile(np.arange(8), [2, 1]))


def test_importance_sampling_follows_the_weights():
    """Half of the weight lies in the first tenth of the way, so half of the depths do."""
    depths = np.linspace(0, 1, 101, dtype="f4")[None].repeat(2, 0)
    weights = np.where(depths < 0.1, 9.0, 1.0).astype("f4")
    drawn = ImportanceSampling(2000)(depths, weights, SEED).numpy()
    assert np.all(np.diff(drawn, axis=1) >= 0)
    np.testing.assert_allclose(np.mean(drawn < 0.1, axis=1), 0.5, atol=0.02)
    np.testing.assert_allclose(np.mean(drawn < 0.55, axis=1), 0.75, atol=0.02)


def test_a_homogeneous_medium_follows_beer_and_lambert():
    far, count = 2.0, 64
    depths = tf.linspace([0.0], [far * (count - 1) / count], count, axis=1)
    colour = tf.constant([0.2, 0.4, 0.9]) * tf.ones([1, count, 1])
    pixel, weights = VolumeRendering()(
        1.3 * tf.ones([1, count]), colour, depths, tf.constant([far])
    )
    opacity = 1 - np.exp(-1.3 * far)
    np.testing.assert_allclose(pixel[0], opacity * np.array([0.2, 0.4, 0.9, 1.0]), rtol=1e-5)
    np.testing.assert_allclose(tf.reduce_sum(weights), opacity, rtol=1e-5)


@pytest.mark.parametrize("resolution", [2, 5])
def test_the_grid_interpolates_in_straight_lines(resolution):
    """Any function that is linear along each axis is met exactly within the outer points."""
    field = RadianceGrid(resolution, density_scale=2.0)
    field.build(None)
    at = (np.arange(resolution) + 0.5) * 2 / resolution - 1
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    field.grid.assign(np.stack([1.5 + x * y, 0.5 + 0.4 * z, 0.5 - 0.3 * x, 0.5 + 0 * x], -1))
    points = np.random.default_rng(0).uniform(at[0], at[-1], (4, 7, 3)).astype("f4")
    density, colour = field(points)
    x, y, z = np.moveaxis(points, -1, 0)
    np.testing.assert_allclose(density, 2 * (1.5 + x * y), rtol=1e-4)
    np.testing.assert_allclose(
        colour, np.stack([0.5 + 0.4 * z, 0.5 - 0.3 * x, 0.5 + 0 * x], -1), atol=1e-5
    )
