"""What worker processes make of opened files: signals, parts of them and tiles, as bytes."""

from __future__ import annotations

import io
import itertools
import math
import os
import tempfile
from dataclasses import dataclass
from typing import Optional

import numpy as np

from mscn_tf.codec import Codec
from mscn_tf.runtime.container import Container
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.modality import Modality
from mscn_tf.runtime.view import LUMA, View, view
from mscn_tf.server import formats, zoom
from mscn_tf.server.answers import Answer, RefusedError
from mscn_tf.server.zoom import EDGE
from mscn_tf.signals import modalities, picture_files
from mscn_tf.signals.signal import Selection

_CHEAPER = 4  # times less memory a sample of exact planes takes


Square = tuple[int, int, int, int]  # zoom, column and row in squares, tiles along a side


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a file.

    Attributes:
      item: which signal, from 0.
      scale: of the output, as a multiple of the region's size; or None.
      size: of the output, innermost axis first; or None.
      region: first samples, then counts of them, innermost axis first; None is all.
      kind: what it is sent as, of `formats.MEDIA_TYPES`.
      colour: of the pixels, as IIIF calls it: ``default``, ``color``, ``gray`` or ``bitonal``; None
        leaves them as they are, also for formats that can't have their transparency.
      turns: clockwise, by 90 degrees.
      overview: whether a size that is nearly a half, a fourth and so on may be taken as that.
    """

    item: int = 0
    scale: Optional[float] = None
    size: Optional[tuple[int, ...]] = None
    region: Optional[tuple[int, ...]] = None
    kind: str = "png"
    colour: Optional[str] = None
    turns: int = 0
    overview: bool = False


def rendered(codec: Codec, container: Container, wanted: Wanted, most: int) -> Answer:
    """A signal, or a part of it.

    Args:
      codec: of the file.
      container: the file.
      wanted: of it.
      most: samples that may be decoded.

    Raises:
      RefusedError: that takes more samples.
      MscnError: it isn't in the file, can't be sent so, or is damaged.
    """
    item, kind = wanted.item, wanted.kind
    looked_at = view(container, item, wanted.scale, wanted.size, wanted.region)
    modality = Modality.numbered(container.modality)
    if kind not in formats.kinds(modality):
        others = " or ".join(formats.kinds(modality))
        raise MscnError(
            f"{container.source}: of {codec.bundle.name}, can't be sent as {kind}; ask for {others}"
        )
    if wanted.colour is None:
        _check_transparency(container, item, kind)
    values = _decoded(codec, container, looked_at, most, wanted.overview)
    if kind not in (*formats.PICTURES, "npy"):
        return Answer(200, formats.MEDIA_TYPES[kind], _as_file(container, values, wanted))
    if wanted.colour is not None:
        values = np.rot90(_coloured(values, wanted.colour, kind), -wanted.turns)
    return Answer(200, formats.MEDIA_TYPES[kind], _encoded(values, kind, container.source))


def tiles(
    codec: Codec,
    container: Container,
    item: int,
    kind: str,
    square: Square,
    filled: bool,
    most: int,
) -> dict[tuple[int, int], Answer]:
    """Tiles of a square by column and row.

    Args:
      codec: of the file.
      container: the file.
      item: of it, a picture.
      kind: what they are sent as.
      square: which.
      filled: whether those that the picture's edges cut off are filled up, see `_filled`.
      most: samples that may be decoded.

    Raises:
      RefusedError: there is no such square, or it takes more samples.
      MscnError: it is damaged.
    """
    z, x, y, span = square
    shape = container.shapes[item]
    found = zoom.part(shape, z, x, y, span)
    if found is None:
        raise RefusedError(404, f"{container.source}: no square {z}/{x}/{y} of tiles")
    region, size = found
    _check_transparency(container, item, kind)
    looked_at = view(container, item, size=size, region=region)
    values = _decoded(codec, container, looked_at, most, overview=True)
    made = {}
    for row, column in itertools.product(*(range(-(-side // EDGE)) for side in size[::-1])):
        part = values[EDGE * row : EDGE * (row + 1), EDGE * column : EDGE * (column + 1)]
        content = _encoded(_filled(part, kind) if filled else part, kind, container.source)
        made[span * x + column, span * y + row] = Answer(200, formats.MEDIA_TYPES[kind], content)
    return made


def _filled(pixels: np.ndarray, kind: str) -> np.ndarray:
    """uint8 [256, 256, C]: transparent below and to the right of [H, W, C], or else white."""
    lacking = [(0, EDGE - side) for side in pixels.shape[:2]]
    if not np.any(lacking):
        return pixels
    if kind.upper() not in picture_files.WITH_ALPHA:
        return np.pad(pixels, [*lacking, (0, 0)], constant_values=255)
    if pixels.shape[-1] in (1, 3):
        pixels = np.concatenate((pixels, np.full_like(pixels[..., :1], 255)), axis=-1)
    return np.pad(pixels, [*lacking, (0, 0)])


def cost(codec: Codec, container: Container, wanted: View) -> int:
    """Samples that are made on the way to a view: of the output, and of the source's tiles."""
    shape, made = container.shapes[wanted.item], codec.scheme.samples(container, wanted)
    if container.error_bound is not None and wanted.shape == wanted.extent:
        return max(math.prod(shape), made)  # residuals are of all of it
    stored = len(container.coded(wanted.item)) < len(container.planes(wanted.item))
    least = math.prod(shape) // _CHEAPER if stored else 0  # exact planes, too
    return max(made, least, math.prod(wanted.shape))


