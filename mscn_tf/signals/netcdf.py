"""All that a NetCDF file says beside its fields, as JSON, and a file made of that again."""

from __future__ import annotations

import contextlib
import math
import os
import zlib
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from mscn_tf.runtime import exact, exact_tables
from mscn_tf.runtime.container import MAX_PIXELS
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.progressions import regular
from mscn_tf.signals.gaps import inflated

MAX_KEPT = 2**20  # bytes, deflated, of one variable that isn't coded
MAX_KEPT_ALL = 2**23  # of them all
MAX_INFLATED = 2**28  # bytes of them all, inflated
_AS_NUMBERS = 16  # values are better as JSON's numbers than in base 64
_IN_STEPS = 2**12  # likewise, where a few numbers tell them
_MODELS = (
    *("NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC"),
    *("NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA", "NETCDF3_64BIT"),
)
_LARGEST_CHUNK = 2**24  # values
_STORAGE = ("complevel", "shuffle", "fletcher32")
_OTHERS = {  # by their first bytes or their ending: what they are, and what makes NetCDF of them
    "grib": ("GRIB", "grib_to_netcdf of ecCodes, or cdo -f nc copy IN OUT.nc"),
    "zarr": ("a Zarr store", "xarray.open_zarr(IN).to_netcdf('OUT.nc') in Python"),
}


@contextlib.contextmanager
def opened(path: PathLike) -> Iterator[netCDF4.Dataset]:
    """A NetCDF file, whose values are read as they are stored: packed, with what marks missing.

    Raises:
      MscnError: there is none, it is of another format, or it turns out to be damaged.
    """
    _check_kind(path)
    try:
        with netCDF4.Dataset(os.fspath(path)) as dataset:
            dataset.set_auto_maskandscale(False)
            dataset.set_auto_chartostring(False)
            yield dataset
    except (OSError, RuntimeError, UnicodeError) as error:
        raise MscnError(f"{path}: not a NetCDF file, or damaged; give one") from error


def _check_kind(path: PathLike) -> None:
    if not os.path.exists(path):
        raise MscnError(f"cannot read {path}: no such file")
    ending = Path(path).suffix.lower()
    kind = "zarr" if ending == ".zarr" else "grib" if ending.startswith(".gr") else None
    if os.path.isfile(path) and os.access(path, os.R_OK):
        with open(path, "rb") as file:
            kind = "grib" if file.read(4) == b"GRIB" else kind
    if kind:
        name, cure = _OTHERS[kind]
        raise MscnError(f"{path}: {name} is not read; make NetCDF of it: {cure}")
    if os.path.isdir(path):
        raise MscnError(f"{path}: a folder; give a NetCDF file")


def attribute(variable: netCDF4.Variable, name: str, otherwise: Any = "") -> Any:
    """An attribute's value."""
    return variable.getncattr(name) if name in variable.ncattrs() else otherwise


def packing(variable: netCDF4.Variable) -> tuple[float, float]:
    """The scale_factor and add_offset of a variable; 1 and 0 of one that isn't packed.

    Raises:
      MscnError: they are no numbers to unpack by.
    """
    try:
        factor, add = (
            float(np.squeeze(attribute(variable, name, usual)))
            for name, usual in (("scale_factor", 1.0), ("add_offset", 0.0))
        )
    except (TypeError, ValueError):
        factor, add = np.nan, np.nan
    if not (np.isfinite(factor) and np.isfinite(add) and factor):
        raise MscnError(
            f"{variable.group().filepath()}: {variable.name} has a scale_factor or add_offset "
            "that is no number to unpack by; mend it"
        )
    return factor, add


def is_plain(variable: netCDF4.Variable) -> bool:
    """Whether a variable is of numbers, characters or texts, and not of a type of its file."""
    return variable.dtype is str or (
        isinstance(variable.datatype, np.dtype) and variable.datatype.kind in "iufS"
    )


