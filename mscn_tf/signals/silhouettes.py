"""Silhouettes: black and white pictures as signed distance functions.

In memory a silhouette is its signed distance function, float32 [E, E, 1], where E is the edge of
its codec's tiles, 64 of the shipped one: distances to the contour, positive inside (white), in
units of the picture's longer side, clipped to +-1/4. The picture's own size stands in the metadata.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

import numpy as np
import scipy.fft
import scipy.ndimage

from mscn_tf.runtime.container import MAX_PIXELS, MAX_SIDE, Container
from mscn_tf.runtime.errors import MscnError, naming
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals import images
from mscn_tf.signals.grids import overlap
from mscn_tf.signals.picture_files import read_picture, write_picture
from mscn_tf.signals.signal import Selection, Signals

_EDGE = 64  # of the shipped codec
TRUNCATION = 0.25  # of the picture's longer side
_HALF = 128
_BLACK = 32  # and less; white likewise
_MUCH_GREY = 0.1  # more than edges smoothed over a pixel take


def read(path: PathLike, lossless: bool = False, tile_edge: int = _EDGE) -> Signals:
    """The silhouette of a picture, or those of the pictures in a folder.

    What is at least half white counts as inside; so does, where pixels are transparent, what is at
    least half opaque. The metadata holds `size`: [width, height] of each picture.

    Args:
      path: of a picture or a folder.
      lossless: can't be had.
      tile_edge: of the codec that will encode them.

    Raises:
      MscnError: a picture can't be read, or no loss is wanted.
    """
    if lossless:
        raise MscnError(
            f"{path}: of silhouettes distances at {tile_edge}x{tile_edge} points are kept; without "
            "loss pictures are coded with --modality=image --lossless"
        )
    pictures = images.read(path)
    masks = [to_mask(picture) for picture in pictures.arrays]
    shares = [grey_share(picture) for picture in pictures.arrays]
    notes = [
        f"{name}: {share:.0%} of its pixels are neither black nor white; those of at least half "
        "white count as inside"
        for name, share in zip(pictures.names or [str(path)], shares)
        if share > _MUCH_GREY
    ]
    sizes = [[mask.shape[1], mask.shape[0]] for mask in masks]
    arrays = [to_signal(mask, tile_edge) for mask in masks]
    return Signals(
        arrays, pictures.names, {"size": sizes}, [*pictures.notes, *notes], originals=masks
    )


def check_metadata(metadata: Mapping[str, Any], container: Container) -> None:
    """As `hooks` says: a size for each silhouette."""
    if "size" not in metadata:
        return
    if len(metadata["size"]) != container.items:
        raise ValueError("sizes of other silhouettes")
    for item in range(container.items):
        width, height = _original_size(metadata, item)
        if width * height > MAX_PIXELS:
            raise MscnError(
                f"silhouette {item} of {width}x{height} pixels is over the limit of {MAX_PIXELS}; "
                "get a fresh copy"
            )


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Optional[Sequence[str]],
    metadata: Optional[Mapping[str, Any]],
    selection: Selection,
) -> str:
    """Writes silhouettes as pictures, or their distances as they are to `.npy`.

    Args:
      path: a picture's name; ``.npy`` for float32 [N, H, W]; or a folder for PNG files.
      arrays: float32 [H, W, 1] each.
      names: one for each, or None.
      metadata: as `read` gives it, or None.
      selection: which part of the file was decoded. Of whole silhouettes its `scale` times the
        picture's size is written, once where it is None; of others, or where it has a `size`, what
        was decoded.

    Raises:
      MscnError: a file can't be written, or several silhouettes don't go into one.
    """
    path, arrays = Path(path), list(arrays)
    if path.suffix.lower() == ".npy":
        if len({array.shape for array in arrays}) > 1:
            raise MscnError(f"{path}: the silhouettes differ in size; name one with --item")
        with atomic_write(path) as file:
            np.save(file, np.stack([array[..., 0] for array in arrays]))
        return f"distances of {len(arrays)} silhouettes"
    with naming(path):
        shapes = [
            _written_shape(array, metadata, number, selection)
            for number, array in enumerate(arrays)
        ]
    pictures = map(to_picture, arrays, shapes)  # one after the other: they may be large
    if not path.suffix or path.is_dir():
        names = names or [f"{number:06d}" for number in range(len(arrays))]
        files = images.write_folder(path, pictures, names)
        return f"{len(files)} silhouettes, {files[0]} to {files[-1]}"
    if len(arrays) > 1:
        raise MscnError(f"{path}: {len(arrays)} silhouettes; name a folder, or one with --item=I")
    write_picture(path, next(pictures))
    height, width = shapes[0]
    return f"{width}x{height} black and white"


def _written_shape(
    array: np.ndarray,
    metadata: Optional[Mapping[str, Any]],
    number: int,
    selection: Selection,
) -> tuple[int, int]:
    """Height and width of the picture that distances are written as."""
    height, width = array.shape[:2]
    if selection.size is None and selection.region is None:
        item = number if selection.item is None else selection.item
        scale = selection.scale or 1.0
        width, height = (max(1, round(scale * side)) for side in _original_size(metadata, item))
    if width * height > MAX_PIXELS:
        raise MscnError(
            f"{width}x{height} pixels are over the limit of {MAX_PIXELS}; give a lower --scale, or "
            "--size=WxH"
        )
    return height, width


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> dict[str, float]:
    """IoU, in %, of inside and of outside; the contour's error; PSNR in dB of the distances.

    All but the last at the original size.

    Args:
      original: bool [H, W].
      decoded: float32 [E, E, 1].
      metadata: not needed.
    """
    compared, outside = compare(original, decoded), ~_inside(decoded, original.shape)
    return {
        "% IoU": 100 * compared["IoU"],
        "% IoU of the outside": 100 * overlap(~original, outside),
        "pixels of contour error": compared["contour error"],
        "dB PSNR of distances": psnr(to_signal(original, len(decoded)), decoded),
    }


def share_lost(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> float:
    """1 less the IoU, of inside or of outside, whichever lost more; as ``measure``."""
    inside = _inside(decoded, original.shape)
    return 1 - min(overlap(original, inside), overlap(~original, ~inside))


def largest_error(
    original: np.ndarray, decoded: np.ndarray, metadata: Optional[Mapping[str, Any]] = None
) -> float:
    """Of the distances, in units of the picture's longer side; as ``measure``."""
    return float(np.abs(to_signal(original, len(decoded)).astype(np.float64) - decoded).max())


