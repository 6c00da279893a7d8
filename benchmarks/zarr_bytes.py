"""Bytes that Zarr stores with the codec `mscn`, beside its own default and bit rounding.

    python benchmarks/zarr_bytes.py [FOLDER]   # of shared/data/fields

Each variable is an array of format 3, up to eight fields a chunk. The bound, a share of a
variable's range, is checked by reading back. Bit rounding keeps the fewest bits that keep the
bound, and Zarr's default, Zstandard, packs what is left.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import zarr
from numcodecs import BitRound

from mscn_tf.plugins.zarr import Mscn

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data" / "fields"
VARIABLES = {  # that the codec didn't learn from
    "vas_rectilinear_grid_2D.nc": "vas",
    "rectilinear_grid_3D.nc": "t",
    "hgt.nc": "HGT",
    "pre.8912.mon.nc": "pre",
    "orog_mod3_rectilinear_grid_2D.nc": "orog",
}
BOUNDS = (1e-2, 1e-3)


def fields(folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Names, and float32 [N, H, W] with NaN where there is no value."""
    for file, name in VARIABLES.items():
        with netCDF4.Dataset(folder / file) as dataset:
            values = np.ma.filled(dataset[name][:].astype(np.float32), np.nan)
        yield f"{file}, `{name}`", values.reshape(-1, *values.shape[-2:])[:24]


def stored(values: np.ndarray, **options: Any) -> tuple[int, np.ndarray]:
    """Bytes of all chunks of an array, and what is read back."""
    with tempfile.TemporaryDirectory() as folder:
        chunks = (min(8, len(values)), *values.shape[1:])
        told = {"shape": values.shape, "dtype": values.dtype, "chunks": chunks, "fill_value": 0}
        zarr.create_array(f"{folder}/a", **told, **options)[:] = values
        found = zarr.open_array(f"{folder}/a", mode="r")[:]
        size = sum(file.stat().st_size for file in Path(folder).rglob("c/*/*/*"))
    return size, np.asarray(found)


def rounded(values: np.ndarray, bound: float) -> np.ndarray:
    """Values of the fewest bits that keep a bound."""
    for bits in range(1, 24):
        codec = BitRound(keepbits=bits)
        found = codec.decode(codec.encode(values.copy())).reshape(values.shape)
        if np.nanmax(np.abs(found - values)) <= bound:
            return np.asarray(found)
    return values


def main(folder: Path) -> None:
    """Prints a table."""
    print("| variable | bound | `mscn` | default | bit rounding |")
    print("|---|---|---|---|---|")
    for name, values in fields(folder):
        default = stored(values)[0]
        for share in BOUNDS:
            bound = share * float(np.nanmax(values) - np.nanmin(values))
            size, found = stored(values, serializer=Mscn(max_error=bound), compressors=())
            assert np.array_equal(np.isnan(found), np.isnan(values))
            assert np.nanmax(np.abs(found - values)) <= bound
            rival = stored(rounded(values, bound))[0]
            sizes = f"{size:,} | {default:,} | {rival:,}"
            print(f"| {name}, {'x'.join(map(str, values.shape))} | {share:g} | {sizes} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
