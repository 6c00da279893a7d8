"""Holes of volumes, where values are NaN: as text in the metadata, and filled."""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Sequence

import numpy as np

from mscn_tf.signals.gaps import inflated


def packed(hole: np.ndarray) -> str:
    """Text of truth values: their bits, deflated."""
    return base64.b64encode(zlib.compress(np.packbits(hole).tobytes(), 9)).decode()


def bits(text: str, shape: Sequence[int]) -> bytes:
    """Those of what ``packed`` gives, of a shape, eight to a byte.

    Raises:
      TypeError, ValueError: it is damaged.
    """
    return inflated(text, -(-math.prod(shape) // 8))


def unpacked(text: str, shape: Sequence[int]) -> np.ndarray:
    """bool of what ``packed`` gives, of a shape.

    Raises:
      TypeError, ValueError: it is damaged.
    """
    packed_bits = np.frombuffer(bits(text, shape), np.uint8)
    return np.unpackbits(packed_bits, count=math.prod(shape)).reshape(shape).astype(bool)


def filled(volume: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """A volume whose holes have the values nearest to them, or 0 where there are none."""
    if hole.all():
        return np.zeros_like(volume)
    if not hole.any():
        return volume
    from scipy.ndimage import distance_transform_edt  # which decoding does without

    nearest = distance_transform_edt(hole, return_distances=False, return_indices=True)
    return volume[tuple(nearest)]


def resampled(
    hole: np.ndarray, region: Sequence[tuple[int, int]], shape: Sequence[int]
) -> np.ndarray:
    """bool of new samples: whether the original one that each lies in is a hole.

    Args:
      hole: bool.
      region: of each axis the first original sample and how many follow.
      shape: of the new ones.
    """
    spans = zip(region, shape)
    places = [start + (2 * np.arange(n) + 1) * extent // (2 * n) for (start, extent), n in spans]
    return hole[np.ix_(*places)]
