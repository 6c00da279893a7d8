"""Coordinates of grids: in boxes, and on the sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mscn_tf.runtime.errors import MscnError

AXES = ("slices", "rows", "cols")  # a signal has the last ones of them


def axis_names(axes: int) -> tuple[str, ...]:
    """Names of the axes of a signal with so many, 1 to 3; outermost first."""
    return AXES[len(AXES) - axes :]


def centres(count: int) -> np.ndarray:
    """float64 [count]: centres of so many equal parts of [-1, 1]."""
    return (np.arange(count) + 0.5) * 2 / count - 1


def global_grid(shape: Sequence[int]) -> list[np.ndarray]:
    """Latitudes [H] from north to south and longitudes [W] from 0 east, radians.

    The centres of cells of equal angles that cover the sphere.
    """
    height, width = shape
    return [-centres(height) * np.pi / 2, (np.arange(width) + 0.5) * 2 * np.pi / width]


def goes_round(longitudes: Sequence[float] | np.ndarray) -> bool:
    """Whether longitudes, in degrees, go round the Earth: the last one a step before the first."""
    apart = np.abs(np.diff(longitudes))
    if len(apart) == 0:
        return False
    left = 360.0 - abs(longitudes[-1] - longitudes[0])
    return bool(abs(left - apart.mean()) < 0.5 * apart.mean())


def periodic_fields(metadata: Mapping[str, Any], count: int) -> list[bool]:
    """Of each of so many fields, whether its last column is followed by the first.

    Args:
      metadata: of their file, as docs/format.md describes it; without coordinates it is the sphere.
      count: of fields.
    """
    grids = metadata.get("grids")
    if grids is None:
        longitudes = metadata.get("longitude")
        return [longitudes is None or goes_round(longitudes)] * count
    around = [goes_round(grid.get("longitude", ())) for grid in grids]
    fields = metadata["fields"]
    return [around[one.get("grid", 0)] for one in fields for _ in range(one.get("count", 1))]


def outer_strides(metadata: Mapping[str, Any], count: int) -> list[int]:
    """How many fields before each of so many the one lies that is next to it along an outer axis.

    That is the time step before, where levels lie between; 1 where there is no such axis.

    Args:
      metadata: of their file, as docs/format.md describes it.
      count: of fields.
    """
    structure = metadata.get("netcdf") or {}
    sizes = {name: size for name, size, _ in structure.get("dims", ())}
    dims = {one["name"]: one["dims"] for one in structure.get("variables", ())}
    found: list[int] = []
    for one in metadata.get("fields", ()):
        grid = metadata["grids"][one.get("grid", 0)] if "grids" in metadata else metadata
        of_axes = (dim for axis in grid.get("axes", ()) for dim in dims.get(axis, [axis]))
        spatial = grid.get("dims") or list(of_axes)
        outer = [sizes.get(dim, 1) for dim in dims.get(one["name"], ()) if dim not in spatial]
        inner = [size for size in outer if size > 1][1:]
        found += [math.prod(inner)] * one.get("count", 1)
    return (found + [1] * count)[:count]


def cell_areas(latitude: np.ndarray, longitude: np.ndarray) -> np.ndarray:
    """float64 [H, W]: shares of the sphere, adding up to 1, that are nearest to each point.

    Args:
      latitude: [H] radians, rising or falling.
      longitude: [W] radians, rising, less than a full turn from first to last.
    """
    order = np.argsort(latitude)
    between = (latitude[order][1:] + latitude[order][:-1]) / 2
    bounds = np.sin(np.concatenate(([-np.pi / 2], between, [np.pi / 2])))
    heights = np.empty(len(latitude))
    heights[order] = np.diff(bounds) / 2
    ahead = np.diff(longitude, append=longitude[0] + 2 * np.pi)
    widths = (ahead + np.roll(ahead, 1)) / (4 * np.pi)
    return heights[:, None] * widths


def sphere_grid(
    shape: Sequence[int], metadata: Mapping[str, Any] | None, source: str
) -> list[np.ndarray]:
    """Latitudes and longitudes of a field's rows and columns, radians.

    Args:
      shape: rows and columns.
      metadata: of its file; `latitude` and `longitude`, in degrees, where the grid is not that of
        `global_grid`.
      source: what error messages call the file.

    Raises:
      MscnError: the metadata's coordinates don't fit.
    """
    known = global_grid(shape)
    for axis, name in enumerate(("latitude", "longitude")):
        if not metadata or name not in metadata:
            continue
        try:
            degrees = np.array(metadata[name], np.float64)
        except (OverflowError, TypeError, ValueError):
            degrees = np.empty(0)
        if degrees.shape != known[axis].shape or not np.isfinite(degrees).all():
            raise MscnError(f"{source}: damaged ({name} in its metadata); get a fresh copy")
        known[axis] = np.radians(degrees)
    return known


def coordinates_at(known: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Coordinates at fractional sample positions, sample i being centred at i + 1/2.

    Between samples in a straight line, and beyond the outer ones as between the last two.
    """
    if len(known) == 1:
        return np.repeat(known, len(positions))
    left = np.clip(np.floor(positions - 0.5).astype(np.int64), 0, len(known) - 2)
    share = positions - 0.5 - left
    return known[left] * (1 - share) + known[left + 1] * share
