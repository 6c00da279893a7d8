"""Grey volumes: NIfTI files, and `.npy` arrays.

Every volume is mapped to [0, 1] by its own lowest and highest value. The metadata hold these, the
type of the values, and of NIfTI the header, so that decoding gives back the same kind of file.
"""

from __future__ import annotations

import base64
import glob
import gzip
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from mscn_tf.runtime.container import size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals import images
from mscn_tf.signals.grids import load_npy, placed, stacked, write_npy
from mscn_tf.signals.signal import Signals

# What nibabel raises for files that are damaged.
_DAMAGE = (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, ValueError)


def read(path: PathLike) -> Signals:
    """Volumes float32 ``[D, H, W, 1]`` in [0, 1]; a NIfTI series over time gives several.

    Raises:
      MscnError: the file can't be read, is damaged, or holds no real numbers of 3 or 4 axes.
    """
    metadata: dict[str, Any] = {}
    if Path(path).suffix.lower() == ".npy":
        array = load_npy(path)
        dtype = array.dtype
        volumes = stacked(array, path)
    else:
        array, dtype, metadata["header"] = _read_nifti(path)
        volumes = stacked(np.moveaxis(array, 3, 0) if array.ndim == 4 else array, path)
    if dtype.kind not in "iuf":
        raise MscnError(f"{path}: values of type {dtype}; convert them to real numbers")
    lows, highs, arrays = [], [], []
    for volume in volumes:
        volume = volume.astype(np.float64)
        if not np.isfinite(volume).all():
            raise MscnError(f"{path}: NaN or infinite values; replace them")
        low, high = float(volume.min()), float(volume.max())
        arrays.append(scaled(volume, low, high))
        lows.append(low)
        highs.append(high)
    metadata.update(low=lows, high=highs, dtype=dtype.str)
    return Signals(arrays, None, metadata)


def _read_nifti(path: PathLike) -> tuple[np.ndarray, np.dtype, str]:
    """Values as they are stored, before the header's scaling; their type; the header as text."""
    if not str(path).lower().endswith((".nii", ".nii.gz")):
        raise MscnError(f"{path}: volumes are read from .nii, .nii.gz and .npy")
    try:
        image = nib.load(path)
        header = nib.Nifti1Header.from_header(image.header)
        header.set_slope_inter(image.dataobj.slope, image.dataobj.inter)
        array = image.dataobj.get_unscaled()
    except FileNotFoundError as error:
        raise MscnError(f"cannot read {path}: no such file; check the path") from error
    except _DAMAGE as error:
        raise MscnError(f"{path}: not a NIfTI file, or damaged; get a fresh copy") from error
    while array.ndim > 3 and array.shape[-1] == 1:
        array = array[..., 0]
    return array, array.dtype, base64.b64encode(header.binaryblock).decode()


def write(
    path: PathLike,
    arrays: Sequence[np.ndarray],
    names: Sequence[str] | None,
    metadata: dict[str, Any] | None,
    view: dict[str, Any],
) -> str:
    """Writes volumes in their own range and type as `.nii`, `.nii.gz` or `.npy`.

    Of NIfTI, coordinates in space stay those of the original, also where a region or another size
    was decoded; `.npy` gets values as the header scales them.

    Raises:
      MscnError: the ending names no such format, the metadata is damaged, or the file can't be
        written.
    """
    ending = str(path).lower()
    if not ending.endswith((".nii", ".nii.gz", ".npy")):
        raise MscnError(f"{path}: volumes are written as .nii, .nii.gz or .npy")
    try:
        dtype = np.dtype(metadata["dtype"])
        lows, highs = (np.array(placed(metadata, view, name), float) for name in ("low", "high"))
        if not len(lows) == len(highs) == len(arrays) or dtype.kind not in "iuf":
            raise ValueError
        volumes = [
            restored(array[..., 0], *limits, dtype)
            for array, limits in zip(arrays, zip(lows, highs))
        ]
        header = nib.Nifti1Header()
        if "header" in metadata:
            header = nib.Nifti1Header(base64.b64decode(metadata["header"], validate=True))
        slope, offset = header.get_slope_inter()
    except (AttributeError, KeyError, TypeError, ValueError, *_DAMAGE) as error:
        raise MscnError(f"cannot write {path}: the file's metadata is damaged") from error
    slope, offset = slope or 1.0, offset or 0.0
    shape = volumes[0].shape
    told = size_text(shape) + (f", {len(volumes)} volumes" if len(volumes) > 1 else "")
    if ending.endswith(".npy"):
        if (slope, offset) != (1.0, 0.0):
            volumes = [(slope * volume + offset).astype(np.float32) for volume in volumes]
        write_npy(path, volumes)
        return told
    data = np.stack(volumes, -1) if len(volumes) > 1 else volumes[0]
    image = nib.Nifti1Image(data, _affine(header, view, shape), header, dtype=dtype)
    image.header.set_slope_inter(slope, offset)  # given this, nibabel writes values as they are
    packed = image.to_bytes()
    with atomic_write(path) as file:
        file.write(gzip.compress(packed, 6, mtime=0) if ending.endswith(".gz") else packed)
    return told


def scaled(volume: np.ndarray, low: float, high: float) -> np.ndarray:
    """float32: values from ``low`` to ``high`` mapped to 0 to 1."""
    return ((volume.astype(np.float64) - low) / ((high - low) or 1.0)).astype(np.float32)


def restored(array: np.ndarray, low: float, high: float, dtype: np.dtype) -> np.ndarray:
    """Values in a volume's own range and type; the inverse of ``scaled``."""
    values = low + (high - low) * array.astype(np.float64)
    if dtype.kind in "iu":
        values = np.rint(np.clip(values, low, high))
    return values.astype(dtype)


def _affine(header: nib.Nifti1Header, view: dict[str, Any], shape: Sequence[int]) -> np.ndarray:
    """Indices of a decoded volume to coordinates in space: float64 ``[4, 4]``."""
    whole = header.get_data_shape()[:3]
    affine = header.get_best_affine() if len(whole) == 3 else np.eye(4)
    region = view.get("region")
    if region is None and len(whole) < 3:  # the original knew no space
        return affine
    region = region or (0, 0, 0, *whole[::-1])
    start, extent = np.array(region[:3][::-1]), np.array(region[3:][::-1])
    to_original = np.diag([*extent / shape, 1.0])
    to_original[:3, 3] = start + 0.5 * extent / shape - 0.5
    return affine @ to_original


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> dict[str, float]:
    """PSNR in dB, at the volume's own range."""
    return {"dB PSNR": images.psnr(original, decoded, 1.0)}


def training_signals(pattern: str) -> list[np.ndarray]:
    """Volumes of the files that a glob pattern names, or of each a slab.

    Args:
      pattern: of `.nii`, `.nii.gz` and `.npy` files; "PATTERN@A-B" takes of each volume the slab
        from A to B, in % of its outermost axis.

    Raises:
      MscnError: nothing matches, a file can't be read, or the slab is none.
    """
    found = re.fullmatch(r"(.*?)(?:@(\d+)-(\d+))?", pattern)
    first, last = (int(found[2] or 0), int(found[3] or 100))
    paths = sorted(glob.glob(found[1], recursive=True))
    if not paths or not first < last <= 100:
        raise MscnError(f"{pattern}: no volume matches; set config.data.train and validation")
    volumes = [volume for path in paths for volume in read(path).arrays]
    return [v[len(v) * first // 100 : len(v) * last // 100] for v in volumes]
