"""Grey volumes: NIfTI files and others that nibabel reads, and `.npy` arrays.

Every volume is mapped to [0, 1] by its own lowest and highest value. The metadata hold these, the
type of the values, where they are NaN, and of NIfTI the header, so that decoding gives back the
same kind of file. Volumes that are read without loss are not mapped where float32 holds their
values, but not their shares of the range.
"""

from __future__ import annotations

import glob
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.runtime.container import Container, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import holes, nifti
from mscn_tf.signals.grids import load_npy, placed, stacked, write_npy
from mscn_tf.signals.labels import are_labels
from mscn_tf.signals.scale import Scale, scales_of
from mscn_tf.signals.signal import Selection, Signals

_FARTHEST = 2.0**53  # whole numbers that float64 holds
_FINEST = 2.0**-22  # bound of arrays that float32, near 1, still keeps
_PLAIN = {"low": [0.0], "high": [1.0], "dtype": "<f4"}  # where no metadata say more


def read(path: PathLike, lossless: bool = False) -> Signals:
    """Volumes float32 ``[D, H, W, 1]``; those along a fourth and further axes are several.

    Args:
      path: a file.
      lossless: whether arrays that come back exactly must give values that do.

    Raises:
      MscnError: the file can't be read, is damaged, or holds other than finite or missing real
        numbers; or float32 can't hold what must come back exactly.
    """
    if Path(path).suffix.lower() == ".npy":
        array = load_npy(path)
        metadata: dict[str, Any] = {}
        volumes = stacked(array, path)
    else:
        array, metadata = nifti.load(path)
        space, others = (*array.shape, 1, 1)[:3], array.shape[3:]
        volumes = stacked(np.moveaxis(array.reshape(*space, math.prod(others)), 3, 0), path)
    if array.dtype.kind not in "iuf":
        kind = "colours" if array.dtype.names else f"values of type {array.dtype}"
        raise MscnError(f"{path}: {kind}; convert them to real numbers, one a voxel")
    notes = []
    if np.isnan(array).any():
        missing = [np.isnan(volume) for volume in volumes]
        metadata["holes"] = [holes.packed(hole) if hole.any() else None for hole in missing]
        volumes = [holes.filled(*pair) for pair in zip(volumes, missing)]
        notes.append(f"{path}: {np.isnan(array).sum():,} voxels are NaN, and stay so")
    limits = [_limits(volume, path) for volume in volumes]
    metadata["low"], metadata["high"] = map(list, zip(*limits))
    metadata["dtype"] = array.dtype.str
    whole = array.dtype.kind in "iu"
    if not whole and all(np.array_equal(volume, np.rint(volume)) for volume in volumes):
        metadata["whole"] = whole = True
    scales = [Scale(*pair, array.dtype, whole) for pair in limits]
    if lossless:
        with np.errstate(over="ignore"):
            exact = all(np.array_equal(volume, volume.astype(np.float32)) for volume in volumes)
        if exact:  # as they are, they take fewer bytes than as shares
            scales = [replace(scale, exact=True) for scale in scales]
            metadata["exact"] = True
        elif any(scale.rounding for scale in scales):
            raise MscnError(
                f"{path}: values that float32 can't hold, so not without loss; give --max-error=E, "
                "or convert them to float32"
            )
    labels = whole and (nifti.says_labels(metadata) or are_labels(volumes))
    if labels:
        metadata["labels"] = True
        notes.append(f"{path}: labels, by the look of it; without --quality none is changed")
    arrays = [scale.shares(volume) for scale, volume in zip(scales, volumes)]
    return Signals(arrays, None, metadata, notes, labels)


def _limits(volume: np.ndarray, path: PathLike) -> tuple[float, float]:
    """Lowest and highest value."""
    low, high = float(volume.min()), float(volume.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise MscnError(f"{path}: infinite values; replace them, or make them NaN, which is kept")
    if not math.isfinite(high - low):
        raise MscnError(f"{path}: values from {low:g} to {high:g}; scale them")
    if volume.dtype.kind in "iu" and max(-low, high) > _FARTHEST:
        raise MscnError(f"{path}: whole numbers up to {max(-low, high):.0f}; scale them below 2^53")
    return low, high


def check_metadata(metadata: Mapping[str, Any], container: Container) -> None:
    """As `hooks` says: the header, and of each volume its range and its holes."""
    nifti.header_of(metadata)
    scales = scales_of(metadata)
    missing = metadata.get("holes") or [None] * len(scales)
    if not len(scales) == len(missing) == container.items:
        raise ValueError("metadata of other volumes")
    for hole, scale, shape in zip(missing, scales, container.shapes):
        if hole is not None:
            holes.bits(hole, shape)
            if scale.dtype.kind != "f":
                raise ValueError("holes among whole numbers")


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Sequence[str] | None,
    metadata: dict[str, Any] | None,
    selection: Selection,
) -> str:
    """Writes volumes in their own range and type as `.nii`, `.nii.gz` or `.npy`.

    Of NIfTI, coordinates in space stay those of the original, also where a region or another size
    was decoded; `.npy` gets values as the header scales them, in float64.

    Raises:
      MscnError: the ending names no such format, the metadata is damaged, labels are to be of
        another size, or the file can't be written.
    """
    if not str(path).lower().endswith((*nifti.WRITTEN, ".npy")):
        raise MscnError(f"{path}: volumes are written as .nii, .nii.gz or .npy")
    arrays = list(arrays)
    shapes = [array.shape[:3] for array in arrays]
    wholes = selection.wholes or shapes
    metadata = metadata or {}
    windows = [selection.window(whole) for whole in wholes]
    try:
        header = nifti.header_of(metadata)
        scales = scales_of(metadata, selection)
        missing = placed(metadata, selection, "holes") or [None] * len(scales)
        if not len(scales) == len(missing) == len(arrays):
            raise ValueError
        volumes = [scale.values(array[..., 0]) for scale, array in zip(scales, arrays)]
        for volume, hole, whole, window in zip(volumes, missing, wholes, windows):
            if hole is not None:
                hole = holes.unpacked(hole, whole)
                volume[holes.resampled(hole, list(zip(*window)), volume.shape)] = np.nan
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise MscnError(f"cannot write {path}: the file's metadata is damaged") from error
    wanted = [extent for _, extent in windows]
    if metadata.get("labels") and shapes != wanted:
        raise MscnError(f"{path}: between labels there is nothing; decode them in their own size")
    if str(path).lower().endswith(".npy"):
        slope, offset = nifti.scaling(header)
        if (slope, offset) != (1.0, 0.0):
            volumes = [slope * volume.astype(np.float64) + offset for volume in volumes]
        write_npy(path, volumes)
    else:
        nifti.write(path, volumes, header, selection)
    told = size_text(volumes[0].shape)
    return told + (f", {len(volumes)} volumes" if len(volumes) > 1 else "")


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> dict[str, float]:
    """PSNR in dB, at the volume's own range, where it isn't NaN; of what isn't exact, what else.

    That is the RMSE beside the standard deviation, or of labels the share, in %, of those right.
    """
    before, after = _compared(original, decoded, metadata)
    error = _root_mean_square(before - after)
    if error == 0:
        return {"dB PSNR": math.inf}
    span = float(np.ptp(before))
    figures = {"dB PSNR": 20 * math.log10(span / error) if span else -math.inf}
    if (metadata or {}).get("labels"):
        return {**figures, "% of labels right": 100 * float(np.mean(before == after))}
    return {**figures, "RMSE": error, "standard deviation": float(before.std())}


