"""Files of meshes: what is read of them, and how they are written.

Of a file only the geometry counts: all its parts, joined and where its scene places them. What
else it had is named in ``mesh.metadata["left"]``, words for a note.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import igl
import numpy as np
import trimesh
from scipy.sparse.csgraph import connected_components

from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike, read_bytes
from mscn_tf.signals.solids import inside

SUFFIXES = (".glb", ".gltf", ".obj", ".off", ".ply", ".stl")
WRITTEN = (".obj", ".off", ".ply", ".stl")
_LOST = {  # by what shows it in a file
    ".obj": {
        "colours": rb"^v[ \t]+(\S+[ \t]+){5}",
        "materials": rb"^usemtl\s",
        "normals": rb"^vn\s",
        "texture coordinates": rb"^vt\s",
    },
    ".off": {
        "colours": rb"\A\s*(ST)?C",
        "normals": rb"\A\s*(ST)?C?N",
        "texture coordinates": rb"\A\s*ST",
    },
    ".ply": {
        "colours": rb"^property \w+ (diffuse_)?red\s",
        "normals": rb"^property \w+ nx\s",
        "texture coordinates": rb"^property \w+ (s|u|texture_u)\s",
    },
    ".glb": {
        "animations": rb'"animations"\s*:',
        "colours": rb'"COLOR_0"',
        "materials": rb'"materials"\s*:',
        "normals": rb'"NORMAL"',
        "texture coordinates": rb'"TEXCOORD_0"',
    },
}
_LOST[".gltf"] = _LOST[".glb"]


def load(path: PathLike) -> trimesh.Trimesh:
    """The mesh of a file: see `parse`.

    Raises:
      MscnError: the file can't be read, is damaged, or holds no mesh that encloses anything.
    """
    kind = Path(path).suffix.lower()
    if kind not in SUFFIXES:
        raise MscnError(
            f"{path}: not a mesh of a kind that is read ({', '.join(SUFFIXES)}); save it as one"
        )
    return parse(read_bytes(path), kind, path)


def parse(data: bytes, kind: str, path: PathLike) -> trimesh.Trimesh:
    """A mesh, of equal vertices merged, without empty or repeated triangles, its parts outwards.

    Args:
      data: a file's content.
      kind: one of ``SUFFIXES``.
      path: for messages, and where the other files of a glTF lie.

    Raises:
      MscnError: the file is damaged, or holds no mesh that encloses anything.
    """
    try:
        with _quiet():
            scene = trimesh.load_scene(
                io.BytesIO(data),
                file_type=kind[1:],
                resolver=trimesh.resolvers.FilePathResolver(os.fspath(path)),
                process=False,
                skip_materials=True,
            )
            joined = scene.to_mesh()
        vertices = np.array(joined.vertices, np.float64).reshape(-1, 3)
        faces = np.array(joined.faces, np.int64).reshape(-1, 3)
    except MemoryError:
        raise
    except Exception as error:  # its parsers raise whatever comes
        raise MscnError(f"{path}: not a mesh, or damaged; get a fresh copy") from error
    if not len(faces):
        if any(len(getattr(part, "vertices", ())) for part in scene.geometry.values()):
            raise MscnError(f"{path}: points or lines without faces; make a surface of them first")
        raise MscnError(f"{path}: a mesh without faces; get a fresh copy")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise MscnError(f"{path}: faces of vertices that are not there: damaged; get a fresh copy")
    mesh = _cleaned(vertices, faces, path)
    parts = len(scene.geometry)
    left = [word for word, sign in _LOST.get(kind, {}).items() if re.search(sign, data, re.M)]
    mesh.metadata["left"] = left + ["names of parts"] * (parts > 1)
    return mesh


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what libraries warn of or log: it would come between the lines of a command."""
    log, level = logging.getLogger("trimesh"), logging.getLogger("trimesh").level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _cleaned(vertices: np.ndarray, faces: np.ndarray, path: PathLike) -> trimesh.Trimesh:
    used = vertices[faces].reshape(-1, 3)
    if not np.isfinite(used).all():
        raise MscnError(f"{path}: vertices that are NaN or infinite; get a fresh copy")
    low, high = used.min(0), used.max(0)
    centre, size = low / 2 + high / 2, float((high - low).max())
    if not 0 < size < np.inf or (high == low).any():
        raise MscnError(f"{path}: flat, it encloses nothing; give it a thickness")
    # What is merged, or too small a triangle, is so for the mesh's size, wherever it lies.
    mesh = trimesh.Trimesh((vertices - centre) / size, faces, process=False)
    mesh.remove_unreferenced_vertices()
    mesh.merge_vertices()
    distinct = np.sort(mesh.faces, axis=1)
    mesh.update_faces((np.diff(distinct, axis=1) > 0).all(1) & (mesh.area_faces > 0))
    mesh.update_faces(_first_of_each(mesh.faces))
    if not len(mesh.faces):
        raise MscnError(f"{path}: its triangles have no area; get a fresh copy")
    mesh = trimesh.Trimesh(mesh.vertices, _outwards(mesh), process=False)
    mesh.remove_unreferenced_vertices()
    return trimesh.Trimesh(mesh.vertices * size + centre, mesh.faces, process=False)