def largest(codec: Codec, container: Container, item: int, most: int) -> Optional[tuple[int, ...]]:
    """Size, innermost axis first, in which all of a signal can be decoded within the limit.

    That is its own, or half of it, and so on; None where even a single sample is too much.
    """
    shape = container.shapes[item]
    for halvings in range(max(shape).bit_length() + 1):
        size = tuple(max(side >> halvings, 1) for side in shape[::-1])
        if cost(codec, container, view(container, item, size=size)) <= most:
            return size
    return None


def _decoded(
    codec: Codec, container: Container, wanted: View, most: int, overview: bool
) -> np.ndarray:
    """What a view shows, if that takes few enough samples."""
    item, full = wanted.item, wanted.shape
    if overview and len(full) == 2:
        wanted = zoom.overview(wanted, container.shapes[item])
    samples = cost(codec, container, wanted)
    if samples > most:
        raise RefusedError(
            413,
            f"{container.source}: {samples} pixels to decode are over the limit of {most}; take a "
            "region, or a smaller size",
        )
    region = (*wanted.start[::-1], *wanted.extent[::-1])
    values = codec.decode(container, item, size=wanted.shape[::-1], region=region)
    lacking = [(0, side - there) for side, there in zip(full, wanted.shape)]
    return np.pad(values, [*lacking, (0, 0)], "edge") if overview else values


def _check_transparency(container: Container, item: int, kind: str) -> None:
    transparent = container.channels[item] in (2, 4) and kind in formats.PICTURES
    if transparent and kind.upper() not in picture_files.WITH_ALPHA:
        raise MscnError(f"{container.source}: {kind} has no transparency; ask for png")


def _coloured(pixels: np.ndarray, colour: str, kind: str) -> np.ndarray:
    """uint8 [H, W, C] in the colours that IIIF names; on white where a format has no alpha."""
    alpha = pixels[..., -1:] if pixels.shape[-1] in (2, 4) else pixels[..., :0]
    values = pixels[..., : pixels.shape[-1] - alpha.shape[-1]]
    if alpha.size and kind.upper() not in picture_files.WITH_ALPHA:
        share = alpha / 255.0
        values = np.rint(values * share + 255 * (1 - share)).astype(np.uint8)
        alpha = alpha[..., :0]
    if colour in ("gray", "bitonal") and values.shape[-1] == 3:
        values = np.rint(values @ LUMA)[..., None].astype(np.uint8)
    if colour == "bitonal":
        values = np.where(values < 128, 0, 255).astype(np.uint8)
    return np.concatenate((values, alpha), axis=-1)


def _encoded(values: np.ndarray, kind: str, name: str) -> bytes:
    file = io.BytesIO()
    if kind == "npy":
        np.save(file, values)
    else:
        try:
            picture_files.save_picture(file, values, kind.upper(), name)
        except OSError as error:  # sides beyond what the format allows
            raise MscnError(f"{name}: {kind} can't hold this picture ({error})") from error
    return file.getvalue()


def _as_file(container: Container, values: np.ndarray, wanted: Wanted) -> bytes:
    """What `mscn decode` would write."""
    modalities.check_metadata(container)
    item = wanted.item
    names = container.names[item : item + 1] if container.names else None
    selection = Selection(container.shapes, item, wanted.scale, wanted.size, wanted.region)
    modality = Modality.numbered(container.modality).name
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"signal.{wanted.kind}")
        modalities.write(path, modality, [values], names, container.metadata, selection)
        with open(path, "rb") as file:
            return file.read()
