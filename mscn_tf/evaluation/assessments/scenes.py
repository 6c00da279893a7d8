"""How scenes are assessed: by what cameras see of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

import numpy as np

from mscn_tf.evaluation.assessment import Assessment, Measure, Measured, bytes_a
from mscn_tf.evaluation.signal import Signal
from mscn_tf.runtime.errors import MscnError
from mscn_tf.runtime.files import PathLike
from mscn_tf.signals.scenes import rendered_psnr
from mscn_tf.signals.views import read_views


def _compare_scenes(signal: Signal, decoded: np.ndarray) -> Measured:
    return {"psnr": rendered_psnr(decoded, signal.original)}


def _posed(path: PathLike, bound: Optional[float]) -> Sequence[str]:
    """What is to be said of posed pictures, some of which the fit will not see.

    Args:
      path: of their folder.
      bound: half the side of the cube that holds the scene, or None.

    Raises:
      MscnError: they can't be read, or all of them would be fitted.
    """
    if bound is not None and not 0 < bound < math.inf:
        raise MscnError(f"--bound={bound:g}: must be more than 0")
    posed = read_views(path, bound)
    if not posed.measured.held_out:
        raise MscnError(
            f"{path}: no view is left to measure by; add transforms_test.json, or describe "
            "at least 8 views"
        )
    return posed.notes


SCENES = Assessment(
    "scene",
    bytes_a("scene"),
    (Measure("psnr", "PSNR of held-out views", "dB"),),
    ("PSNR: on white, of views that the fit has not seen, at most 20 evenly taken; the mean.",),
    compare=_compare_scenes,
    fitted="mscn_tf.evaluation.scenes:fitted",
    posed=_posed,
)