def _first_of_each(faces: np.ndarray) -> np.ndarray:
    """Indices of faces ``[N, 3]`` without those given before, turned the same way."""
    turns = (faces.argmin(1)[:, None] + np.arange(3)) % 3
    return np.sort(np.unique(np.take_along_axis(faces, turns, 1), axis=0, return_index=True)[1])


def _outwards(mesh: trimesh.Trimesh) -> np.ndarray:
    """A mesh's faces, each part turned one way, and outwards but for what bounds a cavity."""
    given = np.ascontiguousarray(mesh.faces, np.int64)
    faces, patches = igl.bfs_orient(given)
    # Most of a patch is right: the search may have begun with a face that isn't.
    turned = (faces != given).any(1)
    excess = np.bincount(patches, np.where(turned, 1, -1) * mesh.area_faces)
    wrong = excess[patches] > 0
    faces[wrong] = faces[wrong, ::-1]
    return _patches_outwards(mesh.vertices, faces, patches)


def _patches_outwards(vertices: np.ndarray, faces: np.ndarray, patches: np.ndarray) -> np.ndarray:
    count = np.bincount(patches)
    corners = vertices[faces]
    sums = np.stack([np.bincount(patches, middle) for middle in corners.mean(1).T], 1)
    centres = sums / count[:, None]
    volumes = np.bincount(patches, np.linalg.det(corners - centres[patches, None]))
    if np.linalg.det(corners).sum() < 0:
        faces, volumes = faces[:, ::-1], -volumes
    inverted = np.flatnonzero(volumes[patches] < 0)
    if not len(inverted):
        return faces
    # Outside of an inverted patch is where its normals don't point. A cavity has the solid there.
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    behind = mesh.triangles_center[inverted] - 1e-4 * mesh.face_normals[inverted]
    solid = np.bincount(patches[inverted], inside(mesh, behind), len(count)) * 2 > count
    alone = inverted[~solid[patches[inverted]]]
    faces[alone] = faces[alone, ::-1]
    return faces


def holes(mesh: trimesh.Trimesh) -> int:
    """How many: parts, each connected, of the edges that have no triangle on one side."""
    edges = mesh.edges
    sides = np.concatenate([edges, edges[:, ::-1]])
    signs = np.repeat([1, -1], len(edges))
    code = sides[:, 0] * len(mesh.vertices) + sides[:, 1]
    of = np.unique(code, return_inverse=True)[1]
    loose = sides[(np.bincount(of, signs) != 0)[of]]
    if not len(loose):
        return 0
    corners, ends = np.unique(loose, return_inverse=True)
    links = trimesh.graph.edges_to_coo(ends.reshape(-1, 2), count=len(corners))
    return int(connected_components(links, directed=False)[0])


def export(mesh: trimesh.Trimesh, kind: str, finest: float) -> bytes:
    """A mesh's file.

    Args:
      mesh: it.
      kind: one of ``WRITTEN``.
      finest: length in the mesh's units that must not be lost to rounding.
    """
    digits = int(np.clip(1 - np.floor(np.log10(finest)), 8, 300))
    far = bool(np.spacing(np.float32(np.abs(mesh.bounds).max())) > finest)
    if kind == ".ply":
        return _ply(mesh, "<f8" if far else "<f4")
    if kind == ".stl":
        data = mesh.export(file_type="stl_ascii" if far else "stl")
    else:
        data = mesh.export(file_type=kind[1:], digits=digits)
    return data if isinstance(data, bytes) else str(data).encode()


def _ply(mesh: trimesh.Trimesh, number: str) -> bytes:
    """Binary PLY. Trimesh writes places in float32 only."""
    name = {"<f4": "float", "<f8": "double"}[number]
    places = "".join(f"property {name} {axis}\n" for axis in "xyz")
    header = (
        f"ply\nformat binary_little_endian 1.0\nelement vertex {len(mesh.vertices)}\n{places}"
        f"element face {len(mesh.faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    faces = np.zeros(len(mesh.faces), [("count", "u1"), ("index", "<i4", 3)])
    faces["count"], faces["index"] = 3, mesh.faces
    return header.encode() + mesh.vertices.astype(number).tobytes() + faces.tobytes()
