"""Cameras of a scene's pictures: where each pixel looks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mscn_tf.runtime.rendering import rays_through

_NEWTON_STEPS = 20  # lenses that can be undone take half a dozen
_CHECKED = 40  # rows and columns
_CLOSE = 0.01  # pixels, of an undone distortion


@dataclass(frozen=True)
class Camera:
    """A lens and the picture behind it.

    Attributes:
      width, height: of the picture, in pixels.
      focal: lengths along x and y, in pixels.
      centre: where the lens's axis meets the picture, in pixels from its upper left corner.
      distortion: k1, k2, k3, k4, p1, p2: OpenCV's, but for k4, which is the next radial term.
    """

    width: int
    height: int
    focal: tuple[float, float]
    centre: tuple[float, float]
    distortion: tuple[float, ...] = (0.0,) * 6

    @classmethod
    def pinhole(cls, focal: float, width: int, height: int) -> Camera:
        """Without distortion, its axis through the middle of the picture."""
        return cls(width, height, (focal, focal), (width / 2, height / 2))

    @property
    def reach(self) -> float:
        """Half of what the picture's longer side shows of a plane at a distance of 1."""
        return max(self.width / self.focal[0], self.height / self.focal[1]) / 2

    def resized(self, width: int, height: int) -> Camera:
        """The same lens before a picture of another size."""
        across, down = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            focal=(self.focal[0] * across, self.focal[1] * down),
            centre=(self.centre[0] * across, self.centre[1] * down),
        )

    def rays(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Origin ``[3]`` and unit directions ``[height * width, 3]`` of the pixels' centres.

        Args:
          pose: camera to world ``[4, 4]``; the camera looks along its -z axis, y up.
        """
        x, y = np.meshgrid(np.arange(self.width) + 0.5, np.arange(self.height) + 0.5)
        x, y = undistort(*self._on_plane(x.ravel(), y.ravel()), self.distortion)
        return rays_through(pose, x, -y)

    def can_be_undone(self) -> bool:
        """Whether each pixel shows one direction, as some of them in rows and columns tell."""
        across, down = (
            np.arange(0.5, side, -(-side // _CHECKED)) for side in (self.width, self.height)
        )
        x, y = (a.ravel() for a in np.meshgrid(across, down))
        wanted = self._on_plane(x, y)
        with np.errstate(all="ignore"):
            again, (xx, xy, yy) = distort(*undistort(*wanted, self.distortion), self.distortion)
            error = np.abs(np.subtract(again, wanted)).max() * max(self.focal)
            upright = (xx > 0).all() and (xx * yy > xy**2).all()
        return bool(error < _CLOSE and upright)

    def _on_plane(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Points of the picture as they are seen on the plane at a distance of 1, y downwards."""
        return (x - self.centre[0]) / self.focal[0], (y - self.centre[1]) / self.focal[1]


def distort(
    x: np.ndarray, y: np.ndarray, distortion: tuple[float, ...]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Where a lens puts points of the plane at a distance of 1, y downwards.

    Returns:
      x and y; and how they change: x with x, x with y (as y with x), y with y.
    """
    *radial, p1, p2 = distortion
    square = x**2 + y**2
    scale = np.polynomial.polynomial.polyval(square, [1.0, *radial])
    growth = 2 * np.polynomial.polynomial.polyval(square, np.arange(1, 5) * radial)
    moved = (
        scale * x + 2 * p1 * x * y + p2 * (square + 2 * x**2),
        scale * y + 2 * p2 * x * y + p1 * (square + 2 * y**2),
    )
    slopes = (
        scale + growth * x**2 + 2 * p1 * y + 6 * p2 * x,
        growth * x * y + 2 * p1 * x + 2 * p2 * y,
        scale + growth * y**2 + 2 * p2 * x + 6 * p1 * y,
    )
    return moved, slopes


def undistort(
    x: np.ndarray, y: np.ndarray, distortion: tuple[float, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """The points that a lens puts at x, y: Newton's method from there."""
    wanted = x, y
    if not any(distortion):
        return wanted
    for _ in range(_NEWTON_STEPS):
        moved, (xx, xy, yy) = distort(x, y, distortion)
        right, down = moved[0] - wanted[0], moved[1] - wanted[1]
        # Where the lens folds the plane there is no way on; `can_be_undone` tells.
        area = np.where(np.abs(xx * yy - xy**2) < 1e-9, np.inf, xx * yy - xy**2)
        x, y = x - (yy * right - xy * down) / area, y - (xx * down - xy * right) / area
    return x, y
