"""Files whose pictures are wavelet pyramids: from blocks to pixels.

A picture is one wavelet transform. For coding alone it is cut into large tiles, each a block of
its own, so that a region of a huge picture costs no more than the blocks around it. Coarse levels
come first in a block: a small version of a picture is decoded without the fine ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container, grid
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.post_filter import GRAPH, MARGIN, PostFilter
from mscn_tf.runtime.pyramid_prior import Coded, PyramidPrior
from mscn_tf.runtime.sampling import cubic, slices_of_rows
from mscn_tf.runtime.scheme import Kept, Scheme, Survivors, register, touched
from mscn_tf.runtime.view import View, join_planes, of_planes, to_bytes
from mscn_tf.runtime.wavelet import Pyramid, in_one_plane, sizes, synthesise_part

_STRIP = 256  # rows of the source that are made at once: what bounds the memory
_WIDE = 1024  # columns; of narrower pictures more rows are made at once
_BLOCK = 8  # coefficients of the finest level, along each axis: 16 pixels
_TOGETHER = 2**14  # pixels whose colours are made at once


@register
class Pyramids(Scheme):
    """How files of a pyramid codec become pictures.

    Args:
      bundle: with ``prior/*`` and ``weights/colour`` [C, C] (orthonormal rows: pixels, less 1/2,
        to coded channels).

    Attributes:
      prior: the entropy model.
      colour: the same.
      post_filter: what mends pictures of the original size, or None.
      decode_block: the entropy model's `decode`, or what keeps some of its results.

    Raises:
      MscnError: the bundle lacks something.
    """

    name = "pyramid"
    by_area = True
    encoder = "mscn_tf.codec.pyramid_encoding:PyramidEncoder"
    trainer = "mscn_tf.training.pyramid:pyramid_trainer"
    contents = "mscn_tf.export.pyramid_bundle:contents"
    functions = "mscn_tf.export.pyramid_functions:PyramidFunctions"

    def __init__(self, bundle: Bundle):
        super().__init__(bundle)
        if not Modality.named(bundle.manifest.modality).pixels:
            raise MscnError(f"bundle {bundle.name}: pyramids of a {bundle.manifest.modality}")
        self.edge = bundle.manifest.tile_edge
        self.prior = PyramidPrior(bundle.arrays("prior"))
        self.decode_block = self.prior.decode
        channels = bundle.manifest.channels
        self.colour = bundle.weights().get("colour", np.empty(0))
        if self.colour.shape != (channels, channels) or self.prior.channels != channels:
            raise MscnError(f"bundle {bundle.name}: its arrays disagree on the channels")
        self.post_filter = PostFilter(bundle) if GRAPH in bundle.members else None
        if self.edge % 2**self.prior.levels:
            raise MscnError(f"bundle {bundle.name}: a tile is no whole number of coarse pixels")

    def warm_up(self) -> None:
        if self.post_filter:
            self.post_filter.warm_up()

    def keep_blocks(self, kept: Kept) -> None:
        self.decode_block = kept(self.prior.decode)

    def blocks(self, container: Container, symbols: Iterable[Pyramid]) -> list[bytes]:
        """Those of int32 pyramids, one for each tile."""
        if len(container.q16) != container.items:
            raise MscnError(f"{len(container.q16)} qualities do not fit {container.items} items")
        tiles = [
            (*tiling.tile_shape(row, column), container.q16[item])
            for item in range(container.items)
            for tiling in [Tiling.of(container, item)] * len(container.coded(item))
            for row, column in tiling.places()
        ]
        # One after the other, so that they need not all be there at a time.
        payloads = []
        for pyramid, tile in itertools.zip_longest(symbols, tiles):
            if tile is None or pyramid is None:
                raise MscnError(f"as many pyramids are wanted as there are tiles: {len(tiles)}")
            payloads.append(self.prior.encode(pyramid, *tile))
        return payloads

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        if whole:
            raise MscnError(f"bundle {self.bundle.name}: pyramids have decode, and no decode_grid")
        shapes = sizes(*container.shapes[item], self.prior.levels)
        planes = []
        for plane in container.coded(item):
            tiles = _PlaneTiles(self, container, item, plane, 0)
            planes.append(np.moveaxis(in_one_plane(tiles.coefficients, shapes), 0, -1))
        inputs = {"coefficients": np.stack(planes).astype(np.float32)}
        if self.post_filter:
            inputs["quality"] = np.full(len(planes), container.q16[item] / 16, np.float32)
        return inputs

    def joined(self, container: Container, view: View, values: np.ndarray) -> np.ndarray:
        channels = [container.planes(view.item)[plane] for plane in container.coded(view.item)]
        wanted = (len(channels), *view.extent, container.code_channels)
        if values.shape != wanted:
            raise MscnError(
                f"{container.source}: values of shape {values.shape} are not those of {wanted}"
            )
        planes = [to_bytes(*plane) for plane in zip(values.astype(np.float64), channels)]
        return np.concatenate(planes, axis=-1)

    def survivors(self, container: Container, item: int) -> Survivors:
        """By block of 16x16 pixels, a coarse coefficient in equal parts among those it spans."""
        pyramids = self.reader(container).symbols(item)
        rows, columns = Tiling.of(container, item).grid
        maps = [_by_block(pyramid) for pyramid in pyramids]
        lines = [
            np.concatenate(maps[first : first + columns], 1)
            for first in range(0, len(maps), columns)
        ]
        planes = [
            np.concatenate(lines[first : first + rows]) for first in range(0, len(lines), rows)
        ]
        parts = [part for pyramid in pyramids for part in (pyramid.coarse, *pyramid.details)]
        count, total = sum(map(np.count_nonzero, parts)), sum(part.size for part in parts)
        return Survivors(np.sum(planes, 0), "by 16x16 pixels", count, total)

    def samples(self, container: Container, view: View) -> int:
        """Of the levels that are made; the others take no memory."""
        rows, columns = touched(container, view)
        shrink = min(extent // out for extent, out in zip(view.extent, view.shape))
        skip = min(max(shrink.bit_length() - 1, 0), self.prior.levels)
        return rows * columns >> 2 * skip

    def values(self, channels: np.ndarray) -> np.ndarray:
        """float64 ``[H, W, C]``, nominally in [0, 1], of coded channels ``[C, H, W]``."""
        values = np.empty(channels.shape)
        _, height, width = channels.shape
        for rows in slices_of_rows(height, width, _TOGETHER):
            part = channels[:, rows]
            flat = self.colour.T @ part.reshape(len(part), -1)
            flat += 0.5
            values[:, rows] = flat.reshape(part.shape)
        return np.moveaxis(values, 0, -1)


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

    def tile_shape(self, row: int, column: int) -> tuple[int, int]:
        """(height, width) of a tile."""
        (height, width), side = self.shape, self.side
        return min(side, height - row * side), min(side, width - column * side)

    def tile(self, pyramid: Pyramid, row: int, column: int) -> Pyramid:
        """The part of the picture's coefficients that lies in one of its tiles."""
        height, width = self.tile_shape(row, column)
        levels = len(pyramid.details)
        *fine, coarse = sizes(height, width, levels)

        def part(array: np.ndarray, level: int, h: int, w: int) -> np.ndarray:
            y, x = row * self.side >> level, column * self.side >> level
            return array[..., y : y + h, x : x + w]

        details = [
            part(detail, level + 1, -(-h // 2), -(-w // 2))
            for level, (detail, (h, w)) in enumerate(zip(pyramid.details, fine))
        ]
        return Pyramid(part(pyramid.coarse, levels, *coarse), details)


def _by_block(pyramid: Pyramid) -> np.ndarray:
    """float64 ``[H, W]``: coefficients that aren't zero."""
    rows, columns = (-(-side // _BLOCK) for side in pyramid.details[0].shape[2:])
    kept = np.zeros((rows, columns))
    parts = [*enumerate(pyramid.details), (len(pyramid.details) - 1, pyramid.coarse[:, None])]
    for level, part in parts:
        counts = np.count_nonzero(part, axis=(0, 1)).astype(float)
        spans, held = max(1, 2**level // _BLOCK), max(1, _BLOCK // 2**level)
        counts = np.kron(counts, np.full((spans, spans), 1 / spans**2))
        counts = counts[: rows * held, : columns * held]
        missing = np.array([rows * held, columns * held]) - counts.shape
        counts = np.pad(counts, [(0, missing[0]), (0, missing[1])])
        kept += counts.reshape(rows, held, columns, held).sum((1, 3))
    return kept


def _strip(columns: int) -> int:
    """Rows of the source that are made at once of so many columns."""
    return _STRIP * max(1, _WIDE // columns)


def _positions(offset: int, extent: int, out: int, skip: int) -> np.ndarray:
    """Centres of `out` equal parts of [offset, offset + extent), in samples of a skipped level."""
    return (offset + (np.arange(out) + 0.5) * (extent / out) - 0.5) / 2**skip


def _span(positions: np.ndarray, side: int, skip: int) -> tuple[int, int]:
    """Source pixels [first, last), first a whole sample, that interpolation touches."""
    first = max(int(np.floor(positions[0])) - 1, 0) << skip
    last = min((int(np.floor(positions[-1])) + 3) << skip, side)
    return first, last


class _Reader:
    """Decodes items of a file."""

    def __init__(self, pyramids: Pyramids, container: Container):
        self._pyramids, self._container = pyramids, container

    def symbols(self, item: int) -> list[Pyramid]:
        """An item's quantised coefficients, int32, one pyramid for each tile."""
        places = Tiling.of(self._container, item).places()
        pyramids = []
        for plane in self._container.coded(item):
            tiles = _PlaneTiles(self._pyramids, self._container, item, plane, 0)
            pyramids += [tiles.tile(row, column).symbols for row, column in places]
        return pyramids

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """uint8 ``[H, W, C]`` for each view, of those planes that have tiles."""
        container = self._container
        outputs = [self._render(view) for view in of_planes(container, views)]
        return join_planes(container, views, outputs)

    def _render(self, view: View) -> np.ndarray:
        container = self._container
        shape = container.shapes[view.item]
        (y, x), (h, w), (out_h, out_w) = view.start, view.extent, view.shape
        shrink = min(h / out_h, w / out_w)
        skip = int(np.clip(np.floor(np.log2(shrink)), 0, self._pyramids.prior.levels))
        out = np.empty((out_h, out_w, container.planes(view.item)[view.plane]), np.uint8)
        tiles = _PlaneTiles(self._pyramids, container, view.item, view.plane, skip)
        every_row, columns = _positions(y, h, out_h, skip), _positions(x, w, out_w, skip)
        left, right = _span(columns, shape[1], skip)
        count = max(1, int(_strip(w) * out_h / h))
        for top in range(0, out_h, count):
            rows = every_row[top : top + count]
            first, last = _span(rows, shape[0], skip)
            values = tiles.values(first, last, left, right)
            values = cubic(values, rows - (first >> skip), 0)
            values = cubic(values, columns - (left >> skip), 1)
            for part in slices_of_rows(len(values), out_w, _TOGETHER):
                out[top:][part] = to_bytes(values[part], out.shape[-1])
        return out


class _PlaneTiles:
    """Decoded tiles of one plane of an item; keeps those that neighbouring strips share."""

    def __init__(self, pyramids: Pyramids, container: Container, item: int, plane: int, skip: int):
        self._pyramids, self._container, self._item = pyramids, container, item
        self._plane, self._skip = plane, skip
        self._tiling = Tiling.of(container, item)
        self._kept: dict[tuple[int, int], Coded] = {}
        self._used: set[tuple[int, int]] = set()

    def tile(self, row: int, column: int) -> Coded:
        """One decoded tile."""
        self._used.add((row, column))
        if (row, column) not in self._kept:
            pyramids, container, item = self._pyramids, self._container, self._item
            q16 = container.q16[item]
            number = container.tiles_of(item, self._plane).start
            number += row * self._tiling.grid[1] + column
            height, width = self._tiling.tile_shape(row, column)
            payload = container.blocks[number]
            try:
                self._kept[row, column] = pyramids.decode_block(
                    payload, height, width, q16, self._skip
                )
            except MscnError as error:
                raise MscnError(f"{container.source}: {error}") from error
        return self._kept[row, column]

    def coefficients(self, level: int, rows: slice, columns: slice) -> np.ndarray:
        """float64 ``[C, 3, r, c]`` of a level, or ``[C, r, c]`` of the coarse part."""
        prior = self._pyramids.prior
        is_coarse = level == prior.levels
        lead = (prior.channels,) if is_coarse else (prior.channels, 3)
        out = np.empty((*lead, rows.stop - rows.start, columns.stop - columns.start))
        side = self._tiling.side >> (level if is_coarse else level + 1)
        for row, down, inside_rows in _pieces(rows, side):
            for column, along, inside_columns in _pieces(columns, side):
                (coarse, details), indices = self.tile(row, column)
                inside = (..., inside_rows, inside_columns)
                out[..., down, along] = (
                    coarse[inside]
                    if is_coarse
                    else prior.tables.dequantise(details[level][inside], indices[level][inside])
                )
        out *= prior.step(self._container.q16[self._item])
        return out

    def values(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        """float64 ``[h, w, C]`` of source pixels, less the skipped levels."""
        mend = self._pyramids.post_filter
        if mend is None or self._skip:
            return self._synthesised(top, bottom, left, right)
        shape = self._container.shapes[self._item]
        spans, beyond = [], []
        for first, last, side in zip((top, left), (bottom, right), shape):
            first, last = first // 2 * 2 - MARGIN, -(-last // 2) * 2 + MARGIN
            spans.append((max(first, 0), min(last, side)))
            beyond.append((max(-first, 0), max(last - side, 0)))
        (y, y_end), (x, x_end) = spans
        values = self._synthesised(y, y_end, x, x_end)
        values = np.pad(values, [*beyond, (0, 0)], "edge")
        mended = mend(values, self._container.q16[self._item])
        return mended[top % 2 :, left % 2 :][: bottom - top, : right - left]

    def _synthesised(self, top: int, bottom: int, left: int, right: int) -> np.ndarray:
        skip, (height, width) = self._skip, self._container.shapes[self._item]
        part = [(first >> skip, -(-last >> skip)) for first, last in ((top, bottom), (left, right))]
        shapes = sizes(height, width, self._pyramids.prior.levels)
        self._used.clear()
        channels = synthesise_part(self.coefficients, shapes, part, skip)
        self._kept = {place: self._kept[place] for place in self._used}
        if skip:
            channels = channels / 2**skip
        return self._pyramids.values(channels)


def _pieces(span: slice, edge: int) -> Iterator[tuple[int, slice, slice]]:
    """Tiles along an axis that a span touches: each with its part of the span and of the tile."""
    for tile in range(span.start // edge, -(-span.stop // edge)):
        first, last = max(span.start, tile * edge), min(span.stop, (tile + 1) * edge)
        yield (
            tile,
            slice(first - span.start, last - span.start),
            slice(first - tile * edge, last - tile * edge),
        )
