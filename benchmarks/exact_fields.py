"""Bytes of float64 and wide integers without loss, beside zstd, Blosc, fpzip and zfp.

    python benchmarks/exact_fields.py [FOLDER]   # of shared/data/fields

Real fields, in float64 by what is done with them: other units, speeds, potential temperatures,
decimals, packed numbers. mscn codes them as one Zarr chunk, metadata counted; all others get the
same array of three dimensions, fpzip and zfp also field by field, of which the better counts. What
mscn makes is checked by reading back. zstandard, fpzip and zfpy are left out where they aren't
installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from numcodecs.blosc import Blosc

from mscn_tf.plugins import chunks
from mscn_tf.plugins.goals import Goal

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "fields"
FIELDS = 6  # of each variable
FINE = 1e-9  # of the range: a bound that float32 is too coarse for
KAPPA = 0.286


def variable(folder: Path, file: str, name: str) -> np.ndarray:
    """float64 ``[N, H, W]``."""
    with netCDF4.Dataset(folder / file) as dataset:
        values = dataset[name][:].astype(np.float64).filled(0)
    return np.ascontiguousarray(values.reshape(-1, *values.shape[-2:])[:FIELDS])


def fields(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """What they are, and arrays ``[N, H, W]``."""
    tas = variable(folder, "tas_rectilinear_grid_2D.nc", "tas")
    winds = [variable(folder, f"{n}_rectilinear_grid_2D.nc", n) for n in ("uas", "vas")]
    height, terrain = (
        variable(folder, *one)
        for one in (("hgt.nc", "HGT"), ("orog_mod3_rectilinear_grid_2D.nc", "orog"))
    )
    rain = variable(folder, "pre.8912.mon.nc", "pre")
    with netCDF4.Dataset(folder / "rectilinear_grid_3D.nc") as dataset:
        level = dataset[dataset["t"].dimensions[-3]][:].astype(np.float64)[:FIELDS, None, None]
    t = variable(folder, "rectilinear_grid_3D.nc", "t")
    step = np.ptp(t) / 65533
    yield "temperature in degrees Celsius", tas - 273.15
    yield "wind speed", np.hypot(*winds)
    yield "potential temperature", t * (level.max() / level) ** KAPPA
    yield "geopotential", height * 9.80665
    yield "slope of terrain", np.hypot(*np.gradient(terrain, axis=(1, 2)))
    yield "precipitation, one decimal", np.round(rain, 1)
    yield "temperature, packed in 16 bits", np.rint((t - t.mean()) / step) * step + t.mean()
    yield "temperature, int32, millionths", np.rint(tas * 1e6).astype(np.int32)
    yield "temperature, int64, 1e-12", np.rint(t * 1e12).astype(np.int64)


def coders(values: np.ndarray) -> Iterator[tuple[str, Callable[[np.ndarray], bytes]]]:
    """Names, and what codes arrays without loss."""
    zstandard, fpzip, zfpy = map(found, ("zstandard", "fpzip", "zfpy"))
    if zstandard:
        yield "zstd -19", lambda v: zstandard.ZstdCompressor(level=19).compress(v.tobytes())
    yield "Blosc", Blosc("zstd", 9, Blosc.SHUFFLE).encode
    if fpzip and values.dtype == np.float64:
        yield "fpzip", lambda v: shortest(v, fpzip.compress)
    if zfpy:
        yield "zfp", lambda v: shortest(v, zfpy.compress_numpy)


def shortest(values: np.ndarray, encode: Callable[..., bytes], **told: Any) -> bytes:
    """An array as it is, or one field after the other, where that takes fewer bytes."""
    return min(encode(values, **told), b"".join(encode(v, **told) for v in values), key=len)


def found(name: str) -> Any:
    """A library; None where it isn't installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def coded(values: np.ndarray, bound: float) -> int:
    """Bytes of a chunk that comes back within a bound."""
    data = chunks.encode(values, Goal(max_error=bound))
    back = chunks.decode(data)
    if bound == 0:
        assert back.tobytes() == values.tobytes()
    assert np.abs(back - values).max() <= bound
    return len(data)


def main(folder: Path) -> None:
    """Prints a table of bits a value."""
    zfpy = found("zfpy")
    for name, values in fields(folder):
        told = {"mscn": coded(values, 0)}
        told.update((label, len(encode(values))) for label, encode in coders(values))
        if values.dtype == np.float64:
            bound = FINE * float(np.ptp(values))
            told["mscn, bound"] = coded(values, bound)
            if zfpy:
                told["zfp, bound"] = len(shortest(values, zfpy.compress_numpy, tolerance=bound))
        bits = (f"{label} {8 * size / values.size:.2f}" for label, size in told.items())
        print(f"{name}, {'x'.join(map(str, values.shape))}: {', '.join(bits)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
