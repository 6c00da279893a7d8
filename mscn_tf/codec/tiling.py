"""Signals cut into tiles of equal sides."""

from __future__ import annotations

import numpy as np

from mscn_tf.runtime.container import grid


def to_tiles(signal: np.ndarray, edge: int, overlap: int = 0) -> np.ndarray:
    """``[.., C]`` to ``[tiles, edge, .., C]``, row-major.

    The last tiles along each axis are filled up with the signal's mirror image, which costs fewer
    bits than any constant.

    Args:
      signal: any number of axes, then channels.
      edge: samples along each side of a tile.
      overlap: of them shared with the next tile.
    """
    shape, stride = signal.shape[:-1], edge - overlap
    if set(shape) == {edge}:  # one tile as it lies: for thousands of them the rest takes a third
        return np.ascontiguousarray(signal)[None]
    counts = grid(shape, edge, overlap)
    fill = [(0, (n - 1) * stride + edge - side) for n, side in zip(counts, shape)]
    filled = np.pad(signal, [*fill, (0, 0)], mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(filled, (*[edge] * len(shape), 1))
    windows = windows[tuple(slice(None, None, stride) for _ in shape)][..., 0]
    windows = np.moveaxis(windows, len(shape), -1)  # channels last again
    return np.ascontiguousarray(windows).reshape(-1, *[edge] * len(shape), signal.shape[-1])


def chunks(length: int, edge: int, overlap: int, most: int) -> list[tuple[slice, slice]]:
    """Parts of a signal of one axis that, cut on their own, give the tiles of the whole.

    Args:
      length: samples of the signal.
      edge: samples of a tile.
      overlap: of them shared with the next tile.
      most: tiles of a part; the last may have one more, as its mirror image needs a whole tile.

    Returns:
      Of each part its tiles and its samples.
    """
    (count,), stride = grid((length,), edge, overlap), edge - overlap
    stops = [*range(most, count - 1, most), count]
    return [
        (slice(first, stop), slice(first * stride, min((stop - 1) * stride + edge, length)))
        for first, stop in zip([0, *stops], stops)
    ]


def planes(picture: np.ndarray) -> list[np.ndarray]:
    """What a picture ``[H, W, C]`` is coded as: colour and, where it has it, alpha."""
    return np.split(picture, [-1], axis=-1) if picture.shape[-1] in (2, 4) else [picture]


def as_floats(tiles: np.ndarray) -> np.ndarray:
    """float32 in [0, 1] of 8-bit tiles; others as they are."""
    return tiles / np.float32(255) if tiles.dtype == np.uint8 else tiles
