"""Where the samples of an output lie in tiles, axis by axis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mscn_tf.runtime.grids import coordinates_at


@dataclass(frozen=True)
class Axis:
    """Output positions along one axis, cut into pieces that lie within one tile.

    Attributes:
      tile: int64 [P], tile of each piece.
      start, stop: int64 [P], output positions [start, stop) of each piece.
      coordinates: float64 [P, n], within the tile, -1 to 1, or on the sphere radians; short pieces
        repeat their last.
      share: float64 [P, n], what a tile counts where it overlaps with others, or None.
    """

    tile: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    coordinates: np.ndarray
    share: np.ndarray | None = None


def _positions(start: int, extent: int, out: int) -> np.ndarray:
    """Centres of `out` equal parts of the source samples [start, start + extent)."""
    return start + (np.arange(out) + 0.5) * (extent / out)


def _pieces(first: np.ndarray, last: np.ndarray, piece: int) -> tuple[np.ndarray, ...]:
    """Cuts output ranges [first, last): which range, start and stop of each piece."""
    counts = -(-(last - first) // piece)
    owner = np.repeat(np.arange(len(first)), counts)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = first[owner] + piece * within
    return owner, start, np.minimum(start + piece, last[owner])


@lru_cache(maxsize=8)
def box_axis(
    start: int, extent: int, out: int, edge: int, overlap: int, tiles: int, piece: int
) -> Axis:
    """An axis of a signal of so many tiles."""
    source, stride = _positions(start, extent, out), edge - overlap
    # Rounding must not carry the last centre out of the region.
    last_tile = min((start + extent - 1) // stride, tiles - 1)
    tile = np.arange(max(start - overlap, 0) // stride, last_tile + 1)
    first = np.searchsorted(source, tile * stride)
    last = np.searchsorted(source, tile * stride + edge)
    last[-1] = out
    kept = last > first
    tile, first, last = tile[kept], first[kept], last[kept]
    owner, begin, end = _pieces(first, last, piece)
    tile = tile[owner]
    at = np.minimum(begin[:, None] + np.arange((end - begin).max()), end[:, None] - 1)
    within = source[at] - (tile * stride)[:, None]
    share = None
    if overlap:  # from one tile to the next in a straight line
        rise = np.where(tile[:, None] > 0, np.clip(within / overlap, 0, 1), 1.0)
        fall = np.clip((within - stride) / overlap, 0, 1)
        share = rise * np.where(tile[:, None] < tiles - 1, 1 - fall, 1.0)
    return Axis(tile, begin, end, 2 * within / edge - 1, share)


def sphere_axis(known: np.ndarray, start: int, extent: int, out: int, piece: int) -> Axis:
    """An axis of a field on the sphere, whose samples have known coordinates."""
    coordinates = coordinates_at(known, _positions(start, extent, out))
    _, begin, end = _pieces(np.array([0]), np.array([out]), piece)
    at = np.minimum(begin[:, None] + np.arange((end - begin).max()), end[:, None] - 1)
    return Axis(np.zeros(len(begin), np.int64), begin, end, coordinates[at])
