"""Scenes on their way to a codec: posed pictures to a radiance grid."""

from __future__ import annotations

from typing import Optional

import numpy as np

from mscn_tf.fitting.radiance import fit_radiance
from mscn_tf.runtime.errors import MscnError, naming
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals.scenes import Fitted
from mscn_tf.signals.signal import Signals
from mscn_tf.signals.views import read_views

RESOLUTION, STEPS = 48, 600  # points of a grid along each axis, and steps of its fit


def read_scene(
    path: PathLike,
    bound: Optional[float] = None,
    resolution: int = RESOLUTION,
    steps: int = STEPS,
    progress: bool = False,
) -> Signals:
    """The radiance grid of a folder of posed pictures, and views to measure it by.

    Args:
      path: see ``signals.views.read_views``.
      bound: half the side of the cube that holds the scene; chosen where it is None.
      resolution: points of the grid along each axis, even.
      steps: of the fit.
      progress: shows a bar on standard error.

    Returns:
      signals whose metadata says ``bound``, and ``centre`` where it isn't the origin, ``focal`` and
      ``picture_size`` (width, height) of the first picture, and the cameras' mean ``distance``;
      whose original is `Fitted` with the views held out of the fit, or, where there are none, those
      that were fitted.

    Raises:
      MscnError: the folder can't be read, or an argument is out of range.
    """
    if bound is not None and not 0 < bound < np.inf:
        raise MscnError(f"bound={bound:g}: must be more than 0")
    if resolution % 2 or not 4 <= resolution <= 256:
        raise MscnError(f"resolution={resolution}: must be even, 4 to 256")
    if steps < 2:
        raise MscnError(f"steps={steps}: must be at least 2")
    posed = read_views(path, bound)
    with naming(path):
        grid = fit_radiance(posed.fitted, resolution, steps, progress=progress)
    camera = posed.fitted.cameras[0]
    distance = np.mean([np.linalg.norm(pose[:3, 3]) for pose in posed.fitted.poses])
    ground = posed.fitted.ground
    metadata = {
        **posed.cube.metadata,
        "focal": camera.focal[0],
        "picture_size": [camera.width, camera.height],
        "distance": round(float(distance), 6),
        **({} if ground is None else {"ground": list(ground)}),
    }
    originals = [Fitted(grid, posed.measured)]
    return Signals([grid], None, metadata, posed.notes, originals=originals)
