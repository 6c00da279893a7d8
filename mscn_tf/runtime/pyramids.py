"""Files whose pictures are wavelet pyramids: from blocks to pixels.

A picture is one wavelet transform. For coding alone it is cut into large tiles, each a block of
its own, so that a region of a huge picture costs no more than the blocks around it. Coarse levels
come first in a block: a small version of a picture is decoded without the fine ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.layout import Span, Tiling
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.post_filter import GRAPH, MARGIN, PostFilter
from mscn_tf.runtime.pyramid_prior import Coded, Fitted, PyramidPrior
from mscn_tf.runtime.quality import PSNR, SSIM
from mscn_tf.runtime.sampling import cubic, slices_of_rows
from mscn_tf.runtime.scheme import Kept, Scheme, Survivors, register, touched
from mscn_tf.runtime.view import View, join_planes, of_planes, to_bytes
from mscn_tf.runtime.wavelet import Pyramid, in_one_plane, sizes, spans_of, synthesise_part
from mscn_tf.runtime.workers import Workers

_STRIP = 256  # rows of the source that are made at once: what bounds the memory
_WIDE = 1024  # columns; of narrower pictures more rows are made at once
_BLOCK = 8  # coefficients of the finest level, along each axis: 16 pixels
_TOGETHER = 2**14  # pixels whose colours are made at once
_AT_ONCE = 2**22  # pixels that threads work on at a time, which takes some 120 bytes for each
Place = tuple[int, int]  # row and column of a tile
Held = dict[Place, Coded]  # tiles


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
    tunes = (PSNR, SSIM)
    encoder = "mscn_tf.codec.pyramid_encoding:PyramidEncoder"
    trainer = "mscn_tf.training.pyramid:pyramid_trainer"
    contents = "mscn_tf.export.pyramid_bundle:contents"
    functions = "mscn_tf.export.pyramid_functions:PyramidFunctions"

    def __init__(self, bundle: Bundle, threads: int = 1):
        super().__init__(bundle, threads)
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

    def blocks(self, container: Container, symbols: Sequence[Fitted]) -> list[bytes]:
        """One for each tile's symbols, which may be made when they are asked for."""
        if len(container.q16) != container.items:
            raise MscnError(f"{len(container.q16)} qualities do not fit {container.items} items")
        tiles = [
            (*tiling.tile_shape(row, column), container.q16[item])
            for item in range(container.items)
            for tiling in [Tiling.of(container, item)] * len(container.coded(item))
            for row, column in tiling.places()
        ]
        if len(symbols) != len(tiles):
            raise MscnError(f"as many pyramids are wanted as there are tiles: {len(tiles)}")
        with self.workers() as workers:
            numbers = range(len(tiles))
            return list(
                workers.in_order(lambda n: self.prior.encode(symbols[n], *tiles[n]), numbers)
            )

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        if whole:
            raise MscnError(f"bundle {self.bundle.name}: pyramids have decode, and no decode_grid")
        height, width = container.shapes[item]
        shapes = sizes(height, width, self.prior.levels)
        planes = []
        for plane in container.coded(item):
            tiles = _PlaneTiles(self, container, item, plane, 0)
            coefficients = partial(tiles.coefficients, tiles.all())
            planes.append(np.moveaxis(in_one_plane(coefficients, shapes), 0, -1))
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
        pyramids = [fitted.symbols for fitted in self.reader(container).symbols(item)]
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

    def workers(self) -> Workers:
        """Threads for work on tiles."""
        return Workers(max(1, min(self.threads, _AT_ONCE // self.edge**2)))

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

    def symbols(self, item: int) -> list[Fitted]:
        """An item's quantised coefficients, for each tile."""
        places = Tiling.of(self._container, item).places()
        fitted: list[Fitted] = []
        with self._pyramids.workers() as workers:
            for plane in self._container.coded(item):
                tiles = _PlaneTiles(self._pyramids, self._container, item, plane, 0)
                decoded = workers.in_order(tiles.decoded, places)
                fitted += (Fitted(tile.symbols, tile.update, tile.shares) for tile in decoded)
        return fitted

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
        tops = range(0, out_h, count)
        spans = [_span(every_row[top : top + count], shape[0], skip) for top in tops]

        def render(strip: tuple[int, Span, Held]) -> None:
            top, part, coded = strip
            values = tiles.values(part, coded)
            values = cubic(values, every_row[top : top + count] - (part[0][0] >> skip), 0)
            values = cubic(values, columns - (left >> skip), 1)
            for rows in slices_of_rows(len(values), out_w, _TOGETHER):
                out[top:][rows] = to_bytes(values[rows], out.shape[-1])

        with self._pyramids.workers() as workers:
            parts = [(span, (left, right)) for span in spans]
            strips = zip(tops, parts, tiles.around(parts, workers))
            most = _AT_ONCE // max(_strip(w) * (right - left) >> 2 * skip, count * out_w)
            for _ in workers.in_order(render, strips, most):
                pass
        return out


class _PlaneTiles:
    """Tiles of one plane of an item, less the levels that are skipped."""

    def __init__(self, pyramids: Pyramids, container: Container, item: int, plane: int, skip: int):
        self._pyramids, self._container, self._item = pyramids, container, item
        self._plane, self._skip = plane, skip
        self._tiling = Tiling.of(container, item)
        height, width = self._tiling.shape
        self._sizes = sizes(height, width, pyramids.prior.levels)
        self._mend = None if skip else pyramids.post_filter

    def decoded(self, place: Place) -> Coded:
        """One of them."""
        container = self._container
        row, column = place
        number = container.tiles_of(self._item, self._plane).start
        number += row * self._tiling.grid[1] + column
        size, q16 = self._tiling.tile_shape(*place), container.q16[self._item]
        try:
            return self._pyramids.decode_block(container.blocks[number], *size, q16, self._skip)
        except MscnError as error:
            raise MscnError(f"{container.source}: {error}") from error

    def all(self) -> Held:
        """Each of them, by its place."""
        return {place: self.decoded(place) for place in self._tiling.places()}

    def around(self, parts: Iterable[Span], workers: Workers) -> Iterator[Held]:
        """Those that parts of the source need, of each of them; keeps what the next one shares."""
        coded: Held = {}
        for part in parts:
            places = self._places(part)
            missing = [place for place in places if place not in coded]
            found = {**coded, **dict(zip(missing, workers.in_order(self.decoded, missing)))}
            coded = {place: found[place] for place in places}
            yield coded

    def _places(self, part: Span) -> list[Place]:
        """Of the tiles whose coefficients reach a part of the source."""
        side = self._tiling.side
        seen = self._at_skip(self._with_margin(part))
        ends: list[list[int]] = [[], []]
        spans = [seen, *spans_of(self._sizes, seen, self._skip)]
        for level, span in enumerate(spans, self._skip):
            for axis, (first, last) in enumerate(span):
                ends[axis] += (first // (side >> level), -(-last // (side >> level)))
        rows, columns = (range(min(end), max(end)) for end in ends)
        return list(itertools.product(rows, columns))

    def coefficients(self, coded: Held, level: int, rows: slice, columns: slice) -> np.ndarray:
        """float64 ``[C, 3, r, c]`` of a level, or ``[C, r, c]`` of the coarse part."""
        prior = self._pyramids.prior
        is_coarse = level == prior.levels
        lead = (prior.channels,) if is_coarse else (prior.channels, 3)
        out = np.empty((*lead, rows.stop - rows.start, columns.stop - columns.start))
        side = self._tiling.side >> (level if is_coarse else level + 1)
        for row, down, inside_rows in _pieces(rows, side):
            for column, along, inside_columns in _pieces(columns, side):
                tile = coded[row, column]
                inside = (..., inside_rows, inside_columns)
                out[..., down, along] = (
                    tile.symbols.coarse[inside] if is_coarse else prior.details(tile, level, inside)
                )
        out *= prior.step(self._container.q16[self._item])
        return out

    def _with_margin(self, part: Span) -> Span:
        """A part, and what the filter looks at around it, which may lie outside of the picture."""
        if self._mend is None:
            return part
        (top, bottom), (left, right) = (
            (first // 2 * 2 - MARGIN, -(-last // 2) * 2 + MARGIN) for first, last in part
        )
        return (top, bottom), (left, right)

    def _at_skip(self, part: Span) -> Span:
        """What of a part lies in the picture, less the levels that are skipped."""
        (top, bottom), (left, right) = (
            (max(first, 0) >> self._skip, -(-min(last, side) >> self._skip))
            for (first, last), side in zip(part, self._tiling.shape)
        )
        return (top, bottom), (left, right)

    def values(self, part: Span, coded: Held) -> np.ndarray:
        """float64 ``[h, w, C]`` of source pixels, less the skipped levels.

        Args:
          part: of the source.
          coded: the tiles that `around` gave for it.
        """
        wide, shape = self._with_margin(part), self._tiling.shape
        coefficients = partial(self.coefficients, coded)
        channels = synthesise_part(coefficients, self._sizes, self._at_skip(wide), self._skip)
        if self._skip:
            channels = channels / 2**self._skip
        values = self._pyramids.values(channels)
        if self._mend is None:
            return values
        beyond = [(max(-first, 0), max(last - side, 0)) for (first, last), side in zip(wide, shape)]
        values = np.pad(values, [*beyond, (0, 0)], "edge")
        mended = self._mend(values, self._container.q16[self._item])
        (top, bottom), (left, right) = part
        return mended[top % 2 :, left % 2 :][: bottom - top, : right - left]


def _pieces(span: slice, edge: int) -> Iterator[tuple[int, slice, slice]]:
    """Tiles along an axis that a span touches: each with its part of the span and of the tile."""
    for tile in range(span.start // edge, -(-span.stop // edge)):
        first, last = max(span.start, tile * edge), min(span.stop, (tile + 1) * edge)
        yield (
            tile,
            slice(first - span.start, last - span.start),
            slice(first - tile * edge, last - tile * edge),
        )
