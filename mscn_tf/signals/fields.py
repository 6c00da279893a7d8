"""Fields on the sphere in NetCDF files, and bare in `.npy` stacks."""

from __future__ import annotations

import contextlib
import glob
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.runtime.grids import cell_areas, global_grid
from mscn_tf.runtime.values import Values
from mscn_tf.signals import field_files, gaps, hooks, netcdf
from mscn_tf.signals.coding import Coding
from mscn_tf.signals.grids import load_npy
from mscn_tf.signals.latlon import NAMES, Grid, check_grid, restored_axis
from mscn_tf.signals.signal import Selection, Signals
from mscn_tf.signals.units import CELSIUS_ZERO, HIGHEST, LOWEST
from mscn_tf.signals.variables import Variable, choose
from mscn_tf.signals.weather import regrid, turned_weather

_SHOWN = 5  # variables in a message
_ENDINGS = (".nc", ".nc4", ".cdf", ".npy")


def read(
    path: PathLike, variables: Optional[Sequence[str]] = None, lossless: bool = False
) -> Signals:
    """The fields of a NetCDF file, one for each time, level or member, and for each variable.

    An ``.npy`` stack ``[N, H, W]`` or ``[H, W]`` is on the grid of ``global_grid``.

    Args:
      path: of the file.
      variables: names of those to read; left out, all of real or packed numbers, or of whole ones
        where there are no others.
      lossless: whether they will be coded without loss: stored numbers are not converted.

    Returns:
      float32 ``[H, W, 1]`` each, as they are coded (`Coding`); holes are filled. Metadata that
      ``write`` makes the file from; of ``.npy`` None.

    Raises:
      MscnError: not a NetCDF file, no such variable, no variable on latitudes and longitudes, a
        grid that does not cover the sphere, or values that can't be coded.
    """
    if Path(path).suffix.lower() == ".npy":
        return Signals(_read_stack(path))
    with netcdf.opened(path) as dataset:
        chosen, candidates, grid = choose(dataset, path, variables)
        loaded = [Variable.read(dataset[name], grid, path, lossless) for name in chosen]
        dropped = set(candidates) - set(chosen) if variables else set()
        structure, left_out = netcdf.describe(dataset, {*chosen, *grid.axes}, dropped)
        for one in structure["variables"]:
            if one["name"] in grid.axes:
                one.update(_own_axis(netcdf.stored(dataset[one["name"]]), one["name"], grid))
    metadata = {
        **grid.to_json(),
        "fields": [variable.coding.to_json() for variable in loaded],
        **_packed_masks([mask for variable in loaded for mask in variable.masks]),
        "netcdf": structure,
    }
    note = f"{path}: left out, being large or of another type: {', '.join(left_out)}"
    return Signals(
        [field for variable in loaded for field in variable.fields],
        [label for variable in loaded for label in variable.labels],
        metadata,
        (note,) if left_out else (),
    )


def _own_axis(stored: np.ndarray, axis: str, grid: Grid) -> dict[str, Any]:
    """What the structure keeps of an axis that the grid doesn't tell exactly."""
    degrees = restored_axis(NAMES[grid.axes.index(axis)], grid.to_json())
    if np.array_equal(degrees.astype(stored.dtype), stored):
        return {}
    return {"data": netcdf.to_json(stored)}


def _packed_masks(masks: Sequence[Optional[np.ndarray]]) -> dict[str, Any]:
    """Metadata of where fields have no values: each mask once, and which each has; -1: none."""
    numbers: dict[bytes, int] = {}
    different: list[np.ndarray] = []
    mask_of = []
    for mask in masks:
        if mask is None:
            mask_of.append(-1)
            continue
        number = numbers.setdefault(np.packbits(mask).tobytes(), len(numbers))
        if number == len(different):
            different.append(mask)
        mask_of.append(number)
    return {"masks": gaps.pack(different), "mask": mask_of} if different else {}


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
    arrays = list(arrays)
    target = Path(path) / "fields.nc" if Path(path).is_dir() else Path(path)
    if len({array.shape for array in arrays}) > 1:
        raise MscnError(f"{path}: the fields differ in size; name one with --item=I")
    stack = np.stack(arrays)[..., 0]
    suffix = target.suffix.lower()
    if suffix not in _ENDINGS:
        raise MscnError(f"cannot write fields to {path}; let its name end in .nc or .npy")
    with _undamaged():
        if suffix == ".npy":
            values = field_files.values_of(stack, metadata or {}, selection)
        else:
            netcdf.create(target, *field_files.contents(stack, names, metadata or {}, selection))
    if suffix == ".npy":
        with atomic_write(target) as file:
            np.save(file, values)
    count, height, width = stack.shape
    return f"{count} field{'s' * (count > 1)} of {width}x{height}"


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


