"""Decoding `.mscn` files: whole pictures, crops, other resolutions, archives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Union

import numpy as np

from mscn_tf.runtime.bundle import Bundle
from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE, MODALITIES, Container, grid
from mscn_tf.runtime.decoder import Decoder
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.runtime.prior import Prior

Data = Union[bytes, Container]

TILES_PER_BLOCK = 256
_PIECE = 256  # a run of the decoder makes at most this many rows and columns of a tile
_CHUNK_PIXELS = 2**16  # of all tiles in one run: what bounds the memory
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


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


@dataclass(frozen=True)
class _View:
    """One wanted picture: an item seen through a region at a size."""

    item: int
    rows: _Axis
    columns: _Axis
    shape: tuple[int, int]  # of the output


class _Symbols:
    """Decoded blocks of a container; keeps the last one."""

    def __init__(self, container: Container, prior: Prior):
        self._container, self._prior = container, prior
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


class Codec:
    """Decodes the files of one codec bundle.

    Example:
      codec = Codec.load("photo")
      picture = codec.decode(data, scale=2)  # uint8 [H, W, C]
    """

    def __init__(self, bundle: Bundle):
        self.bundle = bundle

    @classmethod
    def load(cls, name_or_path: PathLike) -> Codec:
        """Codec by the name of a bundle that comes with the package, or by a bundle's path.

        Raises:
          MscnError: there is no such bundle, or it is damaged.
        """
        return cls(Bundle.load(name_or_path))

    @classmethod
    def of(cls, data: Data, codec: PathLike | None = None, name: str = "input") -> Codec:
        """The codec that a file was made with.

        Args:
          data: the file's bytes.
          codec: name or path of its bundle; None looks among those that come with the package.
          name: what error messages call the file.

        Raises:
          MscnError: the file is damaged, its codec is not there, or `codec` is another one.
        """
        container = _parse(data, name)
        if codec is not None:
            found = cls.load(codec)
        else:
            bundle = Bundle.find(container.bundle_id)
            if bundle is None:
                known = ", ".join(Bundle.names()) or "none"
                raise MscnError(
                    f"{container.source}: made with codec {container.bundle_id.hex()}, which is "
                    f"not among those installed ({known}); give its bundle with --codec=PATH"
                )
            found = cls(bundle)
        found._check(container)
        return found

    @cached_property
    def prior(self) -> Prior:
        """The bundle's entropy model."""
        return self.bundle.prior

    @cached_property
    def decoder(self) -> Decoder:
        """The bundle's network; the first use imports ONNX Runtime."""
        return Decoder(self.bundle)

    def _check(self, container: Container) -> None:
        manifest, own = self.bundle.manifest, self.bundle.id[:8]
        if container.bundle_id != own:
            raise MscnError(
                f"{container.source}: made with codec {container.bundle_id.hex()}, but "
                f"{self.bundle.name} is {own.hex()}; give the right bundle with --codec=PATH"
            )
        made = (MODALITIES[container.modality], container.tile_edge, container.code_channels)
        if made != (manifest["modality"], manifest["tile_edge"], manifest["channels"]):
            raise MscnError(
                f"{container.source}: its header disagrees with codec {self.bundle.name} on "
                "modality, tile edge or channels; get a fresh copy"
            )

    def _open(self, data: Data, name: str) -> Container:
        container = _parse(data, name)
        self._check(container)
        return container

    def pack(
        self,
        symbols: np.ndarray,
        shapes: Sequence[tuple[int, int]],
        q16: Sequence[int],
        channels: Sequence[int],
        names: Sequence[str] | None = None,
        tiles_per_block: int = TILES_PER_BLOCK,
    ) -> bytes:
        """A file from quantised codes; the inverse of `decode_symbols`.

        Args:
          symbols: int32 [tiles, M], of all items one after the other, each row-major.
          shapes: (height, width) of each item.
          q16: quality times 16 of each item, 16 to 160.
          channels: 1 or 3 for each item.
          names: one for each item, or None.
          tiles_per_block: smaller blocks make crops faster, larger ones save 6 bytes a block.

        Raises:
          MscnError: arguments do not fit together or are beyond the format's limits.
        """
        container = Container(
            bundle_id=self.bundle.id[:8],
            modality=MODALITIES.index(self.bundle.manifest["modality"]),
            tile_edge=self.bundle.manifest["tile_edge"],
            code_channels=self.bundle.manifest["channels"],
            shapes=[(int(height), int(width)) for height, width in shapes],
            q16=[int(quality) for quality in q16],
            channels=[int(count) for count in channels],
            names=None if names is None else list(names),
            tiles_per_block=tiles_per_block,
            blocks=[],
        )
        if len(symbols) != container.tiles or len(container.q16) != container.items:
            raise MscnError(
                f"{len(symbols)} rows of symbols and {len(container.q16)} qualities do not fit "
                f"{container.items} items of {container.tiles} tiles"
            )
        for block in range(-(-container.tiles // tiles_per_block)):
            tiles = container.tiles_in(block)
            payload = self.prior.encode(symbols[tiles.start : tiles.stop], container.q16_of(tiles))
            container.blocks.append(payload)
        return container.to_bytes()

    def decode_symbols(self, data: Data, item: int = 0, name: str = "input") -> np.ndarray:
        """int32 [tiles, M]: an item's quantised codes, tiles row-major.

        Raises:
          MscnError: as `decode`.
        """
        container = self._open(data, name)
        tiles, size = container.tiles_of(item), container.tiles_per_block
        symbols = _Symbols(container, self.prior)
        first, last = tiles.start // size, (tiles.stop - 1) // size
        joined = np.concatenate([symbols.block(block)[0] for block in range(first, last + 1)])
        return joined[tiles.start - first * size :][: len(tiles)]

    def decode(
        self,
        data: Data,
        item: int = 0,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        region: tuple[int, int, int, int] | None = None,
        name: str = "input",
    ) -> np.ndarray:
        """One picture, or a part of it, at any resolution; decodes only the blocks it needs.

        A network gives values at any point, so other sizes are sampled at the centres of the new
        pixels; nothing is averaged.

        Args:
          data: the file's bytes, or an opened `Container`.
          item: which picture, from 0.
          scale: output size as a multiple of the region's; not together with `size`.
          size: output (width, height) in pixels.
          region: (x, y, width, height) in source pixels; default all.
          name: what error messages call the file.

        Returns:
          uint8 [H, W, C], C = 1 for grey originals (BT.601 luma), else 3.

        Raises:
          MscnError: the file is damaged or of another codec, or an argument is out of range.
        """
        container = self._open(data, name)
        view = _view(container, item, scale, size, region)
        return self._render(container, [view], _Symbols(container, self.prior))[0]

    def decode_all(
        self, data: Data, scale: float | None = None, name: str = "input"
    ) -> Iterator[np.ndarray]:
        """Every picture of an archive in order, uint8 [H, W, C] each; small ones in batches.

        Raises:
          MscnError: as `decode`.
        """
        container = self._open(data, name)
        symbols = _Symbols(container, self.prior)
        batch: list[_View] = []
        pixels, axes = 0, {}
        for item in range(container.items):
            shape = container.shapes[item]
            if shape not in axes:
                axes = {shape: _view(container, item, scale, None, None)}
            known = axes[shape]
            batch.append(_View(item, known.rows, known.columns, known.shape))
            pixels += known.shape[0] * known.shape[1]
            if pixels >= _CHUNK_PIXELS or item + 1 == container.items:
                yield from self._render(container, batch, symbols)
                batch, pixels = [], 0

    def _render(
        self, container: Container, views: Sequence[_View], symbols: _Symbols
    ) -> list[np.ndarray]:
        outputs = [
            np.empty((*view.shape, container.channels[view.item]), np.uint8) for view in views
        ]
        rows, columns = _Table([v.rows for v in views]), _Table([v.columns for v in views])
        # A job is one piece of rows and one of columns of one view: [jobs] each.
        owner, row, column, tile = [], [], [], []
        for index, view in enumerate(views):
            across = grid(container.shapes[view.item], container.tile_edge)[1]
            first = container.tiles_of(view.item).start
            r, c = np.divmod(
                np.arange(len(view.rows.tile) * len(view.columns.tile)), len(view.columns.tile)
            )
            owner.append(np.full(len(r), index))
            row.append(r + rows.first[index])
            column.append(c + columns.first[index])
            tile.append(first + view.rows.tile[r] * across + view.columns.tile[c])
        jobs = np.stack([np.concatenate(part) for part in (tile, owner, row, column)], axis=1)
        jobs = jobs[np.argsort(jobs[:, 0], kind="stable")]

        chunk = max(1, _CHUNK_PIXELS // (rows.width * columns.width))
        blocks = jobs[:, 0] // container.tiles_per_block
        for block in np.unique(blocks):
            low, high = np.searchsorted(blocks, (block, block + 1))
            coded, q16 = symbols.block(int(block))
            for start in range(low, high, chunk):
                part = jobs[start : min(start + chunk, high)]
                at = part[:, 0] - block * container.tiles_per_block
                codes = self.prior.dequantise(coded[at], q16[at])
                values = self.decoder(
                    codes,
                    rows.coordinates[part[:, 2]],
                    columns.coordinates[part[:, 3]],
                    q16[at] / 16,
                )
                for one, (_, view, r, c) in zip(values, part.tolist()):
                    top, bottom, left, right = *rows.span[r], *columns.span[c]
                    out = outputs[view]
                    out[top:bottom, left:right] = _to_bytes(
                        one[: bottom - top, : right - left], out.shape[-1]
                    )
        return outputs

    @staticmethod
    def info(data: Data, name: str = "input") -> dict[str, Any]:
        """What a file says about itself, without its codec and without ONNX Runtime.

        Returns:
          `version`, `codec` (id, 16 hexadecimal digits), `modality`, `tile_edge`, `blocks`,
          `tiles_per_block`, `bytes` (`total`, `header`, `side`, `payload`), `bits_per_pixel` and
          `items`: a list of `name` (or None), `width`, `height`, `channels`, `quality`, `tiles`.

        Raises:
          MscnError: not a `.mscn` file, or damaged.
        """
        container = _parse(data, name)
        sizes = container.sizes()
        total = sum(sizes.values())
        pixels = sum(height * width for height, width in container.shapes)
        names = container.names or [None] * container.items
        tiles = np.diff(container.first_tiles).tolist()
        return {
            "version": 1,
            "codec": container.bundle_id.hex(),
            "modality": MODALITIES[container.modality],
            "tile_edge": container.tile_edge,
            "blocks": len(container.blocks),
            "tiles_per_block": container.tiles_per_block,
            "bytes": {"total": total, **sizes},
            "bits_per_pixel": 8 * total / pixels,
            "items": [
                {
                    "name": names[item],
                    "width": width,
                    "height": height,
                    "channels": container.channels[item],
                    "quality": container.q16[item] / 16,
                    "tiles": tiles[item],
                }
                for item, (height, width) in enumerate(container.shapes)
            ],
        }


class _Table:
    """Pieces of several axes in one table, padded to the longest."""

    def __init__(self, axes: Sequence[_Axis]):
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


def _parse(data: Data, name: str) -> Container:
    return data if isinstance(data, Container) else Container.from_bytes(data, name)


def _to_bytes(values: np.ndarray, channels: int) -> np.ndarray:
    """uint8 [h, w, channels] of float64 [h, w, C]."""
    values = np.fmax(np.fmin(values, 1.0), 0.0)  # not numbers become 1 everywhere alike
    if channels == 1 and values.shape[-1] == 3:
        values = (values @ _LUMA)[..., None]
    return np.rint(values * 255.0).astype(np.uint8)


def _view(
    container: Container,
    item: int,
    scale: float | None,
    size: tuple[int, int] | None,
    region: tuple[int, int, int, int] | None,
) -> _View:
    """Checks the arguments of `Codec.decode` and finds the points to sample."""
    source = container.source
    height, width = container.shapes[container.check_item(item)]
    x, y, w, h = (0, 0, width, height) if region is None else region
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise MscnError(
            f"{source}: region {x},{y},{w},{h} does not lie within its {width}x{height} pixels"
        )
    if scale is not None and size is not None:
        raise MscnError("give scale or size, not both")
    out_w, out_h = (w, h) if size is None else size
    if scale is not None:
        if not 0 < scale <= MAX_SIDE:
            raise MscnError(f"scale {scale} must be more than 0 and at most {MAX_SIDE}")
        out_w, out_h = max(1, round(w * scale)), max(1, round(h * scale))
    sides = 1 <= out_w <= MAX_SIDE and 1 <= out_h <= MAX_SIDE
    if not sides or out_w * out_h > MAX_PIXELS:
        raise MscnError(
            f"{source}: output of {out_w}x{out_h} pixels; sides must be 1 to {MAX_SIDE} and the "
            f"product at most {MAX_PIXELS}: lower scale or size"
        )
    edge = container.tile_edge
    return _View(
        item=item,
        rows=_Axis.sample(y, h, out_h, edge),
        columns=_Axis.sample(x, w, out_w, edge),
        shape=(out_h, out_w),
    )
