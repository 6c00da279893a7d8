"""The `.mscn` container: header, table, blocks.

It knows nothing about the entropy model: a block is bytes. `header` has the fields.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mscn_tf.runtime.blocks import Blocks, checksum
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.header import (
    BOUNDED,
    BY_AREA,
    EXACT,
    FIELDS,
    KINDS,
    MAGIC,
    MAX_ITEMS,
    MAX_METADATA_BYTES,
    MAX_NAME_BYTES,
    METADATA,
    NAMES,
    NO_RESIDUALS,
    OVERLAP,
    PACKED,
    PARENTS,
    SAME_CHANNELS,
    SAME_QUALITY,
    SAME_SHAPE,
    HeaderInput,
    is_name,
    is_there,
    problem_of,
    read_values,
    to_json,
    version_of,
)
from mscn_tf.runtime.layout import (
    MAX_PIXELS,
    MAX_SIDE,
    count_exact,
    exact_problem,
    grid,
    longest,
    overlap_problem,
    planes,
    size_text,
    tile_side,
)
from mscn_tf.runtime.modality import Modality

__all__ = ["MAX_PIXELS", "MAX_SIDE", "Container", "grid", "longest", "planes", "size_text"]


@dataclass
class Container:
    """One `.mscn` file: a single signal is an archive of one item.

    Attributes:
      bundle_id: 8 bytes.
      modality: number of a registered `Modality`.
      tile_edge: samples, 1 to 2^20.
      code_channels: channels of a tile, 1 to 255.
      shapes: samples along each axis of each item: of a picture (height, width).
      q16: quality times 16 of each item, 16 to 160.
      channels: of each item's original.
      names: one for each item, or None. Labels, not paths: who writes files by them checks them.
      tiles_per_block: 1 to 4096.
      blocks: entropy-coded payloads; block k holds tiles [k * tiles_per_block, ...) of the tiles
        of all items, one item after the other, of each the tiles of its planes, row-major.
        Exact planes have no tiles.
      tile_overlap: samples that neighbouring tiles share, less than `tile_edge`.
      metadata: JSON object, what else the original file said, or None.
      error_bound: largest error of any value, or None.
      residuals: what corrects each item to that bound, one payload an item; none where none is
        corrected and the file may be of version 3.
      exact: of each item, bit p where its plane p is exact; empty where none of any item is.
      exact_blocks: payloads of those planes, one item's after the other's.
      by_area: whether tiles of narrow pictures are longer than `tile_edge`.
      packed: whether the metadata are written in few bytes, by `packed`.
      parents: whether items follow from others, so that blocks need those of other items.
      source: what error messages call this file.
    """

    bundle_id: bytes
    modality: int
    tile_edge: int
    code_channels: int
    shapes: list[tuple[int, ...]]
    q16: list[int]
    channels: list[int]
    names: list[str] | None
    tiles_per_block: int
    blocks: Sequence[bytes]
    tile_overlap: int = 0
    metadata: dict[str, Any] | None = None
    error_bound: float | None = None
    residuals: Sequence[bytes] = field(default_factory=list)
    exact: list[int] = field(default_factory=list)
    exact_blocks: Sequence[bytes] = field(default_factory=list)
    by_area: bool = False
    packed: bool = False
    parents: bool = False
    source: str = field(default="input", compare=False)

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.shapes)

    @cached_property
    def first_tiles(self) -> np.ndarray:
        """int64 [items + 1]: index of each item's first tile; the last entry counts all tiles."""
        # Of each kind of item once: there may be millions of items.
        tiles_of = {shape: math.prod(self._grid(shape)) for shape in set(map(tuple, self.shapes))}
        planes_of = {count: len(planes(self.modality, count)) for count in set(self.channels)}
        exact_of = {bits: count_exact([bits]) for bits in {0, *self.exact}}
        each = zip(self.shapes, self.channels, self.exact or itertools.repeat(0))
        tiles = (tiles_of[tuple(s)] * (planes_of[c] - exact_of[bits]) for s, c, bits in each)
        return np.cumsum(np.fromiter(itertools.chain((0,), tiles), np.int64, self.items + 1))

    @property
    def tiles(self) -> int:
        """Number of tiles of all items."""
        return int(self.first_tiles[-1])

    def _grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        return grid(shape, self.tile_edge, self.tile_overlap, self.by_area)

    def tile_side(self, item: int) -> int:
        """Samples of an item's tiles along each axis, but for the last ones."""
        return tile_side(self.shapes[item], self.tile_edge, self.by_area)

    def check_item(self, item: int) -> int:
        """`item` itself, counted from 0.

        Raises:
          MscnError: there is no such item.
        """
        if not 0 <= item < self.items:
            raise MscnError(
                f"{self.source}: no item {item}; it holds {self.items}, "
                f"numbered 0 to {self.items - 1}"
            )
        return item

    def planes(self, item: int) -> tuple[int, ...]:
        """Channels of each of an item's planes."""
        return planes(self.modality, self.channels[item])

    def is_exact(self, item: int, plane: int) -> bool:
        """Whether a plane of an item is exact."""
        return bool(self.exact) and bool(self.exact[item] >> plane & 1)

    def coded(self, item: int) -> list[int]:
        """Those of an item's planes that have tiles: all but exact ones."""
        planes = range(len(self.planes(item)))
        return [plane for plane in planes if not self.is_exact(item, plane)]

    @cached_property
    def first_exact(self) -> np.ndarray:
        """int64 [items + 1]: index of the first exact block of each item."""
        return np.concatenate(([0], np.cumsum([count_exact([bits]) for bits in self.exact])))

    def exact_block(self, item: int, plane: int) -> bytes:
        """The payload of an exact plane."""
        before = count_exact([self.exact[item] & (1 << plane) - 1])
        return self.exact_blocks[int(self.first_exact[item]) + before]

    def residual(self, item: int) -> bytes:
        """What corrects an item; empty where nothing does."""
        return self.residuals[item] if len(self.residuals) else b""

    def tiles_of(self, item: int, plane: int | None = None) -> range:
        """Indices of an item's tiles, or of those of one of its planes, which isn't exact.

        Raises:
          MscnError: there is no such item.
        """
        self.check_item(item)
        first, last = int(self.first_tiles[item]), int(self.first_tiles[item + 1])
        if plane is None:
            return range(first, last)
        coded = self.coded(item)
        count, before = (last - first) // len(coded), coded.index(plane)
        return range(first + before * count, first + (before + 1) * count)

    def tiles_in(self, block: int) -> range:
        """Indices of the tiles in a block."""
        start = block * self.tiles_per_block
        return range(start, min(start + self.tiles_per_block, self.tiles))

    def q16_of(self, tiles: range) -> np.ndarray:
        """int64 [len(tiles)]: quality times 16 of a range of tiles."""
        owner = np.searchsorted(self.first_tiles, np.arange(tiles.start, tiles.stop), "right") - 1
        low, high = int(owner[0]), int(owner[-1]) + 1
        return np.array(self.q16[low:high], np.int64)[owner - low]

    def _check(self) -> None:
        columns = (self.q16, self.channels) + (() if self.names is None else (self.names,))
        if any(len(column) != self.items for column in columns):
            raise MscnError("shapes, q16, channels and names need one entry for each item")
        modality = Modality.numbered(self.modality)
        if any(len(shape) != modality.axes for shape in self.shapes):
            raise MscnError(f"a shape has other axes than a {modality.name}")
        problem = overlap_problem(self.modality, self.tile_edge, self.tile_overlap)
        if problem:
            raise MscnError(f"cannot write a .mscn file: {problem}")
        if len(self.residuals) not in (0, 0 if self.error_bound is None else self.items):
            raise MscnError("residuals need an error bound, and one entry for each item")
        if len(self.exact) not in (0, self.items):
            raise MscnError("exact planes need one entry for each item")
        if len(self.exact_blocks) != count_exact(self.exact):
            raise MscnError(f"{len(self.exact_blocks)} payloads for other exact planes")
        problem = exact_problem(self.modality, self.channels, self.exact) if self.exact else None
        if problem:
            raise MscnError(f"cannot write a .mscn file: {problem}")
        if len(self.bundle_id) != 8:
            raise MscnError(f"bundle_id has {len(self.bundle_id)} bytes, not 8")
        if self.names is not None:
            for name in self.names:
                if not is_name(name):
                    raise MscnError(f"name {name!r} has control characters; rename the item")
                try:
                    name.encode()
                except UnicodeEncodeError as error:
                    raise MscnError(f"name {name!r} is not Unicode text; rename it") from error
            if len("\n".join(self.names).encode()) > MAX_NAME_BYTES:
                raise MscnError("names are too long together; shorten them")
        if self.metadata is not None:
            try:
                size = len(to_json(self.metadata).encode())
            except (TypeError, ValueError) as error:
                raise MscnError(f"metadata can't be written as JSON ({error})") from error
            if size > MAX_METADATA_BYTES:
                raise MscnError(f"{size} bytes of metadata are too many; shorten it")

    @property
    def flags(self) -> int:
        """Those of the file, all together."""
        told = self.metadata is not None
        flags = {
            SAME_SHAPE: len(set(self.shapes)) == 1,
            SAME_QUALITY: len(set(self.q16)) == 1,
            SAME_CHANNELS: len(set(self.channels)) == 1,
            NAMES: self.names is not None,
            OVERLAP: self.tile_overlap > 0,
            METADATA: told and not self.packed,
            BOUNDED: self.error_bound is not None,
            EXACT: bool(self.exact),
            BY_AREA: self.by_area,
            PACKED: told and self.packed,
            NO_RESIDUALS: self.error_bound is not None and len(self.residuals) == 0,
            PARENTS: self.parents,
        }
        return sum(flag for flag, is_set in flags.items() if is_set)

    @property
    def version(self) -> int:
        """The format's, that the file is of."""
        return version_of(self.flags)

    def _values(self) -> dict[str, Any]:
        return {
            "magic": MAGIC,
            "version": self.version,
            "flags": self.flags & 255,
            "more_flags": self.flags >> 8,
            "bundle_id": self.bundle_id,
            "modality": self.modality,
            "tile_edge": self.tile_edge,
            "tile_overlap": self.tile_overlap,
            "code_channels": self.code_channels,
            "items": self.items,
            "tiles_per_block": self.tiles_per_block,
            "shapes": self.shapes,
            "q16": self.q16,
            "channels": self.channels,
            "exact": self.exact,
            "names": self.names,
            "metadata": self.metadata,
            "packed": self.metadata,
            "error_bound": self.error_bound,
            "block_bytes": list(map(len, self._payloads())),
        }

    def _payloads(self) -> list[bytes]:
        """All of them, in the order of the file."""
        return [*self.blocks, *self.residuals, *self.exact_blocks]

    def _head(self) -> dict[str, bytes]:
        """Encoded fields by name, in order.

        Raises:
          MscnError: a value is outside its limits.
        """
        self._check()
        values, head, flags = self._values(), {}, self.flags
        for spec in FIELDS[:-1]:
            if not is_there(spec, values["version"], flags):
                continue
            column = [values[spec.name]] if spec.per == "file" else values[spec.name]
            if flags & spec.once:
                column = column[:1]
            for value in column:
                problem = problem_of(spec, value)
                if problem:
                    raise MscnError(f"cannot write a .mscn file: {problem}")
            write = KINDS[spec.kind][1]
            head[spec.name] = b"".join(map(write, column))
        if len(self.blocks) != -(-self.tiles // self.tiles_per_block):
            raise MscnError(f"{len(self.blocks)} blocks do not hold {self.tiles} tiles")
        head["header_crc"] = checksum(b"".join(head.values()))
        return head

    def to_bytes(self) -> bytes:
        """The file's bytes.

        Raises:
          MscnError: a value is outside the format's limits.
        """
        parts = list(self._head().values())
        for block in self._payloads():
            parts += (block, checksum(block))
        return b"".join(parts)

    @classmethod
    def from_bytes(
        cls, data: bytes, name: str = "input", lazy: bool = False, max_items: int = MAX_ITEMS
    ) -> Container:
        """Reads and checks a whole file.

        Args:
          data: the file's bytes.
          name: what error messages call it.
          lazy: compares the checksum of a block when it is used, not before: so the other items
            of a damaged archive can be read.
          max_items: how many it may hold; a few bytes can declare millions.

        Raises:
          MscnError: not a `.mscn` file, of another version, damaged, cut short, of too many items,
            or declaring sizes over the format's limits or out of proportion to its length.
        """
        data = bytes(data)
        reader = HeaderInput(data, name)
        if data[:4] != MAGIC:
            raise MscnError(f"{name}: not a .mscn file; give one that mscn encode has written")
        values = read_values(reader, max_items)
        items, flags = values["items"], values["flags"]
        blocks = Blocks(reader, values["block_bytes"])
        bound, exact = values.get("error_bound"), values.get("exact", [])
        exact_first = len(blocks) - count_exact(exact)
        corrected = bound is not None and not flags & NO_RESIDUALS
        tile_blocks = exact_first - items if corrected else exact_first
        for column_name in ("shapes", "q16", "channels"):
            if len(values[column_name]) != items:
                values[column_name] = values[column_name] * items
        return cls(
            bundle_id=values["bundle_id"],
            modality=values["modality"],
            tile_edge=values["tile_edge"],
            code_channels=values["code_channels"],
            shapes=values["shapes"],
            q16=values["q16"],
            channels=values["channels"],
            names=values.get("names"),
            tiles_per_block=values["tiles_per_block"],
            blocks=blocks.part(0, tile_blocks, lazy),
            tile_overlap=values.get("tile_overlap", 0),
            metadata=values.get("packed" if flags & PACKED else "metadata"),
            error_bound=bound,
            residuals=blocks.part(tile_blocks, exact_first, lazy),
            exact=exact,
            exact_blocks=blocks.part(exact_first, len(blocks), lazy),
            by_area=bool(flags & BY_AREA),
            packed=bool(flags & PACKED),
            parents=bool(flags & PARENTS),
            source=name,
        )

    def sizes(self) -> dict[str, int]:
        """Bytes of the file by purpose; they add up to its length.

        `header`: what every file has once; `side`: per-item columns, names, metadata, block
        lengths and block checksums; `payload`: entropy-coded symbols.
        """
        head = self._head()
        once = [spec.name for spec in FIELDS if spec.per == "file" and not spec.when]
        header = sum(len(head.get(name, b"")) for name in once)
        blocks = self._payloads()
        side = sum(map(len, head.values())) - header + 4 * len(blocks)
        return {"header": header, "side": side, "payload": sum(map(len, blocks))}
