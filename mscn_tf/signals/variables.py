"""Variables of NetCDF files that are fields on the sphere."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Optional

import netCDF4
import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import gaps
from mscn_tf.signals.coding import Coding
from mscn_tf.signals.latlon import REGRID, Grid, find_axes
from mscn_tf.signals.netcdf import attribute, is_plain, packing, stored
from mscn_tf.signals.units import HIGHEST, LOWEST, to_kelvins

_MIDDLE = (LOWEST + HIGHEST) / 2  # what is coded where nothing is known
_SHOWN = 12  # names in a message


@dataclass(frozen=True)
class Variable:
    """A variable as it is coded.

    Attributes:
      coding: what its numbers mean.
      fields: float32 ``[H, W, 1]`` each, without holes.
      labels: as people write: "tas[2006-01-16, 850]".
      masks: bool ``[H, W]`` of each, where it has no value; None where it has all.
    """

    coding: Coding
    fields: Sequence[np.ndarray]
    labels: Sequence[str]
    masks: Sequence[Optional[np.ndarray]]

    @classmethod
    def read(cls, variable: netCDF4.Variable, grid: Grid, path: PathLike, exact: bool) -> Variable:
        """A variable of a file; `exact` ones are coded as they are stored.

        Raises:
          MscnError: its values can't be coded.
        """
        numbers = _unsigned(variable, stored(variable))
        others = [dim for dim in variable.dimensions if dim not in grid.dims]
        order = [variable.dimensions.index(dim) for dim in (*others, *grid.dims)]
        numbers = numbers.transpose(order)
        labels = _labels(variable, others)
        numbers = numbers.reshape(-1, *numbers.shape[-2:])
        if not grid.closes(numbers):
            raise MscnError(
                f"{path}: {variable.name} has two values at one place, in the first column and in "
                f"the last, 360 degrees on; {REGRID}"
            )
        numbers = grid.arranged(numbers)
        missing, mark = _missing(variable, numbers)
        if np.isinf(numbers[~missing]).any():
            raise MscnError(f"{path}: {variable.name} has infinite values; mark them as missing")
        factor, add = packing(variable)
        try:
            coding = Coding(
                name=variable.name,
                count=len(numbers),
                units=str(attribute(variable, "units")),
                dtype=numbers.dtype.name,
                factor=factor,
                add=add,
                missing=mark,
            ).fitted(numbers, missing, exact)
        except MscnError as error:
            raise MscnError(f"{path}: {error}") from error
        filled = _filled(coding.coded(numbers), missing)
        if coding.raw and coding.whole:
            filled = np.rint(filled)
        fields = list(filled[..., None])
        masks = [mask if mask.any() else None for mask in missing]
        return cls(coding, fields, labels, masks)


def choose(
    dataset: netCDF4.Dataset, path: PathLike, wanted: Optional[Sequence[str]]
) -> tuple[list[str], list[str], Grid]:
    """The variables to code, all that there are to choose from, and the grid of the former.

    Raises:
      MscnError: there are none, or not such ones.
    """
    axes = find_axes(dataset, path)
    grids: dict[tuple[str, str], list[str]] = {}
    for name, variable in dataset.variables.items():
        latitudes = [dim for dim in variable.dimensions if dim in axes["latitude"]]
        longitudes = [dim for dim in variable.dimensions if dim in axes["longitude"]]
        crossed = len(latitudes) == len(longitudes) == 1 and latitudes != longitudes
        if crossed and is_plain(variable) and _is_numeric(variable) and variable.size:
            grids.setdefault((latitudes[0], longitudes[0]), []).append(name)
    candidates = [name for names in grids.values() for name in names]
    if not candidates:
        raise MscnError(
            f"{path}: no variable on latitudes times longitudes to encode; of another grid {REGRID}"
        )
    unknown = [name for name in wanted or () if name not in candidates]
    if unknown:
        more = " and others" if len(candidates) > _SHOWN else ""
        raise MscnError(
            f"{path}: no field called {', '.join(unknown)}; there are "
            f"{', '.join(candidates[:_SHOWN])}{more}"
        )
    problems = []
    for dims, names in grids.items():
        names = [n for n in names if n in wanted] if wanted else _worth(dataset, names)
        if not names:
            continue
        if wanted and len(names) < len(set(wanted)):
            raise MscnError(f"{path}: {', '.join(wanted)} are on different grids; give one of them")
        first, second = (axes[name][dim] for name, dim in zip(axes, dims))
        try:
            return names, candidates, Grid.of(dataset, (first, second), path)
        except MscnError as error:
            problems.append(error)
    raise problems[0]


def _is_numeric(variable: netCDF4.Variable) -> bool:
    return variable.dtype is not str and variable.dtype.kind in "fiu"


def _worth(dataset: netCDF4.Dataset, names: Sequence[str]) -> list[str]:
    """Those whose values are measured; flags and counts are kept as they are.

    All of them where there are no others.
    """
    measured = [
        name
        for name in names
        if dataset[name].dtype.kind == "f"
        or "scale_factor" in dataset[name].ncattrs()
        or to_kelvins(str(attribute(dataset[name], "units")) or "1")
    ]
    return measured or list(names)


def _unsigned(variable: netCDF4.Variable, numbers: np.ndarray) -> np.ndarray:
    """Numbers of NetCDF 3, which has signed ones only, as an attribute says they are meant."""
    if numbers.dtype.kind == "i" and str(attribute(variable, "_Unsigned")).lower() == "true":
        return numbers.view(f"u{numbers.dtype.itemsize}")
    return numbers


def _missing(variable: netCDF4.Variable, numbers: np.ndarray) -> tuple[np.ndarray, Optional[float]]:
    """bool, like a variable's numbers, of those that stand for none; and the number for those."""
    marks: list[Any] = [
        mark
        for name in ("_FillValue", "missing_value")
        for mark in np.atleast_1d(attribute(variable, name, []))
        if isinstance(mark, np.number)
    ]
    never_written = np.array(netCDF4.default_fillvals[variable.dtype.str[1:]])
    if not marks and variable.dtype.itemsize > 1 and (numbers == never_written).any():
        marks = [never_written]
    marks = [_unsigned(variable, np.array(mark).astype(variable.dtype)) for mark in marks]
    missing = np.isnan(numbers) if numbers.dtype.kind == "f" else np.zeros(numbers.shape, bool)
    for mark in marks:
        missing |= numbers == mark
    number = next((mark.item() for mark in marks if mark == mark), None)
    if missing.any() and numbers.dtype.kind == "f" and np.isnan(numbers[missing]).all():
        number = None
    return missing, number


