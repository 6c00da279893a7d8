"""The `.mscn` container: header, table, blocks.

`FIELDS` describes every field once; the reader, the writer and the table in docs/format.md come
from it. The container knows nothing about the entropy model: a block is bytes.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Callable

import numpy as np

from mscn_tf.runtime.errors import MscnError

MAGIC = b"MSCN"
VERSION = 1
# Axes of a signal of each modality; a modality's number is its place.
AXES = {
    "image": 2,
    "field": 2,
    "sound": 1,
    "volume": 3,
    "voxels": 3,
    "silhouette": 2,
    "mesh": 3,
    "scene": 3,
}
MODALITIES = tuple(AXES)

SAME_SHAPE, SAME_QUALITY, SAME_CHANNELS, NAMES, OVERLAP, METADATA, BOUNDED = (
    1 << bit for bit in range(7)
)
_FLAG_NAMES = {
    SAME_SHAPE: "SAME_SHAPE",
    SAME_QUALITY: "SAME_QUALITY",
    SAME_CHANNELS: "SAME_CHANNELS",
    NAMES: "NAMES",
    OVERLAP: "OVERLAP",
    METADATA: "METADATA",
    BOUNDED: "BOUNDED",
}
_ALL_FLAGS = sum(_FLAG_NAMES)

# Limits a reader checks before it allocates anything.
MAX_SIDE = 2**20  # height or width
MAX_PIXELS = 2**28  # of one item
MAX_ITEMS = 2**24
MAX_TILES_PER_BLOCK = 4096
MAX_NAME_BYTES = 2**26  # all names, uncompressed
MAX_METADATA_BYTES = 2**24  # uncompressed
_MAX_LENGTH = 2**40
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Field:
    """One field of header or table.

    Attributes:
      name: as in docs/format.md.
      kind: key of `_KINDS`, how a value is written.
      meaning: one phrase.
      low, high: inclusive limits of an integer value.
      per: "file" (one value), "item" or "block" (a column of that many values).
      once: flag; where it is set, the column holds a single value that counts for all.
      when: flag; the field is there only where it is set.
    """

    name: str
    kind: str
    meaning: str
    low: int = 0
    high: int = 255
    per: str = "file"
    once: int = 0
    when: int = 0


FIELDS = (
    Field("magic", "bytes4", 'the letters "MSCN"'),
    Field("version", "u8", "of this format", VERSION, VERSION),
    Field("flags", "u8", "sum of the flags below", 0, _ALL_FLAGS),
    Field("bundle_id", "bytes8", "first 8 bytes of the codec bundle's id"),
    Field(
        "modality",
        "u8",
        ", ".join(f"{number}: {name}" for number, name in enumerate(MODALITIES)),
        0,
        len(MODALITIES) - 1,
    ),
    Field("tile_edge", "varint", "samples along each side of a tile", 1, MAX_SIDE),
    Field("tile_overlap", "varint", "of them shared with the next tile", 1, MAX_SIDE, when=OVERLAP),
    Field("code_channels", "u8", "channels of a tile", 1),
    Field("items", "varint", "number of signals", 1, MAX_ITEMS),
    Field("tiles_per_block", "varint", "in every block but the last", 1, MAX_TILES_PER_BLOCK),
    Field(
        "shapes",
        "shape",
        "samples along each axis: of a picture height, width",
        1,
        MAX_SIDE,
        per="item",
        once=SAME_SHAPE,
    ),
    Field("q16", "u8", "quality times 16", 16, 160, per="item", once=SAME_QUALITY),
    Field("channels", "u8", "of the original", 1, 255, per="item", once=SAME_CHANNELS),
    Field("names", "names", "names of the items", when=NAMES),
    Field("metadata", "json", "what else the original file said", when=METADATA),
    Field("error_bound", "f64", "largest error of any value", when=BOUNDED),
    Field("block_bytes", "varint", "length of each block's payload", 0, _MAX_LENGTH, per="block"),
    Field("header_crc", "u32", "CRC-32 of every byte before this field", 0, 2**32 - 1),
)


class _Reader:
    """Cursor over `data` that refuses to run past its end."""

    def __init__(self, data: bytes, source: str):
        self.data, self.at, self.source = data, 0, source
        self.axes = 2  # of the modality, once it has been read
        self.items = 1  # likewise

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def damaged(self, what: str) -> MscnError:
        return MscnError(f"{self.source}: damaged or cut short ({what}); get a fresh copy")

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise self.damaged(f"ends at byte {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if byte == 0 and shift:
                    raise self.damaged("padded number")  # one spelling for every value
                return value
            shift += 7
            if shift > 56:
                raise self.damaged("number too long")

    def text(self, limit: int, what: str) -> str:
        packed = self.take(self.varint())
        inflater = zlib.decompressobj()
        try:
            text = inflater.decompress(packed, limit + 1)
            if len(text) > limit or not inflater.eof or inflater.unused_data:
                raise self.damaged(what)
            return text.decode()
        except (zlib.error, UnicodeDecodeError) as error:
            raise self.damaged(what) from error

    def names(self, items: int) -> list[str]:
        text = self.text(MAX_NAME_BYTES, "names")
        if text.count("\n") + 1 != items:  # before millions of names are made of it
            raise self.damaged(f"{text.count(chr(10)) + 1} names for {items} items")
        names = text.split("\n")
        if not _is_name(text.replace("\n", "")):
            raise self.damaged("names")
        return names

    def metadata(self) -> dict[str, Any]:
        try:
            found = json.loads(self.text(MAX_METADATA_BYTES, "metadata"))
        except (ValueError, RecursionError) as error:
            raise self.damaged("metadata") from error
        if not isinstance(found, dict):
            raise self.damaged("metadata")
        return found

    def shape(self) -> tuple[int, ...]:
        return tuple(self.varint() for _ in range(self.axes))


def varint(value: int) -> bytes:
    """LEB128: groups of 7 bits, lowest first, the high bit set on all but the last byte."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _is_name(name: str) -> bool:
    return not _CONTROL.search(name)


