"""The cube of a scene that is coded, in the units of its poses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np

from mscn_tf.runtime.errors import MscnError

BOUND = 1.5  # half the side: of NeRF's synthetic scenes, and about what instant-ngp's poses mean
_TOWARDS = 0.5  # cosine between where cameras look and a point, of those that look at it
_PARALLEL = 1e6  # condition of the nearest point: the axes hardly meet
_NEAR = 1e-3  # of the cube: as good as the origin
_LARGEST = 1e30


@dataclass(frozen=True)
class Cube:
    """Attributes: its `centre`, and `bound`, half its side."""

    centre: tuple[float, float, float] = (0.0, 0.0, 0.0)
    bound: float = 1.0

    @classmethod
    def of(cls, metadata: Optional[Mapping[str, Any]]) -> Cube:
        """That of a file.

        Raises:
          MscnError: its metadata are damaged.
        """
        known = metadata or {}
        try:
            centre = np.array(known.get("centre", cls.centre), np.float64)
            bound = float(known.get("bound", cls.bound))
            sound = centre.shape == (3,) and (np.abs(centre) < _LARGEST).all()
        except (TypeError, ValueError, OverflowError):
            sound = False
        if not sound or not 0 < bound < _LARGEST:
            raise MscnError("damaged metadata, no centre and bound; get a fresh copy")
        return cls(tuple(centre.tolist()), bound)

    def placed(self, pose: np.ndarray) -> np.ndarray:
        """A camera's pose with the cube at [-1, 1]^3."""
        placed = pose.copy()
        placed[:3, 3] = (pose[:3, 3] - self.centre) / self.bound
        return placed

    @property
    def metadata(self) -> dict[str, Any]:
        """What `of` reads; a centre at the origin goes without saying."""
        centre = {"centre": list(self.centre)} if any(self.centre) else {}
        return {"bound": self.bound, **centre}


def stated(described: Mapping[str, Any]) -> Optional[Cube]:
    """The unit cube of instant-ngp's `scale` and `offset`, where a description has them."""
    if described.get("scale") is None and described.get("offset") is None:
        return None
    try:
        scale = float(described.get("scale", 0.33))
        offset = np.broadcast_to(np.array(described.get("offset", 0.5), np.float64), 3)
        sound = 1e-12 < scale < 1e12 and (np.abs(offset) < 1e12).all()
    except (TypeError, ValueError, OverflowError):
        sound = False
    if not sound:
        raise MscnError("scale and offset are no numbers that make a cube; correct them")
    return Cube(tuple(((0.5 - offset) / scale).tolist()), 0.5 / scale)


def choose(
    poses: Sequence[np.ndarray], reaches: Sequence[float], bound: Optional[float] = None
) -> Cube:
    """The cube that the cameras look at: about the origin, as most programs place it, or not.

    Args:
      poses: ``[4, 4]`` each, camera to world.
      reaches: half of what each camera shows of a plane at a distance of 1.
      bound: half the side, if it is given.

    Raises:
      MscnError: the cameras look at no common place, and no bound is given.
    """
    point = watched(np.array(poses))
    if point is None:
        if bound is None:
            raise MscnError(
                "the cameras look at no common place; give --bound=B, half the side of the cube "
                "about the origin that holds the scene"
            )
        return Cube(bound=bound)
    distances = np.linalg.norm(np.array(poses)[:, :3, 3] - point, axis=1)
    shown = float(np.median(distances * reaches))
    size = bound or BOUND
    usual = np.abs(point).max() < size / 2 and (bound or shown / 2 < size < 2 * shown)
    if usual:
        return Cube(bound=size)
    # No camera shall stand inside, where a little fog before it hides the scene.
    size = bound or _rounded(min(shown, float(np.median(distances)) / 2))
    x, y, z = (0.0 if abs(at) < _NEAR * size else _rounded(at) for at in point.tolist())
    return Cube((x, y, z), size)


def watched(poses: np.ndarray) -> Optional[np.ndarray]:
    """The point ``[3]`` nearest to the axes of cameras ``[V, 4, 4]``; None if few look at it."""
    origins, axes = poses[:, :3, 3], -poses[:, :3, 2]
    axes = axes / np.linalg.norm(axes, axis=1, keepdims=True)
    across = np.eye(3) - axes[:, :, None] * axes[:, None]
    total = across.sum(0)
    if np.linalg.cond(total) > _PARALLEL:
        return None
    point = np.linalg.solve(total, np.einsum("vij,vj->i", across, origins))
    ways = point - origins
    cosines = np.sum(ways * axes, 1) / np.maximum(np.linalg.norm(ways, axis=1), 1e-12)
    return point if np.median(cosines) > _TOWARDS else None


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")
