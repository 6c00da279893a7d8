"""The inner loop: fitting one signal's code in a few MetaSGD steps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mscn_tf.runtime import lazy

if TYPE_CHECKING:
    from mscn_tf.fitting.basis_codec import BasisCodec as BasisCodec
    from mscn_tf.fitting.meta_learner import MetaLearner as MetaLearner
    from mscn_tf.fitting.meta_sgd import inner_loop as inner_loop
    from mscn_tf.fitting.outer_loop import OuterLoop as OuterLoop
    from mscn_tf.fitting.radiance import fit_radiance as fit_radiance
    from mscn_tf.fitting.samples import grid_coordinates as grid_coordinates
    from mscn_tf.fitting.shared_start import gradients_at_zero as gradients_at_zero
    from mscn_tf.fitting.step_sizes import StepSizes as StepSizes

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "basis_codec": ["BasisCodec"],
        "meta_sgd": ["inner_loop"],
        "meta_learner": ["MetaLearner"],
        "outer_loop": ["OuterLoop"],
        "radiance": ["fit_radiance"],
        "samples": ["grid_coordinates"],
        "shared_start": ["gradients_at_zero"],
        "step_sizes": ["StepSizes"],
    },
)

# Where Keras is there already: its reader of files finds only classes that have been imported.
if sys.modules.get("keras") and sys.modules.get("tensorflow"):
    import mscn_tf.fitting.meta_learner  # noqa: F401
