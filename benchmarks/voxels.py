"""Held-out voxel grids: bytes and accuracy of `voxels32`, and lossless bytes of other ways.

    python benchmarks/voxels.py [--codec=NAME|FILE] [--every=8] GRIDS.npz OUT.csv

GRIDS.npz holds arrays of packed bits, `train` and `test`; every eighth grid of `test` is taken that
is in no other array. OUT.csv gets a row for each quality and each other way.
"""

from __future__ import annotations

import csv
import gzip

import numpy as np
import zstandard
from absl import app, flags

from mscn_tf.codec import Codec
from mscn_tf.signals.voxels import binvox_bytes, measure, packed_grids

CODEC = flags.DEFINE_string("codec", "voxels32", "name or file")
EVERY = flags.DEFINE_integer("every", 8, "take one grid out of so many", lower_bound=1)

_QUALITIES = (2, 4, 5, 6, 7, 8, 10)
_PLACE = {"translate": [0.0, 0.0, 0.0], "scale": 1.0}


def octree_bytes(grid: np.ndarray) -> int:
    """Empty, full or mixed for each node of an octree, 5 nodes a byte; mixed 2x2x2 leaves are bits.

    Args:
      grid: bool ``[E, E, E]``, E a power of 2.
    """
    nodes, bits, size, parents = 0, 0, len(grid), np.ones((1, 1, 1), bool)
    while size > 1:
        across = len(grid) // size
        filled = grid.reshape([across, size] * 3).sum((1, 3, 5))
        mixed = (filled > 0) & (filled < size**3) & parents
        nodes += int(parents.sum())
        bits += 8 * int(mixed.sum()) if size == 2 else 0
        parents = mixed.repeat(2, 0).repeat(2, 1).repeat(2, 2)
        size //= 2
    return -(-nodes // 5) + -(-bits // 8)


def _lossless(grids: np.ndarray) -> list[dict[str, object]]:
    packed = [np.packbits(grid).tobytes() for grid in grids]
    together, zstd = b"".join(packed), zstandard.ZstdCompressor(level=19)
    sizes = {
        "packed bits": len(together),
        "gzip -9, each": sum(len(gzip.compress(one, 9, mtime=0)) for one in packed),
        "gzip -9, all": len(gzip.compress(together, 9, mtime=0)),
        "zstd -19, each": sum(len(zstd.compress(one)) for one in packed),
        "zstd -19, all": len(zstd.compress(together)),
        "binvox runs": sum(len(binvox_bytes(grid[..., 0], _PLACE)) for grid in grids),
        "octree": sum(octree_bytes(grid[..., 0]) for grid in grids),
    }
    exact = {"accuracy": 100.0, "iou": 100.0}
    return [{"way": way, "bytes": size / len(grids), **exact} for way, size in sizes.items()]


def _row(way: str, size: float, grids: np.ndarray, decoded: np.ndarray) -> dict[str, object]:
    measures = np.array([list(measure(*pair, None).values()) for pair in zip(grids, decoded)])
    accuracy, iou = measures.mean(0)
    row = {"way": way, "bytes": size / len(grids), "accuracy": accuracy, "iou": iou}
    print({name: round(v, 3) if isinstance(v, float) else v for name, v in row.items()}, flush=True)
    return row


def main(argv: list[str]) -> None:
    """Measures, prints and writes the table."""
    if len(argv) != 3:
        raise app.UsageError("give the grids' .npz file and a .csv file for the results")
    grids = packed_grids(argv[1], "test")[:: EVERY.value]
    codec = Codec.load(CODEC.value)
    rows = _lossless(grids)
    ways = {f"quality {quality}": {"quality": quality} for quality in _QUALITIES}
    ways["without loss, quality 1"] = {"max_error": 0}
    ways["without loss, quality 6"] = {"max_error": 0, "quality": 6}
    for way, options in ways.items():
        data = codec.encode(list(grids), **options)
        decoded = list(codec.decode_all(data))
        rows.append(_row(way, len(data), grids, decoded))
    files = [codec.encode(grid, max_error=0) for grid in grids]
    decoded = [codec.decode(data) for data in files]
    rows.append(_row("without loss, a file each", sum(map(len, files)), grids, decoded))
    with open(argv[2], "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    for row in rows:
        print("{way:32} {bytes:9.1f} bytes  {accuracy:7.3f} %  IoU {iou:6.2f} %".format(**row))


if __name__ == "__main__":
    app.run(main)
