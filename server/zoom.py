"""Which part of a picture a tile shows, counted as maps on the web are.

Zoom 0 is the largest at which the picture fits into one tile; each further one doubles both sides.
At `original(shape)` a pixel of the tile is a pixel of the file, beyond it less than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Optional

from mscn_tf.runtime.view import View

EDGE = 256
BEYOND = 8  # zooms past the original: a tile of the last one shows one pixel
_MOST = 4  # tiles along a side of a group

Box = tuple[int, int, int, int]  # x, y, width, height
Size = tuple[int, int]  # width, height


def original(shape: Sequence[int]) -> int:
    """The zoom at which a picture, (height, width), has its own size."""
    return ((max(shape) - 1) // EDGE).bit_length()


def part(shape: Sequence[int], z: int, x: int, y: int, span: int = 1) -> Optional[tuple[Box, Size]]:
    """Region of a picture, (height, width), and size of a tile, or of a square of tiles.

    Those at the right and lower edges are cut off: their size is less than 256x256 pixels.

    Args:
      shape: of the picture.
      z: zoom.
      x, y: column and row of the tile; of a square, in squares.
      span: tiles along a side of the square.

    Returns:
      None where there is no such tile.
    """
    last = original(shape)
    if not 0 <= z <= last + BEYOND:
        return None
    # Source pixels to one pixel of a tile, as a fraction.
    over, under = 1 << max(last - z, 0), 1 << max(z - last, 0)
    edge = EDGE * span * over // under
    left, top = x * edge, y * edge
    if not (0 <= left < shape[1] and 0 <= top < shape[0]):
        return None
    width, height = min(edge, shape[1] - left), min(edge, shape[0] - top)
    return (left, top, width, height), (-(-width * under // over), -(-height * under // over))


def is_cut(shape: Sequence[int], z: int, x: int, y: int) -> bool:
    """Whether a tile that there is has less than 256x256 pixels of the picture."""
    found = part(shape, z, x, y)
    return found is not None and found[1] != (EDGE, EDGE)


def group(shape: Sequence[int], z: int, block: int, most: int) -> int:
    """Tiles along a side of a square that is made at once: of those that one block holds, 1 to 4.

    A block is decoded as a whole for any of them.

    Args:
      shape: of the picture.
      z: zoom.
      block: pixels of the picture along a side of a block.
      most: pixels of a square.
    """
    power = z - original(shape)
    shown = block << power if power >= 0 else block >> -power
    span = 1
    while span < _MOST and 2 * span * EDGE <= shown and (2 * span * EDGE) ** 2 <= most:
        span *= 2
    return span


def tile_of(
    shape: Sequence[int], region: tuple[int, ...], size: tuple[int, ...]
) -> Optional[tuple[int, int, int]]:
    """Zoom, column and row of the tile that shows a region in a size; None where none does."""
    last = original(shape)
    for z in range(last + 1):
        edge = EDGE << last - z
        x, y = region[0] // edge, region[1] // edge
        if part(shape, z, x, y) == (region, size):
            return z, x, y
    return None


def overview(wanted: View, shape: Sequence[int]) -> View:
    """A view of nearly the same whose sides are a half, a fourth and so on, where they nearly are.

    Coarse levels of a pyramid are the picture in these sizes, which cost no finer ones; a side that
    isn't a multiple would ask for those. It may show a pixel less along a side: at an edge of the
    picture the last one would show less of it than the others.

    Args:
      wanted: of a picture.
      shape: of the picture, (height, width).
    """
    halvings = _halvings(wanted)
    if not halvings:
        return wanted
    (top, high), (left, wide) = (
        _whole(first, extent, side, 1 << halvings)
        for first, extent, side in zip(wanted.start, wanted.extent, shape)
    )
    size = (max(high >> halvings, 1), max(wide >> halvings, 1))
    return replace(wanted, start=(top, left), extent=(high, wide), shape=size)


def _halvings(wanted: View) -> int:
    """How often both sides were halved, give or take less than a pixel of the result; or 0."""
    for halvings in range(max(wanted.extent).bit_length() - 1, 0, -1):
        over = 1 << halvings
        if all(abs(out * over - side) < over for out, side in zip(wanted.shape, wanted.extent)):
            return halvings
    return 0


def _whole(first: int, extent: int, side: int, over: int) -> tuple[int, int]:
    """First pixel and extent in multiples of ``over``; where the side is shorter, all of it."""
    if extent >= over:
        return first, extent // over * over
    return max(min(first, side - over), 0), min(over, side)
