"""Cameras: every pixel's ray goes where the lens's own formula puts it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mscn_tf.runtime.rendering import camera_rays, orbit
from mscn_tf.signals.cameras import Camera

WIDTH, HEIGHT = 12, 9


def project(camera, pose, points):
    """Pixels [N, 2] of points [N, 3]: OpenCV's formula, written out."""
    k1, k2, k3, k4, p1, p2 = camera.distortion
    x, y, z = (np.linalg.inv(pose) @ np.c_[points, np.ones(len(points))].T)[:3]
    x, y = x / -z, -y / -z
    r = x * x + y * y
    bent = 1 + k1 * r + k2 * r**2 + k3 * r**3 + k4 * r**4
    u = x * bent + 2 * p1 * x * y + p2 * (r + 2 * x * x)
    v = y * bent + p1 * (r + 2 * y * y) + 2 * p2 * x * y
    return np.stack(
        [u * camera.focal[0] + camera.centre[0], v * camera.focal[1] + camera.centre[1]], 1
    )


def centres(camera):
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    return np.stack([x.ravel(), y.ravel()], 1)


small = st.floats(-0.05, 0.05)


@settings(max_examples=60, deadline=None)
@given(
    focal=st.tuples(st.floats(6, 60), st.floats(6, 60)),
    centre=st.tuples(st.floats(2, 10), st.floats(2, 7)),
    distortion=st.tuples(st.floats(-0.3, 0.3), small, small, small, small, small),
    turn=st.integers(0, 6),
)
def test_a_ray_meets_the_pixel_that_it_was_made_for(focal, centre, distortion, turn):
    camera = Camera(WIDTH, HEIGHT, focal, centre, distortion)
    if not camera.can_be_undone():
        return
    pose = list(orbit(7, 3.0))[turn]
    origin, directions = camera.rays(pose)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(
        project(camera, pose, origin + 2.5 * directions), centres(camera), atol=0.02
    )


def test_a_photo_lens_can_be_undone_and_a_folding_one_not():
    lens = (1000.0, 1000.0), (960.0, 540.0)
    assert Camera(1920, 1080, *lens).can_be_undone()
    assert Camera(1920, 1080, *lens, (-0.2, 0.05, 0, 0, 1e-3, -1e-3)).can_be_undone()
    assert not Camera(1920, 1080, *lens, (-0.6, 0, 0, 0, 0, 0)).can_be_undone()
    assert not Camera(1920, 1080, *lens, (1e300, -1e300, 0, 0, 0, 0)).can_be_undone()


def test_without_distortion_it_is_the_runtimes_pinhole():
    (pose,) = orbit(1, 3.0)
    ours, runtimes = Camera.pinhole(20.0, 7, 5).rays(pose), camera_rays(pose, 20.0, 5, 7)
    for a, b in zip(ours, runtimes):
        np.testing.assert_array_equal(a, b)


def test_a_smaller_picture_shows_the_same():
    camera = Camera(WIDTH, HEIGHT, (20.0, 25.0), (5.0, 4.0), (-0.1, 0.02, 0, 0, 0.01, 0.02))
    third = camera.resized(WIDTH // 3, HEIGHT // 3)
    pose = np.eye(4)
    middle = camera.rays(pose)[1].reshape(HEIGHT, WIDTH, 3)[1::3, 1::3]
    np.testing.assert_allclose(third.rays(pose)[1].reshape(3, 4, 3), middle, atol=1e-12)
    assert third.reach == pytest.approx(camera.reach)
