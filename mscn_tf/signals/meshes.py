"""Meshes: what they enclose, as signed distances on a grid, truncated to a band around the surface.

An array's axes are x, y, z. Its values are distances in cells of the grid, negative inside. The
metadata hold, for each mesh, the `corner` of the box that the grid fills and the length of a
`cell`, both in the mesh's own units.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import trimesh

from mscn_tf.runtime.container import Container, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals.grids import files_in, placed, targets, write_npy
from mscn_tf.signals.mesh_files import SUFFIXES, WRITTEN, export, holes, load
from mscn_tf.signals.metadata import LARGEST, numbers
from mscn_tf.signals.signal import Selection, Signals
from mscn_tf.signals.solids import ONE_TILE, Sampled, cells_of, sample, surface

# Share of the surface that may be missed without a word: of tips and edges, and of parts that are
# thinner than half a cell.
_TIPS, _PARTS = 0.02, 0.002
_FARTHEST = 4e10  # from the origin: trimesh counts places in steps of 1e-8, as int64


def read(path: PathLike, tile_edge: int = 16, tile_overlap: int = 1) -> Signals:
    """Truncated distances, float32 ``[X, Y, Z, 1]``, of a mesh or of all in a folder.

    Args:
      path: the file or folder.
      tile_edge, tile_overlap: of the codec that will encode them, left out the shipped one: a grid
        is made of whole tiles.

    Raises:
      MscnError: a file can't be read, or holds no mesh that encloses what a grid can hold.
    """
    files = files_in(path, SUFFIXES)
    arrays, corners, cells, notes = [], [], [], []
    for file in files:
        mesh = load(file)
        sampled = sample(mesh, cells_of(tile_edge, tile_overlap), tile_edge >= ONE_TILE)
        if sampled.iou < 0.5:
            raise MscnError(_too_thin(file, mesh, sampled))
        arrays.append(sampled.values[..., None])
        corners.append(sampled.corner.tolist())
        cells.append(sampled.cell)
        notes += [f"{file}: {note}" for note in _notes(mesh, sampled)]
    names = [file.stem for file in files] if Path(path).is_dir() else None
    return Signals(arrays, names, {"corner": corners, "cell": cells}, notes)


def _too_thin(file: Path, mesh: trimesh.Trimesh, sampled: Sampled) -> str:
    if holes(mesh) and not (sampled.values < -0.5).any():
        return f"{file}: an open surface that encloses nothing; close it, or give it a thickness"
    return (
        f"{file}: too thin: {100 * sampled.iou:.0f} % of it would be left on a grid of cells of "
        f"{sampled.cell:.2g}; thicken it, or cut it into files of smaller parts"
    )


def _notes(mesh: trimesh.Trimesh, sampled: Sampled) -> list[str]:
    """What is closed, lost to the grid, or not kept of a mesh, a line each."""
    notes = []
    if count := holes(mesh):
        noun = "1 hole was" if count == 1 else f"{count} holes were"
        notes.append(f"not closed: {noun} closed by what the surface around encloses")
    if sampled.missed >= (_TIPS if sampled.thickness > sampled.cell / 2 else _PARTS):
        notes.append(
            f"{100 * sampled.missed:.1f} % of its surface may vanish, where it is about "
            f"{sampled.thickness:.2g} thick: a cell of the grid is {sampled.cell:.2g}; encode "
            "thin parts as files of their own, or thicken them"
        )
    if left := mesh.metadata["left"]:
        notes.append(f"only the shape is kept, not its {', '.join(left)}")
    return notes


def check_metadata(metadata: dict[str, Any], container: Container) -> None:
    """As `hooks` says: a place in space for each mesh."""
    corners = np.abs(numbers(metadata["corner"], container.items, 3)).max(-1)
    cells = numbers(metadata["cell"], container.items)
    reach = corners + cells * max(map(max, container.shapes))
    if not cells.min() > 1 / LARGEST or not reach.max() < _FARTHEST:
        raise ValueError("no place of a mesh")


def write(
    path: PathLike,
    arrays: Iterable[np.ndarray],
    names: Sequence[str] | None,
    metadata: dict[str, Any] | None,
    selection: Selection,
) -> str:
    """Writes distances as meshes in their own place, or as `.npy` in the mesh's own units.

    Raises:
      MscnError: the ending names no such format, the metadata is damaged, there is no surface, or
        the file can't be written.
    """
    path, kind = Path(path), Path(path).suffix.lower()
    folder = not kind or path.is_dir()
    if not folder and kind not in (*WRITTEN, ".npy"):
        raise MscnError(f"{path}: meshes are written as {', '.join(WRITTEN)} or .npy")
    grids = [array[..., 0] for array in arrays]
    corners, cells = _places(metadata, selection, len(grids), path)
    if kind == ".npy" and not folder:
        write_npy(path, [grid * np.float32(cell) for grid, cell in zip(grids, cells)])
        return f"signed distances, {size_text(grids[0].shape)}"
    written = []
    for grid, corner, cell, (start, extent) in zip(grids, corners, cells, _parts(grids, selection)):
        mesh = surface(grid, corner + cell * start, cell * extent / grid.shape)
        if mesh is None:
            raise MscnError(f"{path}: no surface in what is decoded; decode more, or finer")
        written.append(mesh)
    for file, mesh, cell in zip(targets(path, len(grids), names, ".ply"), written, cells):
        with atomic_write(file) as out:
            out.write(export(mesh, file.suffix.lower(), cell / 1000))
    if len(written) > 1:
        return f"{len(written)} meshes"
    return f"mesh of {len(written[0].vertices)} vertices, {len(written[0].faces)} faces"


def _parts(
    grids: Sequence[np.ndarray], selection: Selection
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where each decoded part of a grid begins and how far it goes, in cells as they were coded."""
    wholes = selection.wholes or [grid.shape for grid in grids]
    windows = [selection.window(whole) for whole in wholes]
    return [(np.array(start), np.array(extent)) for start, extent in windows]


