"""Single pictures in files.

In memory a picture is uint8 [H, W, C], C 1 (grey) or 3 (RGB), 2 or 4 with alpha behind; its colours
are sRGB.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Optional

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from mscn_tf.runtime.container import MAX_PIXELS
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals import colour, other_files, picture_headers, picture_metadata
from mscn_tf.signals.transparency import alpha_of, filled, scale_key, squeezed

# Pillow's readers for other formats run external programs or take any file for their own.
_FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
_WRITTEN = frozenset(
    ".png .jpg .jpeg .jpe .jfif .webp .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm .jp2 .j2k "
    ".avif".split()
)
SUFFIXES = _WRITTEN | set(".mpo .heic .heif .hif .jpc .j2c .jpx .jpf .dib".split())
KINDS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}  # by channels
WITH_ALPHA = ("PNG", "WEBP", "TIFF", "JPEG2000", "AVIF")  # of the formats
# What is added to `Image.save`: no loss where the format can do without, little where it can't.
_SAVE: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
}
_CUT = ("AVIF", "HEIF")  # formats of 10 or 12 bits that every viewer shows with 8
_MOST_TEXT = 2**26  # bytes of a PNG's texts, uncompressed


@dataclass(frozen=True)
class Picture:
    """A picture as it was read.

    Attributes:
      pixels: uint8 [H, W, C].
      notes: what was changed or left out, without the file's name.
      metadata: as `picture_metadata.of_picture` gives it, where it was asked for.
    """

    pixels: np.ndarray
    notes: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def read_picture(path: PathLike) -> np.ndarray:
    """uint8 [H, W, C]: the pixels of `open_picture`."""
    return open_picture(path).pixels


def open_picture(path: PathLike, keep_metadata: bool = False) -> Picture:
    """One picture, turned upright as its EXIF orientation says, in sRGB as its profile says.

    Alpha is kept where a pixel is transparent. Fully transparent pixels get the colours around
    them: theirs isn't seen, and would cost bits. Where red, green and blue are the same everywhere,
    one channel is kept.

    Args:
      path: of a file; a pipe will do.
      keep_metadata: whether EXIF and the like are wanted.

    Raises:
      MscnError: missing, empty, damaged, no picture, too large, with several frames, or of a kind
        that the codecs don't keep: more than 8 bits a channel, high dynamic range, CMYK without a
        profile.
    """
    try:
        with open(path, "rb") as file:
            return load_picture(file, str(path), keep_metadata=keep_metadata)
    except MscnError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise MscnError(f"cannot read {path}: {reason}; check the path") from error


def load_picture(
    file: BinaryIO, name: str, max_pixels: int = MAX_PIXELS, keep_metadata: bool = False
) -> Picture:
    """As `open_picture`, of an open file.

    Args:
      file: open for reading, at its start; a pipe will do.
      name: what error messages call it.
      max_pixels: how many it may have at most.
      keep_metadata: as there.

    Raises:
      MscnError: as `open_picture`.
    """
    try:
        if not file.seekable():
            file = io.BytesIO(file.read())
        head = file.read(other_files.HEAD)
        file.seek(0)
        if not head:
            raise MscnError(f"{name}: the file is empty; get a fresh copy")
        with _limits_lifted(), Image.open(file, formats=_formats(head)) as picture:
            notes = _check(picture, file, head, name, max_pixels)
            scale_key(picture)
            picture.load()
            profile = colour.of_picture(picture, picture_headers.cicp(picture, file))
            with contextlib.suppress(Exception):  # damaged EXIF, which turns nothing
                ImageOps.exif_transpose(picture, in_place=True)
            pixels, said = _pixels(picture, profile, name)
            kept, left_out = picture_metadata.of_picture(picture) if keep_metadata else ({}, [])
            return Picture(pixels, [*notes, *said, *left_out], kept)
    except MscnError:
        raise
    except UnidentifiedImageError as error:
        raise MscnError(f"{name}: {other_files.words(head, name)}") from error
    except Exception as error:  # Pillow's readers raise all kinds of errors on damaged files
        reason = " ".join(str(error).split())
        raise MscnError(
            f"{name}: damaged or cut short ({reason}); get a fresh copy, or save it anew as PNG"
        ) from error


def pixels_of(picture: Image.Image, name: str) -> np.ndarray:
    """uint8 [H, W, C] of a picture in memory, as `open_picture` gives those of a file.

    Args:
      picture: of any mode.
      name: what error messages call it.

    Raises:
      MscnError: it is of a kind that the codecs don't keep.
    """
    _check_mode(picture, 8, name)
    return _pixels(picture, colour.of_picture(picture, None), name)[0]


def check_format(path: PathLike) -> str:
    """Pillow's name of the format that a file name ends in.

    Raises:
      MscnError: Pillow writes no such format.
    """
    suffix = Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE or suffix not in _WRITTEN:
        raise MscnError(f"{path}: no picture type to write; let it end in .png, for instance")
    return kind


def write_picture(
    path: PathLike, picture: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> None:
    """Writes uint8 [H, W, C] in the format that the name ends in.

    Args:
      path: of the file.
      picture: its pixels.
      metadata: as `picture_metadata.checked` gives it; what the format can't hold is left out.

    Raises:
      MscnError: an unknown format, one without alpha for a picture with it, or the file can't be
        written.
    """
    kind = check_format(path)
    if picture.shape[-1] in (2, 4) and kind not in WITH_ALPHA:
        raise MscnError(f"{path}: {kind} has no transparency; let it end in .png, for instance")
    with atomic_write(path) as file:
        save_picture(file, picture, kind, str(path), metadata)


def save_picture(
    file: BinaryIO,
    picture: np.ndarray,
    kind: str,
    name: str,
    metadata: Optional[Mapping[str, Any]] = None,
) -> None:
    """Writes uint8 [H, W, C] to an open file.

    Args:
      file: open for writing.
      picture: with alpha only where `kind` is one of `WITH_ALPHA`.
      kind: Pillow's name of the format.
      name: what error messages call the file.
      metadata: as of `write_picture`.

    Raises:
      MscnError: the format can't hold the picture.
    """
    try:
        options = {**_SAVE.get(kind, {}), **picture_metadata.options(metadata or {}, kind)}
        Image.fromarray(squeezed(picture)).save(file, kind, **options)
    except (ValueError, KeyError) as error:
        raise MscnError(f"{name}: {kind} can't hold this picture ({error})") from error


@contextlib.contextmanager
def _limits_lifted() -> Iterator[None]:
    """Lifts Pillow's limits, for which there are some here, and silences what it says."""
    logger = logging.getLogger(Image.__package__)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    text = PngImagePlugin.MAX_TEXT_CHUNK
    PngImagePlugin.MAX_TEXT_CHUNK = min(_MOST_TEXT, PngImagePlugin.MAX_TEXT_MEMORY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = pixels, text
        logger.setLevel(level)


def _formats(head: bytes) -> list[str]:
    """Pillow's names of the formats that are tried, and that it knows."""
    if head[4:8] == b"ftyp" and head[8:12] in other_files.HEIC:
        with contextlib.suppress(ImportError):
            from pillow_heif import register_heif_opener

            register_heif_opener()
    Image.init()
    return [kind for kind in _FORMATS if kind in Image.OPEN]


def _check(
    picture: Image.Image, file: BinaryIO, head: bytes, name: str, max_pixels: int
) -> list[str]:
    """Notes; or MscnError, before anything is decoded, where the codecs would lose something."""
    width, height = picture.size
    if width * height > max_pixels:
        raise MscnError(
            f"{name}: {width}x{height} pixels are over the limit of {max_pixels}; cut it up"
        )
    notes = _check_tiff(picture, head, name) if picture.format == "TIFF" else []
    frames = getattr(picture, "n_frames", 1)
    if frames > 1 and picture.format in ("MPO", "HEIF"):
        # A phone's: previews, depths or brightness behind the picture itself.
        notes.append(f"the main one of {frames} pictures in it is taken")
    elif frames > 1:
        kind = "pages" if picture.format == "TIFF" else "frames, an animation"
        raise MscnError(f"{name}: {frames} {kind}; save one of them as a picture")
    _, transfer = picture_headers.cicp(picture, file) or (0, 0)
    if transfer in colour.HIGH_RANGE:
        raise MscnError(f"{name}: of high dynamic range (PQ or HLG); convert it to 8-bit sRGB")
    bits = picture_headers.bits(picture, file)
    _check_mode(picture, bits, name)
    if bits > 8:
        notes.append(f"{bits} bits a channel cut to 8")
    return notes


def _check_mode(picture: Image.Image, bits: int, name: str) -> None:
    """Raises MscnError where pixels are of a kind that the codecs don't keep."""
    if picture.mode[0] in "IF" or (bits > 8 and picture.format not in _CUT):
        raise MscnError(f"{name}: more than 8 bits a channel; convert it to 8-bit RGB or grey")
    profiled = picture.mode == "CMYK" and picture.info.get("icc_profile")
    if picture.mode not in ("1", "L", "P", "RGB", "LA", "PA", "RGBA") and not profiled:
        raise MscnError(f"{name}: {picture.mode} colours; convert it to 8-bit RGB or grey")


def _check_tiff(picture: Image.Image, head: bytes, name: str) -> list[str]:
    """As `_check`, of what only a TIFF can hold."""
    if other_files.is_raw(head, name) or picture_headers.is_preview(picture):
        raise MscnError(f"{name}: {other_files.RAW_WORDS}")
    if picture_headers.is_signed(picture):
        raise MscnError(f"{name}: signed or real numbers; scale them to 8 bits, RGB or grey")
    if picture_headers.further_channels(picture):
        return ["channels beside colours and alpha left out"]
    return []


def _pixels(
    picture: Image.Image, profile: Optional[colour.Profile], name: str
) -> tuple[np.ndarray, list[str]]:
    """uint8 [H, W, C] of a loaded picture, and notes."""
    mode = {"1": "L", "L": "L", "LA": "L", "CMYK": "CMYK"}.get(picture.mode, "RGB")
    alpha = alpha_of(picture)
    colours = picture if picture.mode == mode else picture.convert(mode)
    said = ""
    if profile is not None:
        colours, said = colour.to_srgb(colours, profile)
    if colours.mode == "CMYK":
        raise MscnError(f"{name}: CMYK colours, and {said}; convert it to 8-bit RGB or grey")
    pixels = np.array(colours)
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if alpha is not None:
        pixels = filled(pixels, alpha > 0)
    pixels = colour.grey_if_neutral(pixels)
    if alpha is not None:
        pixels = np.dstack([pixels, alpha])
    return np.ascontiguousarray(pixels), [said] if said else []
