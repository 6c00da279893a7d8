"""Fields on the sphere in NetCDF files, and bare in `.npy` stacks."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.exact import is_wide
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.sequences import Made
from mscn_tf.signals import field_files, netcdf
from mscn_tf.signals.field_figures import (
    array_bound,
    array_bounds,
    codec_for,
    errors,
    file_bound,
    largest_error,
    measure,
    metadata_of,
    misfit,
    packed_masks,
    share_lost,
    spans,
)
from mscn_tf.signals.field_items import Items, original_shape
from mscn_tf.signals.grids import load_npy
from mscn_tf.signals.latlon import NAMES, Grid, check_grid, restored_axis
from mscn_tf.signals.signal import Selection, Signals
from mscn_tf.signals.units import CELSIUS_ZERO
from mscn_tf.signals.variables import Promise, Variable, choose
from mscn_tf.signals.weather import regrid, turned_weather

__all__ = ["array_bound", "array_bounds", "check_metadata", "codec_for", "errors", "file_bound"]
__all__ += ["largest_error", "measure", "metadata_of", "misfit", "read", "share_lost", "spans"]
__all__ += ["training_signals", "write"]
_ENDINGS = (".nc", ".nc4", ".cdf", ".npy")


def read(
    path: PathLike,
    variables: Optional[Sequence[str]] = None,
    lossless: bool = False,
    others: str = "keep",
    max_error: Optional[float] = None,
    relative_error: Optional[float] = None,
) -> Signals:
    """The fields of a NetCDF file, one for each time, level or member, and for each variable.

    An ``.npy`` stack ``[N, H, W]`` or ``[H, W]`` is on the grid of ``global_grid``.

    Args:
      path: of the file.
      variables: names of those to read; left out, all of real or packed numbers, or of whole ones
        where there are no others.
      lossless: whether they will be coded without loss: stored numbers are not converted.
      others: what becomes of variables that are no fields: "keep", without loss, or "drop".
      max_error: how far values may be off, in their units: where float32 is too coarse for that,
        numbers are not converted either.
      relative_error: the same as a share of a variable's range.

    Returns:
      ``[H, W, 1]`` each as they are coded (`Coding`), float32, or float64 or integers of 4 or 8
      bytes where float32 doesn't do; read when they are asked for, holes filled. Metadata that
      ``write`` makes the file from; of ``.npy`` None.

    Raises:
      MscnError: not a NetCDF file, no such variable, no variable on a grid, or values that can't be
        coded.
    """
    promise = Promise(lossless, max_error, relative_error)
    if Path(path).suffix.lower() == ".npy":
        return Signals(_read_stack(path, promise != Promise()))
    with netcdf.opened(path) as dataset:
        choice = choose(dataset, path, variables)
        loaded = [
            [Variable.read(dataset[name], grid, path, promise) for name in names]
            for grid, names in zip(choice.grids, choice.names)
        ]
        dropped = {*choice.unwanted, *(choice.others if others == "drop" else ())}
        axes = [axis for grid in choice.grids for axis in grid.axes]
        coded = {*(name for names in choice.names for name in names), *axes}
        structure, left_out = netcdf.describe(dataset, coded, dropped)
        described = {one["name"]: one for one in structure["variables"]}
        for grid in choice.grids:
            for name, axis in zip(NAMES, grid.axes):
                content = _own_axis(netcdf.stored(dataset[axis]), name, grid)
                described[axis].update(content)
    fields = [variable for on_grid in loaded for variable in on_grid]
    arrays = [
        (variable.fields, item) for variable in fields for item in range(len(variable.labels))
    ]
    kept = [name for name in choice.others if name not in left_out]
    notes = {
        f"{'left out' if others == 'drop' else 'kept without loss'}, being no fields": kept,
        "left out, being large or of another type": left_out,
    }
    return Signals(
        Made(len(arrays), lambda item: arrays[item][0][arrays[item][1]]),
        [label for variable in fields for label in variable.labels],
        {**_grids_json(choice.grids, loaded), "netcdf": structure},
        [f"{path}: {why}: {', '.join(names)}" for why, names in notes.items() if names],
    )


def _own_axis(stored: np.ndarray, name: str, grid: Grid) -> dict[str, Any]:
    """What the structure keeps of an axis that the grid doesn't tell exactly."""
    degrees = restored_axis(name, grid.to_json())
    if np.array_equal(degrees.astype(stored.dtype), stored):
        return {}
    return {"data": netcdf.to_json(stored)}


def _grids_json(grids: Sequence[Grid], loaded: Sequence[Sequence[Variable]]) -> dict[str, Any]:
    """Metadata of grids, of the variables on each, and of where their fields have no values."""
    fields = [
        {**variable.coding.to_json(), **({"grid": number} if number else {})}
        for number, on_grid in enumerate(loaded)
        for variable in on_grid
    ]
    masks = [
        packed_masks([mask for variable in on_grid for mask in variable.masks])
        for on_grid in loaded
    ]
    if len(grids) == 1 and grids[0].latitude is not None:
        return {**grids[0].to_json(), "fields": fields, **masks[0]}
    told: dict[str, Any] = {"grids": [grid.to_json() for grid in grids], "fields": fields}
    if any(masks):
        counts = (sum(len(variable.labels) for variable in on_grid) for on_grid in loaded)
        told["mask"] = [
            number for one, count in zip(masks, counts) for number in one.get("mask", [-1] * count)
        ]
        for grid, one in zip(told["grids"], masks):
            grid.update({"masks": one["masks"]} if one else {})
    return told


