"""Files whose pictures are cut into tiles, each decoded by a network on its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import Container, grid
from mscn_tf.runtime.decoder import Decoder
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.view import View, to_bytes

_PIECE = 256  # a run of the decoder makes at most this many rows and columns of a tile
_CHUNK_PIXELS = 2**16  # of all tiles in one run: what bounds the memory


@dataclass(frozen=True)
class _Axis:
    """Output positions along one axis, cut into pieces that lie within one tile.

    Attributes:
      tile: int64 [P], tile of each piece, rising.
      start, stop: int64 [P], output positions [start, stop) of each piece.
      coordinates: float64 [P, n], within the tile, -1 to 1; short pieces repeat their last.
    """

    tile: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    coordinates: np.ndarray

    @classmethod
    def sample(cls, offset: int, extent: int, out: int, edge: int) -> _Axis:
        """Centres of `out` equal parts of the source pixels [offset, offset + extent)."""
        source = offset + (np.arange(out) + 0.5) * (extent / out)
        # Rounding must not carry the last centre out of the picture.
        tile = np.minimum(source // edge, (offset + extent - 1) // edge).astype(np.int64)
        first = np.concatenate(([True], np.diff(tile) > 0))
        since = np.arange(out) - np.flatnonzero(first)[np.cumsum(first) - 1]
        start = np.flatnonzero(since % _PIECE == 0)
        stop = np.append(start[1:], out)
        at = np.minimum(start[:, None] + np.arange((stop - start).max()), stop[:, None] - 1)
        coordinates = 2 * (source[at] - tile[at] * edge) / edge - 1
        return cls(tile[start], start, stop, coordinates)


class Tiles:
    """How files of a tile codec become pictures.

    A network gives values at any point, so other sizes than the original are sampled at the
    centres of the new pixels; nothing is averaged.
    """

    tiles_per_block = 256

    def __init__(self, bundle: Bundle):
        self.bundle = bundle
        self.prior = bundle.prior

    @cached_property
    def decoder(self) -> Decoder:
        """The bundle's network; the first use imports ONNX Runtime."""
        return Decoder(self.bundle)

    def blocks(self, container: Container, symbols: np.ndarray) -> list[bytes]:
        """The blocks of a file that lacks them, from int32 [tiles, M].

        Raises:
          MscnError: the symbols do not fit the file's items.
        """
        if len(symbols) != container.tiles or len(container.q16) != container.items:
            raise MscnError(
                f"{len(symbols)} rows of symbols and {len(container.q16)} qualities do not fit "
                f"{container.items} items of {container.tiles} tiles"
            )
        payloads = []
        for block in range(-(-container.tiles // container.tiles_per_block)):
            tiles = container.tiles_in(block)
            part = symbols[tiles.start : tiles.stop]
            payloads.append(self.prior.encode(part, container.q16_of(tiles)))
        return payloads

    def reader(self, container: Container) -> _Reader:
        """What decodes items of a file."""
        return _Reader(self, container)


class _Reader:
    """Decodes items of a file; keeps the last block."""

    def __init__(self, tiles: Tiles, container: Container):
        self._tiles, self._container, self._prior = tiles, container, tiles.prior
        self._block, self._symbols, self._q16 = -1, np.empty(0), np.empty(0)

    def block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """int32 [n, M] symbols and int64 [n] qualities of a block's tiles."""
        if block != self._block:
            container = self._container
            q16 = container.q16_of(container.tiles_in(block))
            try:
                self._symbols = self._prior.decode(container.blocks[block], q16)
            except MscnError as error:
                raise MscnError(f"{container.source}: {error}") from error
            self._q16, self._block = q16, block
        return self._symbols, self._q16

    def symbols(self, item: int) -> np.ndarray:
        """int32 [tiles, M]: an item's quantised codes, tiles row-major."""
        tiles, size = self._container.tiles_of(item), self._container.tiles_per_block
        first, last = tiles.start // size, (tiles.stop - 1) // size
        joined = np.concatenate([self.block(block)[0] for block in range(first, last + 1)])
        return joined[tiles.start - first * size :][: len(tiles)]

    def render(self, views: Sequence[View]) -> list[np.ndarray]:
        """uint8 ``[H, W, C]`` for each view."""
        container, edge = self._container, self._container.tile_edge
        outputs = [
            np.empty((*view.shape, container.channels[view.item]), np.uint8) for view in views
        ]
        spans = [(view.region, view.shape) for view in views]
        rows = _Table([_Axis.sample(y, h, out, edge) for (_, y, _, h), (out, _) in spans])
        columns = _Table([_Axis.sample(x, w, out, edge) for (x, _, w, _), (_, out) in spans])
        # A job is one piece of rows and one of columns of one view: [jobs] each.
        owner, row, column, tile = [], [], [], []
        for index, view in enumerate(views):
            across = grid(container.shapes[view.item], container.tile_edge)[1]
            first = container.tiles_of(view.item).start
            down, along = rows.axes[index], columns.axes[index]
            r, c = np.divmod(np.arange(len(down.tile) * len(along.tile)), len(along.tile))
            owner.append(np.full(len(r), index))
            row.append(r + rows.first[index])
            column.append(c + columns.first[index])
            tile.append(first + down.tile[r] * across + along.tile[c])
        jobs = np.stack([np.concatenate(part) for part in (tile, owner, row, column)], axis=1)
        jobs = jobs[np.argsort(jobs[:, 0], kind="stable")]

        chunk = max(1, _CHUNK_PIXELS // (rows.width * columns.width))
        blocks = jobs[:, 0] // container.tiles_per_block
        for block in np.unique(blocks):
            low, high = np.searchsorted(blocks, (block, block + 1))
            coded, q16 = self.block(int(block))
            for start in range(low, high, chunk):
                part = jobs[start : min(start + chunk, high)]
                at = part[:, 0] - block * container.tiles_per_block
                codes = self._prior.dequantise(coded[at], q16[at])
                values = self._tiles.decoder(
                    codes,
                    rows.coordinates[part[:, 2]],
                    columns.coordinates[part[:, 3]],
                    q16[at] / 16,
                )
                for one, (_, view, r, c) in zip(values, part.tolist()):
                    top, bottom, left, right = *rows.span[r], *columns.span[c]
                    out = outputs[view]
                    out[top:bottom, left:right] = to_bytes(
                        one[: bottom - top, : right - left], out.shape[-1]
                    )
        return outputs


class _Table:
    """Pieces of several axes in one table, padded to the longest."""

    def __init__(self, axes: Sequence[_Axis]):
        self.axes = axes
        self.first = np.concatenate(([0], np.cumsum([len(axis.tile) for axis in axes])))
        self.width = max(axis.coordinates.shape[1] for axis in axes)
        self.coordinates = np.concatenate(
            [
                np.pad(a.coordinates, ((0, 0), (0, self.width - a.coordinates.shape[1])), "edge")
                for a in axes
            ]
        )
        starts = np.concatenate([axis.start for axis in axes])
        stops = np.concatenate([axis.stop for axis in axes])
        self.span = np.stack([starts, stops], axis=1).tolist()
