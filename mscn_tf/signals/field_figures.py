"""What decoded fields are worth, and which codecs suit fields, by the metadata of their file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime import residuals
from mscn_tf.runtime.grids import cell_areas, global_grid
from mscn_tf.runtime.values import Values
from mscn_tf.signals import gaps, hooks
from mscn_tf.signals.coding import Coding
from mscn_tf.signals.field_items import Items, original_shape
from mscn_tf.signals.latlon import NAMES, covers
from mscn_tf.signals.signal import Signals
from mscn_tf.signals.units import HIGHEST, LOWEST

_LARGE = 2.0**500  # of larger numbers, and of those below its inverse, float64 lacks squares
_SHOWN = 5  # variables in a message


def packed_masks(masks: Sequence[Optional[np.ndarray]]) -> dict[str, Any]:
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


def metadata_of(metadata: dict[str, Any], item: int) -> dict[str, Any]:
    """What the metadata of several fields say of one, without the structure of their file."""
    items = Items(metadata)
    if not items.count:
        return {name: metadata[name] for name in NAMES if name in metadata}
    grid = items.grid(item)
    told = {name: grid[name] for name in NAMES if name in grid}
    coding = replace(items.coding(item), count=1, grid=0)
    told["fields"] = [coding.to_json()]
    if "mask" in metadata:
        told.update(
            packed_masks([items.mask(item, original_shape(grid, metadata.get("netcdf", {})))])
        )
    return told


def codec_for(signals: Signals, bounded: bool) -> Optional[str]:
    """`field` where a bound is wanted, or where some are no temperatures all over the Earth."""
    told = signals.metadata
    others = told is not None and (
        not _is_global(told) or any(not coding.fits for coding in map(Coding.of, told["fields"]))
    )
    return "field" if bounded or others else None


def _is_global(told: Mapping[str, Any]) -> bool:
    """Whether all fields of a file lie on one grid that covers the sphere."""
    known = all(name in told for name in NAMES)
    return known and covers(*(np.array(told[name], np.float64) for name in NAMES))


def misfit(signals: Signals, values: Values) -> Optional[str]:
    """Why a codec of these values doesn't suit fields: their unit or their range."""
    if signals.metadata is None:
        return hooks.misfit(signals, values)
    if not _is_global(signals.metadata):
        return "a grid that doesn't cover the sphere, or several"
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


def _stored(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Coding]:
    """Original and decoded numbers as the file stores them, areas ``[H, W]``, and the coding.

    Of those that aren't missing.
    """
    told = metadata or {}
    before, after = original[..., 0], decoded[..., 0]
    areas = _areas(told, before.shape)
    coding, missing = Coding("field"), None
    if "fields" in told:
        items = Items(told)
        coding, missing = items.coding(0), items.mask(0, before.shape)
    elif before.dtype != np.float32:
        coding = Coding("field", dtype=before.dtype.name).as_wide()
    after = coding.stored(after)
    before = before if before.dtype == after.dtype and coding.wide else coding.stored(before)
    if missing is not None:
        before, after, areas = before[~missing], after[~missing], areas[~missing]
    return before, after, areas / max(areas.sum(), 1e-300), coding


def _known(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, Coding]:
    """The same in the units of the file."""
    before, after, areas, coding = _stored(original, decoded, metadata)
    return coding.values(before), coding.values(after), areas, coding


def _areas(told: Mapping[str, Any], shape: Sequence[int]) -> np.ndarray:
    """float64 ``[H, W]``, but for a factor: what part of the Earth each point stands for.

    All the same where latitudes and longitudes aren't known, or aren't sorted.
    """
    if not all(name in told for name in NAMES):
        if "fields" in told:
            return np.ones(shape)
        return cell_areas(*global_grid(shape))
    latitude, longitude = (np.array(told[name], np.float64) for name in NAMES)
    if covers(latitude, longitude):
        return cell_areas(np.radians(latitude), np.radians(longitude))
    return np.broadcast_to(np.cos(np.radians(latitude))[:, None], shape)


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
        "psnr": -10 * math.log10(mean / (HIGHEST - LOWEST) ** 2) if mean else math.inf,
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
    told = measured["rmse"] and not coding.wide  # of what is in no range
    return {**figures, "dB PSNR": measured["psnr"]} if told else figures


def share_lost(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """RMSE over the standard deviation of known points."""
    before, after, _, _ = _known(original, decoded, metadata)
    if np.array_equal(before, after):
        return 0.0
    size = float(np.abs(before).max())
    if size and not 1 / _LARGE < size < _LARGE:
        before, after = before / size, after / size
    spread = float(before.std())
    error = math.sqrt(float(np.square(after - before).mean()))
    return error / spread if spread > 0 else math.inf


def largest_error(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[dict[str, Any]]
) -> float:
    """Of known points, in the units of the file, with what reading it rounded."""
    before, after, _, coding = _stored(original, decoded, metadata)
    if coding.wide and coding.whole and before.size:  # wider than float64, too
        return abs(coding.factor) * residuals.largest_error(before, after)
    before, after = coding.values(before), coding.values(after)
    return float(np.abs(after - before).max(initial=0.0)) + coding.rounding


def array_bound(bound: float, metadata: Optional[dict[str, Any]]) -> float:
    """The bound of what is coded that keeps one in the units of the file, in all its variables.

    Of those that aren't wide, where there are others.

    Raises:
      MscnError: it is too fine.
    """
    codings = [Coding.of(one) for one in (metadata or {}).get("fields", ())]
    others = [coding for coding in codings if not coding.wide]
    return min((coding.bound(bound) for coding in others or codings), default=bound)


def array_bounds(bounds: Sequence[float], signals: Signals) -> list[float]:
    """Of each field what keeps its bound: one for all that aren't wide, where they have the same.

    Raises:
      MscnError: one is too fine.
    """
    if signals.metadata is None:
        return list(bounds)
    items = Items(signals.metadata)
    codings = [items.coding(item) for item in range(len(bounds))]
    alike = len(set(bounds)) == 1 and bounds[0] > 0
    least = array_bound(bounds[0], signals.metadata) if alike else None
    return [
        coding.bound(bound) if least is None or coding.wide else least
        for coding, bound in zip(codings, bounds)
    ]


def file_bound(bound: float, metadata: Optional[dict[str, Any]]) -> float:
    """The bound, in the units of the file, that one of what is coded keeps in all its variables."""
    told = (metadata or {}).get("fields", ())
    codings = [Coding.of(one) for one in told]
    others = [coding for coding in codings if not coding.wide]  # of which files say no bound apart
    return max((coding.kept(bound) for coding in others or codings), default=bound)


def spans(signals: Signals) -> list[float]:
    """Of each field the range of all known values of its variable, in the units of the file."""
    if signals.metadata is None:
        return [float(np.ptp(array)) for array in signals.arrays]
    items = Items(signals.metadata)
    lows, highs = ([extreme] * len(items.codings) for extreme in (math.inf, -math.inf))
    for item, array in enumerate(signals.arrays):
        number, _ = items.place(item)
        coding, mask = items.codings[number], items.mask(item, array.shape[:2])
        field = array[..., 0] if mask is None else array[..., 0][~mask]
        if field.size:
            ends = coding.values(coding.stored(np.array([field.min(), field.max()])))
            lows[number], highs[number] = min(lows[number], *ends), max(highs[number], *ends)
    return [
        max(0.0, high - low)
        for coding, low, high in zip(items.codings, lows, highs)
        for _ in range(coding.count)
    ]
