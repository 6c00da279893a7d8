"""Scenes to be measured: fitted once, and kept for the next call."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Optional

import numpy as np

from mscn_tf.codec.scenes import RESOLUTION, STEPS, read_scene
from mscn_tf.runtime.files import PathLike, atomic_write
from mscn_tf.signals.signal import Signals
from mscn_tf.signals.views import Views, read_views


def fitted(
    path: PathLike, bound: Optional[float], folder: Path, progress: bool = False
) -> tuple[Signals, Views]:
    """The radiance grid of a folder of posed pictures, and the views held out of its fit.

    Args:
      path: see ``signals.views.read_views``.
      bound: half the side of the cube that holds the scene; chosen where it is None.
      folder: where the grid is kept.
      progress: shows a bar on standard error.

    Raises:
      MscnError: the folder of pictures can't be read.
    """
    views, held_out, cube, _ = read_views(path, bound)
    content = hashlib.sha256(repr((cube, RESOLUTION, STEPS, views.cameras)).encode())
    for part in (*views.pictures, *views.poses):
        content.update(np.ascontiguousarray(part).data)
    kept = folder / f"scene-{content.hexdigest()[:16]}.npz"
    try:
        with open(kept, "rb") as file, np.load(file) as stored:
            return Signals([stored["grid"]], None, json.loads(str(stored["metadata"]))), held_out
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):  # missing, or cut short
        signals = read_scene(path, bound, progress=progress)
    with atomic_write(kept) as target:
        np.savez_compressed(
            target, grid=signals.arrays[0], metadata=np.array(json.dumps(signals.metadata))
        )
    return signals, held_out
