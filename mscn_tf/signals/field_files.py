"""What a NetCDF file of decoded fields holds, made of the metadata of a `.mscn` file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.header import MAX_ITEMS
from mscn_tf.signals import gaps, netcdf
from mscn_tf.signals.coding import Coding
from mscn_tf.signals.latlon import ATTRS, NAMES, restored, restored_axis, viewed
from mscn_tf.signals.metadata import numbers
from mscn_tf.signals.signal import Selection

Structure = dict[str, Any]
_OF_STORED = ("scale_factor", "add_offset", "_FillValue", "missing_value")


def check(told: Mapping[str, Any], shapes: Sequence[Sequence[int]]) -> None:
    """Raises where the metadata of fields of such shapes are damaged.

    Raises:
      ArithmeticError, AttributeError, LookupError, TypeError, ValueError: they are.
    """
    for axis, name in enumerate(NAMES):
        if name in told:
            numbers(told[name], shapes[0][axis])
    told = as_now(told)
    if "fields" not in told:
        return
    if len(owners(told)) != len(shapes):
        raise ValueError("metadata of other fields")
    codings = [Coding.of(one) for one in told["fields"]]
    if "masks" in told:
        if not all(type(number) is int and -1 <= number < len(shapes) for number in told["mask"]):
            raise ValueError("no such masks")
        masks_of(told, range(len(shapes)))
    if "netcdf" in told:
        first, second = told["axes"]
        netcdf.check(told["netcdf"], {first, second, *(coding.name for coding in codings)})


def owners(told: Mapping[str, Any]) -> list[Coding]:
    """The coding of each item.

    Raises:
      KeyError, TypeError, ValueError: the metadata are damaged.
    """
    codings = [Coding.of(one) for one in told.get("fields", ())]
    if sum(coding.count for coding in codings) > MAX_ITEMS:
        raise ValueError("no file has so many fields")
    return [coding for coding in codings for _ in range(coding.count)]


def coding_of(told: Mapping[str, Any], item: int) -> Coding:
    """The coding of one item.

    Raises:
      IndexError, KeyError, TypeError, ValueError: the metadata are damaged.
    """
    ends = np.cumsum([one.get("count", 1) for one in told["fields"]])
    return Coding.of(told["fields"][int(np.searchsorted(ends, item, "right"))])


def mask_of(told: Mapping[str, Any], item: int) -> Optional[np.ndarray]:
    """bool ``[H, W]``: where an item has no values; None where it has them all.

    Raises:
      IndexError, KeyError, TypeError, ValueError: the metadata are damaged.
    """
    return masks_of(told, [item])[0]


def masks_of(told: Mapping[str, Any], items: Sequence[int]) -> list[Optional[np.ndarray]]:
    """As `mask_of`, of several items."""
    if "masks" not in told:
        return [None] * len(items)
    numbers = told["mask"]
    shape = tuple(len(told[name]) for name in NAMES)
    masks = gaps.unpack(told["masks"], max(numbers) + 1, shape)
    return [None if numbers[item] < 0 else masks[numbers[item]] for item in items]


def numbers_of(
    stack: np.ndarray, told: Mapping[str, Any], selection: Selection
) -> list[np.ndarray]:
    """Decoded fields ``[N, H, W]`` as their file stores them, with what marks missing values."""
    items = _items(len(stack), told, selection)
    if items is None:
        return list(stack)
    codings = owners(told)
    _, (rows, columns) = viewed(told, stack.shape[1:], selection.region)
    fields = []
    for field, item, mask in zip(stack, items, masks_of(told, items)):
        seen = None if mask is None else mask[np.ix_(rows, columns)]
        fields.append(codings[item].marked(field, seen))
    return fields


def values_of(stack: np.ndarray, told: Mapping[str, Any], selection: Selection) -> np.ndarray:
    """float32 ``[N, H, W]`` in the units of the file, NaN where there is none."""
    items = _items(len(stack), told, selection)
    if items is None:
        return stack
    codings, masks = owners(told), masks_of(told, items)
    _, (rows, columns) = viewed(told, stack.shape[1:], selection.region)
    values = [codings[item].values(codings[item].stored(f)) for f, item in zip(stack, items)]
    for field, mask in zip(values, masks):
        if mask is not None:
            field[mask[np.ix_(rows, columns)]] = np.nan
    return np.stack(values).astype(np.float32)


def _items(count: int, told: Mapping[str, Any], selection: Selection) -> Optional[Sequence[int]]:
    """Which of their file's decoded fields are; None where nothing says it."""
    if selection.item is not None:
        return [selection.item] if "fields" in told else None
    return range(count) if count == len(owners(told)) else None


