"""Priors learned with tensorflow-compression, and their freezing into integer tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mscn_tf.runtime import lazy

if TYPE_CHECKING:
    from mscn_tf.entropy.interpolation_context import InterpolationContext as InterpolationContext
    from mscn_tf.entropy.pyramid_context import PyramidContext as PyramidContext
    from mscn_tf.entropy.quantisation import add_uniform_noise as add_uniform_noise
    from mscn_tf.entropy.quantisation import round_dead_zone as round_dead_zone
    from mscn_tf.entropy.scale_prior import ScalePrior as ScalePrior
    from mscn_tf.entropy.sign_context import SignContext as SignContext

__getattr__, __dir__, __all__ = lazy.exports(
    __name__,
    {
        "interpolation_context": ["InterpolationContext"],
        "pyramid_context": ["PyramidContext"],
        "quantisation": ["add_uniform_noise", "round_dead_zone"],
        "scale_prior": ["ScalePrior"],
        "sign_context": ["SignContext"],
    },
)
