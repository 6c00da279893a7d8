"""Pictures: single ones, folders of them, and `.npy` stacks.

In memory a picture is uint8 [H, W, C], C 1 (grey) or 3 (RGB), 2 or 4 with alpha behind.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write, replace
from mscn_tf.runtime.header import MAX_METADATA_BYTES
from mscn_tf.signals import folders, other_files, picture_metadata
from mscn_tf.signals.colour import grey_if_neutral
from mscn_tf.signals.picture_files import (
    KINDS,
    SUFFIXES,
    Picture,
    check_format,
    open_picture,
    write_picture,
)
from mscn_tf.signals.picture_files import read_picture as read_picture
from mscn_tf.signals.signal import Selection, Signals
from mscn_tf.signals.transparency import squeezed

_LEAST_SPREAD = 4.0  # levels; errors of half of it are not seen


def read(path: PathLike, keep_metadata: bool = False) -> Signals:
    """Pictures of a file, a folder or an `.npy` stack, with their names where it is a folder.

    Args:
      path: of them.
      keep_metadata: whether `metadata` shall hold `pictures`: what the file of each says beside
        pixels, as `picture_metadata.of_picture` gives it.

    Raises:
      MscnError: there is nothing there to encode, or something that can't be.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy" and not path.is_dir():
        return Signals([grey_if_neutral(picture) for picture in read_stack(path)])
    if path.is_dir():
        pictures, names, notes = _read_folder(path, keep_metadata)
    else:
        pictures, names, notes = [open_picture(path, keep_metadata)], None, []
    shown = [str(path)] if names is None else names
    metadata = None
    if any(picture.metadata for picture in pictures):
        metadata = {"pictures": [picture.metadata or None for picture in pictures]}
        size = len(json.dumps(metadata, ensure_ascii=False).encode())
        if size > MAX_METADATA_BYTES:
            raise MscnError(
                f"{path}: {size:,} bytes of EXIF and the like are over the limit of "
                f"{MAX_METADATA_BYTES:,}; encode fewer pictures at once, or drop them"
            )
    return Signals(
        [picture.pixels for picture in pictures],
        names,
        metadata,
        [*folders.notes_once(shown, [picture.notes for picture in pictures]), *notes],
    )


def _read_folder(path: Path, keep_metadata: bool) -> tuple[list[Picture], list[str], list[str]]:
    files, left_out = folders.listed(path, SUFFIXES)
    if not files:
        told = other_files.folder_words({entry.name for entry in path.iterdir()})
        raise MscnError(f"{path}: {told}{left_out and f'; {left_out}'}")
    pictures = folders.read_all(files, lambda file: open_picture(file, keep_metadata), "pictures")
    notes = [f"{path}: {left_out}"] if left_out else []
    return pictures, [file.name for file in files], notes


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[Mapping[str, Any]],
    selection: Selection,
) -> str:
    """Writes pictures in the format that the name ends in, into a folder as PNG, or as `.npy`.

    Args:
      path: of a file, or of a folder: one that is there, or a name without an ending.
      arrays: uint8 [H, W, C] each; taken one by one where they go into a folder.
      names: one for each, or None.
      metadata: as `read` gives it, of all pictures of the file, or None.
      selection: which of the file's pictures were decoded.

    Raises:
      MscnError: there are several for one file, or they can't be written.
    """
    decoded = selection.items
    count = len(decoded)
    suffix = Path(path).suffix.lower()
    if os.path.isdir(path) or not suffix or os.fspath(path).endswith(os.sep):
        names = names or [f"{number:06d}" for number in decoded]
        known, said = _metadata(metadata, decoded)
        files = write_folder(path, arrays, names, known)
        return f"{len(files)} pictures, {files[0]} to {files[-1]}{said}"
    if suffix == ".npy":
        arrays = list(arrays)
        write_stack(path, arrays)
        return f"{len(arrays)} pictures"
    kind = check_format(path)
    if count > 1:
        raise MscnError(
            f"{path}: there are {count} pictures; let OUT be a folder or an .npy file, "
            "or name one picture with --item=I"
        )
    known, said = _metadata(metadata, decoded)
    (picture,) = arrays
    write_picture(path, picture, known[0])
    unheld = picture_metadata.unheld(known[0] or {}, kind)
    if unheld:
        said += f"; {kind} doesn't hold its {' and '.join(unheld)}"
    height, width, channels = picture.shape
    return f"{width}x{height} {KINDS[channels]}{said}"


