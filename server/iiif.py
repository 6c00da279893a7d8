"""The IIIF Image API 3.0: what its parameters ask for, and its description of a picture.

Level 2 of it, and enlarging: https://iiif.io/api/image/3.0. Pictures that take more pixels than the
server decodes have a ``maxWidth`` and a ``maxHeight``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Optional

from mscn_tf.server import zoom
from mscn_tf.server.answers import RefusedError
from mscn_tf.server.rendering import Wanted
from mscn_tf.server.zoom import Box, Size

CONTEXT = "http://iiif.io/api/image/3/context.json"
PROFILE = "http://iiif.io/api/image/3/level2.json"
KINDS = {"jpg": "jpeg", "png": "png", "webp": "webp"}  # by the names that IIIF has for them
COLOURS = ("default", "color", "gray", "bitonal")
_NUMBER = r"\d{1,9}(?:\.\d{1,9})?|\.\d{1,9}"
_PIXELS = re.compile(r"(\d{1,9}),(\d{1,9}),(\d{1,9}),(\d{1,9})")
_PERCENT = re.compile(rf"pct:({_NUMBER}),({_NUMBER}),({_NUMBER}),({_NUMBER})")
_SIZE = re.compile(
    rf"(\^?)(?:(max)|pct:({_NUMBER})|(!?)(\d{{1,9}}),(\d{{1,9}})|(\d{{1,9}}),|,(\d{{1,9}}))"
)


@dataclass(frozen=True)
class Sides:
    """Of a picture.

    Attributes:
      shape: (height, width).
      most: (width, height) in which all of it may be had.
      area: pixels that an answer may have.
    """

    shape: tuple[int, int]
    most: Size
    area: int

    @property
    def limited(self) -> bool:
        """Whether it can't be had in its own size."""
        return self.most != self.shape[::-1]

    def fits(self, width: float, height: float) -> bool:
        """Whether an answer may have that size."""
        bounded = width <= self.most[0] and height <= self.most[1]
        return width * height <= self.area and (bounded or not self.limited)

    def largest(self, width: int, height: int) -> float:
        """By what a region may be enlarged at most; less than 1: by what it must be reduced."""
        by_area = math.sqrt(self.area / (width * height))
        if not self.limited:
            return by_area
        return min(by_area, self.most[0] / width, self.most[1] / height)


def wanted(
    item: int, region: str, size: str, rotation: str, quality: str, format: str, sides: Sides
) -> Wanted:
    """What a request's parameters ask for, of an item.

    Raises:
      RefusedError: 400, they ask for nothing that is there, or for what isn't offered.
    """
    if quality not in COLOURS:
        raise RefusedError(400, f"quality {quality}: there is {', '.join(COLOURS)}")
    if format not in KINDS:
        raise RefusedError(400, f"format {format}: there is {', '.join(KINDS)}")
    if rotation not in ("0", "90", "180", "270"):
        raise RefusedError(400, f"rotation {rotation}: give 0, 90, 180 or 270")
    box = region_of(region, sides.shape)
    return Wanted(
        item,
        size=size_of(size, box, sides),
        region=box,
        kind=KINDS[format],
        colour=quality,
        turns=int(rotation) // 90,
        overview=True,
    )


def region_of(text: str, shape: tuple[int, int]) -> Box:
    """The part of a picture, (height, width), that a region names.

    Raises:
      RefusedError: 400, it names none.
    """
    height, width = shape
    if text == "full":
        return 0, 0, width, height
    if text == "square":
        side = min(shape)
        return (width - side) // 2, (height - side) // 2, side, side
    pixels, percent = _PIXELS.fullmatch(text), _PERCENT.fullmatch(text)
    if pixels:
        left, top, wide, high = map(int, pixels.groups())
    elif percent:
        parts = zip(map(float, percent.groups()), (width, height) * 2)
        left, top, wide, high = (round(share * side / 100) for share, side in parts)
    else:
        raise RefusedError(
            400, "region: give full, square, X,Y,WIDTH,HEIGHT or pct:X,Y,WIDTH,HEIGHT"
        )
    wide, high = min(wide, width - left), min(high, height - top)
    if wide < 1 or high < 1:
        raise RefusedError(400, f"region: nothing of the {width}x{height} pixels is in it")
    return left, top, wide, high


