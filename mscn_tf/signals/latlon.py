"""Grids of latitudes and longitudes in NetCDF files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import netCDF4
import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.grids import coordinates_at, global_grid
from mscn_tf.signals.netcdf import attribute, packing, stored

NAMES = ("latitude", "longitude")
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
REGRID = "regrid it, for instance with: cdo remapbil,r360x180 IN.nc OUT.nc"


@dataclass(frozen=True)
class Grid:
    """A grid that covers the sphere, and how a file's columns are those of it.

    Attributes:
      axes: variables of the file, of latitude and longitude.
      dims: their dimensions.
      latitude, longitude: degrees of rows and columns as they are coded: longitudes rise.
      turned: whether the file's columns fall.
      repeated: whether the file's last column is its first again.
    """

    axes: tuple[str, str]
    dims: tuple[str, str]
    latitude: np.ndarray
    longitude: np.ndarray
    turned: bool = False
    repeated: bool = False

    @classmethod
    def of(cls, dataset: netCDF4.Dataset, axes: tuple[str, str], source: PathLike) -> Grid:
        """The grid of two variables.

        Raises:
          MscnError: it doesn't cover the sphere, or not once.
        """
        latitude, longitude = (_degrees(dataset[axis]) for axis in axes)
        dims = tuple(dataset[axis].dimensions[0] for axis in axes)
        turned = len(longitude) > 1 and np.diff(longitude)[0] < 0
        # Columns that pass the date line, or where 360 becomes 0, rise all the same.
        longitude = np.unwrap(longitude[::-1] if turned else longitude, period=360)
        repeated = len(longitude) > 2 and bool(np.isclose(longitude[-1] - longitude[0], 360))
        longitude = longitude[:-1] if repeated else longitude
        check_grid(latitude, longitude, str(source))
        return cls(axes, dims, latitude, longitude, bool(turned), repeated)

    def to_json(self) -> dict[str, Any]:
        """What a file's metadata keep of it."""
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

    def closes(self, values: np.ndarray) -> bool:
        """Whether a file's columns repeat the first one last, if they should."""
        ends = values[..., 0], values[..., -1]
        return not self.repeated or np.array_equal(*ends, equal_nan=values.dtype.kind == "f")


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


def find_axes(dataset: netCDF4.Dataset, path: PathLike) -> dict[str, dict[str, str]]:
    """Variables of one dimension that are latitudes, and longitudes, by their dimensions.

    Raises:
      MscnError: there are none.
    """
    units: dict[str, dict[str, str]] = {name: {} for name in NAMES}
    wide = []
    for variable in dataset.variables.values():
        for name in NAMES:
            if not _is_axis(variable, name):
                continue
            if variable.ndim == 1:
                dim = variable.dimensions[0]
                if dim not in units[name] or variable.name == dim:
                    units[name][dim] = variable.name
            elif variable.ndim > 1:
                wide.append(variable.name)
    if not all(units.values()):
        if wide:
            raise MscnError(
                f"{path}: its latitudes and longitudes ({', '.join(wide)}) are those of a "
                f"curvilinear grid, and fields on latitudes times longitudes are read; {REGRID}"
            )
        lacking = next(name for name in NAMES if not units[name])
        raise MscnError(
            f"{path}: no axis of {lacking}s, which has units of {ATTRS[lacking]['units']}; on "
            f"another grid {REGRID}"
        )
    return units


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
    factor, add = packing(variable)
    return stored(variable).astype(np.float64) * factor + add


def check_grid(latitude: np.ndarray, longitude: np.ndarray, source: str) -> None:
    """Finds out whether a grid covers the sphere once.

    Args:
      latitude: ``[H]`` degrees.
      longitude: ``[W]`` degrees, likewise.
      source: what error messages call the file.

    Raises:
      MscnError: it doesn't, or isn't sorted.
    """
    steps, ahead = np.diff(latitude), np.diff(longitude)
    if len(latitude) < 2 or len(longitude) < 2:
        raise MscnError(
            f"{source}: a grid of {len(latitude)} latitudes and {len(longitude)} longitudes; two "
            "of each are the fewest that are coded"
        )
    if not ((np.all(steps > 0) or np.all(steps < 0)) and np.all(ahead > 0)):
        raise MscnError(
            f"{source}: latitudes and longitudes must rise or fall; sort them, in xarray with "
            "sortby"
        )
    gap = 360 - (longitude[-1] - longitude[0])
    missing = max(90 - latitude.max(), 90 + latitude.min())
    covers = 0 < gap <= _COVERED * ahead.max() and missing <= _COVERED * np.abs(steps).max()
    if not covers or np.abs(latitude).max() > 90:
        raise MscnError(
            f"{source}: its grid, {longitude[0]:g} to {longitude[-1]:g} east and "
            f"{latitude.min():g} to {latitude.max():g} north, isn't one that covers the sphere "
            "once; give global fields, for no codec of regions is there yet"
        )


def viewed(
    told: Mapping[str, Any], shape: Sequence[int], region: Sequence[int] | None
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Where the rows and columns of fields lie that were decoded with a view.

    Args:
      told: metadata: the degrees of ``latitude`` and ``longitude``; else as `global_grid`.
      shape: rows and columns.
      region: of the original that was decoded: X, Y, width, height.

    Returns:
      float64 degrees of both; int64 numbers of the nearest rows and columns of the original.
    """
    if not all(name in told for name in NAMES):
        return [np.degrees(axis) for axis in global_grid(shape)], [np.arange(n) for n in shape]
    degrees, nearest = [], []
    for axis, name in enumerate(NAMES):
        known = np.array(told[name], np.float64)
        start, extent = (region[1 - axis], region[3 - axis]) if region else (0, len(known))
        positions = start + (np.arange(shape[axis]) + 0.5) * (extent / shape[axis])
        degrees.append(coordinates_at(known, positions))
        nearest.append(np.clip(positions.astype(np.int64), 0, len(known) - 1))
    return degrees, nearest
