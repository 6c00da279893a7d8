"""Scenes on their way to a codec: posed pictures to a radiance grid."""

from __future__ import annotations

import numpy as np

from mscn_tf.fitting.radiance import fit_radiance
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals.scenes import Views, read_views
from mscn_tf.signals.signal import Signals


def read_scene(
    path: PathLike, bound: float, resolution: int, steps: int, progress: bool = False
) -> tuple[Signals, Views]:
    """The radiance grid of a folder of posed pictures, and views that it has not seen.

    Args:
      path: see ``signals.scenes.read_views``.
      bound: half the side of the cube about the origin that holds the scene.
      resolution: points of the grid along each axis, even.
      steps: of the fit.
      progress: shows a bar on standard error.

    Returns:
      signals whose metadata says ``bound``, ``focal``, ``picture_size`` (width, height) and the
      cameras' mean ``distance``; and the held-out views.

    Raises:
      MscnError: the folder can't be read, or an argument is out of range.
    """
    if not 0 < bound < np.inf:
        raise MscnError(f"bound={bound:g}: must be more than 0")
    if resolution % 2 or not 4 <= resolution <= 256:
        raise MscnError(f"resolution={resolution}: must be even, 4 to 256")
    if steps < 2:
        raise MscnError(f"steps={steps}: must be at least 2")
    views, held_out = read_views(path, bound)
    grid = fit_radiance(views, resolution, steps, progress=progress)
    height, width = views.pictures[0].shape[:2]
    distance = np.mean([np.linalg.norm(pose[:3, 3]) for pose in views.poses])
    metadata = {
        "bound": bound,
        "focal": views.focal,
        "picture_size": [width, height],
        "distance": round(float(distance), 6),
    }
    return Signals([grid], None, metadata), held_out