def share_lost(original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None) -> float:
    """RMSE over the standard deviation, where values aren't NaN."""
    before, after = _compared(original, decoded, metadata)
    error, spread = _root_mean_square(before - after), float(before.std())
    if error == 0:
        return 0.0
    return error / spread if spread else math.inf


def largest_error(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> float:
    """Of any value, as the header scales them; with what the original's arrays had lost before."""
    before, after = _compared(original, decoded, metadata)
    rounding = _slope(metadata) * scales_of(metadata or _PLAIN)[0].rounding
    return float(np.abs(before - after).max()) + rounding


def array_bound(bound: float, metadata: dict[str, Any] | None) -> float:
    """The bound of all arrays with which no value, as the header scales it, is off by more.

    Raises:
      MscnError: float32 arrays can't keep it.
    """
    slope, scales = _slope(metadata), scales_of(metadata or _PLAIN)
    share = min(scale.share_of(bound / slope) for scale in scales)
    if share < _FINEST:
        least = slope * max(2 * _FINEST * scale.span + 2 * scale.rounding for scale in scales)
        single = all(scale.dtype.kind == "f" and scale.dtype.itemsize <= 4 for scale in scales)
        raise MscnError(
            f"--max-error={bound:g} is finer than float32 is over the range of these values; give "
            f"{1.06 * least:.2g} or more{', or --lossless' if single else ''}"
        )
    return min(share, 1.0)


def file_bound(bound: float, metadata: dict[str, Any] | None) -> float:
    """How far values, as the header scales them, are off at most where all arrays are by so much.

    Args:
      bound: of the arrays.
      metadata: of a file, which may come from a stranger.

    Raises:
      MscnError: the metadata are damaged.
    """
    try:
        scales, slope = scales_of(metadata or _PLAIN), _slope(metadata)
        return slope * max(scale.bound_of(bound) for scale in scales)
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise MscnError("the file's metadata is damaged; get a fresh copy") from error


def _compared(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> tuple[np.ndarray, np.ndarray]:
    """float64 values, as the header scales them but for its offset, where they aren't NaN."""
    scale, slope = scales_of(metadata or _PLAIN)[0], _slope(metadata)
    hole = ((metadata or {}).get("holes") or [None])[0]
    known = ... if hole is None else ~holes.unpacked(hole, original.shape[:3])
    before, after = (
        slope * scale.values(array[..., 0])[known].astype(np.float64)
        for array in (original, decoded)
    )
    return (before, after) if before.size else (np.zeros(1), np.zeros(1))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _slope(metadata: dict[str, Any] | None) -> float:
    """Size of the header's slope."""
    return abs(nifti.scaling(nifti.header_of(metadata or _PLAIN))[0])


def training_signals(pattern: str) -> list[np.ndarray]:
    """Volumes of the files that a glob pattern names, or of each a slab.

    Args:
      pattern: of `.nii`, `.nii.gz` and `.npy` files; "PATTERN@A-B" takes of each volume the slab
        from A to B, in % of its outermost axis.

    Raises:
      MscnError: nothing matches, a file can't be read, or the slab is none.
    """
    match = re.search(r"@(\d+)-(\d+)$", pattern)
    first, last = (int(match[1]), int(match[2])) if match else (0, 100)
    paths = sorted(glob.glob(pattern[: match.start()] if match else pattern, recursive=True))
    if not paths or not first < last <= 100:
        raise MscnError(f"{pattern}: no volume matches; set config.data.train and validation")
    volumes = [volume for path in paths for volume in read(path).arrays]
    return [v[len(v) * first // 100 : len(v) * last // 100] for v in volumes]
