"""Scenes are judged by what a camera sees of them."""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime.rendering import on_white, render
from mscn_tf.runtime.values import Values

_EDGE, _FOCAL, _DISTANCE = 48, 60.0, 2.6
_GRID = Values(low=-1.0, high=1.0, dtype="float32")
_SCENES = 8  # rendered at most


def pose(angle: float) -> np.ndarray:
    """Camera to world ``[4, 4]``: from so far round and a little above, to the middle."""
    back = np.array([np.cos(angle), np.sin(angle), 0.5])
    back /= np.linalg.norm(back)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, np.cross(back, right), back], axis=1)
    matrix[:3, 3] = _DISTANCE * back
    return matrix


def view_psnr(values: np.ndarray, signals: np.ndarray, shape: tuple[int, ...]) -> float:
    """PSNR of views on white of radiance grids ``[T, N, 4]`` in [0, 1] against those of others.

    No fit has seen a view, only the grid: every view is held out. Three of each scene are averaged.
    """
    psnrs = []
    for pair in zip(values[:_SCENES], signals[:_SCENES]):
        grids = [_GRID.restore(grid.astype(float)).reshape(*shape, 4) for grid in pair]
        for angle in (0.4, 2.5, 4.6):
            seen = [render(grid, pose(angle), _FOCAL, _EDGE, _EDGE) for grid in grids]
            first, second = (np.clip(on_white(s), 0, 1) for s in seen)
            psnrs.append(-10 * np.log10(max(np.mean((first - second) ** 2), 1e-10)))
    return float(np.mean(psnrs))
