"""Pictures in files: single ones, folders of them, and `.npy` stacks.

In memory a picture is uint8 [H, W, C], C 1 (grey) or 3 (RGB), 2 or 4 with alpha behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Optional, Union

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from mscn_tf.runtime.container import MAX_PIXELS
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write

# Pillow's readers for other formats run external programs or take any file for their own.
_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000")
SUFFIXES = frozenset(
    ".png .jpg .jpeg .webp .tif .tiff .bmp .gif .ppm .pgm .pbm .pnm .jp2 .j2k".split()
)
KINDS = {1: "grey", 2: "grey with alpha", 3: "RGB", 4: "RGBA"}  # by channels
WITH_ALPHA = ("PNG", "WEBP", "TIFF", "JPEG2000")  # of the formats
# What is added to `Image.save`: no loss where the format can do without, little where it can't.
_SAVE = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}


def read(path: PathLike) -> tuple[list[np.ndarray], Optional[list[str]]]:
    """Pictures of a file, a folder or an `.npy` stack, and their names where it is a folder.

    Raises:
      MscnError: there is nothing there to encode, or something that can't be.
    """
    path = Path(path)
    if path.is_dir():
        return read_folder(path)
    if path.suffix.lower() == ".npy":
        return list(read_stack(path)), None
    return [read_picture(path)], None


def read_picture(path: PathLike) -> np.ndarray:
    """uint8 [H, W, C]: one picture, turned upright as its EXIF orientation says.

    Alpha is kept where a pixel is transparent. Fully transparent pixels get the colours around
    them: theirs isn't seen, and would cost bits.

    Raises:
      MscnError: missing, empty, damaged, no picture, too large, with several frames, or of a kind
        that the codecs don't keep: more than 8 bits a channel, CMYK.
    """
    _check_readable(path)
    return load_picture(path, str(path))


def load_picture(
    file: Union[PathLike, BinaryIO], name: str, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """As `read_picture`, also of an open file.

    Args:
      file: a path, or the file.
      name: what error messages call it.
      max_pixels: how many it may have at most.

    Raises:
      MscnError: as `read_picture`.
    """
    try:
        with _no_pixel_limit(), Image.open(file, formats=_FORMATS) as picture:
            _check(picture, name, max_pixels)
            ImageOps.exif_transpose(picture, in_place=True)
            return _pixels(picture)
    except MscnError:
        raise
    except UnidentifiedImageError as error:
        raise MscnError(f"{name}: not a picture; give a PNG, JPEG, WebP or TIFF file") from error
    except Exception as error:  # Pillow's readers raise all kinds of errors on damaged files
        raise MscnError(f"{name}: damaged or cut short ({error}); get a fresh copy") from error


def read_folder(path: PathLike) -> tuple[list[np.ndarray], list[str]]:
    """The pictures that lie in a folder and their file names, in the names' order.

    Files whose names don't end like a picture's, hidden files and folders within are left out.

    Raises:
      MscnError: there is none, or one can't be read.
    """
    try:
        entries = sorted(Path(path).iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise MscnError(f"cannot read {path}: {error.strerror}; check the path") from error
    files = [
        entry
        for entry in entries
        if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".") and entry.is_file()
    ]
    if not files:
        raise MscnError(f"{path}: no picture in this folder; give one with PNG or JPEG files")
    return [read_picture(file) for file in files], [file.name for file in files]


def read_stack(path: PathLike) -> np.ndarray:
    """uint8 [N, H, W, C] from an `.npy` file.

    The file holds [N, H, W, C], C 1 to 4, or, grey, [N, H, W]; uint8, or floats in [0, 1].

    Raises:
      MscnError: missing, damaged, or of another shape, type or range.
    """
    return stack_pixels(open_stack(path), str(path))


def open_stack(path: PathLike) -> np.ndarray:
    """The array of an `.npy` file, as [N, H, W, C], read from the file as it is used.

    Raises:
      MscnError: missing, damaged, or of another shape or type than `read_stack` takes.
    """
    _check_readable(path)
    try:
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # damaged headers raise all kinds of errors
        raise MscnError(f"{path}: not an array that NumPy can read ({error})") from error
    if stack.ndim == 3 and stack.shape[2] in (3, 4):
        height, width, channels = stack.shape
        raise MscnError(
            f"{path}: shape {stack.shape} looks like one picture; "
            f"save it as (1, {height}, {width}, {channels})"
        )
    if stack.ndim == 3:
        stack = stack[..., None]
    if stack.ndim != 4 or stack.shape[3] not in KINDS or 0 in stack.shape:
        raise MscnError(
            f"{path}: shape {stack.shape} is no stack of pictures; save it as [N, H, W, 3] RGB, "
            "[N, H, W, 4] RGBA or [N, H, W] grey"
        )
    if stack.dtype != np.uint8 and stack.dtype.kind != "f":
        raise MscnError(f"{path}: {stack.dtype} values; save them as uint8, or floats in [0, 1]")
    return stack


def stack_pixels(stack: np.ndarray, path: str) -> np.ndarray:
    """uint8 of pictures of a stack, or of a part of it; the path is for messages.

    Raises:
      MscnError: floats beyond [0, 1].
    """
    if stack.dtype == np.uint8:
        return np.array(stack)
    if not np.isfinite(stack).all():
        raise MscnError(f"{path}: NaN or infinite values; replace them")
    if stack.min() < 0 or stack.max() > 1:
        raise MscnError(
            f"{path}: floats from {stack.min():g} to {stack.max():g}; scale them to [0, 1] "
            "or save them as uint8"
        )
    return np.rint(stack * 255.0).astype(np.uint8)


def check_format(path: PathLike) -> str:
    """Pillow's name of the format that a file name ends in.

    Raises:
      MscnError: Pillow writes no such format.
    """
    suffix = Path(path).suffix.lower()
    kind = Image.registered_extensions().get(suffix)
    if kind not in Image.SAVE or suffix not in SUFFIXES:
        raise MscnError(f"{path}: no picture type to write; let it end in .png, for instance")
    return kind


def write_picture(path: PathLike, picture: np.ndarray) -> None:
    """Writes uint8 [H, W, C] in the format that the name ends in.

    Raises:
      MscnError: an unknown format, one without alpha for a picture with it, or the file can't be
        written.
    """
    kind = check_format(path)
    if picture.shape[-1] in (2, 4) and kind not in WITH_ALPHA:
        raise MscnError(f"{path}: {kind} has no transparency; let it end in .png, for instance")
    with atomic_write(path) as file:
        save_picture(file, picture, kind, str(path))


def save_picture(file: BinaryIO, picture: np.ndarray, kind: str, name: str) -> None:
    """Writes uint8 [H, W, C] to an open file.

    Args:
      file: open for writing.
      picture: with alpha only where `kind` is one of `WITH_ALPHA`.
      kind: Pillow's name of the format.
      name: what error messages call the file.

    Raises:
      MscnError: the format can't hold the picture.
    """
    try:
        Image.fromarray(_squeezed(picture)).save(file, kind, **_SAVE.get(kind, {}))
    except (ValueError, KeyError) as error:
        raise MscnError(f"{name}: {kind} can't hold this picture ({error})") from error


def write_stack(path: PathLike, pictures: Sequence[np.ndarray]) -> None:
    """Writes pictures of one shape as uint8 [N, H, W, C], or [N, H, W] where they are grey.

    Raises:
      MscnError: their shapes differ, or the file can't be written.
    """
    if len({picture.shape for picture in pictures}) > 1:
        raise MscnError(f"{path}: the pictures differ in size; decode them to a folder")
    with atomic_write(path) as file:
        np.save(file, np.stack([_squeezed(picture) for picture in pictures]))


def write_folder(path: PathLike, pictures: Iterable[np.ndarray], names: Sequence[str]) -> list[str]:
    """Writes PNG files into a folder, which is made if need be: all of them or none.

    Args:
      path: the folder.
      pictures: uint8 [H, W, C] each.
      names: one for each; see `file_names`.

    Returns:
      The file names.

    Raises:
      MscnError: the folder or a file can't be written.
    """
    path = Path(path)
    files = file_names(names)
    try:
        made = not path.exists()
        # In the same folder, so that finished files can be moved.
        temporary = Path(tempfile.mkdtemp(prefix=".mscn-", dir=path.parent if made else path))
        try:
            for file, picture in zip(files, pictures):
                write_picture(temporary / file, picture)
            path.mkdir(exist_ok=True)
            for file in files:
                os.replace(temporary / file, path / file)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise MscnError(f"cannot write {path}: {error.strerror}; check folder and space") from error
    return files


def file_names(names: Sequence[str]) -> list[str]:
    """Safe, different `.png` file names like the given ones, which may come from a stranger."""
    taken: set[str] = set()
    files = []
    for index, name in enumerate(names):
        stem = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name)
        if Path(stem).suffix.lower() in SUFFIXES:
            stem = Path(stem).stem
        # 60 characters are at most 240 bytes: short of the 255 that file systems allow.
        stem = stem.strip(" .")[:60].rstrip(" .") or f"{index:06d}"
        file, count = stem, 1
        while file.lower() in taken:
            count += 1
            file = f"{stem}-{count}"
        taken.add(file.lower())
        files.append(f"{file}.png")
    return files


def psnr(original: np.ndarray, decoded: np.ndarray, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB of arrays of one shape; infinite if equal.

    Args:
      original: of any type of numbers.
      decoded: of the same.
      peak: range of the values.
    """
    if original.shape != decoded.shape:
        raise ValueError(f"shapes differ: {original.shape} and {decoded.shape}")
    error = 0.0
    for rows in range(0, len(original), 256):  # copies of parts only: signals may be large
        part = slice(rows, rows + 256)
        difference = original[part].astype(np.float64) - decoded[part]
        error += float(np.sum(np.square(difference)))
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 * original.size / error))


