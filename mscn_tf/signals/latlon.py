"""Grids of latitudes and longitudes in NetCDF files."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Optional

import netCDF4
import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import coordinates_at
from mscn_tf.runtime.progressions import regular
from mscn_tf.signals.netcdf import attribute, packing, stored

NAMES = ("latitude", "longitude")
Axes = dict[str, dict[str, str]]  # of NAMES, by dimensions
_AXES = {  # CF conventions 1.11, sections 4.1 and 4.2; then what files without attributes use
    "latitude": (
        ("degrees_north", "degree_north", "degrees_n", "degree_n"),
        re.compile(r"(nav_|[gtux])?lat(itude)?", re.IGNORECASE),
    ),
    "longitude": (
        ("degrees_east", "degree_east", "degrees_e", "degree_e"),
        re.compile(r"(nav_|[gtux])?lon(g|gitude)?", re.IGNORECASE),
    ),
}
ATTRS = {name: {"units": units[0], "standard_name": name} for name, (units, _) in _AXES.items()}
_COVERED = 1.5  # cells that may lack between the last column and the first, or at a pole
_LEAST = 16  # points along both sides of grids that nothing says to be ones


@dataclass(frozen=True)
class Grid:
    """A grid that variables lie on, and how a file's columns are those of it.

    Attributes:
      dims: dimensions of rows and columns.
      shape: rows and columns as they are coded.
      axes: variables of latitude and longitude along them; empty where there are none.
      latitude, longitude: degrees of rows and columns as they are coded.
      turned: whether the file's columns fall; they rise where they go round the sphere.
      repeated: whether the file's last column is its first again.
    """

    dims: tuple[str, str]
    shape: tuple[int, int]
    axes: tuple[str, ...] = ()
    latitude: Optional[np.ndarray] = None
    longitude: Optional[np.ndarray] = None
    turned: bool = False
    repeated: bool = False

    @classmethod
    def of(
        cls, dataset: netCDF4.Dataset, dims: tuple[str, str], axes: Axes, names: Sequence[str]
    ) -> Grid:
        """The grid of two dimensions.

        Args:
          dataset: the file.
          dims: of rows and columns.
          axes: of `find_axes`.
          names: variables on it.
        """
        sides = [len(dataset.dimensions[dim]) for dim in dims]
        plain = cls(dims, (sides[0], sides[1]))
        own = [axes[name][dim] for name, dim in zip(NAMES, dims) if dim in axes[name]]
        if len(own) < len(NAMES):
            return plain
        latitude, longitude = (_degrees(dataset[axis]) for axis in own)
        # Columns that pass the date line, or where 360 becomes 0, rise or fall all the same.
        longitude = np.unwrap(longitude, period=360)
        if not (_is_sorted(latitude) and _is_sorted(longitude)):
            return plain
        known = replace(plain, axes=tuple(own), latitude=latitude, longitude=longitude)
        turned = bool(longitude[0] > longitude[-1])
        longitude = longitude[::-1] if turned else longitude
        whole_turn = len(longitude) > 2 and bool(np.isclose(longitude[-1] - longitude[0], 360))
        repeated = whole_turn and all(_closes(dataset[name], dims[1]) for name in names)
        longitude = longitude[:-1] if repeated else longitude
        if not covers(latitude, longitude):
            return known
        shape = (len(latitude), len(longitude))
        return replace(known, shape=shape, longitude=longitude, turned=turned, repeated=repeated)

    @property
    def is_global(self) -> bool:
        """Whether it covers the sphere once."""
        latitude, longitude = self.latitude, self.longitude
        return latitude is not None and longitude is not None and covers(latitude, longitude)

    def to_json(self) -> dict[str, Any]:
        """What a file's metadata keep of it."""
        if self.latitude is None or self.longitude is None:
            return {"dims": list(self.dims)}
        told = {
            "latitude": self.latitude.tolist(),
            "longitude": self.longitude.tolist(),
            "axes": list(self.axes),
        }
        flags = {"turned": self.turned, "repeated": self.repeated}
        return {**told, **{name: True for name, value in flags.items() if value}}

    def arranged(self, values: np.ndarray) -> np.ndarray:
        """Columns ``[.., W]`` of a file as they are coded."""
        values = values[..., ::-1] if self.turned else values
        return values[..., :-1] if self.repeated else values


