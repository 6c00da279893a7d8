"""Pictures cut into square tiles."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mscn_tf.runtime.container import grid


def to_tiles(picture: np.ndarray, edge: int) -> np.ndarray:
    """``[H, W, C]`` to ``[tiles, edge, edge, C]``, row-major.

    The last row and column of tiles are filled up with the picture's mirror image, which costs
    fewer bits than any constant.
    """
    rows, cols = grid(picture.shape[:2], edge)
    fill = (rows * edge - picture.shape[0], cols * edge - picture.shape[1])
    filled = np.pad(picture, ((0, fill[0]), (0, fill[1]), (0, 0)), mode="symmetric")
    tiles = filled.reshape(rows, edge, cols, edge, -1).swapaxes(1, 2)
    return tiles.reshape(rows * cols, edge, edge, -1)


def tile_pictures(pictures: Iterable[np.ndarray], edge: int, channels: int) -> np.ndarray:
    """The tiles of all pictures, one after the other; grey ones repeat their channel."""
    return np.concatenate(
        [to_tiles(np.broadcast_to(p, (*p.shape[:2], channels)), edge) for p in pictures]
    )
