"""Meshes: closed surfaces, as signed distances on a grid that is truncated to a band around them.

An array's axes are x, y, z. Its values are distances in cells of the grid, negative inside. The
metadata hold, for each mesh, the `corner` of the cube that the grid fills and the length of a
`cell`, both in the mesh's own units.
"""

from __future__ import annotations

import glob
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import igl
import numpy as np
import skimage.measure
import trimesh

from mscn_tf.runtime.container import MAX_SIDE, Container, size_text
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, atomic_write, read_bytes
from mscn_tf.signals.grids import files_in, placed, targets, write_npy
from mscn_tf.signals.metadata import LARGEST, numbers
from mscn_tf.signals.signal import Signals

SUFFIXES = (".obj", ".off", ".ply", ".stl")
CELLS = 61  # along each side of the grid: four tiles of 16 that share one cell with the next
BAND = 4.0  # cells, on either side of the surface
_FARTHEST = 4e10  # from the origin: trimesh counts places in steps of 1e-8, as int64
_MARGIN = 2.5  # cells, between the mesh's box and the border of the grid
_EXACT = igl.SIGNED_DISTANCE_TYPE_FAST_WINDING_NUMBER


def read(path: PathLike) -> Signals:
    """Truncated distances, float32 ``[61, 61, 61, 1]``, of a mesh or of all in a folder.

    Raises:
      MscnError: a file can't be read, or holds no closed mesh.
    """
    files = files_in(path, SUFFIXES)
    arrays, corners, cells = [], [], []
    for file in files:
        array, corner, cell = sample(load(file))
        arrays.append(array)
        corners.append(corner.tolist())
        cells.append(cell)
    names = [file.stem for file in files] if Path(path).is_dir() else None
    return Signals(arrays, names, {"cells": CELLS, "corner": corners, "cell": cells})


def load(path: PathLike) -> trimesh.Trimesh:
    """A closed mesh, its equal vertices merged.

    Raises:
      MscnError: the file can't be read, is damaged, or holds no closed mesh.
    """
    kind = Path(path).suffix.lower()
    if kind not in SUFFIXES:
        raise MscnError(f"{path}: not a mesh of a kind that is read ({', '.join(SUFFIXES)})")
    return parse(read_bytes(path), kind, path)


def parse(data: bytes, kind: str, path: PathLike) -> trimesh.Trimesh:
    """The same of a file's content.

    Args:
      data: the content.
      kind: one of ``SUFFIXES``.
      path: for messages.

    Raises:
      MscnError: the file is damaged, or holds no closed mesh.
    """
    try:
        found = trimesh.load_mesh(io.BytesIO(data), file_type=kind[1:])
        # Without textures and normals, which keep vertices apart.
        mesh = trimesh.Trimesh(found.vertices, found.faces)
    except Exception as error:  # its parsers raise whatever comes
        raise MscnError(f"{path}: not a mesh, or damaged; get a fresh copy") from error
    if not len(mesh.faces):
        raise MscnError(f"{path}: a mesh without faces; get a fresh copy")
    if not np.isfinite(mesh.vertices).all():
        raise MscnError(f"{path}: vertices that are NaN or infinite; get a fresh copy")
    if not mesh.is_watertight:
        raise MscnError(f"{path}: the mesh has holes; close them (inside and outside must differ)")
    if not mesh.extents.min() > 0 or mesh.volume == 0:
        raise MscnError(f"{path}: the mesh encloses nothing; get another")
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def sample(mesh: trimesh.Trimesh) -> tuple[np.ndarray, np.ndarray, float]:
    """Truncated distances ``[61, 61, 61, 1]``, the grid's corner ``[3]`` and its cell's length."""
    cell = float(f"{mesh.extents.max() / (CELLS - 2 * _MARGIN):.6g}")
    corner = mesh.bounds.mean(0) - cell * CELLS / 2
    # To a thousandth of a cell: no more digits than tell places apart.
    digits = max(0, 3 - int(np.floor(np.log10(cell))))
    corner = np.round(corner, digits)
    points = corner + cell * cell_centres((CELLS,) * 3)
    values = signed_distances(mesh, points, BAND * cell) / cell
    return values.astype(np.float32).reshape(CELLS, CELLS, CELLS, 1), corner, cell


def cell_centres(shape: Sequence[int], start: float = 0.0, step: float = 1.0) -> np.ndarray:
    """``[N, 3]``, row-major: centres of cells of length `step`."""
    axes = np.meshgrid(*[start + step * (np.arange(n) + 0.5) for n in shape], indexing="ij")
    return np.stack(axes, -1).reshape(-1, 3)


def signed_distances(mesh: trimesh.Trimesh, points: np.ndarray, band: float) -> np.ndarray:
    """float64 ``[N]``: exact distances from points ``[N, 3]``, negative inside, clipped at a band.

    Inside is where the generalised winding number exceeds a half (Barill et al. 2018).
    """
    faces = np.ascontiguousarray(mesh.faces, np.int64)
    vertices = np.ascontiguousarray(mesh.vertices, np.float64)
    found = igl.signed_distance(points, vertices, faces, _EXACT)[0]
    return np.clip(found, -band, band)


