"""Files whose pictures are wavelet pyramids: from blocks to pixels.

A picture is one wavelet transform. For coding alone it is cut into large tiles, each a block of
its own, so that a region of a huge picture costs no more than the blocks around it. Coarse levels
come first in a block: a small version of a picture is decoded without the fine ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Union

import numpy as np

from mscn_tf.runtime.adaptive_filter import COUNTS
from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.layout import Tiling
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.post_filter import GRAPH, PostFilter
from mscn_tf.runtime.pyramid_parts import Part, PlaneTiles, Whole
from mscn_tf.runtime.pyramid_prior import Fitted, PyramidPrior
from mscn_tf.runtime.quality import PSNR, SSIM
from mscn_tf.runtime.sampling import cubic, slices_of_rows
from mscn_tf.runtime.scheme import Kept, Scheme, Survivors, register, touched
from mscn_tf.runtime.view import View, join_planes, of_planes, to_bytes
from mscn_tf.runtime.wavelet import Pyramid, in_one_plane, sizes
from mscn_tf.runtime.workers import Workers

_STRIP = 256  # rows of the source that are made at once: what bounds the memory
_WIDE = 1024  # columns; of narrower pictures more rows are made at once
_BLOCK = 8  # coefficients of the finest level, along each axis: 16 pixels
_TOGETHER = 2**14  # pixels whose colours are made at once
_AT_ONCE = 2**22  # pixels that threads work on at a time, which takes up to 200 bytes for each
# Chooses symbols where they are coded, which may be in another process: so it can be pickled.
Choice = Callable[["Pyramids"], Fitted]


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
    default_effort = 3  # from the third choice on a filter is allowed for twice
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
        updates = self.prior.filter_updates
        self.post_filter = PostFilter(bundle, updates) if GRAPH in bundle.members else None
        if updates and not self.post_filter:
            raise MscnError(
                f"bundle {bundle.name}: its prior has updates of a filter, but it has none"
            )
        if self.prior.taps and (not self.post_filter or channels != len(COUNTS)):
            raise MscnError(
                f"bundle {bundle.name}: its prior has taps, but it has no filter of three colours"
            )
        if self.edge % 2**self.prior.levels:
            raise MscnError(f"bundle {bundle.name}: a tile is no whole number of coarse pixels")

    def warm_up(self) -> None:
        if self.post_filter:
            self.post_filter.warm_up()

    def keep_blocks(self, kept: Kept) -> None:
        self.decode_block = kept(self.prior.decode)

    def blocks(self, container: Container, symbols: Sequence[Union[Fitted, Choice]]) -> list[bytes]:
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
        with self.workers(len(tiles)) as workers:
            return list(workers.in_order(partial(_coded, self), zip(symbols, tiles)))

    def reader(self, container: Container) -> _Reader:
        return _Reader(self, container)

    def graph_inputs(self, container: Container, item: int, whole: bool) -> dict[str, np.ndarray]:
        if whole:
            raise MscnError(f"bundle {self.bundle.name}: pyramids have decode, and no decode_grid")
        height, width = container.shapes[item]
        shapes = sizes(height, width, self.prior.levels)
        told = {"filter_update": self.prior.filter_updates, "taps": self.prior.taps}
        maps: dict[str, list[np.ndarray]] = {name: [] for name, model in told.items() if model}
        planes = []
        for plane in container.coded(item):
            tiles = PlaneTiles(self, container, item, plane, 0)
            held = tiles.all()
            coefficients = partial(tiles.coefficients, held)
            planes.append(np.moveaxis(in_one_plane(coefficients, shapes), 0, -1))
            for name, own in maps.items():
                own.append(tiles.told(held, name))
        inputs = {"coefficients": np.stack(planes).astype(np.float32)}
        inputs.update((name, np.stack(own)) for name, own in maps.items())
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

    def workers(self, tiles: int) -> Workers:
        """For work on so many tiles."""
        threads = max(1, min(self.threads, _AT_ONCE // self.edge**2))
        return Workers(threads if tiles > 1 else 1, picklable=True)

    def dequantised(self, whole: Whole, q16: int) -> np.ndarray:
        """float64 coefficients of a part's level."""
        symbols, indices, following = whole
        values = (
            symbols.astype(np.float64)
            if indices is None
            else self.prior.details(symbols, indices, following)
        )
        values *= self.prior.step(q16)
        return values

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


def _coded(scheme: Pyramids, tile: tuple[Union[Fitted, Choice], tuple[int, int, int]]) -> bytes:
    """The block of a tile: of its symbols, or of what chooses them, height, width and quality."""
    symbols, about = tile
    return scheme.prior.encode(symbols(scheme) if callable(symbols) else symbols, *about)


class _Strip(NamedTuple):
    """Some rows of a view.

    Attributes:
      part: that they are made of.
      rows: where they lie in it, in samples of what isn't skipped.
      columns: where its columns lie.
      channels: 1 or 3.
    """

    part: Part
    rows: np.ndarray
    columns: np.ndarray
    channels: int


def _rendered(scheme: Pyramids, strip: _Strip) -> np.ndarray:
    """uint8 ``[h, w, C]``: its pixels."""
    values = cubic(cubic(strip.part.values(scheme), strip.rows, 0), strip.columns, 1)
    out = np.empty((*values.shape[:2], strip.channels), np.uint8)
    for rows in slices_of_rows(len(values), values.shape[1], _TOGETHER):
        out[rows] = to_bytes(values[rows], strip.channels)
    return out


class _Reader:
    """Decodes items of a file."""

    def __init__(self, pyramids: Pyramids, container: Container):
        self._pyramids, self._container = pyramids, container

    def symbols(self, item: int) -> list[Fitted]:
        """An item's quantised coefficients, for each tile."""
        fitted: list[Fitted] = []
        for plane in self._container.coded(item):
            tiles = PlaneTiles(self._pyramids, self._container, item, plane, 0)
            held = tiles.all().values()
            fitted += (Fitted(tile.symbols, *tile[2:]) for tile in held)
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
        tiles = PlaneTiles(self._pyramids, container, view.item, view.plane, skip)
        every_row, columns = _positions(y, h, out_h, skip), _positions(x, w, out_w, skip)
        left, right = _span(columns, shape[1], skip)
        count = max(1, int(_strip(w) * out_h / h))
        slices = [slice(top, top + count) for top in range(0, out_h, count)]
        spans = [(_span(every_row[rows], shape[0], skip), (left, right)) for rows in slices]
        most = _AT_ONCE // max(_strip(w) * (right - left) >> 2 * skip, count * out_w)
        with self._pyramids.workers(tiles.count) as workers:
            strips = (
                _Strip(
                    part,
                    every_row[rows] - (part.span[0][0] >> skip),
                    columns - (left >> skip),
                    out.shape[-1],
                )
                for rows, part in zip(slices, tiles.around(spans, workers))
            )
            rendered = workers.in_order(partial(_rendered, self._pyramids), strips, most)
            for rows, pixels in zip(slices, rendered):
                out[rows] = pixels
        return out