def size_of(text: str, region: Box, sides: Sides) -> Size:
    """Width and height, before it is turned, that a size asks for a region.

    Raises:
      RefusedError: 400, it is larger than the region, and not by ``^``; or than the limits.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise RefusedError(
            400, "size: give max, W, or ,H or W,H or !W,H or pct:N; ^ in front to enlarge"
        )
    up, most, percent, confined, width, height, only_width, only_height = found.groups()
    wide, high = region[2:]
    if most or confined:
        factor = sides.largest(wide, high) if up else min(sides.largest(wide, high), 1.0)
        if confined:
            factor = min(factor, int(width) / wide, int(height) / high)
        size = _within(wide, factor), _within(high, factor)
    elif width:
        size = int(width), int(height)
    elif percent:
        size = _nearest(wide, float(percent) / 100), _nearest(high, float(percent) / 100)
    elif only_width:
        size = int(only_width), _nearest(high, int(only_width) / wide)
    else:
        size = _nearest(wide, int(only_height) / high), int(only_height)
    if min(size) < 1:
        raise RefusedError(400, "size: no pixel is left")
    if not up and (size[0] > wide or size[1] > high):
        raise RefusedError(400, f"size: larger than the region, {wide}x{high}; ^ enlarges")
    if not sides.fits(*size):
        raise RefusedError(400, "size: over the limits that info.json names")
    return size


def _within(side: int, factor: float) -> int:
    """A side times a factor, rounded so that it is over no limit that the factor keeps."""
    return max(int(side * factor + 1e-9), 1) if factor > 0 else 0


def _nearest(side: int, factor: float) -> int:
    return max(round(side * factor), 1) if factor > 0 else 0


def info(uri: str, sides: Sides, transparent: bool) -> dict[str, Any]:
    """The description of a picture.

    Args:
      uri: under which it is.
      sides: of it.
      transparent: whether it has alpha, for which JPEG puts white.
    """
    height, width = sides.shape
    scales = [1 << halvings for halvings in range(zoom.original(sides.shape) + 1)]
    sizes = [(max(width // scale, 1), max(height // scale, 1)) for scale in scales]
    description = {
        "@context": CONTEXT,
        "id": uri,
        "type": "ImageService3",
        "protocol": "http://iiif.io/api/image",
        "profile": "level2",
        "width": width,
        "height": height,
        "maxArea": sides.area,
        "sizes": [{"width": w, "height": h} for w, h in sizes[::-1] if sides.fits(w, h)],
        "tiles": [{"width": zoom.EDGE, "scaleFactors": scales}],
        "preferredFormats": ["png", "webp"] if transparent else ["jpg", "webp", "png"],
        "extraFormats": ["webp"],
        "extraQualities": ["color", "gray", "bitonal"],
        "extraFeatures": ["sizeUpscaling", "profileLinkHeader", "canonicalLinkHeader"],
    }
    if sides.limited:
        description["maxWidth"], description["maxHeight"] = sides.most
    return description


def tile(asked: Wanted, sides: Sides, channels: int) -> Optional[tuple[int, int, int]]:
    """Zoom, column and row of the tile that is what was asked for; None where none is.

    Args:
      asked: what `wanted` has read.
      sides: of the picture.
      channels: of the picture, whose transparency JPEG hasn't.
    """
    assert asked.region is not None
    assert asked.size is not None
    on_white = channels in (2, 4) and asked.kind == "jpeg"
    if asked.colour not in ("default", "color") or asked.turns or on_white:
        return None
    return zoom.tile_of(sides.shape, asked.region, asked.size)


def canonical(asked: Wanted, format: str, sides: Sides) -> str:
    """The canonical form of a request's parameters, which `wanted` has read."""
    assert asked.region is not None
    assert asked.size is not None
    own, size = asked.region[2:], asked.size
    region = "full" if own == sides.shape[::-1] else ",".join(map(str, asked.region))
    enlarged = "^" if size[0] > own[0] or size[1] > own[1] else ""
    text = "max" if size == own else f"{enlarged}{size[0]},{size[1]}"
    quality = "default" if asked.colour == "color" else asked.colour
    return f"{region}/{text}/{90 * asked.turns}/{quality}.{format}"