def _is_sorted(degrees: np.ndarray) -> bool:
    steps = np.diff(degrees)
    return bool(np.isfinite(degrees).all()) and bool((steps > 0).all() or (steps < 0).all())


def _closes(variable: netCDF4.Variable, columns: str) -> bool:
    """Whether the last column of a variable repeats the first one."""
    if columns not in variable.dimensions:
        return True
    at = variable.dimensions.index(columns)
    key = [slice(None)] * variable.ndim
    first, last = (np.asarray(variable[(*key[:at], side, *key[at + 1 :])]) for side in (0, -1))
    return np.array_equal(first, last, equal_nan=variable.dtype.kind == "f")


def restored(values: np.ndarray, told: Mapping[str, Any]) -> np.ndarray:
    """Columns ``[.., W]`` as they were coded in the order of their file, of `Grid.to_json`."""
    if told.get("repeated"):
        values = np.concatenate([values, values[..., :1]], -1)
    return values[..., ::-1] if told.get("turned") else values


def restored_axis(name: str, told: Mapping[str, Any]) -> np.ndarray:
    """Degrees of a file's rows or columns, of `Grid.to_json`."""
    degrees = np.array(told[name], np.float64)
    if name == "latitude":
        return degrees
    if told.get("repeated"):
        degrees = np.append(degrees, degrees[0] + 360)
    return degrees[::-1] if told.get("turned") else degrees


def find_axes(dataset: netCDF4.Dataset) -> Axes:
    """Variables of one dimension that are latitudes, and longitudes, by their dimensions."""
    axes: Axes = {name: {} for name in NAMES}
    for variable in dataset.variables.values():
        for name in NAMES:
            if variable.ndim == 1 and _is_axis(variable, name):
                dim = variable.dimensions[0]
                if dim not in axes[name] or variable.name == dim:
                    axes[name][dim] = variable.name
    return axes


def find_wide(dataset: netCDF4.Dataset) -> dict[str, tuple[str, str]]:
    """Variables of two dimensions that are latitudes or longitudes, and these dimensions."""
    wide = {}
    for variable in dataset.variables.values():
        if variable.ndim == 2 and any(_is_axis(variable, name) for name in NAMES):
            rows, columns = variable.dimensions
            wide[variable.name] = (rows, columns)
    return wide


def grid_dims(
    variable: netCDF4.Variable, axes: Axes, wide: Collection[tuple[str, str]], helping: bool
) -> Optional[tuple[str, str]]:
    """Dimensions of the rows and the columns of a variable; None where it is no field.

    They are those of latitudes and longitudes, in one dimension or two; else the last two, if they
    are long enough and no times.

    Args:
      variable: of numbers.
      axes: of `find_axes`.
      wide: dimensions of `find_wide`.
      helping: whether it is a coordinate, bounds or the like of others.
    """
    own = variable.dimensions
    rows, columns = ([dim for dim in own if dim in axes[name]] for name in NAMES)
    if len(rows) == len(columns) == 1 and rows != columns:
        return rows[0], columns[0]
    if helping or len(own) < 2:
        return None
    for pair in wide:
        if len(set(pair) & set(own)) == 2:
            return pair
    first, second = own[-2:]
    long = min(variable.shape[-2:]) >= _LEAST and first != second
    return (first, second) if long and not any(map(partial(_is_time, variable), own[-2:])) else None


def _is_time(variable: netCDF4.Variable, dim: str) -> bool:
    axis = variable.group().variables.get(dim)
    return axis is not None and " since " in str(attribute(axis, "units"))