def metadata_of(metadata: dict[str, Any], item: int) -> dict[str, Any]:
    """What the metadata of several fields say of one, without the structure of their file."""
    told = {name: metadata[name] for name in NAMES if name in metadata}
    if "fields" not in metadata:
        return told
    coding = field_files.coding_of(metadata, item)
    told["fields"] = [{**coding.to_json(), "count": 1}]
    if "masks" in metadata:
        mask = field_files.mask_of(metadata, item)
        told.update(_packed_masks([mask]))
    return told


def codec_for(signals: Signals, bounded: bool) -> Optional[str]:
    """`field` where a bound is wanted, or where some are no temperatures."""
    others = signals.metadata is not None and any(
        not coding.fits for coding in map(Coding.of, signals.metadata["fields"])
    )
    return "field" if bounded or others else None


def misfit(signals: Signals, values: Values) -> Optional[str]:
    """Why a codec of these values doesn't suit fields: their unit or their range."""
    if signals.metadata is None:
        return hooks.misfit(signals, values)
    codings = [Coding.of(one) for one in signals.metadata["fields"]]
    others = [coding for coding in codings if not (coding.fits or coding.raw)]
    if not others:
        return None
    told = [
        f"{one.name} ({one.units or 'of no unit'}, {low:.4g} to {high:.4g})"
        for one in others[:_SHOWN]
        for low, high in [one.in_units(np.array([LOWEST, HIGHEST]))]
    ]
    fitting = ",".join(coding.name for coding in codings if coding.fits)
    cure = f" (--variables={fitting} leaves the others out)" if fitting else ""
    return f"{', '.join(told)}: not temperatures of the Earth{cure}"


def _known(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Coding]:
    """Original and decoded values in the units of the file, areas ``[H, W]``, and the coding.

    Values are as the file stores them; those that are missing are equal and cover nothing.
    """
    told = metadata or {}
    axes = global_grid(original.shape[:-1])
    for axis, name in enumerate(NAMES):
        if name in told:
            axes[axis] = np.radians(told[name])
    areas = cell_areas(axes[0], axes[1])
    coding, missing = Coding("field"), None
    if "fields" in told:
        coding, missing = field_files.coding_of(told, 0), field_files.mask_of(told, 0)
    before, after = (coding.values(coding.stored(one[..., 0])) for one in (original, decoded))
    if missing is not None:
        before, after, areas = before[~missing], after[~missing], areas[~missing]
    return before, after, areas / max(areas.sum(), 1e-300), coding


def errors(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> dict[str, float]:
    """Of known points: ``rmse`` and ``rmse_by_area`` as they are coded (`Coding`), and ``psnr``.

    The peak of the PSNR is the range of temperatures ``HIGHEST - LOWEST``, plain as in COIN++.

    Args:
      original: ``[H, W, 1]``, as of ``read``.
      decoded: likewise.
      metadata: of this one, as of ``metadata_of``.
    """
    before, after, areas, coding = _known(original, decoded, metadata)
    if not before.size:
        return {"rmse": 0.0, "rmse_by_area": 0.0, "psnr": math.inf}
    squares = np.square((after - before) * coding.scale)
    mean = float(squares.mean())
    return {
        "rmse": math.sqrt(mean),
        "rmse_by_area": math.sqrt(float((squares * areas).sum())),
        "psnr": 10 * math.log10((HIGHEST - LOWEST) ** 2 / mean) if mean else math.inf,
    }


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> dict[str, float]:
    """As `errors`, in the file's unit, and beside them the field's own standard deviation.

    Nothing of a field that is all missing, and no PSNR of one without errors.
    """
    before, _, _, coding = _known(original, decoded, metadata)
    if not before.size:
        return {}
    measured = errors(original, decoded, metadata)
    unit = f"{coding.unit} " if coding.unit else ""
    figures = {
        f"{unit}RMSE": measured["rmse"] / abs(coding.scale),
        f"{unit}RMSE by area": measured["rmse_by_area"] / abs(coding.scale),
        f"{unit}standard deviation of its own": float(before.std()),
    }
    return {**figures, "dB PSNR": measured["psnr"]} if measured["rmse"] else figures


def share_lost(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """RMSE over the standard deviation of known points."""
    before, after, _, _ = _known(original, decoded, metadata)
    if np.array_equal(before, after):
        return 0.0
    spread = float(before.std())
    error = math.sqrt(float(np.square(after - before).mean()))
    return error / spread if spread > 0 else math.inf


def largest_error(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """Of known points, in the units of the file, with what reading it rounded."""
    before, after, _, coding = _known(original, decoded, metadata)
    return float(np.abs(after - before).max(initial=0.0)) + coding.rounding


def array_bound(bound: float, metadata: Optional[dict[str, Any]]) -> float:
    """The bound of what is coded that keeps one in the units of the file, in all its variables.

    Raises:
      MscnError: it is too fine.
    """
    told = (metadata or {}).get("fields", ())
    return min((Coding.of(one).bound(bound) for one in told), default=bound)


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