def _filled(fields: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """float32 ``[N, H, W]`` without holes."""
    alike: dict[bytes, list[int]] = {}
    for item in np.flatnonzero(missing.any((1, 2))):
        alike.setdefault(np.packbits(missing[item]).tobytes(), []).append(item)
    for items in alike.values():
        mask = missing[items[0]]
        fields[items] = _MIDDLE if mask.all() else gaps.fill(fields[items], mask)
    return fields


def _labels(variable: netCDF4.Variable, dims: Sequence[str]) -> list[str]:
    dataset = variable.group()
    texts = [_texts(dataset, dim) for dim in dims]
    sizes = [len(each) for each in texts]
    if not dims:
        return [variable.name]
    return [
        f"{variable.name}[{', '.join(each[i] for each, i in zip(texts, at))}]"
        for at in np.ndindex(*sizes)
    ]


def _texts(dataset: netCDF4.Dataset, dim: str) -> list[str]:
    """What a dimension's coordinates are called: dates, numbers or texts."""
    size = len(dataset.dimensions[dim])
    coordinate = dataset.variables.get(dim)
    if coordinate is None or coordinate.dimensions != (dim,) or not is_plain(coordinate):
        return [str(index) for index in range(size)]
    values = stored(coordinate)
    unit = str(attribute(coordinate, "units"))
    if " since " in unit:
        calendar = str(attribute(coordinate, "calendar", "standard"))
        with contextlib.suppress(ValueError, OverflowError, TypeError):  # none it knows
            dates: Any = netCDF4.num2date(values, unit, calendar)  # an array, as of an array
            return [str(date).partition(".")[0].removesuffix(" 00:00:00") for date in dates]
    if values.dtype.kind in "fiu":
        return [f"{value:g}" for value in values]
    return [text.decode("utf-8", "replace") if isinstance(text, bytes) else text for text in values]
