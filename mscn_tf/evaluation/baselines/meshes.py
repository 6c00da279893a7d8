"""Draco on fewer triangles; and a mesh's own file, as it is and compressed."""

from __future__ import annotations

import gzip
import importlib.metadata
import math
import zlib
from typing import Callable

import numpy as np
import trimesh

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals import mesh_files

_FACES = (100, 150, 220, 330, 500, 700, 1000, 1400, 2000, 2800, 4000, 5600, 8000)
_DRACO = ("DracoPy", "fast-simplification")  # distributions; imported where they are used


def _of_file(
    name: str,
    label: str,
    compress: Callable[[bytes], bytes],
    expand: Callable[[bytes], bytes],
    version: str,
) -> Baseline:
    return Baseline(
        name=name,
        family=name,
        label=label,
        settings=(0,),
        encode=lambda signal, _: compress(signal.original.data),
        decode=lambda data, signal, _: mesh_files.parse(
            expand(data), signal.original.kind, signal.name
        ),
        version=lambda: version,
        lossless=True,
    )


def _as_is(data: bytes) -> bytes:
    return data


def _encode_draco(signal: Signal, faces: float) -> bytes:
    import DracoPy
    import fast_simplification

    mesh = signal.original.mesh
    centre = mesh.bounds.mean(0)  # kept apart: far from zero float32 loses the shape
    vertices, triangles = (mesh.vertices - centre).astype(np.float32), mesh.faces
    if faces < len(triangles):
        vertices, triangles = fast_simplification.simplify(
            vertices, triangles, target_count=int(faces)
        )
    # Of the bunny, 8 bits a coordinate at 1,000 triangles and one more at twice as many are best.
    bits = 8 + max(0, round(math.log2(faces / 1000)))
    coded = DracoPy.encode(vertices, triangles, quantization_bits=bits, compression_level=10)
    return centre.astype("<f8").tobytes() + coded


def _decode_draco(data: bytes, signal: Signal, faces: float) -> trimesh.Trimesh:
    import DracoPy

    centre, mesh = np.frombuffer(data[:24], "<f8"), DracoPy.decode(data[24:])
    return trimesh.Trimesh(mesh.points + centre, mesh.faces)


def _draco_version() -> str:
    versions = [f"{name} {importlib.metadata.version(name)}" for name in _DRACO]
    return f"{', '.join(versions)}; faces, 8 bits or more a coordinate, level 10"


BASELINES = (
    Baseline(
        name="draco",
        family="draco",
        label="Draco, decimated",
        settings=_FACES,
        encode=_encode_draco,
        decode=_decode_draco,
        version=_draco_version,
        needs=tuple(name.replace("-", "_") for name in _DRACO),
    ),
    _of_file("file", "the file itself", _as_is, _as_is, "as it is"),
    _of_file(
        "gzip",
        "the file, gzip -9",
        lambda data: gzip.compress(data, 9, mtime=0),
        gzip.decompress,
        f"zlib {zlib.ZLIB_RUNTIME_VERSION}, 9",
    ),
)
