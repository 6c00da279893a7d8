"""Lossless pictures of one bit a pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import PIL
from PIL import Image, features

from mscn_tf.evaluation.baselines import Baseline
from mscn_tf.evaluation.signal import Signal
from mscn_tf.signals import silhouettes


def _format(name: str, label: str, used: str, library: str, **options: Any) -> Baseline:
    def encode(signal: Signal, _: float) -> bytes:
        file = io.BytesIO()
        Image.fromarray(signal.original).save(file, **options)
        return file.getvalue()

    def decode(data: bytes, signal: Signal, _: float) -> np.ndarray:
        with Image.open(io.BytesIO(data)) as image:
            return silhouettes.distances(np.asarray(image))[..., None]

    def version() -> str:
        return f"Pillow {PIL.__version__} with {library} {features.version(library)}; {used}"

    return Baseline(name, name, label, (0,), encode, decode, version, lossless=True)


BASELINES = (
    _format("png", "PNG", "1 bit a pixel, optimised", "zlib", format="PNG", optimize=True),
    _format(
        "group4",
        "TIFF, CCITT group 4",
        "1 bit a pixel",
        "libtiff",
        format="TIFF",
        compression="group4",
    ),
)
