"""The parts of tensorflow-compression that are used, also where it has no wheel.

It has them for Python 3.9 to 3.11 and TensorFlow 2.14. Elsewhere the same distribution and bounds
of our own stand in, equal in values, gradients and frozen tables (tests/stack).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

__all__ = ["NoisyNormalMixture", "lower_bound", "upper_bound"]


class OwnNoisyNormalMixture(tfp.distributions.MixtureSameFamily):
    """A mixture of normals to which uniform noise of width one is added.

    The mass of a whole number s is that between s - 1/2 and s + 1/2 (Balle et al. 2018, appendix
    6.2), computed on the side of the median where it is more precise.

    Args:
      loc: ``[.., K]``.
      scale: likewise.
      weight: likewise; sums to 1.
    """

    def __init__(self, loc: tf.Tensor, scale: tf.Tensor, weight: tf.Tensor):
        super().__init__(
            tfp.distributions.Categorical(probs=weight), _NoisyNormal(loc=loc, scale=scale)
        )


class _NoisyNormal(tfp.distributions.Normal):
    """A normal distribution convolved with a box of width one."""

    def _log_prob(self, value: tf.Tensor) -> tf.Tensor:
        below, above = value - 0.5, value + 0.5
        right = self.log_survival_function(above) < self.log_cdf(above)
        # Chosen before the difference, so that no branch that isn't taken has a gradient of NaN.
        larger = tf.where(right, self.log_survival_function(below), self.log_cdf(above))
        smaller = tf.where(right, self.log_survival_function(above), self.log_cdf(below))
        difference = tf.math.log1p(-tf.exp(smaller - larger)) + larger
        return tf.where(tf.math.is_inf(larger), larger, difference)


def _bound(value: tf.Tensor, bound: float, inside: Any, outwards: Any, clip: Any) -> tf.Tensor:
    """A bound whose gradient passes inside of it, and outside where it leads back."""

    @tf.custom_gradient
    def bounded(value: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            passes = tf.logical_or(inside(value, bound), outwards(upstream, 0.0))
            return tf.cast(passes, upstream.dtype) * upstream

        return clip(value, bound), gradient

    return bounded(value)


def own_lower_bound(value: tf.Tensor, bound: float) -> tf.Tensor:
    """``max(value, bound)``; below the bound, gradients that would raise the value pass."""
    return _bound(value, bound, tf.greater_equal, tf.less, tf.maximum)


def own_upper_bound(value: tf.Tensor, bound: float) -> tf.Tensor:
    """``min(value, bound)``; above the bound, gradients that would lower the value pass."""
    return _bound(value, bound, tf.less_equal, tf.greater, tf.minimum)


try:
    from tensorflow_compression import NoisyNormalMixture, lower_bound, upper_bound
except ImportError:
    NoisyNormalMixture = OwnNoisyNormalMixture
    lower_bound, upper_bound = own_lower_bound, own_upper_bound
