"""What the modalities of three axes share: arrays and folders of them, and names of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals.folders import make_folders
from mscn_tf.signals.images import file_names
from mscn_tf.signals.signal import Selection


def load_npy(path: PathLike) -> np.ndarray:
    """The array of an `.npy` file.

    Raises:
      MscnError: it can't be read, or holds objects.
    """
    try:
        return np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise MscnError(f"cannot read {path}: {error.strerror}; check the path") from error
    except (OSError, ValueError, EOFError) as error:
        raise MscnError(f"{path}: not an array, or damaged; get a fresh copy") from error


def stacked(array: np.ndarray, path: PathLike) -> list[np.ndarray]:
    """Grids ``[D, H, W, 1]`` of an array ``[D, H, W]`` or ``[N, D, H, W]``.

    Raises:
      MscnError: it has other axes, or one of length zero.
    """
    if array.ndim not in (3, 4) or 0 in array.shape:
        raise MscnError(
            f"{path}: an array of shape {list(array.shape)}; it must be [D, H, W] or "
            "[N, D, H, W], no side zero"
        )
    return list(array.reshape(-1, *array.shape[-3:], 1))


def write_npy(path: PathLike, grids: Sequence[np.ndarray]) -> None:
    """Writes one grid as ``[D, H, W]``, several of one shape as ``[N, D, H, W]``.

    Raises:
      MscnError: their shapes differ, or the file can't be written.
    """
    if len({grid.shape for grid in grids}) > 1:
        raise MscnError(f"{path}: the grids differ in size; decode them to a folder")
    with atomic_write(path) as file:
        np.save(file, grids[0] if len(grids) == 1 else np.stack(grids))


def files_in(path: PathLike, suffixes: Sequence[str]) -> list[Path]:
    """A file itself, or a folder's files of the wanted endings, by name.

    Raises:
      MscnError: the folder has none.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes and p.is_file())
    if not files:
        raise MscnError(f"{path}: no {' or '.join(suffixes)} file in this folder; check the path")
    return files


def targets(path: PathLike, count: int, names: Sequence[str] | None, suffix: str) -> list[Path]:
    """Where to write signals: the path itself, or, where it has no ending, files in that folder.

    Raises:
      MscnError: there are several signals and the path is a file.
    """
    path = Path(path)
    if path.suffix and not path.is_dir():
        if count > 1:
            raise MscnError(
                f"{path}: there are {count} signals; let OUT be a folder, or name one with --item=I"
            )
        return [path]
    files = file_names(names or [f"{i:06d}" for i in range(count)], suffix)
    make_folders(path, files)
    return [path / file for file in files]


def placed(metadata: Mapping[str, Any] | None, selection: Selection, name: str) -> list[Any] | None:
    """What a file's metadata says of the decoded items in one list, or None where it's missing."""
    known = (metadata or {}).get(name)
    item = selection.item
    return known if known is None or item is None else known[item : item + 1]


def overlap(original: np.ndarray, decoded: np.ndarray) -> float:
    """IoU of truth values: those true in both among those true in either; 1 where none is."""
    either = np.count_nonzero(original | decoded)
    return np.count_nonzero(original & decoded) / either if either else 1.0
