"""Compressors of scientific data, and JPEG 2000 with 16 bits, for fields.

SZ3, ZFP and SPERR are filters of HDF5 and get absolute error bounds. Their files are the stored
chunk alone: shape, bound and what else HDF5 keeps are not counted.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Mapping
from typing import Any, Callable

import h5py
import numpy as np
import PIL
from PIL import Image, features

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.signal import Signal

# It tells of each filter that NetCDF's library has loaded before it.
logging.getLogger("hdf5plugin").setLevel(logging.WARNING)
import hdf5plugin  # noqa: E402

_BOUNDS = tuple(float(f"{bound:.4g}") for bound in np.geomspace(300, 0.1, 24))  # kelvins
_RATES = (400, 256, 192, 128, 96, 64, 48, 32, 24, 16, 8, 4)
_RANGE = struct.Struct("<2f")  # lowest value and extent
_FILTERS: dict[str, tuple[str, Callable[[float], Mapping[str, Any]]]] = {
    "sz3": ("SZ3", lambda bound: hdf5plugin.SZ3(absolute=bound)),
    "zfp": ("ZFP", lambda bound: hdf5plugin.Zfp(accuracy=bound)),
    "sperr": ("SPERR", lambda bound: hdf5plugin.Sperr(absolute=bound)),
}


def _filter(name: str, together: bool) -> Baseline:
    label, options = _FILTERS[name]
    words = "all in one array" if together else "each field"

    def dataset(signal: Signal, bound: float) -> h5py.Dataset:
        shape = signal.array[..., 0].shape[-3:]
        shape = (1,) * (3 - len(shape)) + shape
        file = h5py.File(io.BytesIO(), "w")
        return file.create_dataset("t", shape, np.float32, chunks=shape, **options(bound))

    def encode(signal: Signal, bound: float) -> bytes:
        stored = dataset(signal, bound)
        stored[:] = signal.array.reshape(stored.shape)
        stored.file.flush()
        return stored.id.read_direct_chunk((0, 0, 0))[1]

    def decode(data: bytes, signal: Signal, bound: float) -> np.ndarray:
        stored = dataset(signal, bound)
        stored.id.write_direct_chunk((0, 0, 0), data)
        return stored[:].reshape(signal.array.shape)

    return Baseline(
        name=name + "-all" * together,
        family=name + "-all" * together,
        label=f"{label}, {words}",
        settings=_BOUNDS,
        encode=encode,
        decode=decode,
        version=lambda: f"{label} of hdf5plugin {hdf5plugin.version}, absolute bounds, {words}",
        together=together,
    )


def _encode_jpeg2000(signal: Signal, rate: float) -> bytes:
    field = signal.array[..., 0]
    low, extent = field.min(), np.ptp(field)
    grey = np.rint((field - low) / (extent or 1) * 65535).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(grey).save(
        file,
        "JPEG2000",
        quality_mode="rates",
        quality_layers=[rate],
        irreversible=True,
        no_jp2=True,
    )
    return _RANGE.pack(low, extent) + file.getvalue()


def _decode_jpeg2000(data: bytes, signal: Signal, rate: float) -> np.ndarray:
    low, extent = _RANGE.unpack_from(data)
    with Image.open(io.BytesIO(data[_RANGE.size :])) as image:
        grey = np.asarray(image).astype(np.float64)
    return (grey / 65535 * extent + low).astype(np.float32)[..., None]


BASELINES = (
    *(_filter(name, together) for name in _FILTERS for together in (False, True)),
    Baseline(
        name="jpeg2000",
        family="jpeg2000",
        label="JPEG 2000, 16 bits",
        settings=_RATES,
        encode=_encode_jpeg2000,
        decode=_decode_jpeg2000,
        version=lambda: (
            f"Pillow {PIL.__version__} with OpenJPEG {features.version('jpg_2000')}; 16 bits of "
            "each field's range, rates, 9/7 wavelet, raw codestream and 8 bytes of range"
        ),
    ),
)
