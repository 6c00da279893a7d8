"""The header and the table of a `.mscn` file: its fields, and how each is read and written.

`FIELDS` describes every field once; the reader, the writer and the table in docs/format.md come
from it.
"""

from __future__ import annotations

import itertools
import json
import math
import re
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.modality import Modality

MAGIC = b"MSCN"
VERSION = 2  # 1 where no plane is exact: such files are as they always were

SAME_SHAPE, SAME_QUALITY, SAME_CHANNELS, NAMES, OVERLAP, METADATA, BOUNDED, EXACT = (
    1 << bit for bit in range(8)
)
FLAG_NAMES = {
    SAME_SHAPE: "SAME_SHAPE",
    SAME_QUALITY: "SAME_QUALITY",
    SAME_CHANNELS: "SAME_CHANNELS",
    NAMES: "NAMES",
    OVERLAP: "OVERLAP",
    METADATA: "METADATA",
    BOUNDED: "BOUNDED",
    EXACT: "EXACT",
}
ALL_FLAGS = sum(FLAG_NAMES)

# Limits a reader checks before it allocates anything.
MAX_SIDE = 2**20  # height or width
MAX_PIXELS = 2**28  # of one item
MAX_ITEMS = 2**24
MAX_TILES_PER_BLOCK = 4096
MAX_NAME_BYTES = 2**26  # all names, uncompressed
MAX_METADATA_BYTES = 2**24  # uncompressed
MAX_LENGTH = 2**40
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Field:
    """One field of header or table.

    Attributes:
      name: as in docs/format.md.
      kind: key of `KINDS`, how a value is written.
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
    Field("version", "u8", "of this format", 1, VERSION),
    Field("flags", "u8", "sum of the flags below", 0, ALL_FLAGS),
    Field("bundle_id", "bytes8", "first 8 bytes of the codec bundle's id"),
    Field(
        "modality",
        "u8",
        ", ".join(f"{one.number}: {one.name}" for one in Modality.all()),
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
    Field("exact", "u8", "bit p: plane p is exact", 0, 3, per="item", when=EXACT),
    Field("names", "names", "names of the items", when=NAMES),
    Field("metadata", "json", "what else the original file said", when=METADATA),
    Field("error_bound", "f64", "largest error of any value", when=BOUNDED),
    Field("block_bytes", "varint", "length of each block's payload", 0, MAX_LENGTH, per="block"),
    Field("header_crc", "u32", "CRC-32 of every byte before this field", 0, 2**32 - 1),
)


class HeaderInput(Input):
    """Reads what headers hold besides numbers.

    Attributes:
      axes: of the modality, once it has been read.
      items: likewise.
    """

    axes, items = 2, 1

    def text(self, limit: int, what: str) -> str:
        try:
            return self.inflated(self.varint(), limit, what).decode()
        except UnicodeDecodeError as error:
            raise self.damaged(what) from error

    def names(self, items: int) -> list[str]:
        text = self.text(MAX_NAME_BYTES, "names")
        if text.count("\n") + 1 != items:  # before millions of names are made of it
            raise self.damaged(f"{text.count(chr(10)) + 1} names for {items} items")
        names = text.split("\n")
        if not is_name(text.replace("\n", "")):
            raise self.damaged("names")
        return names

    def metadata(self) -> dict[str, Any]:
        try:
            metadata = json.loads(self.text(MAX_METADATA_BYTES, "metadata"))
        except (ValueError, RecursionError) as error:
            raise self.damaged("metadata") from error
        if not isinstance(metadata, dict):
            raise self.damaged("metadata")
        return metadata

    def shape(self) -> tuple[int, ...]:
        return tuple(self.varint() for _ in range(self.axes))


def is_name(name: str) -> bool:
    return not _CONTROL.search(name)


def _pack_text(text: str) -> bytes:
    packed = zlib.compress(text.encode(), 9)
    return varint(len(packed)) + packed


# kind -> (read one value, write one value, words for docs/format.md)
KINDS: dict[str, tuple[Callable[[HeaderInput], Any], Callable[[Any], bytes], str]] = {
    "bytes4": (lambda r: r.take(4), bytes, "4 bytes"),
    "bytes8": (lambda r: r.take(8), bytes, "8 bytes"),
    "u8": (lambda r: r.take(1)[0], lambda v: bytes((v,)), "u8"),
    "u32": (
        lambda r: int.from_bytes(r.take(4), "little"),
        lambda v: v.to_bytes(4, "little"),
        "u32, little-endian",
    ),
    "varint": (HeaderInput.varint, varint, "varint"),
    "f64": (
        lambda r: struct.unpack("<d", r.take(8))[0],
        lambda v: struct.pack("<d", v),
        "IEEE 754 double, little-endian",
    ),
    "shape": (HeaderInput.shape, lambda v: b"".join(map(varint, v)), "a varint for each axis"),
    "names": (
        lambda r: r.names(r.items),
        lambda v: _pack_text("\n".join(v)),
        "varint n, then n bytes of zlib data",
    ),
    "json": (
        HeaderInput.metadata,
        lambda v: _pack_text(to_json(v)),
        "varint n, then n bytes of zlib data",
    ),
}


def problem_of(spec: Field, value: Any) -> str | None:
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
    elif spec.name == "modality" and all(one.number != value for one in Modality.all()):
        return f"{spec.name} is {value}, which stands for none"
    return None


def overlap_problem(modality: int, edge: int, overlap: int) -> str | None:
    """What is wrong with how far tiles overlap, or None."""
    if not 0 <= overlap < edge:
        return "tiles overlap by more than their edge"
    if overlap and Modality.numbered(modality).pixels:
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


def longest(axes: int) -> int:
    """How many samples an axis of a signal with so many may have."""
    return MAX_PIXELS if axes == 1 else MAX_SIDE


def to_json(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def count_blocks(values: dict[str, Any]) -> int:
    edge, overlap = values["tile_edge"], values.get("tile_overlap", 0)
    items, shapes, channels = values["items"], values["shapes"], values["channels"]
    counts = [math.prod(grid(shape, edge, overlap)) for shape in shapes]
    parts = [len(planes(values["modality"], count)) for count in channels]
    exact = values.get("exact", [])
    if exact:
        each = itertools.cycle(parts) if len(parts) == 1 else parts
        parts = [count - count_exact([bits]) for count, bits in zip(each, exact)]
    if len(counts) == len(parts):
        tiles = sum(map(math.prod, zip(counts, parts)))
    else:  # one column of the two holds a single value
        tiles = sum(counts) * sum(parts)
    if len(counts) == len(parts) == 1:
        tiles *= items
    residuals = items if values["flags"] & BOUNDED else 0
    return -(-tiles // values["tiles_per_block"]) + residuals + count_exact(exact)


def read_values(reader: HeaderInput, max_items: int) -> dict[str, Any]:
    """All fields by name, checked: columns as lists, of one value where it counts for all.

    Raises:
      MscnError: as `Container.from_bytes`.
    """
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
            count = count_blocks(values)
            if 5 * count + 4 > reader.left:  # its length and its CRC-32
                raise reader.damaged(f"too short for {count} blocks")
        if count > reader.left:
            raise reader.damaged(f"too short for {count} entries of {spec.name}")
        read = KINDS[spec.kind][0]
        column = (
            list(reader.take(count)) if spec.kind == "u8" else [read(reader) for _ in range(count)]
        )
        for value in set(column) if spec.per != "file" and spec.kind != "shape" else column:
            problem = problem_of(spec, value)
            if problem and spec.name == "version":
                raise MscnError(
                    f"{reader.source}: format version {value}, this program reads 1 to {VERSION}; "
                    "update mscn-tf"
                )
            if problem:
                raise reader.damaged(problem)
        values[spec.name] = column[0] if spec.per == "file" else column
        if spec.name == "flags" and bool(column[0] & EXACT) != (values["version"] == VERSION):
            raise reader.damaged("flags of another version")
        if spec.name == "exact":
            problem = exact_problem(values["modality"], values["channels"], column)
            if problem:
                raise reader.damaged(problem)
        if spec.name == "modality":
            reader.axes = Modality.numbered(column[0]).axes
        if spec.name == "items":
            reader.items = column[0]
            if reader.items > max_items:
                raise MscnError(f"{reader.source}: {reader.items} items, at most {max_items} here")
        if spec.name == "tile_overlap":
            problem = overlap_problem(values["modality"], values["tile_edge"], column[0])
            if problem:
                raise reader.damaged(problem)
    if zlib.crc32(reader.data[:checked]) != values["header_crc"]:
        raise reader.damaged("header checksum")
    return values


def field_table() -> str:
    """The table of fields in docs/format.md, as Markdown."""
    lines = ["| field | written as | how often | limits | meaning |", "|---|---|---|---|---|"]
    for spec in FIELDS:
        often = {"file": "once", "item": "per item", "block": "per block"}[spec.per]
        if spec.once:
            often += f"; once if {FLAG_NAMES[spec.once]}"
        if spec.when:
            often = (
                "per item, " if spec.per == "item" else ""
            ) + f"only if {FLAG_NAMES[spec.when]}"
        numeric = spec.kind in ("u8", "varint", "shape") and spec.name != "flags"
        limits = f"{spec.low} to {spec.high}" if numeric and spec.high > spec.low else ""
        if numeric and spec.high == spec.low:
            limits = str(spec.low)
        words = KINDS[spec.kind][2]
        lines.append(f"| `{spec.name}` | {words} | {often} | {limits} | {spec.meaning} |")
    return "\n".join(lines) + "\n"
