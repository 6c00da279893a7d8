"""Volumes in files that nibabel reads, and NIfTI headers as metadata.

Whatever the format, what is kept is a NIfTI header of one file: of NIfTI the file's own, with its
extensions; of other formats one with the same shape, type and place in space.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import nibabel as nib
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.imageglobals import logger
from nibabel.spatialimages import HeaderDataError

from mscn_tf.runtime.container import MAX_PIXELS, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals.signal import Selection

WRITTEN = (".nii", ".nii.gz")
# Formats that other libraries read, and what makes NIfTI of them.
_CONVERTERS = {
    (".dcm", ".ima"): "DICOM: convert the series with dcm2niix",
    (".nrrd", ".nhdr", ".mha", ".mhd"): "not a format that nibabel reads: convert it with SimpleITK"
    " (sitk.WriteImage(sitk.ReadImage(IN), 'OUT.nii.gz'))",
}


def load(path: PathLike) -> tuple[np.ndarray, dict[str, Any]]:
    """Values ``[X, ..]`` as they are stored, before the header's scaling; the header as metadata.

    Raises:
      MscnError: the file can't be read, is damaged, of another format, or too large.
    """
    if Path(path).is_dir():
        raise MscnError(
            f"{path}: a folder; give one file of it, and of a DICOM series what dcm2niix makes"
        )
    name = str(path).lower()
    for endings, cure in _CONVERTERS.items():
        if name.endswith(endings):
            raise MscnError(f"{path}: {cure}, to .nii.gz")
    try:
        with _quiet():
            image = nib.load(path)
            if not isinstance(image, nib.spatialimages.SpatialImage):
                raise MscnError(
                    f"{path}: not a volume but {type(image).__name__}, values on surfaces or the "
                    "like; make volumes of it with wb_command -cifti-separate"
                )
            if math.prod(image.shape[:3]) > MAX_PIXELS:
                raise MscnError(f"{path}: {size_text(image.shape)} voxels are too many; cut it up")
            array, slope, offset = _stored(image)
            header = _single_header(image, array)
            header.set_slope_inter(slope, offset)
            metadata = {"header": base64.b64encode(header.binaryblock).decode()}
            if header.extensions:
                file = io.BytesIO()
                header.extensions.write_to(file, False)
                metadata["extensions"] = base64.b64encode(file.getvalue()).decode()
    except MscnError:
        raise
    except FileNotFoundError as error:
        missing = error.filename or path
        raise MscnError(f"cannot read {missing}: no such file; check the path") from error
    except ImportError as error:  # MINC 2 is HDF5
        raise MscnError(f"{path}: reading it needs {error.name or 'h5py'}; install that") from error
    except Exception as error:  # nibabel's readers raise all kinds of errors on damaged files
        raise MscnError(
            f"{path}: damaged, or not a volume that nibabel reads; get a fresh copy, or make it "
            ".nii.gz"
        ) from error
    return array, metadata


def _stored(image: nib.spatialimages.SpatialImage) -> tuple[np.ndarray, float, float]:
    """Values, and the slope and offset that make those of the image of them."""
    proxy = image.dataobj
    if type(proxy) is ArrayProxy:
        return np.asarray(proxy.get_unscaled()), proxy.slope, proxy.inter
    return np.asarray(proxy), 1.0, 0.0  # others scale in ways of their own


def _single_header(image: nib.spatialimages.SpatialImage, array: np.ndarray) -> nib.Nifti1Header:
    given = image.header
    if not isinstance(given, nib.Nifti1Header):
        blank = np.broadcast_to(np.zeros((), array.dtype), array.shape)
        return nib.Nifti1Image(blank, image.affine, dtype=array.dtype).header
    kind = nib.Nifti2Header if isinstance(given, nib.Nifti2Header) else nib.Nifti1Header
    header = kind(given.binaryblock, given.endianness, check=False, extensions=given.extensions)
    header["magic"], header["vox_offset"] = kind.single_magic, 0  # as of a pair of files no longer
    return header


def header_of(metadata: Mapping[str, Any]) -> Optional[nib.Nifti1Header]:
    """The header that `load` put into metadata; None of what wasn't read from such a file.

    Raises:
      ValueError: it is damaged.
    """
    if "header" not in metadata:
        return None
    try:
        with _quiet():
            block = base64.b64decode(metadata["header"], validate=True)
            kind = nib.Nifti1Header
            if len(block) == nib.Nifti2Header.template_dtype.itemsize:
                kind = nib.Nifti2Header
            header = kind(block)
            if "extensions" in metadata:
                packed = base64.b64decode(metadata["extensions"], validate=True)
                header.extensions[:] = nib.nifti1.Nifti1Extensions.from_fileobj(
                    io.BytesIO(packed), len(packed), False
                )
            header.get_slope_inter()
    except Exception as error:  # nibabel raises all kinds of errors on damaged headers
        raise ValueError("the header is damaged") from error
    return header


def says_labels(metadata: Mapping[str, Any]) -> bool:
    """Whether a header that `load` gave says that values are labels."""
    header = header_of(metadata)
    return header is not None and header.get_intent()[0] in ("label", "neuronames")


def scaling(header: Optional[nib.Nifti1Header]) -> tuple[float, float]:
    """Slope and offset that make values of stored ones."""
    slope, offset = (None, None) if header is None else header.get_slope_inter()
    return slope or 1.0, offset or 0.0


def write(
    path: PathLike,
    volumes: Sequence[np.ndarray],
    header: Optional[nib.Nifti1Header],
    selection: Selection,
) -> None:
    """Writes volumes ``[X, Y, Z]`` of one shape, as the header scales them, to one file.

    Args:
      path: `.nii` or `.nii.gz`.
      volumes: of the type that is stored, where NIfTI has it; else of float32.
      header: of the original; None makes one.
      selection: which part of the original was decoded.

    Raises:
      MscnError: the file can't be written.
    """
    if len({volume.shape for volume in volumes}) > 1:
        raise MscnError(f"{path}: the volumes differ in size; name one with --item=I")
    scale = scaling(header)
    try:
        with _quiet():
            image = _image(volumes, nib.Nifti1Header() if header is None else header, selection)
            image.header.set_slope_inter(*scale)  # given this, nibabel writes values as they are
            packed = image.to_bytes()
    except HeaderDataError as error:
        raise MscnError(f"cannot write {path}: the file's metadata is damaged") from error
    with atomic_write(path) as file:
        gzipped = str(path).lower().endswith(".gz")
        file.write(gzip.compress(packed, 6, mtime=0) if gzipped else packed)


def _image(
    volumes: Sequence[np.ndarray], header: nib.Nifti1Header, selection: Selection
) -> nib.Nifti1Image:
    shape, dtype, whole = volumes[0].shape, volumes[0].dtype, header.get_data_shape()
    data = np.stack(volumes, -1) if len(volumes) > 1 else volumes[0]
    affine = None  # the header's
    if selection.region is None and shape == _three(whole):
        if data.size == math.prod(whole):
            data = data.reshape(whole)  # with the axes of length one that it had
    else:
        affine = _affine(header, selection, shape)
    try:
        header.set_data_dtype(dtype)
    except HeaderDataError:  # NIfTI has no such type
        dtype = np.dtype(np.float32)
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    return kind(data, affine, header, dtype=dtype)


def _three(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple((*shape, 1, 1, 1)[:3])


def _affine(header: nib.Nifti1Header, selection: Selection, shape: Sequence[int]) -> np.ndarray:
    """Indices of a decoded volume to coordinates in space: float64 ``[4, 4]``."""
    if len(header.get_data_shape()) < 2:  # of no file
        return np.eye(4)
    whole, region = _three(header.get_data_shape()), selection.region
    region = region or (0, 0, 0, *whole[::-1])
    start, extent = np.array(region[:3][::-1]), np.array(region[3:][::-1])
    to_original = np.diag([*extent / shape, 1.0])
    to_original[:3, 3] = start + 0.5 * extent / shape - 0.5
    return header.get_best_affine() @ to_original


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silences nibabel, which warns and logs of what it puts right."""
    before, logger.disabled = logger.disabled, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled = before