def _pack_text(text: str) -> bytes:
    packed = zlib.compress(text.encode(), 9)
    return varint(len(packed)) + packed


# kind -> (read one value, write one value, words for docs/format.md)
_KINDS: dict[str, tuple[Callable[[_Reader], Any], Callable[[Any], bytes], str]] = {
    "bytes4": (lambda r: r.take(4), bytes, "4 bytes"),
    "bytes8": (lambda r: r.take(8), bytes, "8 bytes"),
    "u8": (lambda r: r.take(1)[0], lambda v: bytes((v,)), "u8"),
    "u32": (
        lambda r: int.from_bytes(r.take(4), "little"),
        lambda v: v.to_bytes(4, "little"),
        "u32, little-endian",
    ),
    "varint": (_Reader.varint, varint, "varint"),
    "f64": (
        lambda r: struct.unpack("<d", r.take(8))[0],
        lambda v: struct.pack("<d", v),
        "IEEE 754 double, little-endian",
    ),
    "shape": (_Reader.shape, lambda v: b"".join(map(varint, v)), "a varint for each axis"),
    "names": (
        lambda r: r.names(r.items),
        lambda v: _pack_text("\n".join(v)),
        "varint n, then n bytes of zlib data",
    ),
    "json": (
        _Reader.metadata,
        lambda v: _pack_text(_to_json(v)),
        "varint n, then n bytes of zlib data",
    ),
}


def _problem(spec: Field, value: Any) -> str | None:
    """What is wrong with one value of a field, or None."""
    if spec.kind == "shape":
        size = size_text(value)
        high = longest(len(value))
        if not all(spec.low <= side <= high for side in value):
            return f"size {size} is outside 1 to {high} samples a side"
        if math.prod(value) > MAX_PIXELS:
            return f"size {size} is over the limit of {MAX_PIXELS} samples an item"
    elif spec.kind == "f64" and not 0 < value < math.inf:
        return f"{spec.name} is {value}, not a finite number above 0"
    elif spec.kind in ("u8", "u32", "varint") and not spec.low <= value <= spec.high:
        return f"{spec.name} is {value}, outside {spec.low} to {spec.high}"
    return None


def _overlap_problem(modality: int, edge: int, overlap: int) -> str | None:
    """What is wrong with how far tiles overlap, or None."""
    if not 0 <= overlap < edge:
        return "tiles overlap by more than their edge"
    if overlap and MODALITIES[modality] == "image":
        return "tiles of pictures that overlap"
    return None


