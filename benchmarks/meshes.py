"""Meshes: bytes of `mesh`, and how near its surfaces come to the original ones.

    python benchmarks/meshes.py [--codec=NAME|FILE] MESH.. OUT.csv

For each mesh and quality: the file's bytes; IoU of the enclosed volumes at random points in the
original's box; Chamfer distance (mean of both directions, in % of the box's longest side); error of
the distances near the surface, in cells, on the coded grid, and on one twice as fine against exact
distances there. Quality "exact" is the grid before coding.
"""

from __future__ import annotations

import csv

import numpy as np
import trimesh
from absl import app, flags
from scipy.spatial import cKDTree

from mscn_tf.codec import Codec
from mscn_tf.signals import meshes, solids

CODEC = flags.DEFINE_string("codec", "mesh", "name or file")

_QUALITIES = (2, 4, 5, 6, 8, 10)
_POINTS = 100_000


def _against(mesh: trimesh.Trimesh, found: trimesh.Trimesh) -> dict[str, float]:
    """IoU and Chamfer distance, in %."""
    random = np.random.default_rng(0)
    low, high = mesh.bounds
    points = low + (high - low) * random.random((_POINTS, 3))
    one, other = solids.inside(mesh, points), solids.inside(found, points)
    clouds = [
        trimesh.sample.sample_surface(surface, _POINTS, seed=0)[0] for surface in (mesh, found)
    ]
    ways = [cKDTree(second).query(first)[0].mean() for first, second in (clouds, clouds[::-1])]
    return {
        "iou": 100 * (one & other).sum() / (one | other).sum(),
        "chamfer": 100 * np.mean(ways) / mesh.extents.max(),
    }


def _near(exact: np.ndarray, found: np.ndarray) -> float:
    near = np.abs(exact) < 1
    return float(np.sqrt(np.mean((exact[near] - found[near]) ** 2)))


def _rows(codec: Codec, path: str) -> list[dict[str, object]]:
    mesh = meshes.load(path)
    signals = meshes.read(path)
    corner, cell = np.array(signals.metadata["corner"][0]), signals.metadata["cell"][0]
    array = signals.arrays[0]
    fine_shape = [2 * side for side in array.shape[:3]]
    points = corner + cell * solids.cell_centres(fine_shape, step=0.5)
    fine = solids.signed_distances(mesh, points, solids.BAND * cell).reshape(fine_shape) / cell

    def row(quality: object, size: int, values: np.ndarray) -> dict[str, object]:
        found = solids.surface(values[..., 0], corner, cell)
        measured = _against(mesh, found)
        return {"mesh": path.rsplit("/", 1)[-1], "quality": quality, "bytes": size, **measured}

    rows = [row("exact", 0, array)]
    for quality in _QUALITIES:
        data = codec.encode([array], quality=quality, metadata=signals.metadata)
        decoded = codec.decode(data)
        rows.append(row(quality, len(data), decoded))
        rows[-1]["near"] = _near(array, decoded)
        rows[-1]["near_fine"] = _near(fine, codec.decode(data, scale=2.0)[..., 0])
    return rows


def main(argv: list[str]) -> None:
    """Measures, prints and writes the table."""
    if len(argv) < 3:
        raise app.UsageError("give meshes and a .csv file for the results")
    codec, rows = Codec.load(CODEC.value), []
    for path in argv[1:-1]:
        for row in _rows(codec, path):
            rows.append(row)
            print(
                {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}, flush=True
            )
    with open(argv[-1], "w", newline="") as file:
        writer = csv.DictWriter(file, rows[-1].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    app.run(main)
