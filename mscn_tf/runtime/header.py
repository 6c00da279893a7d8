"""The header and the table of a `.mscn` file: its fields, and how each is read and written.

`FIELDS` describes every field once; the reader, the writer and the table in docs/format.md come
from it.
"""

from __future__ import annotations

import json
import math
import re
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Callable

from mscn_tf.runtime import packed
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.input import Input, varint
from mscn_tf.runtime.layout import (
    MAX_PIXELS,
    MAX_SIDE,
    count_exact,
    count_tiles,
    exact_problem,
    longest,
    overlap_problem,
    size_text,
)
from mscn_tf.runtime.modality import Modality

MAGIC = b"MSCN"
VERSION = 3

SAME_SHAPE, SAME_QUALITY, SAME_CHANNELS, NAMES, OVERLAP, METADATA, BOUNDED, EXACT = (
    1 << bit for bit in range(8)
)
BY_AREA, PACKED, NO_RESIDUALS, PARENTS = (1 << bit for bit in range(8, 12))
FLAG_NAMES = {
    SAME_SHAPE: "SAME_SHAPE",
    SAME_QUALITY: "SAME_QUALITY",
    SAME_CHANNELS: "SAME_CHANNELS",
    NAMES: "NAMES",
    OVERLAP: "OVERLAP",
    METADATA: "METADATA",
    BOUNDED: "BOUNDED",
    EXACT: "EXACT",
    BY_AREA: "BY_AREA",
    PACKED: "PACKED",
    NO_RESIDUALS: "NO_RESIDUALS",
    PARENTS: "PARENTS",
}

# Limits a reader checks before it allocates anything.
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
      since: the first version that has it.
    """

    name: str
    kind: str
    meaning: str
    low: int = 0
    high: int = 255
    per: str = "file"
    once: int = 0
    when: int = 0
    since: int = 1


FIELDS = (
    Field("magic", "bytes4", 'the letters "MSCN"'),
    Field("version", "u8", "of this format", 1, VERSION),
    Field("flags", "u8", "sum of the flags below that are less than 256"),
    Field("more_flags", "u8", "sum of the others, divided by 256", 1, 15, since=3),
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
    Field("packed", "packed", "the same, packed", when=PACKED),
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

    def packed(self) -> dict[str, Any]:
        data = self.take(self.varint())
        try:
            return packed.unpack(data, MAX_METADATA_BYTES)
        except packed.ERRORS as error:
            raise self.damaged("metadata") from error

    def shape(self) -> tuple[int, ...]:
        return tuple(self.varint() for _ in range(self.axes))


def is_name(name: str) -> bool:
    return not _CONTROL.search(name)


def _pack_text(text: str) -> bytes:
    return _with_length(zlib.compress(text.encode(), 9))


def _with_length(data: bytes) -> bytes:
    return varint(len(data)) + data


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
    "packed": (
        HeaderInput.packed,
        lambda v: _with_length(packed.pack(v)),
        "varint n, then n bytes of deflated data",
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


def to_json(metadata: dict[str, Any]) -> str:
    return json.dumps(metadata, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def version_of(flags: int) -> int:
    """The lowest version that has such flags."""
    return 3 if flags >= BY_AREA else 2 if flags & EXACT else 1


def flags_problem(flags: int, version: int) -> str | None:
    """What is wrong with the flags of a file of a version, or None."""
    if version_of(flags) != version:
        return "flags of another version"
    if flags & METADATA and flags & PACKED:
        return "metadata twice"
    if flags & NO_RESIDUALS and not flags & BOUNDED:
        return "no residuals, and no bound"
    return None


def count_blocks(values: dict[str, Any]) -> int:
    """Blocks of a file whose other fields are read."""
    flags = values["flags"]
    tiles = count_tiles(values, bool(flags & BY_AREA))
    residuals = values["items"] if flags & BOUNDED and not flags & NO_RESIDUALS else 0
    return -(-tiles // values["tiles_per_block"]) + residuals + count_exact(values.get("exact", []))


def is_there(spec: Field, version: int, flags: int) -> bool:
    """Whether a file of a version and of flags has a field."""
    return spec.since <= version and (not spec.when or bool(flags & spec.when))


def read_values(reader: HeaderInput, max_items: int) -> dict[str, Any]:
    """All fields by name, checked: columns as lists, of one value where it counts for all.

    Raises:
      MscnError: as `Container.from_bytes`.
    """
    values: dict[str, Any] = {}
    for spec in FIELDS:
        if not is_there(spec, values.get("version", 1), values.get("flags", 0)):
            continue
        checked = reader.at
        column = _column(reader, spec, values)
        values[spec.name] = column[0] if spec.per == "file" else column
        if spec.name == "items" and column[0] > max_items:
            raise MscnError(f"{reader.source}: {column[0]} items, at most {max_items} here")
        problem = _problem_with(spec, values)
        if problem:
            raise reader.damaged(problem)
        if spec.name == "more_flags":
            values["flags"] += column[0] << 8
        if spec.name == "modality":
            reader.axes = Modality.numbered(column[0]).axes
        if spec.name == "items":
            reader.items = column[0]
    if zlib.crc32(reader.data[:checked]) != values["header_crc"]:
        raise reader.damaged("header checksum")
    return values


def _column(reader: HeaderInput, spec: Field, values: dict[str, Any]) -> list[Any]:
    """The next field's values, each of them checked."""
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
    column = list(reader.take(count)) if spec.kind == "u8" else [read(reader) for _ in range(count)]
    for value in set(column) if spec.per != "file" and spec.kind != "shape" else column:
        problem = problem_of(spec, value)
        if problem and spec.name == "version":
            raise MscnError(
                f"{reader.source}: format version {value}, this program reads 1 to {VERSION}; "
                "update mscn-tf"
            )
        if problem:
            raise reader.damaged(problem)
    return column


def _problem_with(spec: Field, values: dict[str, Any]) -> str | None:
    """What is wrong between a field that was read last and those before it, or None."""
    value = values[spec.name]
    if spec.name == "flags" and values["version"] < 3:
        return flags_problem(value, values["version"])
    if spec.name == "more_flags":
        return flags_problem(values["flags"] + (value << 8), values["version"])
    if spec.name == "modality" and values["flags"] & BY_AREA:
        return None if Modality.numbered(value).pixels else "tiles by area of no pictures"
    if spec.name == "exact":
        return exact_problem(values["modality"], values["channels"], value)
    if spec.name == "tile_overlap":
        return overlap_problem(values["modality"], values["tile_edge"], value)
    return None


def field_table() -> str:
    """The table of fields in docs/format.md, as Markdown."""
    lines = ["| field | written as | how often | limits | meaning |", "|---|---|---|---|---|"]
    for spec in FIELDS:
        often = {"file": "once", "item": "per item", "block": "per block"}[spec.per]
        if spec.once:
            often += f"; once if {FLAG_NAMES[spec.once]}"
        if spec.since > 1:
            often += f", from version {spec.since} on"
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
