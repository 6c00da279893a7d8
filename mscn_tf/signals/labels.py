"""Whether whole numbers are labels: masks, atlases, segmentations, of which no loss is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MASK = 2  # values that are a mask, however they lie
_FEW = 8
_MANY = 256
_ALIKE = 0.5  # of neighbours in regions
_NEXT = 0.75  # of neighbours that differ, in pictures of shades


def are_labels(volumes: Sequence[np.ndarray]) -> bool:
    """Whether volumes of whole numbers hold labels, and no shades of grey.

    Two values are a mask. Of up to 256 labels each fills a region: outside the background most
    neighbours are equal. So they are in a smooth picture of few shades; but there those that differ
    differ by one shade, while numbers of labels that meet are any. Of up to 8 that isn't asked.

    Args:
      volumes: ``[D, H, W, 1]`` each, of whole numbers.
    """
    counted = [np.unique(volume, return_counts=True) for volume in volumes]
    values = np.unique(np.concatenate([present for present, _ in counted]))
    if len(values) < 2 or len(values) > _MANY:
        return False
    if len(values) == _MASK:
        return True
    counts = np.zeros(len(values), np.int64)
    for present, times in counted:
        counts[np.searchsorted(values, present)] += times
    background = values[counts.argmax()]
    pairs, alike, next_shade = (
        sum(column)
        for column in zip(*(_neighbours(v[..., 0], values, background) for v in volumes))
    )
    if alike <= _ALIKE * pairs:
        return False
    return len(values) <= _FEW or next_shade <= _NEXT * (pairs - alike)


def _neighbours(
    volume: np.ndarray, values: np.ndarray, background: np.generic
) -> tuple[int, int, int]:
    """Pairs of neighbours that aren't both background; those equal; those one shade apart."""
    shades = np.searchsorted(values, volume).astype(np.int16)
    empty = volume == background
    pairs = alike = next_shade = 0
    for axis in range(volume.ndim):
        first, second = np.moveaxis(shades, axis, 0)[:-1], np.moveaxis(shades, axis, 0)[1:]
        nothing = np.moveaxis(empty, axis, 0)
        apart = np.abs(first - second)[~(nothing[:-1] & nothing[1:])]
        pairs += apart.size
        alike += int((apart == 0).sum())
        next_shade += int((apart == 1).sum())
    return pairs, alike, next_shade
