"""Voxels: grids of which every cell is filled or empty.

Files are `.binvox` (Patrick Min's format), `.npy` stacks of zeros and ones, and folders of either.
An array's axes are those of its file, outermost first: of `.binvox` x, z and y.
"""

from __future__ import annotations

import glob
import math
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.runtime.container import MAX_PIXELS, Container, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write, read_bytes
from mscn_tf.signals.grids import (
    files_in,
    load_npy,
    overlap,
    placed,
    stacked,
    targets,
    write_npy,
)
from mscn_tf.signals.metadata import numbers
from mscn_tf.signals.signal import Selection, Signals

SUFFIXES = (".binvox", ".npy")
_PAIRS = ((0, 1), (0, 255))  # what stands for empty and filled
_UNPLACED = {"translate": [0.0, 0.0, 0.0], "scale": 1.0}


def read(path: PathLike) -> Signals:
    """Grids bool ``[D, H, W, 1]``; of `.binvox` their place in space goes to the metadata.

    Raises:
      MscnError: a file can't be read, is damaged, or holds something else or nothing.
    """
    grids, names, places = [], [], []
    for file in files_in(path, SUFFIXES):
        if file.suffix.lower() == ".npy":
            held = [_checked(grid, file) for grid in stacked(load_npy(file), file)]
            places += [_UNPLACED] * len(held)
        else:
            grid, place = read_binvox(file)
            held = [_checked(grid[..., None], file)]
            places.append(place)
        grids += held
        many = len(held) > 1
        names += [f"{file.stem}-{i:06d}" if many else file.stem for i in range(len(held))]
    metadata = None
    if any(place != _UNPLACED for place in places):
        metadata = {name: [place[name] for place in places] for name in _UNPLACED}
    return Signals(grids, names if Path(path).is_dir() else None, metadata)


def _checked(grid: np.ndarray, path: PathLike) -> np.ndarray:
    if grid.dtype != bool:
        known = grid.dtype.kind in "uif" and any(np.isin(grid, pair).all() for pair in _PAIRS)
        if not known:
            raise MscnError(
                f"{path}: values other than 0 and 1, or 0 and 255; threshold them first"
            )
        grid = grid != 0
    if not grid.any():
        raise MscnError(f"{path}: a grid without a filled voxel; leave it out")
    return grid


def read_binvox(path: PathLike) -> tuple[np.ndarray, dict[str, Any]]:
    """A `.binvox` file: bool ``[X, Z, Y]``, and its `translate` (three numbers) and `scale`.

    Raises:
      MscnError: the file can't be read, is damaged, or is no such file.
    """
    return parse_binvox(read_bytes(path), path)


