"""How meshes are assessed: against the meshes themselves, not their grids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mscn_tf.evaluation.assessment import Assessment, Measure, Measured, bytes_a, error
from mscn_tf.evaluation.signal import Signal
from mscn_tf.evaluation.surfaces import Surface
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import meshes


def _meshes(path: PathLike) -> Sequence[object]:
    return Surface.read(path)


def _compare_meshes(signal: Signal, decoded: Any) -> Measured:
    coded = isinstance(decoded, np.ndarray)  # else a mesh
    corner, cell = ((signal.metadata or {})[name][0] for name in ("corner", "cell"))
    distances = signal.original.distances(decoded[..., 0] if coded else decoded, corner, cell)
    near = next(iter(meshes.measure(signal.array, decoded, None).values())) if coded else None
    return {**distances, "near": near}


MESHES = Assessment(
    "mesh",
    bytes_a("mesh"),
    (
        Measure("iou", "IoU", "%"),
        error("chamfer", "Chamfer distance", "%"),
        error("near", "error near the surface", "cells"),
    ),
    (
        "IoU: of the volumes enclosed, at random points in the original's box. Chamfer "
        "distance: mean of both directions, in % of the box's longest side. Error: root "
        "mean square, of distances of less than a cell, in cells of the coded grid.",
    ),
    compare=_compare_meshes,
    originals=_meshes,
)
