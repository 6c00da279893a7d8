"""Renders decoded radiance grids from any pose, without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Optional, Union

import numpy as np

from mscn_tf.runtime.errors import MscnError

DENSITY_SCALE = 100.0  # per half side of the grid's cube, of a first channel of 1
_RAYS = 4096  # marched together: what bounds the memory
_SAMPLES_PER_CELL = 2


def on_white(premultiplied: np.ndarray) -> np.ndarray:
    """[..., 3] of colours times their opacity, and that [..., 4], before a white ground."""
    return premultiplied[..., :3] + 1 - premultiplied[..., 3:]


def on_ground(
    premultiplied: np.ndarray, ground: Optional[Union[Sequence[float], np.ndarray]]
) -> np.ndarray:
    """As `on_white`, before a ground of a colour [3]; None: white."""
    if ground is None:
        return on_white(premultiplied)
    return premultiplied[..., :3] + (1 - premultiplied[..., 3:]) * np.asarray(ground)


def camera_rays(
    pose: np.ndarray, focal: float, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Origin [3] and unit directions [height * width, 3] of a pinhole camera's pixel centres.

    Args:
      pose: camera to world [4, 4]; the camera looks along its -z axis, y up (OpenGL, as NeRF).
      focal: length in pixels.
    """
    x = (np.arange(width) + 0.5 - width / 2) / focal
    y = -(np.arange(height) + 0.5 - height / 2) / focal
    return rays_through(pose, x[None], y[:, None])


def rays_through(pose: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Origin [3] and unit directions [N, 3] of rays through points of a camera's image plane.

    Args:
      pose: camera to world [4, 4], as in `camera_rays`.
      x: to the right, on the plane at a distance of 1; broadcast with `y` to N points.
      y: upwards.
    """
    seen = np.stack(np.broadcast_arrays(x, y, -1.0), -1).reshape(-1, 3)
    directions = seen @ pose[:3, :3].T
    return pose[:3, 3].copy(), directions / np.linalg.norm(directions, axis=1, keepdims=True)


def cube_span(origin: np.ndarray, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depths [N] at which rays enter and leave the cube [-1, 1]^3; equal where they miss it.

    Args:
      origin: [3], or one for each ray [N, 3].
      directions: [N, 3].
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        sides = np.stack([(-1 - origin) / directions, (1 - origin) / directions])
    near = np.nanmax(sides.min(0), axis=1)
    far = np.nanmin(sides.max(0), axis=1)
    near = np.maximum(near, 0.0)
    return near, np.maximum(far, near)


def _trilinear(grid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[N, C] of a grid [R, R, R, C] at points [N, 3] in [-1, 1]^3."""
    resolution, channels = len(grid), grid.shape[-1]
    last = resolution - 1
    place = np.clip(0.5 * (points + 1) * resolution - 0.5, 0, last)
    low = np.minimum(place.astype(np.int64), max(last - 1, 0))
    share = place - low
    weights = np.stack([1 - share, share])
    strides = np.array([resolution**2, resolution, 1]) if last else np.zeros(3, np.int64)
    first, values = low @ np.array([resolution**2, resolution, 1]), grid.reshape(-1, channels)
    total = np.zeros((len(points), channels))
    for corner in np.ndindex(2, 2, 2):
        x, y, z = corner
        weight = weights[x, :, 0] * weights[y, :, 1] * weights[z, :, 2]
        total += weight[:, None] * values.take(first + strides @ corner, axis=0)
    return total


def render(grid: np.ndarray, pose: np.ndarray, focal: float, height: int, width: int) -> np.ndarray:
    """What a pinhole camera sees of a radiance grid over [-1, 1]^3.

    Args:
      grid: as `render_rays` takes it.
      pose: camera to world [4, 4].
      focal: length in pixels.
      height: of the picture.
      width: of the picture.

    Returns:
      float64 [height, width, 4], premultiplied RGBA.

    Raises:
      MscnError: the grid is none of a scene.
    """
    pixels = render_rays(grid, *camera_rays(pose, focal, height, width))
    return pixels.reshape(height, width, 4)


def render_rays(grid: np.ndarray, origin: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """What is seen of a radiance grid over [-1, 1]^3 along rays from a point.

    Samples lie at the centres of equal parts of a ray's way through the cube; the volume
    rendering equation is NeRF's (Mildenhall et al. 2020, eq. 3).

    Args:
      grid: [R, R, R, 4], axes x, y, z: density over `DENSITY_SCALE` (none below zero), RGB.
      origin: [3].
      directions: unit ones [N, 3].

    Returns:
      float64 [N, 4], premultiplied RGBA.

    Raises:
      MscnError: the grid is none of a scene.
    """
    if len(set(grid.shape[:3])) != 1 or grid.shape[3:] != (4,):
        size = "x".join(map(str, grid.shape))
        raise MscnError(f"a grid of {size} values is no whole scene; write it as .npy")
    near, far = cube_span(origin, directions)
    out = np.zeros((len(directions), 4))
    hit = np.flatnonzero(far > near)
    count = _SAMPLES_PER_CELL * len(grid)
    centres = (np.arange(count) + 0.5) / count
    for at in range(0, len(hit), _RAYS):
        rays = hit[at : at + _RAYS]
        length = far[rays] - near[rays]
        depths = near[rays, None] + length[:, None] * centres
        points = origin + depths[..., None] * directions[rays, None]
        values = _trilinear(grid, points.reshape(-1, 3)).reshape(len(rays), count, 4)
        absorbed = DENSITY_SCALE * np.maximum(values[..., 0], 0) * (length / count)[:, None]
        through = np.exp(-(np.cumsum(absorbed, 1) - absorbed))
        weights = through * -np.expm1(-absorbed)
        colours = np.clip(values[..., 1:], 0, 1)
        out[rays, :3] = np.einsum("ns,nsc->nc", weights, colours)
        out[rays, 3] = weights.sum(1)
    return out


def orbit(views: int, distance: float, elevation: float = 30.0) -> Iterator[np.ndarray]:
    """Poses [4, 4] around the z axis that look at the origin.

    Args:
      views: how many.
      distance: from the origin.
      elevation: degrees above the xy plane.
    """
    height = np.radians(elevation)
    for turn in 2 * np.pi * np.arange(views) / views:
        back = np.array(
            [np.cos(height) * np.cos(turn), np.cos(height) * np.sin(turn), np.sin(height)]
        )
        right = np.array([-np.sin(turn), np.cos(turn), 0.0])
        pose = np.eye(4)
        pose[:3, :3] = np.stack([right, np.cross(back, right), back], 1)
        pose[:3, 3] = distance * back
        yield pose