def _check_readable(path: PathLike) -> None:
    try:
        with open(path, "rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        reason = getattr(error, "strerror", None) or error
        raise MscnError(f"cannot read {path}: {reason}; check the path") from error
    if empty:
        raise MscnError(f"{path}: the file is empty; get a fresh copy")


@contextlib.contextmanager
def _no_pixel_limit() -> Iterator[None]:
    """Lifts Pillow's limit, for which `_check` has one of its own, and silences its warnings."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _check(picture: Image.Image, name: str, max_pixels: int) -> None:
    """Raises MscnError, before anything is decoded, where the codecs would lose something."""
    width, height = picture.size
    if width * height > max_pixels:
        raise MscnError(
            f"{name}: {width}x{height} pixels are over the limit of {max_pixels}; cut it up"
        )
    # A phone's "MPO" is a JPEG with previews or depth behind it.
    if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":
        raise MscnError(f"{name}: {picture.n_frames} frames; save one of them as a picture")
    if picture.mode not in ("1", "L", "P", "RGB", "LA", "PA", "RGBA") or _has_16_bits(picture):
        deep = picture.mode[0] in "IF" or _has_16_bits(picture)
        kind = "more than 8 bits a channel" if deep else f"{picture.mode} colours"
        raise MscnError(f"{name}: {kind}; convert it to 8-bit RGB or grey")


def _has_16_bits(picture: Image.Image) -> bool:
    """Whether Pillow would cut the values of an "RGB" picture to 8 bits without a word."""
    for tile in picture.tile:
        given = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        for value in given:
            if isinstance(value, str) and ";16" in value:
                return True
            if picture.format == "PPM" and isinstance(value, int) and value > 255:
                return True
    return False


def _pixels(picture: Image.Image) -> np.ndarray:
    mode = "L" if picture.mode in ("1", "L", "LA") else "RGB"
    alpha = np.array(picture.convert("RGBA"))[..., 3:] if picture.has_transparency_data else None
    pixels = np.array(picture if picture.mode == mode else picture.convert(mode))
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if alpha is None or alpha.min() == 255:
        return pixels
    return np.concatenate([_filled(pixels, alpha[..., 0] > 0), alpha], axis=-1)


def _filled(pixels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Pixels uint8 [H, W, C] that aren't seen, bool [H, W], in smooth colours of those around.

    From means of those seen in squares of 2, 4, 8 ... pixels (pull-push, Gortler et al. 1996).
    """
    if seen.all():
        return pixels
    height, width, channels = pixels.shape
    pad = ((0, height % 2), (0, width % 2))
    squares = [-(-height // 2), 2, -(-width // 2), 2]
    weights = np.pad(seen, pad).reshape(squares).sum((1, 3))
    kept = np.pad(pixels * seen[..., None], (*pad, (0, 0)))
    sums = kept.reshape(*squares, channels).sum((1, 3), dtype=np.uint32)
    means = (sums // np.maximum(weights, 1)[..., None]).astype(np.uint8)
    if height * width > 1:
        means = _filled(means, weights > 0)
    size = (2 * squares[2], 2 * squares[0])
    larger = Image.fromarray(_squeezed(means)).resize(size, Image.Resampling.BILINEAR)
    larger = np.asarray(larger).reshape(size[1], size[0], channels)[:height, :width]
    return np.where(seen[..., None], pixels, larger)


def _squeezed(picture: np.ndarray) -> np.ndarray:
    return picture[..., 0] if picture.shape[-1] == 1 else picture