def surface(
    values: np.ndarray, corner: Sequence[float], step: Sequence[float]
) -> trimesh.Trimesh | None:
    """The mesh where distances ``[X, Y, Z]`` are zero, by marching cubes; None if they nowhere are.

    Args:
      values: in any unit, negative inside.
      corner: of the grid, in the mesh's units.
      step: length of a cell along each axis.
    """
    # A shell of outside cells closes what reaches the grid's border.
    padded = np.pad(values, 1, constant_values=max(float(values.max()), 1e-3))
    if not padded.min() < 0:
        return None
    vertices, faces, _, _ = skimage.measure.marching_cubes(padded, 0.0)
    mesh = trimesh.Trimesh(corner + step * (vertices - 0.5), faces)
    if mesh.volume < 0:
        mesh.invert()
    return mesh


def check_metadata(metadata: dict[str, Any], container: Container) -> None:
    """As `modalities` says: a place in space for each mesh."""
    if type(metadata["cells"]) is not int or not 0 < metadata["cells"] < MAX_SIDE:
        raise ValueError("no number of cells")
    corners = np.abs(numbers(metadata["corner"], container.items, 3)).max(-1)
    cells = numbers(metadata["cell"], container.items)
    reach = corners + cells * max(metadata["cells"], *map(max, container.shapes))
    if not cells.min() > 1 / LARGEST or not reach.max() < _FARTHEST:
        raise ValueError("no place of a mesh")


def write(
    path: PathLike,
    arrays: Sequence[np.ndarray],
    names: Sequence[str] | None,
    metadata: dict[str, Any] | None,
    view: dict[str, Any],
) -> str:
    """Writes distances as meshes in their own place, or as `.npy` in the mesh's own units.

    Raises:
      MscnError: the ending names no such format, the metadata is damaged, there is no surface, or
        the file can't be written.
    """
    path, kind = Path(path), Path(path).suffix.lower()
    folder = not kind or path.is_dir()
    if not folder and kind not in (*SUFFIXES, ".npy"):
        raise MscnError(f"{path}: meshes are written as {', '.join(SUFFIXES)} or .npy")
    grids = [array[..., 0] for array in arrays]
    corners, cells = _places(metadata, view, len(grids), path)
    if kind == ".npy" and not folder:
        write_npy(path, [grid * np.float32(cell) for grid, cell in zip(grids, cells)])
        return f"signed distances, {size_text(grids[0].shape)}"
    region = view.get("region") or (0, 0, 0, *[metadata["cells"]] * 3)
    start, extent = np.array(region[:3][::-1]), np.array(region[3:][::-1])
    written = []
    for grid, corner, cell in zip(grids, corners, cells):
        mesh = surface(grid, corner + cell * start, cell * extent / grid.shape)
        if mesh is None:
            raise MscnError(f"{path}: no surface in what is decoded; decode more, or finer")
        written.append(mesh)
    for file, mesh in zip(targets(path, len(grids), names, ".ply"), written):
        data = mesh.export(file_type=file.suffix[1:].lower())
        with atomic_write(file) as out:
            out.write(data.encode() if isinstance(data, str) else data)
    if len(written) > 1:
        return f"{len(written)} meshes"
    return f"mesh of {len(written[0].vertices)} vertices, {len(written[0].faces)} faces"


def _places(
    metadata: dict[str, Any] | None, view: dict[str, Any], count: int, path: PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Corners ``[N, 3]`` and lengths of cells ``[N]`` of the decoded items."""
    try:
        corners = np.array(placed(metadata, view, "corner"), np.float64)
        cells = np.array(placed(metadata, view, "cell"), np.float64)
        known = corners.shape == (count, 3) and cells.shape == (count,) and cells.min() > 0
        if not known or not np.isfinite(corners).all() or not 0 < metadata["cells"] < 2**20:
            raise ValueError
    except (KeyError, TypeError, ValueError) as error:
        raise MscnError(
            f"cannot write {path}: the file does not say where its meshes lie"
        ) from error
    return corners, cells


def measure(
    original: np.ndarray, decoded: np.ndarray, metadata: dict[str, Any] | None
) -> dict[str, float]:
    """Error near the surface, root mean square in cells, and IoU of the grid's inner cells in %.

    Near is where the original distance is less than a cell.
    """
    near = np.abs(original) < 1
    inside, found = original < 0, decoded < 0
    return {
        "cells RMS error near the surface": float(
            np.sqrt(np.mean((original[near].astype(np.float64) - decoded[near]) ** 2))
        ),
        "% IoU of cells": 100 * float((inside & found).sum() / max((inside | found).sum(), 1)),
    }


def training_signals(pattern: str, turns: int = 1, seed: int = 0) -> list[np.ndarray]:
    """Distances of the meshes that glob patterns, separated by commas, name.

    Args:
      pattern: e.g. ``data/*.obj``; one that starts with ``!`` leaves files out.
      turns: how often each mesh is taken: first as it is, then turned at random.
      seed: of the turns.

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
            signals.append(sample(turned)[0])
    return signals
