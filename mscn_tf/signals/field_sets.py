"""Grids of numbers of any variable: what codecs of fields learn from."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.grids import goes_round
from mscn_tf.runtime.interpolation import in_steps

_MOST = 12  # fields that are taken of one variable, evenly among all
_SMALLEST_SIDE = 16


class Grid(NamedTuple):
    """A field.

    Attributes:
      values: float64 [H, W], finite, not all the same.
      periodic: whether the last column is followed by the first.
    """

    values: np.ndarray
    periodic: bool

    def in_steps(self, bound: float) -> np.ndarray:
        """float64 [H, W], whole numbers of 2^-FRACTION steps, each twice the bound."""
        return in_steps(self.values, 2 * bound)


class Series(NamedTuple):
    """Fields of a variable that follow one another.

    Attributes:
      values: float64 [N, H, W], finite, not all the same.
      periodic: whether the last column is followed by the first.
    """

    values: np.ndarray
    periodic: bool


def load_series(path: str, most: int) -> list[Series]:
    """The first fields of each variable of a NetCDF file, or of an `.npz` file with coordinates.

    Args:
      path: of the file.
      most: fields of a variable. Those with gaps are left out.
    """
    found = []
    for array, longitudes in (_of_npz if path.endswith(".npz") else _of_netcdf)(path):
        fields = array.reshape(-1, *array.shape[-2:])[:most]
        values = np.asarray(np.ma.filled(fields.astype(np.float64), np.nan))
        values = values[np.isfinite(values).all((1, 2))]
        if len(values) and np.ptp(values) > 0:
            found.append(Series(values, goes_round(longitudes)))
    return found


def load_grids(pattern: str) -> list[Grid]:
    """Fields of NetCDF files, and of `.npz` files with the arrays `lat` and `lon`.

    Variables with gaps are left out.

    Args:
      pattern: globs, separated by commas; one that begins with "!" takes its files away.

    Raises:
      MscnError: nothing matches.
    """
    paths: set[str] = set()
    for one in pattern.split(","):
        if one.startswith("!"):
            paths -= set(glob.glob(one[1:]))
        else:
            paths |= set(glob.glob(one))
    grids = [grid for path in sorted(paths) for grid in _of_file(path)]
    if not grids:
        raise MscnError(f"{pattern}: no field matches; set config.data.train and .validation")
    return grids


def _of_file(path: str) -> Iterator[Grid]:
    for array, longitudes in (_of_npz if path.endswith(".npz") else _of_netcdf)(path):
        fields = array.reshape(-1, *array.shape[-2:])
        for at in np.unique(np.linspace(0, len(fields) - 1, _MOST).astype(int)):
            values = np.asarray(np.ma.filled(fields[at].astype(np.float64), np.nan))
            if np.isfinite(values).all() and np.ptp(values) > 0:
                yield Grid(values, goes_round(longitudes))


def _of_npz(path: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with np.load(path) as arrays:
        longitudes = arrays["lon"] if "lon" in arrays else np.zeros(1)
        for name in arrays.files:
            if arrays[name].ndim >= 3 and arrays[name].dtype.kind == "f":
                yield arrays[name], longitudes.ravel()


def _of_netcdf(path: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    import netCDF4

    with netCDF4.Dataset(path) as dataset:
        for variable in dataset.variables.values():
            if variable.ndim < 2 or variable.dtype.kind not in "fiu":
                continue
            if min(variable.shape[-2:]) < _SMALLEST_SIDE or variable.name.lower() in _COORDINATES:
                continue
            axis = dataset.variables.get(variable.dimensions[-1])
            longitudes = np.zeros(1) if axis is None or axis.ndim != 1 else np.asarray(axis[:])
            yield variable[:], longitudes


_COORDINATES = ("lat", "lon", "lat2d", "lon2d", "tlat", "tlon", "nav_lat", "nav_lon")
