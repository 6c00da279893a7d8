"""Bytes of fields within a bound, beside SZ3, ZFP and SPERR; every bound is checked.

    python benchmarks/bounded_fields.py [--every=3] [FILE.nc ...]   # or those `field` never saw
    OMP_NUM_THREADS=1 python benchmarks/bounded_fields.py --speed [FILE.nc ...]

Each field has a file of its own. What is counted of it is its block, as of the others the chunk: no
headers, names and coordinates. Bounds are shares of a field's own range. `--speed` gives values a
second of CPU time instead, of the first field of each file, by `field` and SZ3 in turn.
"""

from __future__ import annotations

import argparse
import io
import time
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.configs import field
from mscn_tf.runtime.container import Container
from mscn_tf.signals.field_sets import load_grids

BOUNDS = (1e-2, 1e-3, 1e-4)
RIVALS = {
    "SZ3": lambda bound: hdf5plugin.SZ3(absolute=bound),
    "ZFP": lambda bound: hdf5plugin.Zfp(accuracy=bound),
    "SPERR": lambda bound: hdf5plugin.Sperr(absolute=bound),
}


def rival_bytes(name: str, values: np.ndarray, bound: float) -> int:
    """Of the chunk that HDF5 stores."""
    with h5py.File(io.BytesIO(), "w") as file:
        stored = file.create_dataset(
            "t", values.shape, np.float32, chunks=values.shape, **RIVALS[name](bound)
        )
        stored[:] = values
        file.flush()
        return len(stored.id.read_direct_chunk((0, 0))[1])


def speeds(codec: Codec, values: np.ndarray, bound: float) -> list[float]:
    """Values that are encoded and decoded in a second: by `field`, and by SZ3; medians of five."""
    taken = []
    for _ in range(5):
        stamps = [time.process_time()]
        data = codec.encode(values[..., None], max_error=bound, check=False)
        stamps.append(time.process_time())
        codec.decode(data)
        stamps.append(time.process_time())
        kept = io.BytesIO()
        with h5py.File(kept, "w") as file:
            file.create_dataset("t", data=values, chunks=values.shape, **RIVALS["SZ3"](bound))
        stamps.append(time.process_time())
        with h5py.File(kept, "r") as file:
            file["t"][:]
        stamps.append(time.process_time())
        taken.append(np.diff(stamps))
    return (values.size / np.median(taken, 0)).tolist()


def own_bytes(codec: Codec, values: np.ndarray, bound: float, periodic: bool) -> int:
    """Of the block, once it is known that the bound is kept.

    Raises:
      MscnError: it isn't.
    """
    rows, columns = values.shape
    span = 360.0 if periodic else 90.0
    metadata = {
        "latitude": np.linspace(-60, 60, rows).tolist(),
        "longitude": (np.arange(columns) * span / columns).tolist(),
    }
    data = codec.encode(values[..., None], max_error=bound, metadata=metadata)  # reads it back
    container = Container.from_bytes(data)
    return sum(map(len, (*container.blocks, *container.exact_blocks)))


def main() -> None:
    """Prints a row for each file and bound, and the mean over files."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", default=field.get_config().data.validation.split(","))
    parser.add_argument("--every", type=int, default=3, help="takes every N-th field of a file")
    parser.add_argument("--speed", action="store_true", help="measures values a second instead")
    options = parser.parse_args()
    codec = Codec.load("field", threads=1)
    if options.speed:
        for path in options.files:
            values = load_grids(path)[0].values.astype(np.float32)
            for relative in BOUNDS:
                found = speeds(codec, values, float(relative * np.ptp(values)))
                shares = [f"{found[n] / found[n + 2]:.3f}" for n in (0, 1)]
                rates = " ".join(f"{rate:,.0f}" for rate in found)
                name = f"{Path(path).stem} {relative:g}, {values.size:,} values"
                print(f"{name}: {rates}; of SZ3's:", *shares, flush=True)
        return
    shares: dict[float, list[float]] = {bound: [] for bound in BOUNDS}
    worst = 0.0
    print("file, bound: bytes a field of field;", ", ".join(RIVALS), "; share of the best of them")
    for path in options.files:
        grids = load_grids(path)[:: options.every]
        for relative in BOUNDS:
            sizes = []
            for grid in grids:
                values = grid.values.astype(np.float32)
                bound = float(relative * np.ptp(values))
                own = own_bytes(codec, values, bound, grid.periodic)
                sizes.append([own, *(rival_bytes(name, values, bound) for name in RIVALS)])
            table = np.array(sizes)
            share = table[:, 0] / table[:, 1:].min(1)
            shares[relative].append(float(share.mean()))
            worst = max(worst, float(share.max()))
            means = " ".join(f"{mean:,.0f}" for mean in table.mean(0))
            print(f"{Path(path).stem} {relative:g}: {means}  {share.mean():.3f}", flush=True)
    print("mean over files:", {bound: round(float(np.mean(s)), 3) for bound, s in shares.items()})
    print(f"worst field: {worst:.3f}")


if __name__ == "__main__":
    main()
