"""How silhouettes are assessed: at the size of their pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mscn_tf.evaluation.assessment import Assessment, Measure, Measured, bytes_a, error
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals import images, silhouettes


def _masks(path: PathLike) -> Sequence[np.ndarray]:
    return [silhouettes.to_mask(picture) for picture in images.read(path).arrays]


def _compare_silhouettes(signal: Signal, decoded: np.ndarray) -> Measured:
    compared = silhouettes.compare(signal.original, decoded)
    same_size = decoded.shape == signal.array.shape
    return {
        "iou": 100 * compared["IoU"],
        "contour_error": compared["contour error"],
        "psnr": silhouettes.psnr(signal.array, decoded) if same_size else None,
    }


SILHOUETTES = Assessment(
    "silhouette",
    bytes_a("shape"),
    (
        Measure("iou", "IoU", "%"),
        error("contour_error", "contour error", "px"),
        Measure("psnr", "PSNR of distances", "dB"),
    ),
    (
        "IoU: of the area inside, at the original size. Contour error: mean distance "
        "between the contours, in pixels of the original.",
    ),
    compare=_compare_silhouettes,
    originals=_masks,
)