def stored(variable: netCDF4.Variable, key: Any = ...) -> np.ndarray:
    """Values of a variable, all or some, in this machine's order of bytes."""
    values = np.asarray(variable[key])
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def describe(
    dataset: netCDF4.Dataset, coded: Collection[str], dropped: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """A file's structure and small variables as a JSON object; and what was too large for it.

    Args:
      dataset: of `opened`.
      coded: variables whose values are kept elsewhere.
      dropped: variables that nobody wants.
    """
    contents = {
        name: to_json(stored(variable))
        for name, variable in dataset.variables.items()
        if name not in coded and name not in dropped and is_plain(variable)
    }
    sizes = {name: len(str(content)) for name, content in contents.items()}
    room, inflated_room, left_out = MAX_KEPT_ALL, MAX_INFLATED // 2, []  # attributes need some
    for name in sorted(sizes, key=sizes.__getitem__):
        room -= sizes[name]
        inflated_room -= _size(contents[name])
        if min(room, inflated_room) < 0 or sizes[name] > MAX_KEPT:
            left_out.append(name)
            del contents[name]
    left_out += [name for name, one in dataset.variables.items() if not is_plain(one)]
    left_out += [f"group {name}" for name in dataset.groups]
    kept = [name for name in dataset.variables if name in contents or name in coded]
    used = {dim for name in kept for dim in dataset[name].dimensions}
    unused = {dim for name in dropped for dim in dataset[name].dimensions} - used
    described = {
        "model": dataset.data_model,
        "attrs": _attributes(dataset),
        "dims": [
            [name, len(dim), dim.isunlimited()]
            for name, dim in dataset.dimensions.items()
            if name not in unused
        ],
        "variables": [_described(dataset[name], contents.get(name)) for name in kept],
    }
    return described, left_out


def _described(variable: netCDF4.Variable, content: dict[str, Any] | None) -> dict[str, Any]:
    told: dict[str, Any] = {
        "name": variable.name,
        "dtype": "str" if variable.dtype is str else variable.dtype.newbyteorder("=").str,
        "dims": list(variable.dimensions),
        "attrs": _attributes(variable),
    }
    filters, chunks = dict(variable.filters() or {}), variable.chunking()
    if filters.get("zlib"):
        told["storage"] = {name: filters[name] for name in _STORAGE}
        told["storage"].update(compression="zlib", chunksizes=list(map(int, chunks)))
    if content is not None:
        told["data"] = content
    return told


def _attributes(owner: netCDF4.Variable | netCDF4.Dataset) -> dict[str, Any]:
    attributes = {name: owner.getncattr(name) for name in owner.ncattrs()}
    return {
        name: value if isinstance(value, (str, list)) else to_json(np.asarray(value))
        for name, value in attributes.items()
    }


def to_json(values: np.ndarray) -> dict[str, Any]:
    """Numbers, characters or texts, exactly: shape, type, and values or what they are packed to."""
    told: dict[str, Any] = {"shape": list(values.shape)}
    if values.dtype.kind in "OU":
        return {**told, "dtype": "str", "values": [str(text) for text in values.ravel()]}
    told["dtype"] = values.dtype.str
    if values.size <= _AS_NUMBERS and values.dtype.kind in "iuf":
        numbers = [v if np.isfinite(v) else str(v) for v in values.ravel().tolist()]
        return {**told, "values": numbers}
    if values.ndim == 1 and values.dtype.kind in "iuf" and values.size <= _IN_STEPS:
        steps = regular(values)
        if steps is not None:
            return {**told, "values": steps.tolist()}
    if values.dtype.kind in "iuf" and values.size:
        table = values.reshape(_table(values.shape))
        encode = exact_tables.encode if exact.is_wide(table) else exact.encode
        packed = encode(table)
        return {**told, "exact": b64encode(packed).decode()}
    return {**told, "data": b64encode(zlib.compress(values.tobytes(), 9)).decode()}


def _table(shape: Sequence[int]) -> tuple[int, ...]:
    """Rows, columns and channels that numbers of a shape are packed as."""
    return (-1, *shape[-2:]) if len(shape) > 2 else (-1, shape[-1], 1)


def from_json(told: Mapping[str, Any]) -> np.ndarray:
    """What `to_json` told.

    Raises:
      KeyError, TypeError, ValueError: it is damaged.
    """
    if _size(told) > MAX_INFLATED:
        raise ValueError("too many values")
    if told["dtype"] == "str" or "values" in told:
        return array_of(told["values"], told["dtype"], told["shape"])
    if "exact" in told:
        shape = np.empty(told["shape"], "?").reshape(_table(told["shape"])).shape
        packed = b64decode(told["exact"], validate=True)
        return exact.decode(packed, shape, told["dtype"]).reshape(told["shape"])
    return np.frombuffer(inflated(told["data"], _size(told)), told["dtype"]).reshape(told["shape"])


def array_of(values: list[Any], kind: str, shape: Sequence[int]) -> np.ndarray:
    """Values of JSON as an array of NumPy's type, or, of texts, of objects.

    Raises:
      TypeError, ValueError: there are others.
    """
    if len(values) != math.prod(shape):
        raise ValueError("other values")
    if kind == "str" or kind[1:2] == "U":
        return np.array([str(text) for text in values], object).reshape(shape)
    if np.dtype(kind).itemsize * len(values) > MAX_INFLATED:
        raise ValueError("too many values")
    return np.array(values, kind).reshape(shape)


def _size(told: Mapping[str, Any]) -> int:
    """Bytes of what `to_json` told, of texts at least.

    Raises:
      KeyError, TypeError, ValueError: it is damaged.
    """
    dtype = np.dtype("O" if told["dtype"] == "str" else told["dtype"])
    if not all(type(side) is int and side >= 0 for side in told["shape"]):
        raise ValueError("no shape")
    if dtype.kind not in "iufSO" or dtype.itemsize == 0:
        raise ValueError("no such type")
    return dtype.itemsize * math.prod(told["shape"])


def check(described: Mapping[str, Any], coded: Collection[str]) -> None:
    """Raises where a structure is damaged, or its contents inflate to more than files keep.

    Args:
      described: as of `describe`.
      coded: variables whose values are kept elsewhere, which there must be.

    Raises:
      ArithmeticError, AttributeError, LookupError, TypeError, ValueError: it is.
    """
    if described["model"] not in _MODELS:
        raise ValueError("no such model")
    sizes = {str(name): size for name, size, _ in described["dims"]}
    if not all(type(size) is int and 0 <= size <= MAX_PIXELS for size in sizes.values()):
        raise ValueError("no such dimensions")
    variables = {one["name"]: one for one in described["variables"]}
    if not variables.keys() >= set(coded):
        raise ValueError("fields without a variable")
    told = [value for one in (described, *variables.values()) for value in one["attrs"].values()]
    told = [value for value in told if isinstance(value, Mapping)]
    for name, one in variables.items():
        shape = [sizes[dim] for dim in one["dims"]]
        if "data" in one:
            told.append(one["data"])
            if one["data"]["shape"] != shape:  # what fits is spread over the whole
                raise ValueError("other dimensions")
        elif name not in coded:
            raise ValueError("a variable without values")
        chunks = one.get("storage", {}).get("chunksizes", shape)
        if math.prod(chunks) > max(_LARGEST_CHUNK, math.prod(shape)):
            raise ValueError("chunks of another file")
    if sum(map(_size, told)) > MAX_INFLATED:
        raise ValueError("too many values")


def create(
    path: PathLike,
    described: Mapping[str, Any],
    values: Mapping[str, np.ndarray],
    fields: Iterable[tuple[str, tuple[Any, ...], np.ndarray]],
) -> list[tuple[int, ...]]:
    """Writes a file of a structure; says how large its fields are.

    Args:
      path: of the file.
      described: as of `describe`.
      values: as they are stored, of variables that the structure has none of.
      fields: variables, places in them, and what is stored there: in place of all their values.

    Raises:
      MscnError: it can't be written.
      KeyError, TypeError, ValueError: the structure is damaged.
    """
    contents = {
        one["name"]: from_json(one["data"]) for one in described["variables"] if "data" in one
    }
    contents.update(values)
    shapes = []
    model: Any = str(described["model"])  # the library says if it is none of its own
    # The library writes to paths only.
    with atomic_write(path) as file:
        try:
            with netCDF4.Dataset(file.name, "w", format=model) as dataset:
                dataset.set_auto_maskandscale(False)
                dataset.set_auto_chartostring(False)
                _set_attributes(dataset, described["attrs"])
                for name, size, unlimited in described["dims"]:
                    dataset.createDimension(name, None if unlimited else int(size))
                for one in described["variables"]:
                    _add(dataset, one, contents.get(one["name"], np.empty(0)))
                for name, key, stored_there in fields:
                    dataset[name][key] = stored_there
                    shapes.append(stored_there.shape[-2:])
        except (OSError, RuntimeError, UnicodeError, AttributeError) as error:
            raise MscnError(f"cannot write {path}: {error}") from error
    return shapes


def _add(dataset: netCDF4.Dataset, told: Mapping[str, Any], values: np.ndarray) -> None:
    attrs = dict(told["attrs"])
    fill = attrs.pop("_FillValue", None)
    if isinstance(fill, Mapping):
        fill = from_json(fill).reshape(-1)[0]
    variable = dataset.createVariable(
        told["name"],
        str if told["dtype"] == "str" else np.dtype(str(told["dtype"])),
        tuple(told["dims"]),
        fill_value=fill,
        **told.get("storage", {}),
    )
    variable.set_auto_maskandscale(False)
    variable.set_auto_chartostring(False)
    _set_attributes(variable, attrs)
    if values.size:
        variable[...] = values


def _set_attributes(owner: netCDF4.Variable | netCDF4.Dataset, attrs: Mapping[str, Any]) -> None:
    for name, value in attrs.items():
        value = from_json(value).reshape(-1) if isinstance(value, Mapping) else value
        if isinstance(value, np.ndarray) and value.size == 0:
            continue
        owner.setncattr(name, value)
