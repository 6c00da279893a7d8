"""Fields on the sphere in NetCDF files, and bare in `.npy` stacks."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.grids import cell_areas, coordinates_at, global_grid
from mscn_tf.signals.grids import load_npy
from mscn_tf.signals.signal import Signals

# Limits of the temperatures (kelvins) that COIN++ scales ERA5 by, for its PSNR.
LOWEST, HIGHEST = 202.66, 320.93

_ENGINE = "netcdf4"
_AXES = {  # CF conventions 1.11, sections 4.1 and 4.2; then what files without attributes use
    "latitude": (("degrees_north", "degree_north", "degrees_n", "degree_n"), ("latitude", "lat")),
    "longitude": (("degrees_east", "degree_east", "degrees_e", "degree_e"), ("longitude", "lon")),
}
_COVERED = 1.5  # cells that may lack between the last column and the first, or at a pole


def read(path: PathLike) -> Signals:
    """The fields of a NetCDF file, one for each time, level or member, and for each variable.

    An ``.npy`` stack ``[N, H, W]`` or ``[H, W]`` is on the grid of ``global_grid``.

    Returns:
      float32 ``[H, W, 1]`` each, rows and columns as in the file; metadata that ``write`` makes
      the file from: ``latitude``, ``longitude``, ``attrs``, ``variables``; of ``.npy`` None.

    Raises:
      MscnError: not a NetCDF file, no variable on latitudes and longitudes, a grid that does not
        cover the sphere, or missing values.
    """
    if Path(path).suffix.lower() == ".npy":
        return Signals(_read_stack(path))
    try:
        # Times stay numbers: their units and calendar are attributes, kept like others.
        dataset = xr.open_dataset(path, engine=_ENGINE, decode_times=False)
    except (OSError, ValueError, RuntimeError) as error:
        if not os.path.exists(path):
            raise MscnError(f"cannot read {path}: no such file") from error
        raise MscnError(f"{path}: not a NetCDF file, or damaged; give one") from error
    with dataset:
        axes = {name: _find_axis(dataset, name, path) for name in _AXES}
        chosen = [
            name
            for name, variable in dataset.data_vars.items()
            if set(axes.values()) <= set(variable.dims) and variable.dtype.kind in "fiu"
        ]
        if not chosen:
            raise MscnError(f"{path}: no variable on latitudes and longitudes to encode")
        degrees = {name: dataset[axis].values.astype(np.float64) for name, axis in axes.items()}
        _check_grid(degrees["latitude"], degrees["longitude"], str(path))
        arrays: list[np.ndarray] = []
        names: list[str] = []
        variables = []
        for name in chosen:
            described, fields, labels = _read_variable(dataset, name, axes, str(path))
            variables.append(described)
            arrays.extend(fields)
            names.extend(labels)
        metadata = {
            "latitude": degrees["latitude"].tolist(),
            "longitude": degrees["longitude"].tolist(),
            "axes": {
                name: {"name": str(axis), "attrs": _plain(dataset[axis].attrs)}
                for name, axis in axes.items()
            },
            "attrs": _plain(dataset.attrs),
            "variables": variables,
        }
    return Signals(arrays, names, metadata)


def _read_stack(path: PathLike) -> list[np.ndarray]:
    stack = load_npy(path)
    if stack.ndim not in (2, 3) or 0 in stack.shape or stack.dtype.kind not in "fiu":
        raise MscnError(
            f"{path}: {stack.dtype} of shape {list(stack.shape)}; it must be numbers [N, H, W] or "
            "[H, W], no side zero"
        )
    if not np.isfinite(stack).all():
        raise MscnError(f"{path}: NaN or infinite values; replace them")
    return list(stack.reshape(-1, *stack.shape[-2:], 1).astype(np.float32))


def write(
    path: PathLike,
    arrays: Sequence[np.ndarray],
    names: Sequence[str] | None,
    metadata: dict[str, Any] | None,
    view: dict[str, Any] | None = None,
) -> str:
    """Writes fields to ``.nc`` with coordinates, units and attributes, or as an ``.npy`` stack.

    Args:
      path: its ending says which.
      arrays: ``[H, W, 1]`` each, of one shape.
      names: of the fields; which of an archive's they are.
      metadata: as of ``read``; without it the fields lie on the grid of ``global_grid``.
      view: ``scale``, ``size`` and ``region`` that they were decoded with.

    Raises:
      MscnError: there is no such format, or the file can't be written.
    """
    stack = np.stack(arrays)[..., 0]
    suffix = Path(path).suffix.lower()
    if suffix not in (".nc", ".nc4", ".cdf", ".npy"):
        raise MscnError(f"cannot write fields to {path}; let its name end in .nc or .npy")
    count, height, width = stack.shape
    told = f"{count} field{'s' * (count > 1)} of {width}x{height}"
    if suffix == ".npy":
        with atomic_write(path) as file:
            np.save(file, stack)
        return told
    dataset = _dataset(stack, names, metadata or {}, view or {})
    # The library writes to paths only.
    with atomic_write(path) as file:
        try:
            dataset.to_netcdf(file.name, engine=_ENGINE)
        except (OSError, RuntimeError, ValueError) as error:
            raise MscnError(f"cannot write {path}: {error}") from error
    return told


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> dict[str, float]:
    """Root mean square errors in the field's units, plain and by area, and PSNR.

    The peak of the PSNR is the range of temperatures ``HIGHEST - LOWEST``, plain as in COIN++.
    """
    squares = np.square(decoded.astype(np.float64) - original)[..., 0]
    plain = float(squares.mean())
    axes = global_grid(squares.shape)
    for axis, name in enumerate(("latitude", "longitude")):
        if metadata and name in metadata:
            axes[axis] = np.radians(metadata[name])
    areas = cell_areas(axes[0], axes[1])
    return {
        "RMSE": np.sqrt(plain),
        "RMSE by area": float(np.sqrt((squares * areas).sum())),
        "dB PSNR": 10 * np.log10((HIGHEST - LOWEST) ** 2 / max(plain, 1e-20)),
    }


def training_signals(
    pattern: str,
    shape: Sequence[int] = (46, 90),
    part: Sequence[float] = (0.0, 1.0),
    turned: int = 0,
) -> list[np.ndarray]:
    """Fields of NetCDF files and of ``.npz`` files, on one grid.

    An ``.npz`` file has the arrays ``lat`` and ``lon`` in degrees, and one floating-point array
    ``[.., lat, lon]``, in kelvins, or in degrees Celsius where its name ends in ``_celsius``.

    Args:
      pattern: globs, separated by commas.
      shape: of the grid, that of ``global_grid``.
      part: of each source the fields from this share of its first axis but one, its time, on to
        this one: neighbours in time are near copies, so sets are never parted at random.
      turned: for each field so many further ones, whose weather comes from other longitudes
        (``turned_weather``). The fields themselves are repeated twice as often.

    Returns:
      float32 ``[H, W, 1]`` each.

    Raises:
      MscnError: nothing matches, or a file can't be read.
    """
    paths = sorted({name for one in pattern.split(",") for name in glob.glob(one, recursive=True)})
    if not paths:
        raise MscnError(f"{pattern}: no field matches; set config.data.train and .validation")
    fields = np.concatenate([_load_part(path, shape, part) for path in paths]).astype(np.float32)
    signals = list(fields[..., None])
    if turned:
        signals = signals * (2 * turned) + list(turned_weather(fields, turned)[..., None])
    return signals


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


def _load_part(path: str, shape: Sequence[int], part: Sequence[float]) -> np.ndarray:
    if path.endswith(".npz"):
        try:
            with np.load(path) as arrays:
                names = [name for name in arrays if name not in ("lat", "lon", "time", "hours")]
                found = {n: arrays[n] for n in names if arrays[n].dtype.kind == "f"}
                latitude, longitude = (arrays[name].astype(np.float64) for name in ("lat", "lon"))
        except (OSError, ValueError, KeyError) as error:
            raise MscnError(f"{path}: no arrays lat and lon ({error}); leave it out") from error
        if len(found) != 1:
            raise MscnError(f"{path}: holds {len(found)} arrays of fields, not one; leave it out")
        ((name, fields),) = found.items()
        if name.endswith("_celsius"):
            fields = fields + 273.15
    else:
        signals = read(path)
        fields = np.stack(signals.arrays)[..., 0]
        latitude, longitude = (np.array(signals.metadata[name]) for name in _AXES)
    _check_grid(latitude, longitude, path)
    times = fields.shape[-3]
    first, last = (round(share * times) for share in part)
    fields = fields[..., first:last, :, :].reshape(-1, *fields.shape[-2:])
    return regrid(fields, latitude, longitude, shape)


def _find_axis(dataset: xr.Dataset, name: str, path: PathLike) -> str:
    """The one-dimensional coordinate that CF attributes, or its name, say is an axis."""
    units, usual = _AXES[name]
    for coordinate in dataset.dims:
        if coordinate not in dataset.coords or dataset[coordinate].dtype.kind not in "fiu":
            continue
        attrs = dataset[coordinate].attrs
        if (
            attrs.get("standard_name") == name
            or str(attrs.get("units", "")).lower() in units
            or str(coordinate).lower() in usual
        ):
            return coordinate
    raise MscnError(f"{path}: no axis of {name}s in degrees; rename its dimension to {usual[1]}")


def _check_grid(latitude: np.ndarray, longitude: np.ndarray, source: str) -> None:
    """Raises where a grid is not one that covers the sphere."""
    steps = np.diff(latitude)
    ahead = np.diff(longitude)
    if (
        len(latitude) < 2
        or len(longitude) < 2
        or not ((np.all(steps > 0) or np.all(steps < 0)) and np.all(ahead > 0))
    ):
        raise MscnError(
            f"{source}: latitudes must rise or fall, longitudes must rise; sort the file's axes"
        )
    gap = 360 - (longitude[-1] - longitude[0])
    missing = max(90 - latitude.max(), 90 + latitude.min())
    covers = 0 < gap <= _COVERED * ahead.max() and missing <= _COVERED * np.abs(steps).max()
    if not covers or np.abs(latitude).max() > 90:
        raise MscnError(
            f"{source}: its grid, {longitude[0]:g} to {longitude[-1]:g} east and "
            f"{latitude.min():g} to {latitude.max():g} north, isn't one that covers the sphere "
            "once; give global fields"
        )


def _read_variable(
    dataset: xr.Dataset, name: str, axes: dict[str, str], path: str
) -> tuple[dict[str, Any], list[np.ndarray], list[str]]:
    """What ``metadata`` keeps of a variable, its fields, and their names."""
    variable = dataset[name]
    others = [dim for dim in variable.dims if dim not in axes.values()]
    values = variable.transpose(*others, axes["latitude"], axes["longitude"]).values
    fields = values.astype(np.float32).reshape(-1, *values.shape[-2:])
    if not np.isfinite(fields).all():
        raise MscnError(
            f"{path}: {name} has missing values (NaN); fill them first, for instance with "
            f"xarray's interpolate_na or fillna"
        )
    dims = []
    for dim in others:
        described = {"name": str(dim), "size": dataset.sizes[dim]}
        if dim in dataset.coords and dataset[dim].dtype.kind in "fiuU":
            described["values"] = dataset[dim].values.tolist()
            described["dtype"] = dataset[dim].dtype.str
            described["attrs"] = _plain(dataset[dim].attrs)
        dims.append(described)
    described = {
        "name": str(name),
        "dims": dims,
        "attrs": _plain(variable.attrs),
        "dtype": np.dtype(variable.encoding.get("dtype", variable.dtype)).name,
    }
    labels = [_label(dataset, name, others, at) for at in np.ndindex(values.shape[:-2])]
    return described, list(fields[..., None]), labels


def _label(dataset: xr.Dataset, name: str, dims: Sequence[str], at: tuple[int, ...]) -> str:
    """As people write: "tas[2006-01-16, 850]"."""
    parts = []
    for dim, index in zip(dims, at):
        if dim not in dataset.coords:
            parts.append(str(index))
            continue
        value = dataset[dim][index : index + 1]
        if " since " in str(value.attrs.get("units", "")):
            with contextlib.suppress(ValueError, OverflowError):  # a calendar it doesn't know
                value = xr.decode_cf(value.to_dataset(name="value")).coords[dim]
            text = str(value.values[0]).replace("T", " ")
            text = text.partition(".")[0]
            parts.append(text.removesuffix(" 00:00:00"))
        else:
            found = value.values[0]
            parts.append(f"{found:g}" if found.dtype.kind in "fiu" else str(found))
    return f"{name}[{', '.join(parts)}]" if parts else str(name)


def _plain(attrs: dict[str, Any]) -> dict[str, Any]:
    """Attributes as JSON has them: numbers, texts and lists."""
    plain = {}
    for name, value in attrs.items():
        if isinstance(value, (np.ndarray, np.generic)):
            value = value.tolist()
        finite = not isinstance(value, float) or np.isfinite(value)
        if isinstance(value, (str, int, float, list)) and finite:
            plain[str(name)] = value
    return plain


def _viewed(metadata: dict[str, Any], shape: tuple[int, int], view: dict[str, Any]) -> list:
    """Degrees of the rows and columns of fields that were decoded with a view."""
    region, coordinates = view.get("region"), []
    for axis, name in enumerate(_AXES):
        known = np.array(metadata.get(name, []), np.float64)
        if not len(known):
            return [np.degrees(axis) for axis in global_grid(shape)]
        start, extent = (region[1 - axis], region[3 - axis]) if region else (0, len(known))
        out = shape[axis]
        positions = start + (np.arange(out) + 0.5) * (extent / out)
        coordinates.append(coordinates_at(known, positions))
    return coordinates


def _dataset(
    stack: np.ndarray,
    names: Sequence[str] | None,
    metadata: dict[str, Any],
    view: dict[str, Any],
) -> xr.Dataset:
    """What ``write`` writes: the file's structure, or without all its fields a list of them."""
    coordinates = dict(zip(_AXES, _viewed(metadata, stack.shape[1:], view)))
    axes = metadata.get("axes") or {
        name: {"name": name, "attrs": {"units": units[0], "standard_name": name}}
        for name, (units, _) in _AXES.items()
    }
    coords = {
        axes[name]["name"]: (axes[name]["name"], degrees, axes[name]["attrs"])
        for name, degrees in coordinates.items()
    }
    spatial = tuple(axes[name]["name"] for name in _AXES)
    variables = metadata.get("variables", [])
    sizes = [[dim["size"] for dim in variable["dims"]] for variable in variables]
    data, first = {}, 0
    if variables and len(stack) == sum(int(np.prod(size)) for size in sizes):
        for variable, size in zip(variables, sizes):
            count = int(np.prod(size))
            dims = tuple(dim["name"] for dim in variable["dims"])
            values = stack[first : first + count].reshape(*size, *stack.shape[1:])
            data[variable["name"]] = ((*dims, *spatial), values, variable["attrs"])
            for dim in variable["dims"]:
                if "values" in dim:
                    known = np.array(dim["values"], dim["dtype"])
                    coords[dim["name"]] = (dim["name"], known, dim["attrs"])
            first += count
    else:  # some of an archive
        labels = np.array(names or [str(number) for number in range(len(stack))])
        owner = [v for v in variables if len(stack) == 1 and labels[0].split("[")[0] == v["name"]]
        name, attrs = (owner[0]["name"], owner[0]["attrs"]) if owner else ("field", {})
        if len(stack) == 1:
            data[name] = (spatial, stack[0], {**attrs, "item": str(labels[0])})
        else:
            coords["item"] = ("item", labels)
            data[name] = (("item", *spatial), stack, attrs)
    dataset = xr.Dataset(data, coords, metadata.get("attrs", {}))
    for variable in dataset.variables.values():
        variable.encoding["_FillValue"] = None
    return dataset