def _metadata(
    metadata: Optional[Mapping[str, Any]], decoded: Sequence[int]
) -> tuple[list[Optional[dict[str, Any]]], str]:
    """What is known of each picture, of metadata that may come from a stranger, and what to say."""
    entries = (metadata or {}).get("pictures")
    if entries is None:
        return [None] * len(decoded), ""
    known: list[Optional[dict[str, Any]]] = []
    damaged = False
    for number in decoded:
        try:
            entry = entries[number]
            known.append(None if entry is None else picture_metadata.checked(entry))
        except (IndexError, KeyError, TypeError, ValueError):
            known.append(None)
            damaged = True
    return known, "; damaged EXIF or the like was left out" if damaged else ""


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> dict[str, float]:
    """PSNR in dB of pictures uint8 [H, W, C]."""
    return {"dB PSNR": psnr(original, decoded)}


def share_lost(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> float:
    """RMSE over the standard deviation about each channel's mean, or over 4 levels if that's more.

    In a picture that is all but flat, losses that nobody sees would look large otherwise.
    """
    error = np.sqrt(np.mean(np.square(original.astype(np.float64) - decoded)))
    spread = np.sqrt(np.mean(np.var(original, axis=(0, 1), dtype=np.float64)))
    return float(error / max(spread, _LEAST_SPREAD))


def codec_for(signals: Signals, bounded: bool) -> str:
    """The shipped codec that suits pictures: thumbnails have one of their own."""
    return (
        "thumb32" if all(picture.shape[:2] == (32, 32) for picture in signals.arrays) else "photo"
    )


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
    try:
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        raise MscnError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except Exception as error:  # damaged headers raise all kinds of errors
        raise MscnError(f"{path}: not an array that NumPy can read ({error})") from error
    if not isinstance(stack, np.ndarray):  # a ZIP file of several
        raise MscnError(f"{path}: several arrays; save one of them with numpy.save")
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


def write_stack(path: PathLike, pictures: Sequence[np.ndarray]) -> None:
    """Writes pictures of one size as uint8 [N, H, W, C], or [N, H, W] where they are grey.

    Grey ones among others become as those are.

    Raises:
      MscnError: their shapes differ otherwise, or the file can't be written.
    """
    most = max(picture.shape[-1] for picture in pictures)
    pictures = [
        np.dstack([picture[..., :1]] * 2 + [picture]) if picture.shape[-1] == most - 2 else picture
        for picture in pictures
    ]
    if len({picture.shape for picture in pictures}) > 1:
        raise MscnError(f"{path}: the pictures differ in size; decode them to a folder")
    with atomic_write(path) as file:
        np.save(file, np.stack([squeezed(picture) for picture in pictures]))


def write_folder(
    path: PathLike,
    pictures: Iterable[np.ndarray],
    names: Sequence[str],
    metadata: Iterable[Optional[Mapping[str, Any]]] = itertools.repeat(None),
) -> list[str]:
    """Writes PNG files into a folder, which is made if need be: all of them or none.

    Args:
      path: the folder.
      pictures: uint8 [H, W, C] each.
      names: one for each; see `file_names`.
      metadata: of each, as `picture_metadata.checked` gives it, or None.

    Returns:
      The file names, below the folder.

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
            folders.make_folders(temporary, files)
            for file, picture, known in zip(files, pictures, metadata):
                write_picture(temporary / file, picture, known)
            folders.make_folders(path, files)
            for file in files:
                replace(temporary / file, path / file)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise MscnError(f"cannot write {path}: {error.strerror}; check folder and space") from error
    return files


def file_names(names: Iterable[str], suffix: str = ".png") -> list[str]:
    """Safe, different file names like the given ones: `folders.file_names` for pictures' names."""
    return folders.file_names(names, suffix, SUFFIXES)


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
