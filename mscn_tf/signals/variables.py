"""Variables of NetCDF files that are fields."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple, Optional

import netCDF4
import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.sequences import Made
from mscn_tf.signals import gaps, netcdf
from mscn_tf.signals.coding import Coding, rounded_up
from mscn_tf.signals.latlon import Grid, find_axes, find_wide, grid_dims
from mscn_tf.signals.netcdf import attribute, is_plain, packing, stored
from mscn_tf.signals.units import HIGHEST, LOWEST, to_kelvins

_MIDDLE = (LOWEST + HIGHEST) / 2  # what is coded where nothing is known
_SHOWN = 12  # names in a message
_TOGETHER = 2**20  # values that are read at once


class Promise(NamedTuple):
    """How far values may be off, for which numbers are converted or not.

    Attributes:
      lossless: not at all.
      max_error: in the units of a variable; None: that's open.
      relative_error: as a share of a variable's range; None: likewise.
    """

    lossless: bool = False
    max_error: Optional[float] = None
    relative_error: Optional[float] = None

    def suits(self, coding: Coding, ends: np.ndarray) -> bool:
        """Whether it can be kept by what is coded of stored numbers between two."""
        if self.lossless:
            return coding.raw
        bound = self.max_error
        if self.relative_error is not None:
            bound = self.relative_error * float(np.ptp(coding.values(ends)))
        return bound is None or not math.isfinite(bound) or coding.keeps(bound)


@dataclass(frozen=True)
class Variable:
    """A variable as it is coded.

    Attributes:
      coding: what its numbers mean.
      fields: float32 or wide ``[H, W, 1]`` each, without holes; read when they are asked for.
      labels: as people write: "tas[2006-01-16, 850]".
      masks: bool ``[H, W]`` of each, where it has no value; None where it has all.
    """

    coding: Coding
    fields: Sequence[np.ndarray]
    labels: Sequence[str]
    masks: Sequence[Optional[np.ndarray]]

    @classmethod
    def read(
        cls, variable: netCDF4.Variable, grid: Grid, path: PathLike, promise: Promise
    ) -> Variable:
        """A variable of a file, coded as it is stored where no less keeps a promise.

        Raises:
          MscnError: its values can't be coded.
        """
        others = [dim for dim in variable.dimensions if dim not in grid.dims]
        labels, layout = _labels(variable, others), _Layout.of(variable, grid, path)
        marks, masks = _Marks.of(variable, layout), _Masks()
        lowest, highest, written = math.inf, -math.inf, False
        for numbers in layout.blocks(variable):
            missing = marks.among(numbers)
            masks.add(missing)
            known = numbers[~missing]
            if np.isinf(known).any():
                raise MscnError(
                    f"{path}: {variable.name} has infinite values; mark them as missing"
                )
            if known.size:
                lowest, highest = min(lowest, known.min()), max(highest, known.max())
            written = written or (missing & (numbers == numbers)).any()
        # What only NaN stands for needs no mark, whatever the attributes say.
        only_nan = masks.found and not written and variable.dtype.kind == "f"
        factor, add = packing(variable)
        plain = Coding(
            name=variable.name,
            count=len(labels),
            units=str(attribute(variable, "units")),
            dtype=layout.dtype.name,
            factor=factor,
            add=add,
            within=_valid(variable, lowest, highest, float),
            missing=None if only_nan else marks.number,
        )

        def fitted(exact: bool) -> Coding:
            coding, rounding = plain.fitted(lowest, highest, exact), 0.0
            for numbers in layout.blocks(variable):
                rounding = max(rounding, coding.lost(numbers[~marks.among(numbers)]))
            return replace(coding, rounding=rounded_up(rounding))

        coding = fitted(promise.lossless)
        if not promise.suits(coding, np.array([lowest, highest])):
            coding = fitted(exact=True)
        if coding.raw and coding.rounding:
            coding = plain.as_wide(_valid(variable, lowest, highest, int if plain.whole else float))
        return cls(coding, layout.fields(coding, masks), labels, masks)


def _valid(
    variable: netCDF4.Variable, lowest: float, highest: float, kind: Callable[[Any], float]
) -> Optional[list[float]]:
    """Limits of stored numbers beyond which readers take them for missing; None where none are."""
    names = ("valid_range", "valid_min", "valid_max")
    told = [np.ravel(attribute(variable, name, [])) for name in names]
    both, least, most = (one if one.dtype.kind in "fiu" else one[:0] for one in told)
    if lowest > highest or not (both.size == 2 or least.size or most.size):
        return None
    lower, upper = [lowest, *least, *both[:1]], [highest, *most, *both[1:2]]
    return [min(map(kind, lower)), max(map(kind, upper))]


class _Layout(NamedTuple):
    """How the fields of a variable lie in its file.

    Attributes:
      path: of the file.
      name: of the variable.
      grid: that they lie on.
      dtype: of their numbers as they are meant.
      order: of the variable's dimensions, those of the grid last.
      axis: the dimension along which blocks of fields lie one after the other.
      length: of that dimension.
      deep: how much of it is a block.
      each: fields in each of its places.
    """

    path: PathLike
    name: str
    grid: Grid
    dtype: np.dtype
    order: list[int]
    axis: int
    length: int
    deep: int
    each: int

    @classmethod
    def of(cls, variable: netCDF4.Variable, grid: Grid, path: PathLike) -> _Layout:
        dims, shape = variable.dimensions, variable.shape
        others = [axis for axis, dim in enumerate(dims) if dim not in grid.dims]
        order = [*others, *(dims.index(dim) for dim in grid.dims)]
        axis = next((axis for axis in others if shape[axis] > 1), 0 if not others else others[0])
        length = shape[axis] if others else 1
        each = math.prod(shape[other] for other in others if other != axis)
        deep = max(1, _TOGETHER // max(1, each * math.prod(grid.shape)))
        dtype = _unsigned(variable, np.empty(0, variable.dtype)).dtype.newbyteorder("=")
        return cls(path, variable.name, grid, dtype, order, axis, length, deep, each)

    def block(self, variable: netCDF4.Variable, number: int) -> np.ndarray:
        """Stored numbers ``[N, H, W]`` of some fields."""
        key = [slice(None)] * variable.ndim
        if len(self.order) > 2:
            key[self.axis] = slice(number * self.deep, (number + 1) * self.deep)
        numbers = _unsigned(variable, stored(variable, tuple(key))).transpose(self.order)
        return self.grid.arranged(numbers.reshape(-1, *numbers.shape[-2:]))

    def blocks(self, variable: netCDF4.Variable) -> Iterator[np.ndarray]:
        """All of them in order."""
        return (self.block(variable, number) for number in range(-(-self.length // self.deep)))

    def fields(self, coding: Coding, masks: Sequence[Optional[np.ndarray]]) -> Made[np.ndarray]:
        """float32 or wide ``[H, W, 1]`` as they are coded; the last block is kept."""
        size = self.deep * self.each

        @lru_cache(1)
        def block(number: int) -> np.ndarray:
            with netcdf.opened(self.path) as dataset:
                coded = coding.coded(self.block(dataset[self.name], number))
            filled = _filled(coded, masks[number * size : number * size + len(coded)])
            return np.rint(filled) if coding.raw and not coding.wide and coding.whole else filled

        return Made(
            self.length * self.each, lambda item: block(item // size)[item % size][..., None]
        )


class _Marks(NamedTuple):
    """What stands for no value among a variable's stored numbers.

    Attributes:
      listed: numbers that do; NaN always does.
      number: the one that is written for those; None: NaN.
    """

    listed: list[np.ndarray]
    number: Optional[float]

    @classmethod
    def of(cls, variable: netCDF4.Variable, layout: _Layout) -> _Marks:
        listed: list[Any] = [
            mark
            for name in ("_FillValue", "missing_value")
            for mark in np.atleast_1d(attribute(variable, name, []))
            if isinstance(mark, np.number)
        ]
        if not listed and variable.dtype.itemsize > 1:
            never_written = np.array(netCDF4.default_fillvals[variable.dtype.str[1:]])
            if any((numbers == never_written).any() for numbers in layout.blocks(variable)):
                listed = [never_written]
        listed = [_unsigned(variable, np.array(mark).astype(variable.dtype)) for mark in listed]
        return cls(listed, next((mark.item() for mark in listed if mark == mark), None))

    def among(self, numbers: np.ndarray) -> np.ndarray:
        """bool, like the numbers: which stand for none."""
        missing = numbers != numbers  # NaN
        for mark in self.listed:
            missing |= numbers == mark
        return missing


class _Masks(Sequence[Optional[np.ndarray]]):
    """bool ``[H, W]`` of each field, None where it has all its values; equal ones are one array."""

    def __init__(self) -> None:
        self._different: dict[bytes, np.ndarray] = {}
        self._each: list[Optional[np.ndarray]] = []

    def add(self, missing: np.ndarray) -> None:
        """Those of the next fields, ``[N, H, W]``."""
        for mask in missing:
            key = np.packbits(mask).tobytes() if mask.any() else None
            own = None if key is None else self._different.setdefault(key, mask.copy())
            self._each.append(own)

    @property
    def found(self) -> bool:
        """Whether any field lacks any value."""
        return bool(self._different)

    def __len__(self) -> int:
        return len(self._each)

    def __getitem__(self, index: Any) -> Any:
        return self._each[index]


class Choice(NamedTuple):
    """What of a file is coded.

    Attributes:
      grids: that its fields lie on.
      names: of the variables on each.
      unwanted: variables that could be coded, too, but weren't asked for.
      others: variables of numbers in two dimensions or more that are neither fields nor help such.
    """

    grids: list[Grid]
    names: list[list[str]]
    unwanted: list[str]
    others: list[str]


def choose(dataset: netCDF4.Dataset, path: PathLike, wanted: Optional[Sequence[str]]) -> Choice:
    """The variables to code, and their grids.

    Raises:
      MscnError: there are none, or not such ones.
    """
    axes, wide, helping = find_axes(dataset), find_wide(dataset), _helping(dataset)
    helping |= wide.keys()
    grids: dict[tuple[str, str], list[str]] = {}
    for name, variable in dataset.variables.items():
        if is_plain(variable) and _is_numeric(variable) and variable.size:
            dims = grid_dims(variable, axes, set(wide.values()), name in helping)
            if dims is not None:
                grids.setdefault(dims, []).append(name)
    candidates = [name for names in grids.values() for name in names]
    if not candidates:
        raise MscnError(f"{path}: no variable of numbers on a grid to encode; give one that has it")
    unknown = [name for name in wanted or () if name not in candidates]
    if unknown:
        more = " and others" if len(candidates) > _SHOWN else ""
        raise MscnError(
            f"{path}: no field called {', '.join(unknown)}; there are "
            f"{', '.join(candidates[:_SHOWN])}{more}"
        )
    taken = set(wanted or _worth(dataset, candidates))
    named = {dims: [name for name in names if name in taken] for dims, names in grids.items()}
    named = {dims: names for dims, names in named.items() if names}
    others = [
        name
        for name, variable in dataset.variables.items()
        if name not in {*taken, *helping} and variable.ndim > 1 and _is_numeric(variable)
    ]
    unwanted = [name for name in candidates if name not in taken] if wanted else []
    return Choice(
        [Grid.of(dataset, dims, axes, names) for dims, names in named.items()],
        list(named.values()),
        unwanted,
        [name for name in others if name not in unwanted],
    )


_REFERENCES = ("coordinates", "bounds", "climatology", "grid_mapping", "formula_terms")


def _helping(dataset: netCDF4.Dataset) -> set[str]:
    """Coordinates, bounds and the like: what other variables refer to, and axes."""
    told = [
        str(attribute(variable, name))
        for variable in dataset.variables.values()
        for name in _REFERENCES
    ]
    return {word.rstrip(":") for text in told for word in text.split()} | set(dataset.dimensions)


def _is_numeric(variable: netCDF4.Variable) -> bool:
    return getattr(variable.dtype, "kind", "O") in "fiu"


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


def _filled(fields: np.ndarray, masks: Sequence[Optional[np.ndarray]]) -> np.ndarray:
    """``[N, H, W]`` without holes, in their own type."""
    alike: dict[int, list[int]] = {}
    for item, mask in enumerate(masks):
        if mask is not None:
            alike.setdefault(id(mask), []).append(item)
    for items in alike.values():
        mask = masks[items[0]]
        if mask is not None:
            fill = gaps.fill if fields.dtype == np.float32 else gaps.fill_alike
            fields[items] = _MIDDLE if mask.all() else fill(fields[items], mask)
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
