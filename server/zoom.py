"""Which part of a picture a tile shows, counted as maps on the web are.

Zoom 0 is the largest at which the picture fits into one tile; each further one doubles both sides.
At `original(shape)` a pixel of the tile is a pixel of the file, beyond it less than one.
"""

from __future__ import annotations

from collections.abc import Sequence

EDGE = 256
BEYOND = 8  # zooms past the original: a tile of the last one shows one pixel


def original(shape: Sequence[int]) -> int:
    """The zoom at which a picture, (height, width), has its own size."""
    return ((max(shape) - 1) // EDGE).bit_length()


def part(
    shape: Sequence[int], z: int, x: int, y: int
) -> tuple[tuple[int, int, int, int], tuple[int, int]] | None:
    """Region (x, y, width, height) of a picture, (height, width), and size of a tile.

    Tiles at the right and lower edges are cut off: their size is less than 256x256 pixels.

    Returns:
      None where there is no such tile.
    """
    last = original(shape)
    if not 0 <= z <= last + BEYOND:
        return None
    # Source pixels to one pixel of a tile, as a fraction.
    over, under = 1 << max(last - z, 0), 1 << max(z - last, 0)
    edge = EDGE * over // under
    left, top = x * edge, y * edge
    if not (0 <= left < shape[1] and 0 <= top < shape[0]):
        return None
    width, height = min(edge, shape[1] - left), min(edge, shape[0] - top)
    return (left, top, width, height), (-(-width * under // over), -(-height * under // over))
