"""Fields made of others for training: on another grid, or with their weather elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.runtime.grids import global_grid


def turned_weather(
    fields: np.ndarray, turns: int, components: int = 8, seed: int = 0
) -> np.ndarray:
    """Made-up fields whose weather has been moved to other longitudes.

    What the leading principal components leave of a field, divided by the standard deviation that
    this has at each place, is turned about the poles and multiplied by that of its new place. A
    few hundred fields span few of the patterns that weather has; these span many more.

    Args:
      fields: ``[N, H, W]``.
      turns: so many of each, at random angles.
      components: that stay where they are.
      seed: of the angles.

    Returns:
      float32 ``[turns * N, H, W]``.
    """
    random = np.random.default_rng(seed)
    flat = fields.reshape(len(fields), -1).astype(np.float64)
    mean = flat.mean(0)
    left, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
    kept = (left[:, :components] * scale[:components]) @ axes[:components]
    weather = flat - mean - kept
    spread = np.sqrt(np.mean(weather**2, 0)) + 1e-6
    weather = (weather / spread).reshape(fields.shape)
    turned = [
        mean
        + kept
        + spread * np.roll(weather, random.integers(1, fields.shape[2]), 2).reshape(flat.shape)
        for _ in range(turns)
    ]
    return np.concatenate(turned).reshape(-1, *fields.shape[1:]).astype(np.float32)


def regrid(
    fields: np.ndarray, latitude: np.ndarray, longitude: np.ndarray, shape: Sequence[int]
) -> np.ndarray:
    """Fields on the grid of ``global_grid``, bilinear, with longitudes that go round.

    At the poles, where the source has no row, is the mean of its last one.

    Args:
      fields: ``[N, H, W]``.
      latitude: ``[H]`` degrees, rising or falling.
      longitude: ``[W]`` degrees, rising.
      shape: of the result.

    Returns:
      float64 ``[N, *shape]``.
    """
    order = np.argsort(latitude)
    latitude, fields = latitude[order], fields[:, order].astype(np.float64)
    if latitude[0] > -90:
        row = np.broadcast_to(fields[:, :1].mean(2, keepdims=True), fields[:, :1].shape)
        latitude, fields = np.append(-90, latitude), np.concatenate([row, fields], 1)
    if latitude[-1] < 90:
        row = np.broadcast_to(fields[:, -1:].mean(2, keepdims=True), fields[:, :1].shape)
        latitude, fields = np.append(latitude, 90), np.concatenate([fields, row], 1)
    wanted = [np.degrees(axis) for axis in global_grid(shape)]
    rows = _mixing(wanted[0], latitude)
    ahead = longitude[0] + (wanted[1] - longitude[0]) % 360
    columns = _mixing(ahead, np.append(longitude, longitude[0] + 360))
    columns = np.concatenate([columns[:, :1] + columns[:, -1:], columns[:, 1:-1]], 1)
    return rows @ fields @ columns.T


def _mixing(wanted: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[wanted, known]: shares of linear interpolation."""
    return np.stack([np.interp(wanted, known, unit) for unit in np.eye(len(known))], 1)
