"""What a NetCDF file of decoded fields holds, made of the metadata of a `.mscn` file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple, Optional, Union

import numpy as np

from mscn_tf.signals import netcdf
from mscn_tf.signals.field_items import Items, original_shape
from mscn_tf.signals.latlon import ATTRS, NAMES, restored, restored_axis, viewed
from mscn_tf.signals.metadata import numbers
from mscn_tf.signals.signal import Selection

Structure = dict[str, Any]
Placed = tuple[str, tuple[Any, ...], np.ndarray]  # a variable, a place in it, stored numbers
_OF_STORED = ("scale_factor", "add_offset", "_FillValue", "missing_value")


class Contents(NamedTuple):
    """What `netcdf.create` makes a file of.

    Attributes:
      structure: of the file.
      values: of its variables that the structure has none of, but for fields.
      fields: taken once.
    """

    structure: Structure
    values: Mapping[str, np.ndarray]
    fields: Iterable[Placed]


def check(told: Mapping[str, Any], shapes: Sequence[Sequence[int]]) -> None:
    """Raises where the metadata of fields of such shapes are damaged.

    Raises:
      ArithmeticError, AttributeError, LookupError, TypeError, ValueError: they are.
    """
    told = as_now(told)
    items = Items(told)
    if "fields" not in told:
        _check_axes(told, shapes[0])
        return
    if items.count != len(shapes):
        raise ValueError("metadata of other fields")
    if "mask" in told and not all(type(n) is int and -1 <= n < len(shapes) for n in told["mask"]):
        raise ValueError("no such masks")
    order = [coding.grid for coding in items.codings]
    if sorted(order) != order or set(order) != set(range(len(items.grids))):
        raise ValueError("other grids")
    at = 0
    for coding in items.codings:
        own = shapes[at : at + coding.count]
        if any(tuple(shape) != tuple(own[0]) for shape in own):
            raise ValueError("fields of one variable on different grids")
        _check_axes(items.grids[coding.grid], own[0])
        for item in range(at, at + coding.count) if "mask" in told else ():
            items.mask(item, own[0])
        at += coding.count
    if "netcdf" in told:
        axes = [axis for grid in items.grids for axis in grid.get("axes", ())]
        netcdf.check(told["netcdf"], {*axes, *(coding.name for coding in items.codings)})


def _check_axes(grid: Mapping[str, Any], shape: Sequence[int]) -> None:
    for axis, name in enumerate(NAMES):
        if name in grid:
            numbers(grid[name], shape[axis])


def is_whole(told: Mapping[str, Any], selection: Selection) -> bool:
    """Whether a file with a structure was decoded as it was, and all of it."""
    part = (selection.scale, selection.size, selection.region)
    everything = selection.item is None or Items(told).count == 1
    return "netcdf" in told and everything and all(one is None for one in part)


def _stored(
    field: np.ndarray, item: int, items: Items, whole: Sequence[int], region: Any
) -> np.ndarray:
    """A decoded field ``[H, W]`` as its file stores it, with what marks missing values."""
    mask = items.mask(item, whole)
    if mask is not None:
        _, (rows, columns) = viewed(items.grid(item), whole, field.shape, region)
        mask = mask[np.ix_(rows, columns)]
    return items.coding(item).marked(field, mask)


def in_units(
    field: np.ndarray, item: int, items: Items, whole: Sequence[int], region: Any
) -> np.ndarray:
    """``[H, W]`` of a decoded field in the units of its file, NaN where there is none.

    float32, or float64 of what is wide.
    """
    coding, mask = items.coding(item), items.mask(item, whole)
    values = coding.values(coding.stored(field))
    if mask is not None:
        _, (rows, columns) = viewed(items.grid(item), whole, field.shape, region)
        values[mask[np.ix_(rows, columns)]] = np.nan
    return values if coding.wide else values.astype(np.float32)


def whole(
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    told: Mapping[str, Any],
    selection: Selection,
) -> Contents:
    """The file as it was, of fields ``[H, W, 1]`` and metadata: one field after the other.

    Raises:
      KeyError, TypeError, ValueError: the metadata are damaged.
    """
    items, structure = Items(told), told["netcdf"]
    variables = {one["name"]: one for one in structure["variables"]}
    values = {}
    for grid in items.grids:
        for name, axis in zip(NAMES, grid.get("axes", ())):
            if "data" not in variables[axis]:
                values[axis] = restored_axis(name, grid).astype(variables[axis]["dtype"])

    def fields() -> Iterator[Placed]:
        taken = iter(arrays)
        item = -1
        for item, array in enumerate(islice(taken, items.count)):
            yield placed(array[..., 0], item, items, structure)
        if item + 1 < items.count or next(taken, None) is not None:
            raise ValueError("other fields")

    return Contents(structure, values, fields())


def placed(field: np.ndarray, item: int, items: Items, structure: Structure) -> Placed:
    """Where in its file a field ``[H, W]`` lies that was decoded as it was, and how.

    Raises:
      KeyError, TypeError, ValueError: the metadata are damaged.
    """
    grid, (number, at) = items.grid(item), items.place(item)
    numbers = restored(_stored(field, item, items, field.shape, None), grid)
    name = items.codings[number].name
    variable = next(one for one in structure["variables"] if one["name"] == name)
    return name, *_placed(numbers, at, variable, structure, grid)


def spatial_dims(grid: Mapping[str, Any], structure: Structure) -> list[str]:
    """Dimensions of a grid's rows and columns."""
    if "axes" not in grid:
        return list(grid["dims"])
    variables = {one["name"]: one for one in structure["variables"]}
    return [variables[axis]["dims"][0] for axis in grid["axes"]]