def size_text(shape: Sequence[int]) -> str:
    """Innermost axis first, as people write sizes of pictures: "640x480"."""
    return "x".join(map(str, reversed(shape)))


def grid(shape: Sequence[int], edge: int, overlap: int = 0) -> tuple[int, ...]:
    """Along each axis, tiles that cover a signal of so many samples."""
    return tuple(max(1, -(-(side - overlap) // (edge - overlap))) for side in shape)


def planes(modality: int, channels: int) -> tuple[int, ...]:
    """Channels of the parts that a signal is coded as: of pictures colour, then alpha."""
    alpha = MODALITIES[modality] == "image" and channels in (2, 4)
    return (channels - 1, 1) if alpha else (channels,)


def longest(axes: int) -> int:
    """How many samples an axis of a signal with so many may have."""
    return MAX_PIXELS if axes == 1 else MAX_SIDE


def _to_json(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass
class Container:
    """One `.mscn` file: a single signal is an archive of one item.

    Attributes:
      bundle_id: 8 bytes.
      modality: index into `MODALITIES`.
      tile_edge: samples, 1 to 2^20.
      code_channels: channels of a tile, 1 to 255.
      shapes: samples along each axis of each item: of a picture (height, width).
      q16: quality times 16 of each item, 16 to 160.
      channels: of each item's original.
      names: one for each item, or None. Labels, not paths: who writes files by them checks them.
      tiles_per_block: 1 to 4096.
      blocks: entropy-coded payloads; block k holds tiles [k * tiles_per_block, ...) of the tiles
        of all items, one item after the other, of each the tiles of its planes, row-major.
      tile_overlap: samples that neighbouring tiles share, less than `tile_edge`.
      metadata: JSON object, what else the original file said, or None.
      error_bound: largest error of any value; where it is given, there are residuals.
      residuals: what corrects each item to that bound, one payload an item.
      source: what error messages call this file.
    """

    bundle_id: bytes
    modality: int
    tile_edge: int
    code_channels: int
    shapes: list[tuple[int, int]]
    q16: list[int]
    channels: list[int]
    names: list[str] | None
    tiles_per_block: int
    blocks: list[bytes]
    tile_overlap: int = 0
    metadata: dict[str, Any] | None = None
    error_bound: float | None = None
    residuals: list[bytes] = field(default_factory=list)
    source: str = field(default="input", compare=False)

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.shapes)

    @cached_property
    def first_tiles(self) -> np.ndarray:
        """int64 [items + 1]: index of each item's first tile; the last entry counts all tiles."""
        sides = np.array(self.shapes, np.int64)
        stride = self.tile_edge - self.tile_overlap
        tiles = np.prod(np.maximum(1, -(-(sides - self.tile_overlap) // stride)), axis=1)
        tiles *= [len(self.planes(item)) for item in range(self.items)]
        return np.concatenate(([0], np.cumsum(tiles)))

    @property
    def tiles(self) -> int:
        """Number of tiles of all items."""
        return int(self.first_tiles[-1])

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

    def tiles_of(self, item: int, plane: int | None = None) -> range:
        """Indices of an item's tiles, or of those of one of its planes.

        Raises:
          MscnError: there is no such item.
        """
        self.check_item(item)
        first, last = int(self.first_tiles[item]), int(self.first_tiles[item + 1])
        if plane is None:
            return range(first, last)
        count = (last - first) // len(self.planes(item))
        return range(first + plane * count, first + (plane + 1) * count)

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
        if not 0 <= self.modality < len(MODALITIES):
            raise MscnError(f"cannot write a .mscn file: no modality {self.modality}")
        if any(len(shape) != AXES[MODALITIES[self.modality]] for shape in self.shapes):
            raise MscnError(f"a shape has other axes than a {MODALITIES[self.modality]}")
        problem = _overlap_problem(self.modality, self.tile_edge, self.tile_overlap)
        if problem:
            raise MscnError(f"cannot write a .mscn file: {problem}")
        if len(self.residuals) != (0 if self.error_bound is None else self.items):
            raise MscnError("residuals need an error bound, and one entry for each item")
        if len(self.bundle_id) != 8:
            raise MscnError(f"bundle_id has {len(self.bundle_id)} bytes, not 8")
        if self.names is not None:
            for name in self.names:
                if not _is_name(name):
                    raise MscnError(f"name {name!r} has control characters; rename the item")
                try:
                    name.encode()
                except UnicodeEncodeError as error:
                    raise MscnError(f"name {name!r} is not Unicode text; rename it") from error
            if len("\n".join(self.names).encode()) > MAX_NAME_BYTES:
                raise MscnError("names are too long together; shorten them")
        if self.metadata is not None:
            try:
                size = len(_to_json(self.metadata).encode())
            except (TypeError, ValueError) as error:
                raise MscnError(f"metadata can't be written as JSON ({error})") from error
            if size > MAX_METADATA_BYTES:
                raise MscnError(f"{size} bytes of metadata are too many; shorten it")

    def _values(self) -> dict[str, Any]:
        flags = 0
        for flag, column in (
            (SAME_SHAPE, self.shapes),
            (SAME_QUALITY, self.q16),
            (SAME_CHANNELS, self.channels),
        ):
            if len(set(column)) == 1:
                flags |= flag
        return {
            "magic": MAGIC,
            "version": VERSION,
            "flags": flags
            | (NAMES if self.names is not None else 0)
            | (OVERLAP if self.tile_overlap else 0)
            | (METADATA if self.metadata is not None else 0)
            | (BOUNDED if self.error_bound is not None else 0),
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
            "names": self.names,
            "metadata": self.metadata,
            "error_bound": self.error_bound,
            "block_bytes": [len(block) for block in (*self.blocks, *self.residuals)],
        }

    def _head(self) -> dict[str, bytes]:
        """Encoded fields by name, in order.

        Raises:
          MscnError: a value is outside its limits.
        """
        self._check()
        values, head = self._values(), {}
        for spec in FIELDS[:-1]:
            if spec.when and not values["flags"] & spec.when:
                continue
            column = [values[spec.name]] if spec.per == "file" else values[spec.name]
            if values["flags"] & spec.once:
                column = column[:1]
            for value in column:
                problem = _problem(spec, value)
                if problem:
                    raise MscnError(f"cannot write a .mscn file: {problem}")
            write = _KINDS[spec.kind][1]
            head[spec.name] = b"".join(map(write, column))
        if len(self.blocks) != -(-self.tiles // self.tiles_per_block):
            raise MscnError(f"{len(self.blocks)} blocks do not hold {self.tiles} tiles")
        head["header_crc"] = _crc(b"".join(head.values()))
        return head

    def to_bytes(self) -> bytes:
        """The file's bytes.

        Raises:
          MscnError: a value is outside the format's limits.
        """
        parts = list(self._head().values())
        for block in (*self.blocks, *self.residuals):
            parts += (block, _crc(block))
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
        reader = _Reader(data, name)
        if data[:4] != MAGIC:
            raise MscnError(f"{name}: not a .mscn file; give one that mscn encode has written")
        values: dict[str, Any] = {}
        for spec in FIELDS:
            if spec.when and not values["flags"] & spec.when:
                continue
            checked = reader.at
            if spec.per == "file" or values.get("flags", 0) & spec.once:
                count = 1
            elif spec.per == "item":
                count = values["items"]
            else:
                count = _count_blocks(values)
                if 5 * count + 4 > reader.left:  # its length and its CRC-32
                    raise reader.damaged(f"too short for {count} blocks")
            if count > reader.left:
                raise reader.damaged(f"too short for {count} entries of {spec.name}")
            read = _KINDS[spec.kind][0]
            column = (
                list(reader.take(count))
                if spec.kind == "u8"
                else [read(reader) for _ in range(count)]
            )
            for value in set(column) if spec.per != "file" and spec.kind != "shape" else column:
                problem = _problem(spec, value)
                if problem and spec.name == "version":
                    raise MscnError(
                        f"{name}: format version {value}, this program reads {VERSION}; "
                        "update mscn-tf"
                    )
                if problem:
                    raise reader.damaged(problem)
            values[spec.name] = column[0] if spec.per == "file" else column
            if spec.name == "modality":
                reader.axes = AXES[MODALITIES[column[0]]]
            if spec.name == "items":
                reader.items = column[0]
                if reader.items > max_items:
                    raise MscnError(f"{name}: {reader.items} items, at most {max_items} here")
            if spec.name == "tile_overlap":
                problem = _overlap_problem(values["modality"], values["tile_edge"], column[0])
                if problem:
                    raise reader.damaged(problem)
        if zlib.crc32(data[:checked]) != values["header_crc"]:
            raise reader.damaged("header checksum")
        items = values["items"]
        blocks = _Blocks(reader, values["block_bytes"])
        bound = values.get("error_bound")
        tile_blocks = len(blocks) if bound is None else len(blocks) - items
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
            metadata=values.get("metadata"),
            error_bound=bound,
            residuals=blocks.part(tile_blocks, len(blocks), lazy),
            source=name,
        )

    def sizes(self) -> dict[str, int]:
        """Bytes of the file by purpose; they add up to its length.

        `header`: what every file has once; `side`: per-item columns, names, metadata, block
        lengths and block checksums; `payload`: entropy-coded symbols.
        """
        head = self._head()
        once = [spec.name for spec in FIELDS if spec.per == "file" and not spec.when]
        header = sum(len(head[name]) for name in once)
        blocks = [*self.blocks, *self.residuals]
        side = sum(map(len, head.values())) - header + 4 * len(blocks)
        return {"header": header, "side": side, "payload": sum(map(len, blocks))}


def _crc(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little")


def _count_blocks(values: dict[str, Any]) -> int:
    edge, overlap = values["tile_edge"], values.get("tile_overlap", 0)
    items, shapes, channels = values["items"], values["shapes"], values["channels"]
    counts = [math.prod(grid(shape, edge, overlap)) for shape in shapes]
    parts = [len(planes(values["modality"], count)) for count in channels]
    if len(counts) == len(parts):
        tiles = sum(map(math.prod, zip(counts, parts)))
    else:  # one column of the two holds a single value
        tiles = sum(counts) * sum(parts)
    if len(counts) == len(parts) == 1:
        tiles *= items
    residuals = items if values["flags"] & BOUNDED else 0
    return -(-tiles // values["tiles_per_block"]) + residuals


class _Blocks(Sequence[bytes]):
    """Payloads of a file, each checked when it is asked for.

    Raises:
      MscnError: they don't fit into the file; when one is asked for: its checksum is wrong.
    """

    def __init__(self, reader: _Reader, lengths: Sequence[int]):
        declared = sum(lengths) + 4 * len(lengths)
        if declared != reader.left:
            raise reader.damaged(f"{reader.left} bytes of blocks, {declared} declared")
        self._reader, self._first = reader, 0
        self._ends = list(itertools.accumulate((n + 4 for n in lengths), initial=reader.at))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start, end = self._ends[index], self._ends[index + 1]
        payload = self._reader.data[start : end - 4]
        if self._reader.data[end - 4 : end] != _crc(payload):
            raise self._reader.damaged(f"checksum of block {self._first + index}")
        return payload

    def part(self, start: int, stop: int, lazy: bool) -> Sequence[bytes]:
        """Some of the payloads, checked now unless `lazy`."""
        found = copy.copy(self)
        found._first, found._ends = start, self._ends[start : stop + 1]
        return found if lazy else list(found)


def field_table() -> str:
    """The table of fields in docs/format.md, as Markdown."""
    lines = ["| field | written as | how often | limits | meaning |", "|---|---|---|---|---|"]
    for spec in FIELDS:
        often = {"file": "once", "item": "per item", "block": "per block"}[spec.per]
        if spec.once:
            often += f"; once if {_FLAG_NAMES[spec.once]}"
        if spec.when:
            often = f"only if {_FLAG_NAMES[spec.when]}"
        numeric = spec.kind in ("u8", "varint", "shape") and spec.name != "flags"
        limits = f"{spec.low} to {spec.high}" if numeric and spec.high > spec.low else ""
        if numeric and spec.high == spec.low:
            limits = str(spec.low)
        words = _KINDS[spec.kind][2]
        lines.append(f"| `{spec.name}` | {words} | {often} | {limits} | {spec.meaning} |")
    return "\n".join(lines) + "\n"
