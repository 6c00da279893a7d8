"""docs/format.md, "The file"."""

from __future__ import annotations

import itertools
import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Callable, Optional

from tests.reader.packed import require, unpacked, words

MODALITIES = "image field sound volume voxels silhouette mesh scene".split()
AXES = {"image": 2, "field": 2, "silhouette": 2, "sound": 1}  # the others have 3
SAME_SHAPE, SAME_QUALITY, SAME_CHANNELS, NAMES, OVERLAP, METADATA, BOUNDED, EXACT = (
    1 << bit for bit in range(8)
)
BY_AREA, PACKED, NO_RESIDUALS, PARENTS = 256, 512, 1024, 2048


class Input:
    """Bytes that are read one after the other."""

    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def bytes(self, count: int) -> bytes:
        require(self.at + count <= len(self.data), "cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def u8(self) -> int:
        return self.bytes(1)[0]

    def u32(self) -> int:
        return int.from_bytes(self.bytes(4), "little")

    def varint(self) -> int:
        value = 0
        for place in range(9):
            byte = self.u8()
            value += (byte & 127) << (7 * place)
            if byte < 128:
                require(byte > 0 or place == 0, "a longer spelling than needed")
                return value
        raise ValueError("a varint of more than 9 bytes")

    def within(self, low: int, high: int) -> int:
        """A varint between limits."""
        value = self.varint()
        require(low <= value <= high, f"{value} is outside {low} to {high}")
        return value

    def text(self, limit: int, inflater: Any = None) -> str:
        """A varint n, then n bytes of deflated data, zlib's if nothing else is said."""
        inflater = inflater or zlib.decompressobj()
        try:
            text = inflater.decompress(self.bytes(self.varint()), limit + 1)
        except zlib.error as error:
            raise ValueError("no zlib data") from error
        whole = inflater.eof and not inflater.unused_data
        require(len(text) <= limit and whole, "zlib data of a wrong length")
        return text.decode()


@dataclass
class File:
    """What a file says; columns have an entry for each item."""

    bundle_id: bytes
    modality: str
    tile_edge: int
    tile_overlap: int
    by_area: bool
    code_channels: int
    tiles_per_block: int
    shapes: list[tuple[int, ...]]
    q16: list[int]
    channels: list[int]
    exact: list[int]
    names: Optional[list[str]]
    metadata: Optional[dict[str, Any]]
    error_bound: Optional[float]
    blocks: list[bytes]
    residuals: list[bytes]
    exact_blocks: list[bytes]
    parents: bool

    def planes(self, item: int) -> list[int]:
        """Channels of each of an item's planes."""
        return _planes(self.modality, self.channels[item])

    def coded(self, item: int) -> list[int]:
        """Those of an item's planes that have tiles."""
        return [p for p in range(len(self.planes(item))) if not self.exact[item] >> p & 1]

    def grid(self, item: int) -> list[int]:
        """Tiles of a plane of an item along each axis."""
        return _grid(self.shapes[item], self.side(item), self.tile_overlap)

    def side(self, item: int) -> int:
        """Samples along each side of its tiles."""
        return _side(self.shapes[item], self.tile_edge, self.by_area)

    def corners(self, item: int) -> Iterator[tuple[int, ...]]:
        """First sample along each axis of the tiles of a plane, row-major."""
        stride = self.side(item) - self.tile_overlap
        return itertools.product(*(range(0, n * stride, stride) for n in self.grid(item)))

    def tiles(self) -> list[tuple[int, int, tuple[int, ...]]]:
        """Item, plane and corner of every tile, in the order in which they are numbered."""
        return [
            (item, plane, corner)
            for item in range(len(self.shapes))
            for plane in self.coded(item)
            for corner in self.corners(item)
        ]


def _planes(modality: str, channels: int) -> list[int]:
    return [channels - 1, 1] if modality == "image" and channels in (2, 4) else [channels]


def _grid(shape: Sequence[int], edge: int, overlap: int) -> list[int]:
    return [max(1, -(-(n - overlap) // (edge - overlap))) for n in shape]


def _side(shape: Sequence[int], edge: int, by_area: bool) -> int:
    side = edge
    while by_area and 2 * side * min(shape) <= edge * edge:
        side *= 2
    return side


def read_file(data: bytes) -> File:
    """A whole file, all checksums compared."""
    file = Input(data)
    require(file.bytes(4) == b"MSCN", "not a .mscn file")
    version, flags = file.u8(), file.u8()
    require(version in (1, 2, 3), "another version")
    if version == 3:
        more = file.u8()
        require(0 < more < 16, "other flags")
        flags += 256 * more
    require(version == 3 or (flags >= 128) == (version == 2), "a flag of another version")
    require(not (flags & METADATA and flags & PACKED), "metadata twice")
    require(bool(flags & BOUNDED) or not flags & NO_RESIDUALS, "residuals that cannot be")
    bundle_id, number = file.bytes(8), file.u8()
    require(number < len(MODALITIES), "an unknown modality")
    modality = MODALITIES[number]
    by_area = bool(flags & BY_AREA)
    require(modality == "image" or not by_area, "tiles by area of no pictures")
    edge = file.within(1, 2**20)
    overlap = file.within(1, 2**20) if flags & OVERLAP else 0
    require(overlap < edge, "tiles overlap by their edge or more")
    require(overlap == 0 or modality != "image", "pictures' tiles that overlap")
    code_channels = file.u8()
    require(code_channels > 0, "no channels")
    items, per_block = file.within(1, 2**24), file.within(1, 2**12)

    def column(flag: int, read: Callable[[], Any]) -> list[Any]:
        return [read()] * items if flags & flag else [read() for _ in range(items)]

    axes = AXES.get(modality, 3)

    def shape() -> tuple[int, ...]:
        sides = tuple(file.within(1, 2**28 if axes == 1 else 2**20) for _ in range(axes))
        require(math.prod(sides) <= 2**28, "too many samples")
        return sides

    shapes, q16, channels = (
        column(SAME_SHAPE, shape),
        column(SAME_QUALITY, file.u8),
        column(SAME_CHANNELS, file.u8),
    )
    require(min(q16) >= 16 and max(q16) <= 160, "a quality outside 1 to 10")
    require(min(channels) > 0, "an item without channels")
    exact = [file.u8() for _ in range(items)] if flags & EXACT else [0] * items
    require(any(exact) == bool(flags & EXACT), "no exact plane")
    few = all(e < 2 ** len(_planes(modality, c)) for e, c in zip(exact, channels))
    require(few, "exact planes that there are not")
    names = _names(file, items) if flags & NAMES else None
    metadata = json.loads(file.text(2**24)) if flags & METADATA else None
    if flags & PACKED:
        metadata = unpacked(file.text(2**24, zlib.decompressobj(-15, zdict=words())))
    require(metadata is None or isinstance(metadata, dict), "metadata that are no object")
    bound = struct.unpack("<d", file.bytes(8))[0] if flags & BOUNDED else None
    require(bound is None or 0 < bound < math.inf, "a bound of no size")
    ones = [bin(e).count("1") for e in exact]
    counts = {
        (s, c, n): math.prod(_grid(s, _side(s, edge, by_area), overlap))
        * (len(_planes(modality, c)) - n)
        for s, c, n in set(zip(shapes, channels, ones))
    }
    tiles = sum(counts[kind] for kind in zip(shapes, channels, ones))
    blocks = -(-tiles // per_block)
    residuals = bool(flags & BOUNDED) and not flags & NO_RESIDUALS
    corrected = blocks + (items if residuals else 0)
    total = corrected + sum(ones)
    require(5 * total <= len(data), "too short for so many blocks")
    lengths = [file.within(0, 2**40) for _ in range(total)]
    require(zlib.crc32(data[: file.at]) == file.u32(), "wrong checksum of the header")
    payloads = []
    for length in lengths:
        payloads.append(file.bytes(length))
        require(zlib.crc32(payloads[-1]) == file.u32(), "wrong checksum of a block")
    require(file.at == len(data), "bytes left over")
    return File(
        bundle_id,
        modality,
        edge,
        overlap,
        by_area,
        code_channels,
        per_block,
        shapes,
        q16,
        channels,
        exact,
        names,
        metadata,
        bound,
        payloads[:blocks],
        payloads[blocks:corrected],
        payloads[corrected:],
        bool(flags & PARENTS),
    )


def _names(file: Input, items: int) -> list[str]:
    text = file.text(2**26)
    require(text.count("\n") == items - 1, "not one name for each item")
    require(
        not any((ord(c) < 32 or ord(c) == 127) and c != "\n" for c in set(text)),
        "a name with control characters",
    )
    return text.split("\n")
