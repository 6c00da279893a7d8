from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mscn_tf.fitting import radiance
from mscn_tf.fitting.radiance import fit_radiance
from mscn_tf.networks.rendering import RadianceGrid, VolumeRendering
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.rendering import (
    DENSITY_SCALE,
    camera_rays,
    cube_span,
    on_ground,
    orbit,
    render,
)
from mscn_tf.signals.cameras import Camera
from mscn_tf.signals.scenes import coloured, rendered_psnr
from mscn_tf.signals.views import Views

SIZE, FOCAL = 24, 30.0
GROUND = (0.2, 0.9, 0.4)


def ball(resolution=12):
    at = (np.arange(resolution) + 0.5) * 2 / resolution - 1
    x, y, z = np.meshgrid(at, at, at, indexing="ij")
    return coloured(x**2 + y**2 + z**2 < 0.5, np.random.default_rng(0))


def views_of(grid, count, elevation):
    poses = list(orbit(count, 4.0, elevation))
    pictures = [render(grid, pose, FOCAL, SIZE, SIZE).astype("f4") for pose in poses]
    return Views(pictures, poses, [Camera.pinhole(FOCAL, SIZE, SIZE)] * count)


def flat(picture):
    ones = np.ones_like(picture[..., :1])
    return np.concatenate([on_ground(picture, GROUND), ones], -1).astype("f4")


@pytest.fixture(scope="module")
def scene():
    grid = ball()
    return views_of(grid, 10, 20.0), views_of(grid, 4, 35.0)


def test_views_never_seen_are_met(scene):
    seen, unseen = scene
    grid = fit_radiance(seen, 12, 80)
    assert grid.shape == (12, 12, 12, 4)
    assert grid.dtype == np.float32
    empty = np.zeros_like(grid)
    assert rendered_psnr(grid, unseen) > rendered_psnr(empty, unseen) + 8


@pytest.mark.slow
def test_nothing_is_painted_before_the_ground_of_opaque_pictures(scene):
    seen, unseen = (
        replace(views, pictures=[flat(picture) for picture in views.pictures], ground=GROUND)
        for views in scene
    )
    grid = fit_radiance(seen, 12, 80)
    assert rendered_psnr(grid, unseen) > rendered_psnr(np.zeros_like(grid), unseen) + 6
    assert (grid[[0, -1], :, :, 0] <= 0).mean() > 0.9  # the cube's sides


def test_the_same_seed_gives_the_same_grid(scene):
    np.testing.assert_array_equal(fit_radiance(scene[0], 6, 6), fit_radiance(scene[0], 6, 6))


def test_the_runtime_renders_what_the_layers_do():
    grid = ball()
    (pose,) = orbit(1, 3.0)
    origin, directions = camera_rays(pose, FOCAL, 9, 13)
    near, far = cube_span(origin, directions)
    count = 2 * len(grid)
    share = np.arange(count) / count
    depths = near[:, None] + (far - near)[:, None] * share
    middles = depths + ((far - near) / count / 2)[:, None]
    field = RadianceGrid(len(grid), DENSITY_SCALE, dtype="float64")
    field.build(None)
    field.grid.assign(grid)
    points = origin + middles[..., None] * directions[:, None]
    pixels, _ = VolumeRendering(dtype="float64")(*field(points), depths, far)
    ours = render(grid, pose, FOCAL, 9, 13)
    np.testing.assert_allclose(ours.reshape(-1, 4), pixels, atol=1e-6)


def test_rays_of_many_pixels_are_a_part_of_all_views(scene, monkeypatch):
    views, _ = scene
    whole = radiance._rays(views)
    monkeypatch.setattr(radiance, "_MOST_RAYS", 500)
    origins, directions, near, far, colours = radiance._rays(views)
    assert 0.3 * 500 < len(origins) <= 500
    assert (far > near).all()
    assert len(np.unique(origins, axis=0)) == len(views.poses)
    some = {tuple(ray) for ray in np.concatenate([origins, directions, colours], 1)}
    assert some < {tuple(ray) for ray in np.concatenate([*whole[:2], whole[4]], 1)}


def test_views_that_miss_the_cube_are_refused(scene):
    away = [pose + np.array([[0, 0, 0, 90.0]] * 3 + [[0.0] * 4]) for pose in scene[0].poses]
    with pytest.raises(MscnError, match="no camera sees any of the cube"):
        fit_radiance(replace(scene[0], poses=away), 4, 2)