def psnr(original: np.ndarray, decoded: np.ndarray) -> float:
    """dB of distances [H, W, 1], their whole range being the peak."""
    return images.psnr(original, decoded, 2 * TRUNCATION)


def compare(original: np.ndarray, decoded: np.ndarray) -> dict[str, float]:
    """What a silhouette at its original size has lost.

    Args:
      original: bool [H, W].
      decoded: float32 [h, w, 1] distances at any resolution.

    Returns:
      `IoU`: area inside both over area inside either, 1 where both are empty. `contour error`: mean
      distance in pixels of the original, within a pixel of the original's contour, between what is
      decoded and the exact distance.
    """
    values = resample(decoded[..., 0], original.shape)
    exact, longest = distances(original), max(original.shape)
    near = np.abs(exact) * longest <= 1
    error = np.abs(values - exact)[near].mean() * longest if near.any() else 0.0
    return {"IoU": overlap(original, values > 0), "contour error": float(error)}


def training_signals(pattern: str, turns: int = 1) -> list[np.ndarray]:
    """float32 [64, 64, 1] of the pictures that glob patterns name.

    Args:
      pattern: a glob, or several separated by commas.
      turns: angles from 0 to 90 degrees by which each is taken turned.

    Raises:
      MscnError: nothing matches, or a picture can't be read.
    """
    paths = sorted({name for part in pattern.split(",") for name in glob.glob(part)})
    if not paths:
        raise MscnError(
            f"{pattern}: no picture matches; set config.data.train and config.data.validation"
        )
    signals = [to_signal(to_mask(read_picture(path))) for path in paths]
    return signals + [
        scipy.ndimage.rotate(signal, 90 * turn / turns, reshape=False, cval=-TRUNCATION)
        for turn in range(1, turns)
        for signal in signals
    ]


def to_mask(picture: np.ndarray) -> np.ndarray:
    """bool [H, W] of a picture uint8 [H, W, C]: opaque pixels, or white ones where all are."""
    return _whiteness(picture) >= _HALF


def grey_share(picture: np.ndarray) -> float:
    """Share of the pixels of a picture uint8 [H, W, C] that are neither black nor white."""
    white = _whiteness(picture)
    return float(np.mean((white > _BLACK) & (white < 255 - _BLACK)))


def _whiteness(picture: np.ndarray) -> np.ndarray:
    """[H, W], 0 to 255: the opacity of a picture, or its mean colour where all is opaque."""
    return picture[..., -1] if picture.shape[-1] in (2, 4) else picture.mean(-1)


def distances(mask: np.ndarray) -> np.ndarray:
    """float64 [H, W]: signed distance of pixel centres to the contour, positive inside.

    Exact Euclidean, in units of the longer side, clipped; a picture of one colour has no contour.
    """
    if mask.all() or not mask.any():
        return np.where(mask, TRUNCATION, -TRUNCATION)
    inside, outside = map(scipy.ndimage.distance_transform_edt, (mask, ~mask))
    # From pixel centre to pixel centre; the contour lies half a pixel before the other one.
    signed = np.where(mask, inside - 0.5, 0.5 - outside)
    return np.clip(signed / max(mask.shape), -TRUNCATION, TRUNCATION)


def to_signal(mask: np.ndarray, edge: int = _EDGE) -> np.ndarray:
    """float32 [E, E, 1]: the distances of a silhouette bool [H, W] at so many points a side."""
    return resample(distances(mask), (edge, edge)).astype(np.float32)[..., None]


def to_picture(signal: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """uint8 [H, W, 1], 0 and 255: the silhouette of distances float32 [h, w, 1]."""
    return np.where(_inside(signal, shape), 255, 0).astype(np.uint8)[..., None]


def _inside(signal: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    return resample(signal[..., 0], shape) > 0


def resample(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """float64 [h, w] of values [H, W] of the same area: their cosines, up to the lower resolution.

    Downwards this is the least-squares fit of the network's cosines, upwards their continuation.
    """
    if values.shape == tuple(shape):
        return values.astype(np.float64)
    spectrum = scipy.fft.dctn(values.astype(np.float64), norm="ortho")
    kept = spectrum[: shape[0], : shape[1]]
    padded = np.zeros(shape)
    padded[: kept.shape[0], : kept.shape[1]] = kept
    return scipy.fft.idctn(padded, norm="ortho") * np.sqrt(padded.size / values.size)


def _original_size(metadata: Optional[Mapping[str, Any]], item: int) -> Sequence[int]:
    """(width, height), of metadata that may come from a stranger."""
    try:
        width, height = (metadata or {})["size"][item]
    except (IndexError, KeyError, TypeError, ValueError):
        width = height = 0
    if not all(type(side) is int and 1 <= side <= MAX_SIDE for side in (width, height)):
        raise MscnError("the file doesn't say the silhouette's size; give --size=WxH")
    return width, height
