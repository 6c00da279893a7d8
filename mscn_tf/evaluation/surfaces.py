"""How near a decoded mesh comes to the original one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Union

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from mscn_tf.runtime.files import PathLike, read_bytes
from mscn_tf.signals.grids import files_in
from mscn_tf.signals.mesh_files import SUFFIXES, load
from mscn_tf.signals.solids import inside, surface

_POINTS = 100_000


@dataclass(frozen=True)
class Surface:
    """A mesh that others are compared with.

    Attributes:
      mesh: closed.
      data: its file.
      kind: the file's ending, ".obj" for instance.
    """

    mesh: trimesh.Trimesh
    data: bytes
    kind: str

    @classmethod
    def read(cls, path: PathLike) -> Sequence[Surface]:
        """The mesh of a file, or those of a folder, as `signals.meshes.read` orders them.

        Raises:
          MscnError: a file can't be read, or holds no closed mesh.
        """
        return [
            cls(load(file), read_bytes(file), file.suffix.lower())
            for file in files_in(path, SUFFIXES)
        ]

    @cached_property
    def _points(self) -> np.ndarray:
        low, high = self.mesh.bounds
        return low + (high - low) * np.random.default_rng(0).random((_POINTS, 3))

    @cached_property
    def _inside(self) -> np.ndarray:
        return inside(self.mesh, self._points)

    def distances(
        self, decoded: Union[np.ndarray, trimesh.Trimesh], corner: Sequence[float], cell: float
    ) -> dict[str, float]:
        """IoU of the enclosed volumes and Chamfer distance, in %.

        The first is measured at random points in this mesh's box. The second is the mean of both
        directions, between points on the surfaces, relative to the box's longest side.

        Args:
          decoded: a mesh, or distances ``[X, Y, Z]`` in cells, negative inside.
          corner, cell: of their grid.
        """
        other: Union[np.ndarray, trimesh.Trimesh, None] = decoded
        if isinstance(other, np.ndarray):
            other = surface(other, corner, [cell] * 3)
        if other is None:
            return {"iou": 0.0, "chamfer": 100.0}
        within = inside(other, self._points)
        both = (self._inside & within).sum() / (self._inside | within).sum()
        clouds = [
            trimesh.sample.sample_surface(mesh, _POINTS, seed=0)[0] for mesh in (self.mesh, other)
        ]
        ways = [cKDTree(second).query(first)[0].mean() for first, second in (clouds, clouds[::-1])]
        longest = self.mesh.extents.max()
        return {"iou": 100 * float(both), "chamfer": 100 * float(np.mean(ways) / longest)}