def _placed(
    stored: np.ndarray,
    at: int,
    variable: Mapping[str, Any],
    structure: Structure,
    grid: Mapping[str, Any],
) -> tuple[tuple[Any, ...], np.ndarray]:
    """Where in a variable a field lies, and how."""
    spatial = spatial_dims(grid, structure)
    sizes = {name: int(size) for name, size, _ in structure["dims"]}
    others = [dim for dim in variable["dims"] if dim not in spatial]
    index = dict(
        zip(others, np.unravel_index(at, [sizes[dim] for dim in others]) if others else ())
    )
    sides = dict(zip(spatial, stored.shape))
    key = tuple(int(index[d]) if d in index else slice(0, sides[d]) for d in variable["dims"])
    first, second = (variable["dims"].index(dim) for dim in spatial)
    return key, _as_dtype(stored if first < second else stored.T, variable["dtype"])


def part(
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    told: Mapping[str, Any],
    selection: Selection,
) -> Contents:
    """Fields at another size or of a region, without what lies on their rows or columns besides.

    Of one field without what has any dimensions.

    Raises:
      KeyError, TypeError, ValueError: the metadata are damaged.
    """
    fields, items = [array[..., 0] for array in arrays], Items(told)
    if "netcdf" not in told or len(fields) not in (1, items.count):
        stack = stacked(fields)
        listed = stack[0] if len(stack) == 1 else stack
        contents = bare(stack.shape, names, told, selection.region, stack.dtype)
        return Contents(*contents, [("field", (...,), listed)])
    whole = len(fields) == items.count and selection.item is None
    chosen = range(items.count) if whole else [selection.item or 0]
    only = None if whole else items.coding(chosen[0]).name
    label = None if whole or not names else str(names[0])
    shapes = {id(items.grid(item)): field.shape for item, field in zip(chosen, fields)}
    structure = _reduced(told, items, shapes, only, label)
    values: dict[str, np.ndarray] = {}
    for grid in items.grids:
        if id(grid) in shapes:
            degrees, _ = viewed(grid, shapes[id(grid)], shapes[id(grid)], selection.region)
            values.update(zip(grid.get("axes", ()), degrees))
    variables = {one["name"]: one for one in structure["variables"]}
    parts = []
    for item, field in zip(chosen, fields):
        original = original_shape(items.grid(item), told["netcdf"])
        stored = _stored(field, item, items, original, selection.region)
        name = items.coding(item).name
        at = items.place(item)[1] if whole else 0
        parts.append((name, *_placed(stored, at, variables[name], structure, items.grid(item))))
    return Contents(structure, values, parts)


def _as_dtype(numbers: np.ndarray, dtype: str) -> np.ndarray:
    """Unsigned numbers of NetCDF 3 with the signs that they are stored with."""
    numbers = np.ascontiguousarray(numbers)
    return numbers.view(dtype) if numbers.dtype.kind == "u" else numbers.astype(dtype)


def _reduced(
    told: Mapping[str, Any],
    items: Items,
    shapes: Mapping[int, Sequence[int]],
    only: Optional[str],
    label: Optional[str],
) -> Structure:
    """A structure at another size; with but one field of one variable.

    Args:
      told: metadata.
      items: of them.
      shapes: of the fields on each grid, by its `id`.
      only: the variable of the only field; None: all.
      label: of that field.
    """
    structure = told["netcdf"]
    fields = {coding.name for coding in items.codings}
    sides: dict[str, int] = {}
    axes: set[str] = set()
    spatial = {dim for grid in items.grids for dim in spatial_dims(grid, structure)}
    for grid in items.grids:
        if id(grid) in shapes:
            axes |= set(grid.get("axes", ()))
            sides.update(zip(spatial_dims(grid, structure), shapes[id(grid)]))
    kept = []
    for one in structure["variables"]:
        name, dims = one["name"], one["dims"]
        if name in axes:
            attrs = {k: v for k, v in one["attrs"].items() if k not in _OF_STORED}
            one = _variable(name, "<f8", dims, attrs)
        elif name in fields and only not in (None, name):
            continue
        elif name in fields:
            dims = [dim for dim in dims if only is None or dim in sides]
        elif set(dims) & spatial or (only is not None and dims):
            continue
        one = {**one, "dims": dims}
        one.pop("storage", None)
        if name == only and label:
            one["attrs"] = {**one["attrs"], "item": label}
        kept.append(one)
    names = {one["name"] for one in kept}
    used = {dim for one in kept for dim in one["dims"]}
    return {
        **structure,
        "dims": [
            [name, sides.get(name, size), unlimited]
            for name, size, unlimited in structure["dims"]
            if name in used
        ],
        "variables": [{**one, "attrs": _present(one["attrs"], names)} for one in kept],
    }