def _places(
    metadata: dict[str, Any] | None, selection: Selection, count: int, path: PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Corners ``[N, 3]`` and lengths of cells ``[N]`` of the decoded items."""
    try:
        corners = np.array(placed(metadata, selection, "corner"), np.float64)
        cells = np.array(placed(metadata, selection, "cell"), np.float64)
        known = corners.shape == (count, 3) and cells.shape == (count,) and cells.min() > 0
        if not known or not max(np.abs(corners).max(), cells.max()) < 1e30:
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise MscnError(
            f"cannot write {path}: the file does not say where its meshes lie"
        ) from error
    return corners, cells


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> dict[str, float]:
    """Error near the surface, root mean square, in cells and in % of the mesh's diagonal, and IoU.

    Near is where the original distance is less than a cell. IoU is of what the surface of the grid
    encloses before and after coding.
    """
    near = np.abs(original) < 1
    error = float(np.sqrt(np.mean((original[near].astype(np.float64) - decoded[near]) ** 2)))
    sides = [np.ptp(places) + 1 for places in np.nonzero(original[..., 0] < 0)]
    return {
        "cells RMS error near the surface": error,
        "% of the diagonal": 100 * error / float(np.linalg.norm(sides)),
        "% IoU with the sampled mesh": 100 * _iou(original[..., 0], decoded[..., 0]),
    }


def _iou(original: np.ndarray, decoded: np.ndarray) -> float:
    """Of what distances ``[X, Y, Z]`` enclose, interpolated: at eight points of each cell."""
    near = (np.abs(original) < 1) | (np.abs(decoded) < 1)
    eighths = np.stack(np.meshgrid(*[(-0.25, 0.25)] * 3, indexing="ij"), -1).reshape(-1, 3)
    at = (np.argwhere(near)[:, None] + eighths).reshape(-1, 3).T
    one, other = (
        np.append(
            scipy.ndimage.map_coordinates(values, at, order=1, mode="nearest") < 0,
            np.repeat(values[~near] < 0, len(eighths)),
        )
        for values in (original, decoded)
    )
    return float((one & other).sum() / max((one | other).sum(), 1))


def share_lost(original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None) -> float:
    """The larger of the distances' error over their own spread and of what IoU lacks to 1."""
    error = np.sqrt(np.mean((original.astype(np.float64) - decoded) ** 2))
    spread = max(float(np.std(original, dtype=np.float64)), 1e-9)
    return max(float(error) / spread, 1 - _iou(original[..., 0], decoded[..., 0]))


def largest_error(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> float:
    """Of distances, in the mesh's units."""
    cell = max((metadata or {})["cell"])
    return float(np.abs(original.astype(np.float64) - decoded).max() * cell)


def array_bound(bound: float, metadata: dict[str, Any] | None) -> float:
    """In cells, for one in the units of all meshes of a file."""
    return bound / max((metadata or {})["cell"])


def file_bound(bound: float, metadata: dict[str, Any] | None) -> float:
    """The other way round."""
    return bound * max((metadata or {})["cell"])


def training_signals(
    pattern: str, turns: int = 1, seed: int = 0, tile_edge: int = 16
) -> list[np.ndarray]:
    """Distances of the meshes that glob patterns, separated by commas, name.

    Args:
      pattern: e.g. ``data/*.obj``; one that starts with ``!`` leaves files out.
      turns: how often each mesh is taken: first as it is, then turned at random.
      seed: of the turns.
      tile_edge: of the codec that is trained, as of `read`.

    Raises:
      MscnError: nothing matches, or a file can't be read.
    """
    paths: set[str] = set()
    for part in pattern.split(","):
        if part.startswith("!"):
            paths -= set(glob.glob(part[1:], recursive=True))
        else:
            paths |= set(glob.glob(part, recursive=True))
    paths = {path for path in paths if Path(path).suffix.lower() in SUFFIXES}
    if not paths:
        raise MscnError(f"{pattern}: no mesh matches; set config.data.train and validation")
    random, signals = np.random.default_rng(seed), []
    for path in sorted(paths):
        mesh = load(path)
        for turn in range(turns):
            turned = mesh.copy()
            if turn:
                turned.apply_transform(
                    trimesh.transformations.random_rotation_matrix(random.random(3))
                )
            sampled = sample(turned, cells_of(tile_edge, 1), tile_edge >= ONE_TILE)
            signals.append(sampled.values[..., None])
    return signals
