from __future__ import annotations

import numpy as np
import pytest

from mscn_tf.runtime.rendering import DENSITY_SCALE, camera_rays, cube_span, orbit, render


def test_the_middle_of_the_picture_is_straight_ahead():
    for pose in orbit(5, 3.0, 40.0):
        origin, directions = camera_rays(pose, 10.0, 5, 7)
        np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
        np.testing.assert_allclose(directions[17], -origin / 3.0, atol=1e-12)
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)
        assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)


def test_pixels_lie_where_a_pinhole_puts_them():
    pose = np.eye(4)  # at the origin, looking down -z
    _, directions = camera_rays(pose, 4.0, 4, 6)
    seen = directions.reshape(4, 6, 3)
    np.testing.assert_allclose(seen[0, 5, :2] / -seen[0, 5, 2], [2.5 / 4, 1.5 / 4])


def test_spans_of_the_cube():
    directions = np.array([[0, 0, -1.0], [0, 0, 1.0], [1, 0, 0]])
    near, far = cube_span(np.array([0, 0, 3.0]), directions)
    np.testing.assert_allclose(near[0], 2)
    np.testing.assert_allclose(far[0], 4)
    assert far[1] == near[1]
    assert far[2] == near[2]


def test_a_solid_cube_is_opaque_and_has_its_colour():
    grid = np.ones((4, 4, 4, 4)) * [1, 0.2, 0.5, 0.8]
    pose = next(orbit(1, 4.0))
    picture = render(grid, pose, 5.0, 11, 11)
    np.testing.assert_allclose(picture[5, 5], [0.2, 0.5, 0.8, 1], atol=1e-9)
    np.testing.assert_array_equal(picture[0, 0], np.zeros(4))


def test_opacity_of_thin_fog():
    grid = np.zeros((8, 8, 8, 4))
    grid[..., 0] = 0.3 / DENSITY_SCALE
    pose = np.eye(4)
    pose[2, 3] = 5.0
    picture = render(grid, pose, 50.0, 1, 1)
    np.testing.assert_allclose(picture[0, 0, 3], 1 - np.exp(-0.3 * 2), rtol=1e-6)


def test_density_below_zero_is_none():
    grid = -np.ones((4, 4, 4, 4))
    assert not render(grid, next(orbit(1, 4.0)), 20.0, 6, 6).any()
