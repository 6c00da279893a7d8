"""Meshes at given sizes of files: IoU of a codec of ours and of decimated Draco.

    python benchmarks/meshes_at_bytes.py [--codec=NAME|FILE] MESH..

Draco has fewer triangles (fast-simplification), then level 10, 8 or 9 bits a coordinate, and 24
bytes for the centre: the best of what fits. IoU is that of the enclosed volumes, in %, at random
points in the original's box. Needs DracoPy and fast-simplification.
"""

from __future__ import annotations

from pathlib import Path

import DracoPy
import fast_simplification
import numpy as np
import trimesh
from absl import app, flags

from mscn_tf.codec import Codec
from mscn_tf.signals import meshes, solids

CODEC = flags.DEFINE_string("codec", "surface", "name or file")

_BYTES = (2000, 4000)
_FACES = (400, 700, 1000, 1400, 2000, 2800)
_POINTS = 100_000


class _Judge:
    """IoU with a mesh."""

    def __init__(self, mesh: trimesh.Trimesh):
        low, high = mesh.bounds
        random = np.random.default_rng(0)
        self._points = low + (high - low) * random.random((_POINTS, 3))
        self._within = solids.inside(mesh, self._points)

    def __call__(self, found: trimesh.Trimesh) -> float:
        other = solids.inside(found, self._points)
        return 100 * float((self._within & other).sum() / (self._within | other).sum())


def _draco(mesh: trimesh.Trimesh, judge: _Judge) -> dict[int, float]:
    """The best IoU within each size."""
    best, centre = dict.fromkeys(_BYTES, 0.0), mesh.bounds.mean(0)
    for faces in _FACES:
        vertices, triangles = (mesh.vertices - centre).astype(np.float32), mesh.faces
        if faces < len(triangles):
            vertices, triangles = fast_simplification.simplify(
                vertices, triangles, target_count=faces
            )
        for bits in (8, 9):
            data = DracoPy.encode(vertices, triangles, quantization_bits=bits, compression_level=10)
            sizes = [size for size in _BYTES if len(data) + 24 <= size]
            if sizes:
                back = DracoPy.decode(data)
                iou = judge(trimesh.Trimesh(back.points + centre, back.faces, process=False))
                for size in sizes:
                    best[size] = max(best[size], iou)
    return best


def main(argv: list[str]) -> None:
    """Prints a line a mesh, and means."""
    if len(argv) < 2:
        raise app.UsageError("give meshes")
    codec, rows = Codec.load(CODEC.value), []
    manifest = codec.bundle.manifest
    for path in argv[1:]:
        mesh = meshes.load(path)
        judge = _Judge(mesh)
        signals = meshes.read(path, manifest.tile_edge, manifest.tile_overlap)
        row = []
        for size in _BYTES:
            data = codec.encode(signals.arrays, size=size, metadata=signals.metadata)
            corner, cell = signals.metadata["corner"][0], signals.metadata["cell"][0]
            row += [len(data), judge(solids.surface(codec.decode(data)[..., 0], corner, cell))]
        row += _draco(mesh, judge).values()
        rows.append(row)
        print(Path(path).name, [round(number, 2) for number in row], flush=True)
    print("mean", np.mean(rows, 0).round(2))


if __name__ == "__main__":
    app.run(main)