def _is_axis(variable: netCDF4.Variable, name: str) -> bool:
    if variable.ndim == 0 or getattr(variable.dtype, "kind", "O") not in "fiu":
        return False
    units, usual = _AXES[name]
    unit = str(attribute(variable, "units")).strip().lower().replace(" ", "_")
    return (
        attribute(variable, "standard_name") == name
        or unit in units
        or usual.fullmatch(variable.name) is not None
    )


def _degrees(variable: netCDF4.Variable) -> np.ndarray:
    """float64; of float32 those in equal steps, or else the decimals, that people mean by them."""
    degrees, (factor, add) = stored(variable), packing(variable)
    if degrees.dtype == np.float32 and (factor, add) == (1, 0):
        steps = regular(degrees)
        return degrees.astype(str).astype(np.float64) if steps is None else steps
    return degrees.astype(np.float64) * factor + add


def covers(latitude: np.ndarray, longitude: np.ndarray) -> bool:
    """Whether a grid of sorted degrees covers the sphere once, its longitudes rising."""
    steps, ahead = np.diff(latitude), np.diff(longitude)
    if len(steps) == 0 or len(ahead) == 0 or not (ahead > 0).all():
        return False
    gap = 360 - (longitude[-1] - longitude[0])
    missing = max(90 - latitude.max(), 90 + latitude.min())
    around = 0 < gap <= _COVERED * ahead.max() and missing <= _COVERED * np.abs(steps).max()
    return bool(around and np.abs(latitude).max() <= 90)


def check_grid(latitude: np.ndarray, longitude: np.ndarray, source: str) -> None:
    """Makes sure that a grid covers the sphere once.

    Args:
      latitude: ``[H]`` degrees.
      longitude: ``[W]`` degrees, likewise.
      source: what error messages call the file.

    Raises:
      MscnError: it doesn't, or isn't sorted.
    """
    if not (_is_sorted(latitude) and _is_sorted(longitude) and covers(latitude, longitude)):
        raise MscnError(
            f"{source}: its grid, {longitude[0]:g} to {longitude[-1]:g} east and "
            f"{latitude.min():g} to {latitude.max():g} north, isn't one that covers the sphere "
            "once, sorted; regrid it, for instance with: cdo remapbil,r360x180 IN.nc OUT.nc"
        )


def global_degrees(shape: Sequence[int]) -> list[np.ndarray]:
    """The degrees of `global_grid`, each but once rounded: so they are in equal steps."""
    height, width = shape
    rows, columns = np.arange(height), np.arange(width)
    return [(90.0 * (height - 1) - 180 * rows) / height, (180.0 + 360 * columns) / width]


def viewed(
    told: Mapping[str, Any],
    whole: Sequence[int],
    shape: Sequence[int],
    region: Sequence[int] | None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Where the rows and columns of fields lie that were decoded with a view.

    Args:
      told: of their grid: the degrees of ``latitude`` and ``longitude``; else as `global_grid`.
      whole: rows and columns of the original.
      shape: of what was decoded.
      region: of the original that was decoded: X, Y, width, height.

    Returns:
      float64 degrees of both; int64 numbers of the nearest rows and columns of the original.
    """
    if not all(name in told for name in NAMES) and tuple(whole) == tuple(shape):
        return global_degrees(shape), [np.arange(n) for n in shape]
    degrees, nearest = [], []
    for axis, name in enumerate(NAMES):
        known = np.array(told[name], np.float64) if name in told else np.arange(whole[axis])
        start, extent = (region[1 - axis], region[3 - axis]) if region else (0, len(known))
        positions = start + (np.arange(shape[axis]) + 0.5) * (extent / shape[axis])
        degrees.append(coordinates_at(known, positions))
        nearest.append(np.clip(positions.astype(np.int64), 0, len(known) - 1))
    return degrees, nearest