def _present(attrs: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    """Attributes without references to variables that are not there."""
    kept = dict(attrs)
    for name in ("bounds", "coordinates"):
        if isinstance(kept.get(name), str):
            kept[name] = " ".join(word for word in kept[name].split() if word in names)
            if not kept[name]:
                del kept[name]
    return kept


def stacked(fields: Sequence[np.ndarray]) -> np.ndarray:
    """Fields of one size, of the type of those that are wide, if any is."""
    wide = next((field.dtype for field in fields if field.dtype != np.float32), np.dtype("f4"))
    return np.stack([typed(field, wide) for field in fields])


def typed(field: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Decoded values in a type that may be wider."""
    if field.dtype == dtype:
        return field
    return (np.rint(field) if dtype.kind in "iu" else field).astype(dtype)


def bare(
    shape: Sequence[int],
    names: Optional[Sequence[str]],
    told: Mapping[str, Any],
    region: Optional[Sequence[int]],
    dtype: Union[np.dtype, str],
) -> tuple[Structure, dict[str, np.ndarray]]:
    """The file of fields of which nothing is known but perhaps their grid and their names.

    Args:
      shape: number of the fields, their rows and columns.
      names: of the fields.
      told: metadata.
      region: of the original that was decoded.
      dtype: of their numbers.

    Returns:
      Its structure, and the values of all its variables but ``field``.
    """
    count, *sides = shape
    degrees, _ = viewed(told, sides, sides, region)
    labels = np.array(names or [str(number) for number in range(count)], object)
    single = count == 1
    variables = [_variable(name, "<f8", [name], ATTRS[name]) for name in NAMES]
    dims = [[name, size, False] for name, size in zip(NAMES, sides)]
    attrs = {"item": str(labels[0])} if single else {}
    field_dims = list(NAMES) if single else ["item", *NAMES]
    values = dict(zip(NAMES, degrees))
    if not single:
        dims.insert(0, ["item", count, False])
        variables.append(_variable("item", "str", ["item"], {}))
        values["item"] = labels
    variables.append(_variable("field", np.dtype(dtype).newbyteorder("<").str, field_dims, attrs))
    structure = {"model": "NETCDF4", "attrs": {}, "dims": dims, "variables": variables}
    return structure, values


def _variable(
    name: str, dtype: str, dims: Sequence[str], attrs: Mapping[str, Any], **more: Any
) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "dims": list(dims), "attrs": dict(attrs), **more}


def as_now(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """Metadata of files that were written before there were codings, as they are now."""
    if "fields" in told or not told.get("variables"):
        return told
    names = [told["axes"][name]["name"] for name in NAMES]
    variables = {
        axis: _variable(axis, "<f8", [axis], told["axes"][name]["attrs"])
        for name, axis in zip(NAMES, names)
    }
    sizes = {axis: len(told[name]) for name, axis in zip(NAMES, names)}
    fields = []
    for one in told["variables"]:
        for dim in one["dims"]:
            sizes[dim["name"]] = dim["size"]
            if "values" in dim:
                data = netcdf.array_of(dim["values"], dim["dtype"], [dim["size"]])
                dtype = "str" if data.dtype.kind == "U" else data.dtype.str
                variables[dim["name"]] = _variable(
                    dim["name"], dtype, [dim["name"]], dim["attrs"], data=netcdf.to_json(data)
                )
        dims = [dim["name"] for dim in one["dims"]]
        variables[one["name"]] = _variable(one["name"], "<f4", [*dims, *names], one["attrs"])
        count = int(np.prod([dim["size"] for dim in one["dims"]], dtype=object))
        fields.append({"name": one["name"], "count": count})
    structure = {
        "model": "NETCDF4",
        "attrs": told.get("attrs", {}),
        "dims": [[name, size, False] for name, size in sizes.items()],
        "variables": list(variables.values()),
    }
    return {**told, "axes": names, "fields": fields, "netcdf": structure}
