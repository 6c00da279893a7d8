"""What a mesh encloses, sampled as signed distances on a grid, and how much of it the grid holds.

Inside is where the generalised winding number is more than a half either way (Barill et al. 2018).
That needs no closed surface: holes are closed by what surrounds them, and triangles that are given
twice, cross or share an edge count for what they enclose. Everything is computed about the mesh's
centre at unit size: libigl sums winding numbers in float32, which far from zero loses the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

import igl
import numpy as np
import scipy.ndimage
import skimage.measure
import trimesh

_CELLS = 61  # along each side of the usual grid, more or less
_PART = 16  # cells
_FINE = 129  # along the longest side, where distances are coded near the surface alone
ONE_TILE = 2**16  # edge of a tile that holds all of a grid
BAND = 4.0  # cells, on either side of the surface
_MARGIN = 2.5  # cells, between the mesh's box and the border of the grid
_MOST = 2**21  # cells of the finest grid
_ENOUGH, _MISSED = 0.95, 0.05  # IoU and share of the surface, at which a finer grid is tried
_ERROR = 0.5  # cells, by which coding may move the surface: what vanishes then counts as missed
_THIN = 1.5  # cells, from which on no part counts as missed
_CELLS_OF_THIN = 2.5  # that a thin part's thickness is to have
_POINTS, _ASKED = 20_000, 500  # at which a grid is judged, and thickness is measured
_REACH = 2.5  # times what places are apart: nearer to the surface distances are exact
_STEP = 1e-4  # of a mesh's longest side: from a wall to what lies behind it


@dataclass(frozen=True)
class Sampled:
    """Distances on a grid.

    Attributes:
      values: float32 ``[X, Y, Z]``, in cells, negative inside, clipped at ``BAND``.
      corner: float64 ``[3]`` of the grid, in the mesh's units.
      cell: length of a cell.
      iou: of what the grid and the mesh enclose, about.
      missed: share of the mesh's surface, about, where the mesh is thin and that is farther than a
        cell from the grid's, when that moves inwards by half of one, as coding may move it.
      thickness: of the mesh there, in its units, the median; 0 where nothing is missed.
    """

    values: np.ndarray
    corner: np.ndarray
    cell: float
    iou: float
    missed: float
    thickness: float


def cells_of(edge: int, overlap: int) -> int:
    """Along each side of the usual grid, which whole tiles fill that overlap.

    Where one tile holds every grid it is finer: its distances are those of `near`.
    """
    if edge >= ONE_TILE:
        return _FINE
    step = edge - overlap
    return max(1, round((_CELLS - overlap) / step)) * step + overlap


def sample(mesh: trimesh.Trimesh, cells: int = _CELLS, near: bool = False) -> Sampled:
    """A mesh on a cube of so many cells a side, or where that loses much of it, on a finer box.

    Each finer one has cells half as long, or as thin parts need, until it holds the mesh or has
    2^21 cells.

    Args:
      mesh: what is sampled.
      cells: along each side.
      near: far from the surface distances are interpolated, and not clipped; it is a box at once.
    """
    cell = float(mesh.extents.max() / (cells - 2 * _MARGIN))
    shape: tuple[int, ...] = _box(mesh.extents, cell, near) if near else (cells,) * 3
    finest = _finest(mesh.extents, cell, near)
    while True:
        sampled = _sample(mesh, float(f"{cell:.6g}"), shape, near)
        if (sampled.iou >= _ENOUGH and sampled.missed <= _MISSED) or cell <= finest:
            return sampled
        if 0 < sampled.thickness < finest / 2:
            return sampled  # the finest cells would miss it too
        wanted = sampled.thickness / _CELLS_OF_THIN or cell
        cell = max(min(cell / 2, wanted), finest)
        shape = _box(mesh.extents, cell, near)


def _box(extents: np.ndarray, cell: float, near: bool) -> tuple[int, int, int]:
    """Cells along each side; of distances near the surface one more than whole parts of 16, so that
    coarse grids reach its border."""
    x, y, z = (int(n) for n in np.ceil(extents / cell + 2 * _MARGIN))
    if near:
        x, y, z = (_PART * -(-(n - 1) // _PART) + 1 for n in (x, y, z))
    return x, y, z


def _finest(extents: np.ndarray, cell: float, near: bool) -> float:
    """The shortest cell of which a box has no more than may be, to 1 %."""
    while np.prod(_box(extents, cell / 1.01, near), dtype=float) <= _MOST:
        cell /= 1.01
    return cell


def _sample(mesh: trimesh.Trimesh, cell: float, shape: tuple[int, ...], near: bool) -> Sampled:
    corner = mesh.bounds.mean(0) - cell * np.array(shape) / 2
    # To a thousandth of a cell: no more digits than tell places apart.
    digits = int(np.clip(3 - np.floor(np.log10(cell)), 0, 300))
    corner = np.round(corner, digits)
    if near:
        values, walls = _near(mesh, corner, cell, shape)
    else:
        points = corner + cell * cell_centres(shape)
        values, walls = (part.reshape(shape) for part in _signed(mesh, points, cell, BAND))
    values = values.astype(np.float32)
    if walls.any():
        _leave_out(walls, values)
    return Sampled(values, corner, cell, *_judged(mesh, values, corner, cell))


def _signed(
    mesh: trimesh.Trimesh, points: np.ndarray, cell: float, band: float
) -> tuple[np.ndarray, np.ndarray]:
    """Of points ``[N, 3]`` distances in cells, negative inside, and whether they are to no border.

    A band is in cells.
    """
    distances, sides, walls = _measured(mesh, points, band * cell)
    # Where the surface has holes, what closes them is no triangle: there the winding number passes
    # a half gradually. Elsewhere it keeps away from it by a half, and this changes nothing.
    distances = np.minimum(distances, 4 * band * cell * np.abs(sides))
    return np.copysign(distances, -sides) / cell, walls


def _near(
    mesh: trimesh.Trimesh, corner: np.ndarray, cell: float, shape: tuple[int, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Distances, and which are to no border, on a grid: level after level those near the surface.

    The others are means of their neighbours on the level before.
    """
    values, walls = np.zeros(shape), np.zeros(shape, bool)
    coarsest = max((max(shape) - 1).bit_length() - 2, 0)
    for exponent in reversed(range(coarsest + 1)):
        apart = 1 << exponent
        level = (slice(None, None, apart),) * 3
        part = values[level]
        wanted = np.ones(part.shape, bool)
        if exponent < coarsest:
            for axis in range(3):
                _fill(np.moveaxis(part, axis, 0))
            wanted = np.abs(part) < _REACH * apart
            wanted[::2, ::2, ::2] = False  # known
        places = np.argwhere(wanted)
        band = float(np.sum(shape)) if exponent == coarsest else max(2 * _REACH * apart, BAND)
        found, to_none = _signed(mesh, corner + cell * (apart * places + 0.5), cell, band)
        part[wanted], walls[level][wanted] = found, to_none
    return values, walls