def _read_stack(path: PathLike, as_stored: bool) -> list[np.ndarray]:
    stack = load_npy(path)
    if stack.ndim not in (2, 3) or 0 in stack.shape or stack.dtype.kind not in "fiu":
        raise MscnError(
            f"{path}: {stack.dtype} of shape {list(stack.shape)}; it must be numbers [N, H, W] or "
            "[H, W], no side zero"
        )
    if not np.isfinite(stack).all():
        raise MscnError(f"{path}: NaN or infinite values; replace them")
    fields = stack.reshape(-1, *stack.shape[-2:], 1)
    return list(fields if as_stored and is_wide(fields) else fields.astype(np.float32))


def check_metadata(metadata: dict[str, Any], container: Container) -> None:
    """As `hooks` says: the grid, and, of fields of a file, all that makes it again."""
    with _undamaged():
        field_files.check(metadata, container.shapes)


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[dict[str, Any]],
    selection: Selection,
) -> str:
    """Writes fields to ``.nc``, as their file was, or as an ``.npy`` stack in its units.

    Args:
      path: its ending says which; in a folder it is ``fields.nc``.
      arrays: ``[H, W, 1]`` each, of one shape.
      names: of the fields.
      metadata: as of ``read``; without it the fields lie on the grid of ``global_grid``.
      selection: which part of the file was decoded.

    Raises:
      MscnError: there is no such format, the metadata are damaged, or the file can't be written.
    """
    target = Path(path) / "fields.nc" if Path(path).is_dir() else Path(path)
    suffix = target.suffix.lower()
    if suffix not in _ENDINGS:
        raise MscnError(f"cannot write fields to {path}; let its name end in .nc or .npy")
    with _undamaged():
        told = field_files.as_now(metadata or {})
    if suffix == ".npy":
        values = _stack(path, arrays, told, selection)
        with atomic_write(target) as file:
            np.save(file, values)
        shapes = [values.shape[1:]] * len(values)
    else:
        with _undamaged():
            file_of = (
                field_files.whole if field_files.is_whole(told, selection) else field_files.part
            )
            shapes = netcdf.create(target, *file_of(arrays, names, told, selection))
    sizes = " and ".join(f"{width}x{height}" for height, width in dict.fromkeys(shapes))
    return f"{len(shapes)} field{'s' * (len(shapes) > 1)} of {sizes}"


@contextlib.contextmanager
def _undamaged() -> Iterator[None]:
    """Turns what wrong metadata lead to into one line."""
    try:
        with np.errstate(all="ignore"):  # their numbers are any
            yield
    except (
        ArithmeticError, AttributeError, LookupError, MemoryError, StopIteration, TypeError,
        ValueError,
    ) as error:  # fmt: skip
        raise MscnError("the fields' metadata are damaged; get a fresh copy") from error


def _stack(
    path: PathLike, arrays: Iterable[np.ndarray], told: Mapping[str, Any], selection: Selection
) -> np.ndarray:
    """``[N, H, W]`` in the units of the file: float32, or float64 where fields are wide."""
    fields = [array[..., 0] for array in arrays]
    if len({field.shape for field in fields}) > 1:
        raise MscnError(f"{path}: the fields differ in size; name one with --item=I")
    with _undamaged():
        items, first = Items(told), selection.item or 0
        stored = bool(items.count) and len(fields) in (1, items.count)
        if stored:
            fields = [
                field_files.in_units(
                    field,
                    item,
                    items,
                    original_shape(items.grid(item), told.get("netcdf", {})),
                    selection.region,
                )
                for item, field in enumerate(fields, first)
            ]
    for item, field in enumerate(fields, first):
        if stored and items.coding(item).exceeds(field):
            name = items.coding(item).name
            raise MscnError(f"{path}: {name} has whole numbers beyond 2^53; decode to OUT.nc")
    return field_files.stacked(fields)


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


def _load_part(path: str, shape: Sequence[int], part: Sequence[float]) -> np.ndarray:
    if path.endswith(".npz"):
        try:
            with np.load(path) as arrays:
                names = [name for name in arrays if name not in ("lat", "lon", "time", "hours")]
                variables = {n: arrays[n] for n in names if arrays[n].dtype.kind == "f"}
                latitude, longitude = (arrays[name].astype(np.float64) for name in ("lat", "lon"))
        except (OSError, ValueError, KeyError) as error:
            raise MscnError(f"{path}: no arrays lat and lon ({error}); leave it out") from error
        if len(variables) != 1:
            count = len(variables)
            raise MscnError(f"{path}: holds {count} arrays of fields, not one; leave it out")
        ((name, fields),) = variables.items()
        if name.endswith("_celsius"):
            fields = fields + CELSIUS_ZERO
        check_grid(latitude, longitude, path)
    else:
        signals = read(path)
        fields = np.stack(signals.arrays)[..., 0]
        latitude, longitude = (np.array((signals.metadata or {})[name]) for name in NAMES)
    times = fields.shape[-3]
    first, last = (round(share * times) for share in part)
    fields = fields[..., first:last, :, :].reshape(-1, *fields.shape[-2:])
    return regrid(fields, latitude, longitude, shape)
