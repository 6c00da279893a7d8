"""How the items of a file are cut: planes, tiles, and blocks of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mscn_tf.runtime.modality import Modality

if TYPE_CHECKING:
    from mscn_tf.runtime.container import Container

# Limits a reader checks before it allocates anything.
MAX_SIDE = 2**20  # height or width
MAX_PIXELS = 2**28  # of one item
Span = tuple[tuple[int, int], tuple[int, int]]  # first row and the one after the last, columns


def longest(axes: int) -> int:
    """How many samples an axis of a signal with so many may have."""
    return MAX_PIXELS if axes == 1 else MAX_SIDE


def size_text(shape: Sequence[int]) -> str:
    """Innermost axis first, as people write sizes of pictures: "640x480"."""
    return "x".join(map(str, reversed(shape)))


def overlap_problem(modality: int, edge: int, overlap: int) -> str | None:
    """What is wrong with how far tiles overlap, or None."""
    if not 0 <= overlap < edge:
        return "tiles overlap by more than their edge"
    if overlap and Modality.numbered(modality).pixels:
        return "tiles of pictures that overlap"
    return None


def tile_side(shape: Sequence[int], edge: int, by_area: bool = False) -> int:
    """Samples of a tile along each axis; the last ones end at the signal's edge, or reach over it.

    Args:
      shape: samples of the signal.
      edge: of a tile.
      by_area: whether tiles of narrow pictures are longer: as often twice as long as they are then
        no larger than a square one.
    """
    times = edge // min(shape) if by_area else 0
    return edge << max(times.bit_length() - 1, 0)


def grid(
    shape: Sequence[int], edge: int, overlap: int = 0, by_area: bool = False
) -> tuple[int, ...]:
    """Along each axis, tiles that cover a signal of so many samples."""
    side = tile_side(shape, edge, by_area)
    return tuple(max(1, -(-(samples - overlap) // (side - overlap))) for samples in shape)


def any_narrow(shapes: Iterable[tuple[int, ...]], edge: int) -> bool:
    """Whether signals of some of these shapes have fewer tiles by area."""
    return any(grid(shape, edge) != grid(shape, edge, by_area=True) for shape in set(shapes))


def planes(modality: int, channels: int) -> tuple[int, ...]:
    """Channels of the parts that a signal is coded as: of pictures colour, then alpha."""
    alpha = Modality.numbered(modality).pixels and channels in (2, 4)
    return (channels - 1, 1) if alpha else (channels,)


def count_exact(exact: Sequence[int]) -> int:
    """Exact planes of items."""
    return sum(bin(bits).count("1") for bits in exact)


def exact_problem(modality: int, channels: Sequence[int], exact: Sequence[int]) -> str | None:
    """What is wrong with which planes of items are exact, or None.

    Args:
      channels: of each item, or one for all.
    """
    if not any(exact):
        return "no plane is exact"
    each = itertools.cycle(channels) if len(channels) == 1 else channels
    if any(bits >> len(planes(modality, count)) for count, bits in set(zip(each, exact))):
        return "more exact planes than there are"
    return None


def count_tiles(values: dict[str, Any], by_area: bool) -> int:
    """Tiles of all items, by the fields of a header; columns of one value count for all."""
    edge, overlap = values["tile_edge"], values.get("tile_overlap", 0)
    items, shapes, channels = values["items"], values["shapes"], values["channels"]
    counts = [math.prod(grid(shape, edge, overlap, by_area)) for shape in shapes]
    parts = [len(planes(values["modality"], count)) for count in channels]
    exact = values.get("exact", [])
    if exact:
        each = itertools.cycle(parts) if len(parts) == 1 else parts
        parts = [count - count_exact([bits]) for count, bits in zip(each, exact)]
    if len(counts) == len(parts):
        tiles = sum(map(math.prod, zip(counts, parts)))
    else:  # one column of the two holds a single value
        tiles = sum(counts) * sum(parts)
    return tiles * items if len(counts) == len(parts) == 1 else tiles


class Tiling(NamedTuple):
    """How a picture is cut into tiles.

    Attributes:
      shape: its height and width.
      side: of a tile, but for the last ones.
    """

    shape: tuple[int, ...]
    side: int

    @classmethod
    def of(cls, container: Container, item: int) -> Tiling:
        """That of an item of a file."""
        return cls(container.shapes[item], container.tile_side(item))

    @property
    def grid(self) -> tuple[int, ...]:
        """Tiles along each axis."""
        return grid(self.shape, self.side)

    def places(self) -> list[tuple[int, int]]:
        """Row and column of each tile, row-major."""
        rows, columns = self.grid
        return list(itertools.product(range(rows), range(columns)))

    def span(self, row: int, column: int) -> Span:
        """Rows and columns of a tile."""
        (height, width), (top, left) = self.shape, (row * self.side, column * self.side)
        return (top, min(top + self.side, height)), (left, min(left + self.side, width))

    def tile_shape(self, row: int, column: int) -> tuple[int, int]:
        """(height, width) of a tile."""
        (top, bottom), (left, right) = self.span(row, column)
        return bottom - top, right - left