def _fill(part: np.ndarray) -> None:
    """Puts means of the neighbours along the first axis to every second place."""
    count = (part.shape[0] - 1) // 2
    part[1 : 2 * count : 2] = (part[0 : 2 * count : 2] + part[2 : 2 * count + 1 : 2]) / 2
    if part.shape[0] % 2 == 0:
        part[-1] = part[-2]


def _measured(
    mesh: trimesh.Trimesh, points: np.ndarray, band: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of points ``[N, 3]``: distances to triangles, clipped at a band; how far the winding number
    is above a half; and whether the nearest triangle has the same on its other side: no border.
    """
    vertices, places, size = _unit(mesh, points)
    faces = np.ascontiguousarray(mesh.faces, np.int64)
    far = band / size
    distances, _, nearest, _ = igl.signed_distance(
        places, vertices, faces, igl.SIGNED_DISTANCE_TYPE_UNSIGNED, 0.0, far
    )
    close = np.flatnonzero(np.isfinite(distances) & (distances < far))
    sides = _sides(vertices, faces, places)
    ways = nearest[close] - places[close]
    lengths = np.linalg.norm(ways, axis=1, keepdims=True)
    behind = nearest[close] + ways * (_STEP / np.maximum(lengths, 1e-12))
    walls = np.zeros(len(points), bool)
    walls[close] = (_sides(vertices, faces, behind) > 0) == (sides[close] > 0)
    return np.where(np.isfinite(distances), np.minimum(distances, far), far) * size, sides, walls


def _unit(mesh: trimesh.Trimesh, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Vertices and points about the mesh's centre, its longest side 1; and that side."""
    centre, size = mesh.bounds.mean(0), float(mesh.extents.max())
    vertices = np.ascontiguousarray((mesh.vertices - centre) / size)
    return vertices, np.ascontiguousarray((points - centre) / size), size


def _sides(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    return np.abs(igl.fast_winding_number(vertices, faces, points)) - 0.5


def _leave_out(walls: np.ndarray, values: np.ndarray) -> None:
    """Puts distances to the sampled surface where those to triangles are to none of its parts."""
    sampled = surface(values, np.zeros(3), np.ones(3))
    if sampled is None:
        values[walls] = BAND
        return
    points = np.argwhere(walls) + 0.5
    away = _measured(sampled, points, BAND)[0]
    values[walls] = np.copysign(away, values[walls])


def _judged(
    mesh: trimesh.Trimesh, values: np.ndarray, corner: np.ndarray, cell: float
) -> tuple[float, float, float]:
    """IoU, missed share of the surface and thickness there, of a grid: see `Sampled`."""
    # At unit size: trimesh takes triangles of 1e-6 for none.
    vertices, (corner,), size = _unit(mesh, corner[None])
    mesh, cell = trimesh.Trimesh(vertices, mesh.faces, process=False), cell / size
    # Other cells are wholly inside or outside.
    near = np.argwhere(np.abs(values) < 1)
    if not len(near):
        return 0.0, 1.0, 0.0
    random = np.random.default_rng(0)
    at = near[random.integers(len(near), size=_POINTS)] + random.random((_POINTS, 3))
    within = inside(mesh, corner + cell * at)
    other = scipy.ndimage.map_coordinates(values, at.T - 0.5, order=1, mode="nearest") < 0
    deep = float((values <= -1).sum()) / len(near)
    iou = (deep + (within & other).mean()) / max(deep + (within | other).mean(), 1e-9)
    missed, thickness = _missed(mesh, values, corner, cell)
    return iou, missed, size * thickness


def _missed(
    mesh: trimesh.Trimesh, values: np.ndarray, corner: np.ndarray, cell: float
) -> tuple[float, float]:
    """The share of a unit mesh's surface that a grid misses, and how thick the mesh is there."""
    places, faces = trimesh.sample.sample_surface(mesh, _POINTS, seed=0)
    normals = mesh.face_normals[faces]
    below, above = (inside(mesh, places + way * _STEP * normals) for way in (-1, 1))
    border = below != above
    places, inwards = places[border], np.where(below, -1, 1)[border, None] * normals[border]
    left = surface(values + _ERROR, corner, np.full(3, cell))
    away = np.full(len(places), cell) if left is None else _measured(left, places, cell)[0]
    far = np.flatnonzero(away >= cell)
    some = far[:: len(far) // _ASKED + 1]
    thickness = _thickness(mesh, places[some], inwards[some], cell)
    thin = thickness < _THIN * cell
    if not thin.any():
        return 0.0, 0.0
    return thin.mean() * len(far) / len(places), float(np.median(thickness[thin]))


def _thickness(
    mesh: trimesh.Trimesh, places: np.ndarray, inwards: np.ndarray, cell: float
) -> np.ndarray:
    """How far from places ``[N, 3]`` on the surface the other side is, to a tenth; or enough."""
    depths = cell * np.geomspace(_THIN / 1000, _THIN, 80)
    solid = np.array([inside(mesh, places + depth * inwards) for depth in depths])
    return depths[np.where(solid.all(0), -1, (~solid).argmax(0))]


def cell_centres(shape: Sequence[int], start: float = 0.0, step: float = 1.0) -> np.ndarray:
    """``[N, 3]``, row-major: centres of cells of length `step`."""
    axes = np.meshgrid(*[start + step * (np.arange(n) + 0.5) for n in shape], indexing="ij")
    return np.stack(axes, -1).reshape(-1, 3)


def inside(mesh: trimesh.Trimesh, points: np.ndarray) -> np.ndarray:
    """Whether points ``[N, 3]`` are inside a mesh: bool ``[N]``."""
    vertices, places, _ = _unit(mesh, points)
    return _sides(vertices, np.ascontiguousarray(mesh.faces, np.int64), places) > 0


def signed_distances(mesh: trimesh.Trimesh, points: np.ndarray, band: float) -> np.ndarray:
    """float64 ``[N]``: exact distances from points ``[N, 3]`` to a mesh's triangles, negative
    inside, clipped at a band.
    """
    distances, sides, _ = _measured(mesh, points, band)
    return np.copysign(distances, -sides)


def surface(
    values: np.ndarray, corner: Sequence[float] | np.ndarray, step: Sequence[float] | np.ndarray
) -> Optional[trimesh.Trimesh]:
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
    # As they are: a mesh of 1e-8 would be merged into one vertex.
    return trimesh.Trimesh(corner + step * (vertices - 0.5), faces, process=False)