def parse_binvox(data: bytes, path: PathLike) -> tuple[np.ndarray, dict[str, Any]]:
    """The same of a file's content; the path is for messages.

    Raises:
      MscnError: it is damaged, or no such file.
    """
    if not data.startswith(b"#binvox"):
        raise MscnError(f"{path}: not a .binvox file, or cut short; get a fresh copy")
    words, at = {}, 0
    while "data" not in words:
        end = data.find(b"\n", at)
        if end < 0:
            raise MscnError(f"{path}: not a .binvox file, or cut short; get a fresh copy")
        # "#" begins a comment, and the first line.
        line = data[at:end].decode("ascii", "replace").split("#")[0].split()
        words.update({line[0]: line[1:]} if line else {})
        at = end + 1
    body = data[at:]
    try:
        width, height, depth = map(int, words["dim"])
        place: dict[str, Any] = {
            "translate": [float(word) for word in words.get("translate", "000")],
            "scale": float(words.get("scale", "1")[0]),
        }
    except (KeyError, IndexError, ValueError) as error:
        raise MscnError(f"{path}: damaged header ({error}); get a fresh copy") from error
    shape = (width, height, depth)
    numbers = (*place["translate"], place["scale"])
    if min(shape) < 1 or len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise MscnError(f"{path}: damaged header; get a fresh copy")
    if math.prod(shape) > MAX_PIXELS:
        raise MscnError(f"{path}: {size_text(shape)} voxels are too many; cut it up")
    runs = np.frombuffer(body[: len(body) // 2 * 2], np.uint8).reshape(-1, 2)
    values, lengths = runs.T
    if len(body) % 2 or values.max(initial=0) > 1 or lengths.sum(dtype=int) != math.prod(shape):
        raise MscnError(f"{path}: damaged or cut short; get a fresh copy")
    return np.repeat(values.astype(bool), lengths).reshape(shape), place


def binvox_bytes(grid: np.ndarray, place: dict[str, Any]) -> bytes:
    """A `.binvox` file of bool ``[X, Z, Y]``."""
    flat = grid.ravel()
    edges = np.concatenate(([0], np.flatnonzero(np.diff(flat)) + 1, [flat.size]))
    runs = []
    for start, length in zip(edges, np.diff(edges)):
        value, (full, rest) = int(flat[start]), divmod(int(length), 255)
        runs.append(bytes((value, 255)) * full + bytes((value, rest)) * (rest > 0))
    translate = " ".join(f"{number:.17g}" for number in place["translate"])
    header = f"#binvox 1\ndim {' '.join(map(str, grid.shape))}\ntranslate {translate}\n"
    return f"{header}scale {place['scale']:.17g}\ndata\n".encode() + b"".join(runs)


def check_metadata(metadata: dict[str, Any], container: Container) -> None:
    """As `hooks` says: a place in space for each grid."""
    for name, axes in (("translate", (3,)), ("scale", ())):
        if name in metadata:
            numbers(metadata[name], container.items, *axes)


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Sequence[str] | None,
    metadata: dict[str, Any] | None,
    selection: Selection,
) -> str:
    """Writes bool grids ``[D, H, W, 1]`` as `.npy` or `.binvox`, or `.binvox` into a folder.

    Raises:
      MscnError: the ending names no such format, or the file can't be written.
    """
    path, grids = Path(path), [array[..., 0] for array in arrays]
    told = f"{len(grids)} grids" if len(grids) > 1 else f"{size_text(grids[0].shape)} voxels"
    if path.suffix.lower() == ".npy":
        write_npy(path, grids)
        return told
    if path.suffix and not path.is_dir() and path.suffix.lower() != ".binvox":
        raise MscnError(f"{path}: voxels are written as .binvox or .npy, or into a folder")
    translate, scale = (placed(metadata, selection, name) for name in ("translate", "scale"))
    for number, (file, grid) in enumerate(zip(targets(path, len(grids), names, ".binvox"), grids)):
        place = _UNPLACED
        # A part of a grid has another place, which only the whole grid's size would tell.
        if translate and scale and selection.region is None:
            place = {"translate": translate[number], "scale": scale[number]}
        with atomic_write(file) as out:
            out.write(binvox_bytes(grid, place))
    return told


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> dict[str, float]:
    """Shares, in %, of equal voxels, and of the voxels filled in both among those in either."""
    return {
        "% accuracy": 100 * float(np.mean(original == decoded)),
        "% IoU": 100 * overlap(original, decoded),
    }


def share_lost(original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None) -> float:
    """1 less the IoU, of the filled voxels or of the empty ones, whichever lost more."""
    return 1 - min(overlap(original, decoded), overlap(~original, ~decoded))


def training_signals(pattern: str) -> list[np.ndarray]:
    """Grids of the files that a glob pattern names.

    Args:
      pattern: of `.binvox` and `.npy` files, or "PATTERN.npz:NAME": see ``packed_grids``.

    Raises:
      MscnError: nothing matches, or a file can't be read.
    """
    files, _, split = pattern.partition(".npz:")
    paths = sorted(glob.glob(files + (".npz" if split else ""), recursive=True))
    if not paths:
        raise MscnError(f"{pattern}: no voxels match; set config.data.train and validation")
    read_one = partial(packed_grids, split=split) if split else lambda path: read(path).arrays
    return [grid for path in paths for grid in read_one(path)]


def packed_grids(path: PathLike, split: str) -> np.ndarray:
    """bool ``[N, E, E, E, 1]``: those of one split that are in no other, in order, none empty.

    Args:
      path: an `.npz` file of arrays ``[N, E^3 / 8]`` of packed bits.
      split: name of one of them.

    Raises:
      MscnError: it isn't such a file.
    """
    try:
        with np.load(path) as file:
            splits = {name: file[name] for name in file.files if file[name].ndim == 2}
    except (OSError, ValueError) as error:
        raise MscnError(f"{path}: not an .npz file, or damaged; get a fresh copy") from error
    if split not in splits:
        raise MscnError(f"{path}: no array {split} of packed bits; there are {list(splits)}")
    others = {row.tobytes() for name in splits if name != split for row in splits[name]}
    kept = [row for row in splits[split] if row.any() and row.tobytes() not in others]
    bits = np.unpackbits(np.array(kept), axis=1).astype(bool)
    edge = round(bits.shape[1] ** (1 / 3))
    return bits.reshape(-1, edge, edge, edge, 1)
