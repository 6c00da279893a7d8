"""The price of a non-zero, which follows how many of them signals keep."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

_RANGE = 1e3  # factor that a price stays within: one that nothing answers would grow for ever
_LEAST = 1e-9  # density that a logarithm is taken of


class PriceRule(NamedTuple):
    """How a price changes after each outer step.

    The wanted density falls geometrically from 1 to ``density`` between two outer steps. The
    price's logarithm rises by ``rate`` times the log of what the density is over what is wanted.
    (A price that rises by the difference overshoots where the wanted density is a hundredth.)
    """

    first_price: float  # of all elements together, in units of the error
    density: float  # wanted share of the elements under gates, in (0, 1]
    begin: float  # last step at which all are wanted
    end: float  # first step at which no more than ``density`` is
    rate: float

    def wanted(self, step: int | tf.Tensor) -> tf.Tensor:
        """The density wanted after so many steps, a scalar."""
        step = tf.cast(step, tf.float32)
        # A sudden fall is no division by zero.
        share = (step - self.begin) / max(self.end - self.begin, 1e-3)
        return tf.pow(self.density, tf.clip_by_value(share, 0.0, 1.0))

    def settled(self, step: int) -> bool:
        """Whether no less will be wanted after so many steps."""
        return self.density == 1 or step >= self.end

    def moved(self, price: tf.Tensor, density: tf.Tensor, step: int | tf.Tensor) -> tf.Tensor:
        """The price after a step that measured a density, both scalars."""
        excess = tf.math.log(tf.maximum(density, _LEAST) / self.wanted(step))
        moved = price * tf.exp(self.rate * tf.clip_by_value(excess, -2.0, 2.0))
        return tf.clip_by_value(moved, self.first_price / _RANGE, self.first_price * _RANGE)