def contents(
    stack: np.ndarray,
    names: Optional[Sequence[str]],
    told: Mapping[str, Any],
    selection: Selection,
) -> tuple[Structure, dict[str, np.ndarray]]:
    """The structure of a file, for `netcdf.create`, and the values of its fields and axes.

    The whole file comes back as it was; at another size or of a region without what lies on its
    latitudes or longitudes besides; and of one field without what has any dimensions.

    Args:
      stack: ``[N, H, W]``.
      names: of the fields.
      told: metadata.
      selection: which part of the file was decoded.

    Raises:
      KeyError, TypeError, ValueError: the metadata are damaged.
    """
    told = as_now(told)
    items = _items(len(stack), told, selection)
    numbers = numbers_of(stack, told, selection)
    if items is None:
        return _list(stack, names, told, selection)
    codings = owners(told)
    whole = len(items) == len(codings)
    stored_shape = tuple(len(told[name]) for name in NAMES)
    if whole and stack.shape[1:] == stored_shape and selection.region is None:
        structure, arrange = told["netcdf"], lambda values: restored(values, told)
        degrees = [restored_axis(name, told) for name in NAMES]
    else:
        only = None if whole else codings[items[0]].name
        label = None if whole or not names else str(names[0])
        structure = _reduced(told, stack.shape[1:], only, label)
        degrees, _ = viewed(told, stack.shape[1:], selection.region)
        arrange = np.asarray
    variables = {one["name"]: one for one in structure["variables"]}
    sizes = {name: int(size) for name, size, _ in structure["dims"]}
    values = {}
    for axis, each in zip(told["axes"], degrees):
        if "data" not in variables[axis]:
            values[axis] = each.astype(variables[axis]["dtype"])
    spatial = [variables[axis]["dims"][0] for axis in told["axes"]]
    first = 0
    for coding in [Coding.of(one) for one in told["fields"]] if whole else [codings[items[0]]]:
        count = coding.count if whole else 1
        variable = variables[coding.name]
        fields = arrange(np.stack(numbers[first : first + count]))
        others = [dim for dim in variable["dims"] if dim not in spatial]
        shaped = fields.reshape(*(sizes[dim] for dim in others), *fields.shape[1:])
        order = [[*others, *spatial].index(dim) for dim in variable["dims"]]
        values[coding.name] = as_dtype(shaped.transpose(order), variable["dtype"])
        first += count
    return structure, values


def as_dtype(numbers: np.ndarray, dtype: np.dtype | str) -> np.ndarray:
    """Unsigned numbers of NetCDF 3 with the signs that they are stored with."""
    numbers = np.ascontiguousarray(numbers)
    return numbers.view(dtype) if numbers.dtype.kind == "u" else numbers.astype(dtype)


def _reduced(
    told: Mapping[str, Any], shape: Sequence[int], only: Optional[str], label: Optional[str]
) -> Structure:
    """A structure at another size; with but one field of one variable."""
    structure = told["netcdf"]
    fields = {one["name"] for one in told["fields"]}
    spatial = [
        next(one for one in structure["variables"] if one["name"] == axis)["dims"][0]
        for axis in told["axes"]
    ]
    kept = []
    for one in structure["variables"]:
        name, dims = one["name"], one["dims"]
        if name in told["axes"]:
            attrs = {k: v for k, v in one["attrs"].items() if k not in _OF_STORED}
            one = _variable(name, "<f8", dims, attrs)
        elif name in fields and only not in (None, name):
            continue
        elif name in fields:
            dims = [dim for dim in dims if only is None or dim in spatial]
        elif set(dims) & set(spatial) or (only is not None and dims):
            continue
        one = {**one, "dims": dims}
        one.pop("storage", None)
        if name == only and label:
            one["attrs"] = {**one["attrs"], "item": label}
        kept.append(one)
    names = {one["name"] for one in kept}
    sizes = dict(zip(spatial, shape))
    used = {dim for one in kept for dim in one["dims"]}
    return {
        **structure,
        "dims": [
            [name, sizes.get(name, size), unlimited]
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


def _list(
    stack: np.ndarray,
    names: Optional[Sequence[str]],
    told: Mapping[str, Any],
    selection: Selection,
) -> tuple[Structure, dict[str, np.ndarray]]:
    """Fields of which nothing is known but perhaps their grid and their names."""
    degrees, _ = viewed(told, stack.shape[1:], selection.region)
    labels = np.array(names or [str(number) for number in range(len(stack))], object)
    single = len(stack) == 1
    variables = [_variable(name, "<f8", [name], ATTRS[name]) for name in NAMES]
    dims = [[name, size, False] for name, size in zip(NAMES, stack.shape[1:])]
    attrs = {"item": str(labels[0])} if single else {}
    field_dims = list(NAMES) if single else ["item", *NAMES]
    values = dict(zip(NAMES, degrees))
    values["field"] = stack[0] if single else stack
    if not single:
        dims.insert(0, ["item", len(stack), False])
        variables.append(_variable("item", "str", ["item"], {}))
        values["item"] = labels
    variables.append(_variable("field", "<f4", field_dims, attrs))
    return {"model": "NETCDF4", "attrs": {}, "dims": dims, "variables": variables}, values


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
