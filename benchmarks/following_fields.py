"""Bytes of fields that follow from the level or time step before, over those of the same apart.

    python benchmarks/following_fields.py [--count=17] [FILE.nc FILE.npz ...]   # or all shared ones

The first fields of each variable, without gaps, make a file; bounds are shares of the range of all
of them. What is counted are blocks, and of SZ3, which takes them as one array of three dimensions,
the chunk. Every bound is checked.
"""

from __future__ import annotations

import argparse
import glob
import io
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.signals.field_sets import Series, load_series

BOUNDS = (1e-2, 1e-3, 1e-4)
SHARED = "../shared/data/climate/*.npz,../shared/data/fields/*.nc"


def block_bytes(codec: Codec, fields: np.ndarray, bound: float, periodic: bool) -> int:
    """Of a file of fields ``[N, H, W]``, read back."""
    metadata = None if periodic else {"longitude": np.arange(fields.shape[2]).tolist()}
    data = codec.encode(fields[..., None], max_error=bound, metadata=metadata)
    container = Container.from_bytes(data)
    return sum(map(len, (*container.blocks, *container.exact_blocks)))


def sz3_bytes(fields: np.ndarray, bound: float) -> int:
    """Of the chunk that HDF5 stores of fields ``[N, H, W]``."""
    with h5py.File(io.BytesIO(), "w") as file:
        options = hdf5plugin.SZ3(absolute=bound)
        stored = file.create_dataset("t", fields.shape, "f4", chunks=fields.shape, **options)
        stored[:] = fields
        file.flush()
        return len(stored.id.read_direct_chunk((0, 0, 0))[1])


def row(codec: Codec, series: list[Series], relative: float) -> np.ndarray:
    """Bytes of all variables: together, apart, of SZ3."""
    total = np.zeros(3)
    for one in series:
        values = one.values.astype(np.float32)
        bound = float(relative * np.ptp(values))
        apart = sum(block_bytes(codec, field[None], bound, one.periodic) for field in values)
        together = block_bytes(codec, values, bound, one.periodic)
        total += together, apart, sz3_bytes(values, bound)
    return total


def main() -> None:
    """Prints a row for each file and bound, and means over files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    found = sorted(path for pattern in SHARED.split(",") for path in glob.glob(pattern))
    parser.add_argument("files", nargs="*", default=found)
    parser.add_argument("--count", type=int, default=17, help="fields of a variable, at most")
    options = parser.parse_args()
    codec = Codec.load("field")
    shares: dict[float, list[np.ndarray]] = {bound: [] for bound in BOUNDS}
    print("file, fields, bound: bytes a field, apart, of SZ3; shares of apart and of SZ3")
    for path in options.files:
        series = [one for one in load_series(path, options.count) if len(one.values) > 1]
        count = sum(len(one.values) for one in series)
        for relative in BOUNDS if series else ():
            total = row(codec, series, relative)
            shares[relative].append(total[0] / total[1:])
            sizes = " ".join(f"{size / count:,.0f}" for size in total)
            apart, sz3 = shares[relative][-1]
            print(f"{Path(path).stem}, {count}, {relative:g}: {sizes}  {apart:.3f} {sz3:.3f}")
    for bound, each in shares.items():
        print(f"mean over {len(each)} files at {bound:g}: {np.mean(each, 0).round(3).tolist()}")


if __name__ == "__main__":
    main()
