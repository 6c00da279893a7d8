"""What files of pictures say of themselves that Pillow leaves out: bits, colours in numbers."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any, BinaryIO, Optional

from PIL import Image

_DEEP = re.compile(r"(?<!^BGR);(1[0-6]|32)")  # in Pillow's names for how values lie in a file
# TIFF's tags, and what the last two of them say: unsigned or undefined, and of no known use.
_DNG_VERSION, _NEW_SUBFILE_TYPE, _BITS_PER_SAMPLE = 50706, 254, 258
_SAMPLE_FORMAT, _EXTRA_SAMPLES = 339, 338
_UNSIGNED, _UNSPECIFIED = (1, 4), 0


def bits(picture: Image.Image, file: BinaryIO) -> int:
    """Bits of a channel in the file, where Pillow cuts more than 8 to 8 without a word; else 8.

    Args:
      picture: opened, not yet loaded.
      file: that it was opened from.
    """
    if picture.format == "HEIF":
        return int(picture.info.get("bit_depth", 8))
    if picture.format == "JPEG2000":
        return _bits_of_jpeg_2000(_content(file))
    if picture.format == "AVIF":
        return _bits_of_avif(_content(file))
    if picture.format == "TIFF":
        return max(_tags(picture).get(_BITS_PER_SAMPLE, (1,)))
    for tile in getattr(picture, "tile", ()):
        given = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        for value in given:
            if isinstance(value, str) and _DEEP.search(value):
                return 16
            if picture.format == "PPM" and isinstance(value, int) and value > 255:
                return 16
    return 8


def _tags(picture: Image.Image) -> Mapping[int, Any]:
    """A TIFF's; of other pictures none."""
    return getattr(picture, "tag_v2", {})


def is_preview(picture: Image.Image) -> bool:
    """Whether a TIFF is a small picture of another, as those in cameras' raw files are."""
    tags = _tags(picture)
    return _DNG_VERSION in tags or tags.get(_NEW_SUBFILE_TYPE) == 1


def is_signed(picture: Image.Image) -> bool:
    """Whether a TIFF's values may lie below zero, which Pillow takes for large ones."""
    return any(kind not in _UNSIGNED for kind in _tags(picture).get(_SAMPLE_FORMAT, ()))


def further_channels(picture: Image.Image) -> int:
    """Channels of a TIFF beside colours and alpha, which Pillow leaves out."""
    return _tags(picture).get(_EXTRA_SAMPLES, ()).count(_UNSPECIFIED)


def cicp(picture: Image.Image, file: BinaryIO) -> Optional[tuple[int, int]]:
    """Primaries and transfer function as ITU-T H.273 numbers them, where the file says so."""
    if picture.format == "HEIF":
        profile = picture.info.get("nclx_profile") or {}
        primaries = profile.get("color_primaries")
        transfer = profile.get("transfer_characteristics")
        if isinstance(primaries, int) and isinstance(transfer, int):
            return primaries, transfer
        return None
    if picture.format == "AVIF":
        box = re.search(rb"colrnclx(.{4})", _content(file), re.DOTALL)
        return struct.unpack(">HH", box[1]) if box else None
    if picture.format == "PNG":
        chunk = re.search(rb"\0\0\0\x04cICP(..)", _content(file, 2**12), re.DOTALL)
        return (chunk[1][0], chunk[1][1]) if chunk else None
    return None


def _content(file: BinaryIO, count: int = -1) -> bytes:
    place = file.tell()
    file.seek(0)
    content = file.read(count)
    file.seek(place)
    return content


def _bits_of_jpeg_2000(content: bytes) -> int:
    """The most of any component, from the marker segment SIZ."""
    start = content.find(b"\xff\x4f\xff\x51")
    count = int.from_bytes(content[start + 40 : start + 42], "big")
    depths = content[start + 42 : start + 42 + 3 * count : 3]
    return max(((depth & 0x7F) + 1 for depth in depths), default=8)


def _bits_of_avif(content: bytes) -> int:
    """The most of any of its pictures, from the boxes av1C."""
    boxes = re.findall(rb"av1C.{2}(.)", content, re.DOTALL)
    return max(
        (10 + 2 * (flags[0] >> 5 & 1) if flags[0] & 0x40 else 8 for flags in boxes), default=8
    )
